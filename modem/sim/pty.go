package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// ServePTY opens a PTY, makes link a symbolic link to its slave and serves it
// until ctx ends; then link is gone and nil returned. The driver may close and
// open the slave as often as it likes: like a UART the modem does not notice, and
// what it says meanwhile waits in the kernel's buffer. Unplugged ([HangUp]), link
// and PTY vanish, and a new PTY comes in time.
func (m *Modem) ServePTY(ctx context.Context, link string) error {
	for ctx.Err() == nil {
		if err := m.serveSlave(ctx, link); err != nil {
			return fmt.Errorf("modem %s at %s: %w", m.o.Name, link, err)
		}
		m.mu.Lock()
		back := time.NewTimer(m.away)
		m.mu.Unlock()
		select {
		case <-back.C:
		case <-m.back:
		case <-ctx.Done():
		}
		back.Stop()
	}
	return nil
}

// serveSlave serves one PTY until ctx ends or the modem is unplugged.
func (m *Modem) serveSlave(ctx context.Context, link string) error {
	t, err := openTTY()
	if err != nil {
		return err
	}
	var children sync.WaitGroup
	defer children.Wait()
	defer t.Close()
	if err := symlink(t.slave.Name(), link); err != nil {
		return err
	}
	var port io.ReadWriteCloser = linked{t, link}
	if m.o.Wrap != nil {
		port = m.o.Wrap(port)
	}
	defer port.Close()
	children.Go(t.releaseWhenClosed)
	return m.serve(ctx, port, func() {
		if m.o.Linked != nil {
			m.o.Linked(link)
		}
	})
}

// linked is a PTY at a link. The link goes first: nobody finds a port that is
// gone.
type linked struct {
	*tty
	link string
}

func (l linked) Close() error {
	return errors.Join(ignoreMissing(os.Remove(l.link)), l.tty.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// symlink replaces an old link, but nothing else, in one step.
func symlink(target, link string) error {
	if info, err := os.Lstat(link); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return errors.New("something else is there: remove it or choose another link")
	}
	next := link + ".new"
	if err := ignoreMissing(os.Remove(next)); err != nil {
		return err
	}
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	return os.Rename(next, link)
}
