package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"cellpost/ingress"
	"cellpost/ingress/httpd"
	"cellpost/queue"
	"cellpost/sms"
)

// errClaimed says that another process works on the data.
var errClaimed = errors.New("another cellpost runs on")

// claim takes the data for this process, so that no two send from one queue.
// The kernel gives it back when the file is closed or the process ends.
func claim(dir string) (io.Closer, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w %s: stop it first, or name another data_dir", errClaimed, dir)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// listenControl opens the socket of the operator's verbs, in the place of one
// that a process left behind: nobody else has the data.
func listenControl(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// controlTime is how long a request or its answer may take.
const controlTime = 30 * time.Second

func (d *daemon) serveControl(ctx context.Context, l net.Listener) error {
	api := &httpd.API{
		List: func(ctx context.Context, w httpd.Which) ([]sms.Message, error) {
			return d.store.List(ctx, queue.Filter{State: w.State, Account: w.Account, Batch: w.Batch, Limit: w.Limit})
		},
		Show: d.store.Show, Cancel: d.queue.Cancel, Retry: d.queue.Retry, Stats: d.stats, Inbox: d.store.Inbox, Again: d.queue.RetryEvent, Modems: d.modemViews, Clock: d.clockView, Log: d.log,
		Board: func(ctx context.Context) httpd.Board { return boardView(ctx, d.hardware) },
		Send:  d.send, Mail: d.mail,
		Held: func(ctx context.Context) (func(sms.Message) string, error) {
			return held(ctx, d.gate.Rules, d.store.Reader)
		},
		Control: func(name string) (httpd.ModemControl, bool) { return d.control(ctx, name) },
		Batches: batchViews(d.store.Reader),
	}
	api.Batches.Cancel = d.queue.CancelBatch
	srv := &http.Server{Handler: api.Handler(), ReadTimeout: controlTime, WriteTimeout: controlTime}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTime)
		defer cancel()
		srv.Shutdown(grace)
	})
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	<-done // the requests under way have their answers
	return nil
}

// operator is the account that the operator's own messages are booked to. It
// has no password, so nobody logs in as it.
const operator = "operator"

func newOperator() sms.Account {
	return sms.Account{Name: operator, Unlimited: true, ShortCodes: true, Concat: ingress.ConcatMax, Report: true}
}

func (d *daemon) operatorAccount(ctx context.Context) error {
	err := d.store.AddAccount(ctx, newOperator())
	if errors.Is(err, sms.ErrAccountExists) {
		return nil
	}
	return err
}

// send submits what an operator wrote, on the account named or on his own.
func (d *daemon) send(ctx context.Context, account string, s ingress.Submission) (ingress.Receipt, error) {
	if account == "" {
		account = operator
	}
	a, err := d.store.Account(ctx, account)
	if err != nil {
		return ingress.Receipt{}, err
	}
	return d.gate.Submit(ctx, a, s)
}

// errNoDaemon says that no daemon answers on the control socket.
var errNoDaemon = errors.New("cellpost is not running on this data_dir (start it: cellpost serve --config FILE)")

// call asks the running daemon, for controlTime at most if ctx does not say how
// long. [errNoDaemon] when there is none.
func (c config) call(ctx context.Context, method, path string, body, answer any) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, controlTime)
		defer cancel()
	}
	resp, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Close()
	if err := json.NewDecoder(resp).Decode(answer); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the daemon's answer: %w", err)
	}
	return nil
}

// open is call for an answer that has no end: the caller reads and closes it.
func (c config) open(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.controlSocket())
		},
	}}
	var in bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&in).Encode(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://cellpost"+path, &in)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNoDaemon
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("ask the daemon: %w (run this as root or as a user of the daemon's group)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	switch resp.Header.Get("Content-Type") {
	case "application/json", httpd.LinesType:
		return resp.Body, nil
	case "application/problem+json":
		defer resp.Body.Close()
		var p httpd.Problem
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			return nil, fmt.Errorf("the daemon answered %s", resp.Status)
		}
		if p.Detail == sms.ErrNoMessage.Error() {
			return nil, sms.ErrNoMessage
		}
		return nil, errors.New(p.Detail)
	}
	resp.Body.Close()
	return nil, fmt.Errorf("the daemon answered %s: it is of another version; restart it", resp.Status)
}

// query loads the configuration that a verb names, and asks the daemon.
func query[T any](ctx context.Context, f configFlag, method, path string, body any) (answer T, err error) {
	c, err := loadConfig(f.Config)
	if err != nil {
		return answer, err
	}
	err = c.call(ctx, method, path, body, &answer)
	return answer, err
}

// slowQuery is query for what may take the daemon so long: it gives up first.
func slowQuery[T any](ctx context.Context, most time.Duration, f configFlag, method, path string, body any) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, most+2*controlTime)
	defer cancel()
	return query[T](ctx, f, method, path, body)
}
