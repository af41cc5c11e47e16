package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClaim(t *testing.T) {
	dir := t.TempDir()
	first, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); err == nil || !strings.Contains(err.Error(), "another cellpost runs on "+dir) {
		t.Errorf("the second claim: %v", err)
	}
	first.Close()
	again, err := claim(dir)
	if err != nil {
		t.Fatalf("after the first is gone: %v", err)
	}
	again.Close()
	if _, err := claim(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

// TestListenControl: a socket that a process left behind is replaced, and only
// the owner and his group may use the new one.
func TestListenControl(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	for range 2 {
		l, err := listenControl(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false) // as after a power cut
		l.Close()
	}
}

// TestCall: what the daemon answers becomes a value or an error that tells what
// to do.
func TestCall(t *testing.T) {
	for _, c := range []struct {
		name, kind, body string
		status           int
		want             string // error; empty: none
	}{
		{"answer", "application/json", `["x"]`, 200, ""},
		{"refusal with results", "application/json", `["x"]`, 422, ""},
		{"problem", "application/problem+json", `{"status":404,"title":"Not Found","detail":"no such message"}`, 404, "no such message"},
		{"broken problem", "application/problem+json", `{`, 500, "the daemon answered 500"},
		{"broken answer", "application/json", `[`, 200, "the daemon's answer"},
		{"unknown route", "text/plain; charset=utf-8", "404 page not found\n", 404, "of another version; restart it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := config{DataDir: t.TempDir()}
			l, err := listenControl(conf.controlSocket())
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPost || r.URL.Path != "/v1/x" || string(body) != "{\"a\":1}\n" {
					t.Errorf("request %s %s %q", r.Method, r.URL, body)
				}
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})}
			done := make(chan error)
			go func() { done <- srv.Serve(l) }()
			defer func() { srv.Close(); <-done }()
			var answer []string
			err = conf.call(t.Context(), http.MethodPost, "/v1/x", map[string]int{"a": 1}, &answer)
			if c.want == "" && (err != nil || len(answer) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("answer %q, error %v, want %q", answer, err, c.want)
			}
		})
	}
}

func TestNoDaemon(t *testing.T) {
	c := config{DataDir: t.TempDir()}
	if err := c.call(t.Context(), http.MethodGet, "/", nil, nil); !errors.Is(err, errNoDaemon) {
		t.Errorf("no socket: %v", err)
	}
	l, err := listenControl(c.controlSocket())
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if err := c.call(t.Context(), http.MethodGet, "/", nil, nil); !errors.Is(err, errNoDaemon) {
		t.Errorf("nobody at the socket: %v", err)
	}
}

// TestParts: a part ends when it is stopped, not with the context of the start;
// of several together the first that ends takes the others along.
func TestParts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := start(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
	select {
	case err := <-p.ended:
		t.Errorf("it ended by itself: %v", err)
	default:
	}
	p.stop()
	broken := errors.New("broken")
	err := together(t.Context(), []func(context.Context) error{
		func(ctx context.Context) error { <-ctx.Done(); return nil },
		func(context.Context) error { return broken },
	})
	if !errors.Is(err, broken) {
		t.Errorf("together: %v", err)
	}
}
