package httpd_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cellpost/ingress/httpd"
)

// control is a modem "m0" that bears a reset called radio, knows the code *100#
// and a menu behind *123#, and cannot be suspended when its disk is full.
func control(name string) (httpd.ModemControl, bool) {
	return httpd.ModemControl{
		Suspend: func() error { return errors.New("disk full") },
		Resume:  func() error { return nil },
		Reset: func(step string) (string, error) {
			if step != "" && step != "radio" {
				return "", errors.New("no reset called " + step + ": radio")
			}
			return "radio", nil
		},
		USSD: func(_ context.Context, code string) (httpd.USSDAnswer, error) {
			switch code {
			case "*100#":
				return httpd.USSDAnswer{Text: "Balance 1.00"}, nil
			case "*123#":
				return httpd.USSDAnswer{Text: "1 Balance", Open: true}, nil
			}
			return httpd.USSDAnswer{}, errors.New("not supported by the network")
		},
		CancelUSSD: func(context.Context) error { return nil },
		Trace: func(ctx context.Context, f func(httpd.TraceLine)) {
			f(httpd.TraceLine{At: noon, Dir: ">", Text: "AT+CSQ"})
			f(httpd.TraceLine{At: noon, Dir: "<", Text: "OK"})
			<-ctx.Done()
		},
		History: func() []httpd.Reading { return []httpd.Reading{{At: noon, SignalDBm: -73, Network: "home"}} },
	}, name == "m0"
}

func TestModemRoutes(t *testing.T) {
	a := api()
	a.Control = control
	handler := a.Handler()
	for _, c := range []struct {
		request, body string
		status        int
		want          string // somewhere in the body
	}{
		{"POST /v1/modems/m0/resume", "", 200, `{"name":"m0",`},
		{"POST /v1/modems/m0/suspend", "", 500, "disk full"},
		{"POST /v1/modems/m2/suspend", "", 404, "no modem of this name"},
		{"GET /v1/modems/m0/suspend", "", 405, ""},

		{"POST /v1/modems/m0/reset", `{}`, 202, `{"step":"radio"}`},
		{"POST /v1/modems/m0/reset", `{"step":"radio"}`, 202, `{"step":"radio"}`},
		{"POST /v1/modems/m0/reset", `{"step":"hammer"}`, 409, "no reset called hammer: radio"},
		{"POST /v1/modems/m0/reset", "", 400, "body: EOF"},
		{"POST /v1/modems/m0/reset", `{"rung":1}`, 400, `unknown field \"rung\"`},

		{"POST /v1/modems/m0/ussd", `{"code":"*100#"}`, 200, `{"text":"Balance 1.00","open":false}`},
		{"POST /v1/modems/m0/ussd", `{"code":"*123#"}`, 200, `{"text":"1 Balance","open":true}`},
		{"POST /v1/modems/m0/ussd", `{"code":"*9#"}`, 409, "not supported by the network"},
		{"POST /v1/modems/m0/ussd", `{}`, 400, "code is missing"},
		{"POST /v1/modems/m0/ussd", `{"code":"*1#"}{}`, 400, "body: "},
		{"DELETE /v1/modems/m0/ussd", "", 200, `{"text":"","open":false}`},

		{"GET /v1/modems/m0/history", "", 200, `[{"at":"2026-07-01T12:00:00Z","signal_dbm":-73,"network":"home"}]`},
		{"GET /v1/modems/m2/history", "", 404, "no modem of this name"},
		{"GET /v1/modems/m2/trace", "", 404, "no modem of this name"},
	} {
		method, url, _ := strings.Cut(c.request, " ")
		t.Run(c.request, func(t *testing.T) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, url, strings.NewReader(c.body)))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s, want %d with %s", w.Code, w.Body, c.status, c.want)
			}
		})
	}
}

// TestLongRequests: neither a dialogue with the network nor a trace is cut by
// what the server grants other requests, and a trace comes line by line.
func TestLongRequests(t *testing.T) {
	const short = 200 * time.Millisecond
	var patient context.Context
	late := make(chan struct{})
	a := api()
	a.Control = func(name string) (httpd.ModemControl, bool) {
		c, ok := control(name)
		c.USSD = func(ctx context.Context, _ string) (httpd.USSDAnswer, error) {
			patient = ctx
			<-late
			return httpd.USSDAnswer{Text: "late"}, ctx.Err()
		}
		c.Trace = func(ctx context.Context, f func(httpd.TraceLine)) {
			f(httpd.TraceLine{At: noon, Dir: ">", Text: "AT"})
			<-late
			f(httpd.TraceLine{At: noon, Dir: "<", Text: "OK"})
		}
		return c, ok
	}
	srv := httptest.NewUnstartedServer(a.Handler())
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = short, short
	srv.Start()
	defer srv.Close()

	trace, err := http.Get(srv.URL + "/v1/modems/m0/trace")
	if err != nil {
		t.Fatal(err)
	}
	defer trace.Body.Close()
	if kind := trace.Header.Get("Content-Type"); kind != httpd.LinesType {
		t.Errorf("type %q", kind)
	}
	lines := bufio.NewScanner(trace.Body)
	if !lines.Scan() || lines.Text() != `{"at":"2026-07-01T12:00:00Z","dir":">","text":"AT"}` {
		t.Errorf("first line %q, %v", lines.Text(), lines.Err())
	}
	time.AfterFunc(3*short, func() { close(late) })
	ussd, err := http.Post(srv.URL+"/v1/modems/m0/ussd", "application/json", strings.NewReader(`{"code":"*1#"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer ussd.Body.Close()
	if deadline, ok := patient.Deadline(); ussd.StatusCode != http.StatusOK || !ok || time.Until(deadline) > httpd.SlowTime {
		t.Errorf("ussd: %s, deadline %v", ussd.Status, deadline)
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), `"OK"`) || lines.Scan() || lines.Err() != nil {
		t.Errorf("second line %q, %v", lines.Text(), lines.Err())
	}
}

// TestTraceLeft: a trace ends when its reader goes.
func TestTraceLeft(t *testing.T) {
	ended := make(chan struct{})
	a := api()
	a.Control = func(name string) (httpd.ModemControl, bool) {
		c, ok := control(name)
		trace := c.Trace
		c.Trace = func(ctx context.Context, f func(httpd.TraceLine)) {
			defer close(ended)
			trace(ctx, f)
		}
		return c, ok
	}
	srv := httptest.NewServer(a.Handler())
	defer srv.Close()
	resp, err := http.Get(srv.URL + "/v1/modems/m0/trace")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-ended
}
