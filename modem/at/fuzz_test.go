package at

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// recording is a port that plays chunks, and notes which of them came before
// Ctrl-Z went out.
type recording struct {
	chunks chan []byte
	closed chan struct{}

	mu   sync.Mutex
	sent strings.Builder
}

func (r *recording) Read(b []byte) (int, error) {
	select {
	case chunk := <-r.chunks:
		return copy(b, chunk), nil
	case <-r.closed:
		return 0, io.EOF
	}
}

func (r *recording) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent.Write(b)
	return len(b), nil
}

func (r *recording) Close() error {
	close(r.closed)
	return nil
}

func (r *recording) written() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent.String()
}

// FuzzReader: whatever a modem says, in whatever pieces, a hand-over ends, its
// data goes out once at most, and it succeeds only by an OK after the data.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"\r\n> \r\n+CMGS: 17\r\n\r\nOK\r\n", "AT+CMGS=20> " + data + "\x1a\r\n+CMGS: 17OK\r\n",
		"OK\r\n> >\r\n\x00OK\r", "> 0\r\n", "> 4\r", "\r\n+CMT: ,24\r\n> \r\n+CMT: ,1\r\nOK\r\n",
		"> \r\n+CMS ERROR 500\r\n", "> \r\n+CUSD: 1,\"OK\r\nOK\",15\r\n+CMGS: 1\r\nOK\r\n", "\n>\n+CMTI: 1\n+CMGS: 1\n0OK\n", strings.Repeat("x", maxLine+9) + "\r> OK\r",
	} {
		f.Add([]byte(seed), []byte{3})
		f.Add([]byte(seed), []byte{255})
		f.Add([]byte(seed), []byte{0, 7, 1, 30})
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		synctest.Test(t, func(t *testing.T) { replay(t, stream, cuts) })
	})
}

// replay plays a stream in pieces of 1 to 256 octets, as cuts say over and over.
func replay(t *testing.T, stream, cuts []byte) {
	port := &recording{chunks: make(chan []byte), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	d := New(port, Config{
		Unsolicited: codes,
		Handler: func(lines []string) {
			if lines[0] == "" || len(lines) > 2 && !strings.HasPrefix(lines[0], "+CUSD") {
				t.Errorf("heard %q", lines)
			}
		},
	})
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	result := make(chan Result, 1)
	go func() { result <- d.Submit(ctx, submit, data, Timeouts{}) }()
	synctest.Wait()
	var after []byte // what came once the data was out, and what came in one piece with the prompt
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if len(cuts) > 0 {
			n = min(int(cuts[i%len(cuts)])+1, n)
		}
		out := strings.Contains(port.written(), ctrlZ)
		port.chunks <- stream[:n]
		synctest.Wait()
		if out || strings.Contains(port.written(), ctrlZ) {
			after = append(after, stream[:n]...)
		}
		stream = stream[n:]
	}
	r := <-result
	sent := port.written()
	if n := strings.Count(sent, ctrlZ); n > 1 || r.Written != (n == 1) {
		t.Errorf("Written is %v, and the port got %q", r.Written, sent)
	}
	if r.Err == nil && (!r.Written || !succeeds(after)) {
		t.Errorf("%+v from %q", r, after)
	}
	cancel()
	running.Wait()
}

// succeeds tells whether a stream holds anything that could be an OK.
func succeeds(stream []byte) bool {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\r' && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, string(stream))
	for line := range strings.FieldsFuncSeq(plain, func(r rune) bool { return r == '\r' || r == '\n' }) {
		line = strings.TrimSpace(line)
		if strings.HasSuffix(line, "OK") || strings.HasSuffix(line, "0") {
			return true
		}
	}
	return false
}
