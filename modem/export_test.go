package modem

import "io"

// SetOpen makes Run open ports with f: a whole session in a bubble of fake time.
func (m *Modem) SetOpen(f func(path string, baud int) (io.ReadWriteCloser, error)) { m.open = f }
