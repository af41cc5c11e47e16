package modem

import (
	"io"

	"cellpost/modem/at"
)

// SetOpen makes Run open ports with f: a whole session in a bubble of fake time.
func (m *Modem) SetOpen(f func(path string, mode at.Mode) (io.ReadWriteCloser, error)) { m.open = f }

// AwaitDevice shows awaitDevice to the tests.
var AwaitDevice = awaitDevice
