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
	"cellpost/modem"
	"cellpost/queue"
	"cellpost/sms"
)

// claim takes the data for this process, so that no two send from one queue.
// The kernel gives it back when the file is closed or the process ends.
func claim(dir string) (io.Closer, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("another cellpost runs on %s: stop it first, or name another data_dir", dir)
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
		List: func(ctx context.Context, state sms.State, account string, limit int) ([]sms.Message, error) {
			return d.store.List(ctx, queue.Filter{State: state, Account: account, Limit: limit})
		},
		Show: d.store.Show, Cancel: d.queue.Cancel, Inbox: d.store.Inbox, Modems: d.modemViews, Log: d.log,
		Send: d.send,
	}
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

func (d *daemon) operatorAccount(ctx context.Context) error {
	err := d.store.AddAccount(ctx, sms.Account{Name: operator, Unlimited: true, ShortCodes: true, Concat: ingress.ConcatMax, Report: true})
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

func (d *daemon) modemViews() []httpd.Modem {
	views := make([]httpd.Modem, len(d.modems))
	for i, m := range d.modems {
		views[i] = modemView(m.Facts())
	}
	return views
}

func modemView(f modem.Facts) httpd.Modem {
	return httpd.Modem{
		Name: f.Name, Device: f.Device, State: string(f.State()), Since: f.Since, Problem: f.Problem, NextStep: f.NextStep(),
		SIM: f.SIM, IMEI: f.IMEI, IMSI: f.IMSI, ICCID: f.ICCID, MSISDN: f.MSISDN, SMSC: f.SMSC,
		Manufacturer: f.Manufacturer, Model: f.Model, Revision: f.Revision,
		Operator: f.Operator, Network: string(f.Network), SignalDBm: f.SignalDBm, Reception: f.Reception,
		Sent: f.Sent, Refused: f.Refused, Stalls: f.Stalls, LastSent: f.LastSent,
	}
}

// errNoDaemon says that no daemon answers on the control socket.
var errNoDaemon = errors.New("cellpost is not running on this data_dir (start it: cellpost serve --config FILE)")

// call asks the running daemon. [errNoDaemon] when there is none.
func (c config) call(ctx context.Context, method, path string, body, answer any) error {
	client := http.Client{
		Timeout: controlTime,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.controlSocket())
		}},
	}
	defer client.CloseIdleConnections()
	var in bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&in).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://cellpost"+path, &in)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return errNoDaemon
	}
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	defer resp.Body.Close()
	switch resp.Header.Get("Content-Type") {
	case "application/json":
	case "application/problem+json":
		var p httpd.Problem
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			return fmt.Errorf("the daemon answered %s", resp.Status)
		}
		return errors.New(p.Detail)
	default:
		return fmt.Errorf("the daemon answered %s: it is of another version; restart it", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the daemon's answer: %w", err)
	}
	return nil
}
