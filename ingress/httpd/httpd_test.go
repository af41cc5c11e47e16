package httpd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"cellpost/ingress"
	"cellpost/ingress/httpd"
	"cellpost/pdu"
	"cellpost/sms"
)

// Times and IDs of the messages of these tests.
var (
	noon   = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	known  = sms.ID{15: 1}
	gone   = sms.ID{15: 2} // is past cancelling
	broken = sms.ID{15: 3} // cannot be read
	poor   = sms.ID{15: 4} // cannot be paid
)

// api is an API on a store of one message, a gate that takes every number but
// "bad", and two modems.
func api() *httpd.API {
	find := func(id sms.ID) error {
		switch id {
		case known, gone:
			return nil
		case broken:
			return errors.New("disk failure")
		}
		return sms.ErrNoMessage
	}
	return &httpd.API{
		List: func(_ context.Context, which httpd.Which) ([]sms.Message, error) {
			if which.Account == "broken" {
				return nil, errors.New("disk failure")
			}
			if which.Account == "none" {
				return nil, nil
			}
			return []sms.Message{{ID: known, State: which.State, Account: which.Account, Submission: which.Batch, Text: fmt.Sprint(which.Limit)}}, nil
		},
		Batches: httpd.Batches{
			List: func(_ context.Context, limit int) ([]httpd.Batch, error) {
				return []httpd.Batch{{ID: known.String(), Created: noon, Total: int64(limit), Waiting: 1}}, nil
			},
			Show: func(_ context.Context, id sms.ID) (httpd.Batch, error) {
				return httpd.Batch{ID: id.String(), Created: noon, Total: 3, Sent: 3}, find(id)
			},
			Cancel: func(_ context.Context, id sms.ID) (int, error) { return 2, find(id) },
		},
		Show: func(_ context.Context, id sms.ID) (sms.Message, []sms.Entry, error) {
			m := sms.Message{ID: id, State: sms.Queued, Parts: []sms.Part{{N: 1, State: sms.Queued}}, Created: noon}
			return m, []sms.Entry{{At: noon, Event: "accepted", Detail: "by operator"}}, find(id)
		},
		Cancel: func(_ context.Context, id sms.ID) error {
			if id == gone {
				return fmt.Errorf("cancel: %w", sms.ErrTooLate)
			}
			return find(id)
		},
		Retry: func(_ context.Context, id sms.ID) error {
			switch id {
			case gone:
				return fmt.Errorf("%w: the handset has it", sms.ErrNoRetry)
			case poor:
				return sms.ErrNoCredit
			}
			return find(id)
		},
		Stats: func(context.Context) (httpd.QueueStats, error) {
			return httpd.QueueStats{At: noon, Running: true, Serving: []string{"a"}, Oldest: &httpd.Oldest{ID: known.String(), Due: noon, Seconds: 6}}, nil
		},
		Send: send,
		Inbox: func(_ context.Context, limit int) ([]sms.Inbound, error) {
			if limit == 13 {
				return nil, errors.New("disk failure")
			}
			return []sms.Inbound{{
				ID: 7, From: "447700900123", Text: fmt.Sprint(limit), Kind: sms.KindWaiting, Detail: "voicemail waiting (3)", SIM: "a", Modem: "m0",
				TPDU: []byte{0x04, 0xab}, Received: noon, Sent: noon, Parts: 3, Missing: []int{2}, ReplacedBy: 9,
			}}, nil
		},
		Again: func(_ context.Context, event int64) error {
			if event == 7 {
				return nil
			}
			return sms.ErrNoEvent
		},
		Board: func(context.Context) httpd.Board {
			return httpd.Board{Facts: []string{"none"}, Slots: []httpd.BoardSlot{{Name: "left", Facts: []string{"reset line"}, Health: []httpd.Finding{{Code: "c", Cause: "x", NextStep: "y"}}}}}
		},
		Modems: func() []httpd.Modem { return []httpd.Modem{{Name: "m0"}, {Name: "m 1", SignalDBm: -73}} },
		Log:    slog.New(slog.DiscardHandler),
	}
}

// send is a gate in little.
func send(_ context.Context, account string, s ingress.Submission) (ingress.Receipt, error) {
	switch account {
	case "nobody":
		return ingress.Receipt{}, sms.ErrNoAccount
	case "broken":
		return ingress.Receipt{}, errors.New("disk failure")
	case "locked":
		return ingress.Receipt{}, ingress.Refuse(ingress.CodeAuthentication, "")
	}
	var r ingress.Receipt
	for _, item := range s.Items {
		res := ingress.Result{To: item.To, ID: known}
		if item.To == "bad" {
			res = ingress.Result{To: item.To, Refusal: ingress.Refuse(ingress.CodeDestination, "")}
		}
		r.Results = append(r.Results, res)
	}
	if len(s.Items) == 0 {
		r.Results = []ingress.Result{{Refusal: ingress.Refuse(ingress.CodeParameter, "to is missing")}}
	}
	if r.Accepted() == 0 {
		return r, r.Refusal()
	}
	return r, nil
}

func TestRoutes(t *testing.T) {
	handler := api().Handler()
	const problem = "application/problem+json"
	for _, c := range []struct {
		request, body string
		status        int
		want          string // somewhere in the body
	}{
		{"GET /v1/messages", "", 200, `"text":"50"`},
		{"GET /v1/messages?limit=10000&state=sent&account=acme", "", 200, `"account":"acme","state":"sent","status":"003","parts":[],"possible_duplicate":false,`},
		{"GET /v1/messages?limit=10000", "", 200, `"text":"10000"`},
		{"GET /v1/messages?account=none", "", 200, "[]\n"},
		{"GET /v1/messages?limit=0", "", 400, "limit: a number from 1 to 10000"},
		{"GET /v1/messages?limit=10001", "", 400, "limit: a number from 1 to 10000"},
		{"GET /v1/messages?limit=ten", "", 400, "limit: a number from 1 to 10000"},
		{"GET /v1/messages?account=broken", "", 500, "disk failure"},

		{"GET /v1/messages/00000000000000000000000000000001", "", 200,
			`{"id":"00000000000000000000000000000001","to":"","account":"","state":"queued","status":"008",` +
				`"parts":[{"n":1,"state":"queued","attempts":[]}],` +
				`"timeline":[{"at":"2026-07-01T12:00:00Z","event":"accepted","detail":"by operator"}],"possible_duplicate":false,`},
		{"GET /v1/messages/0000000000000000000000000000000f", "", 404, "no such message"},
		{"GET /v1/messages/00000000000000000000000000000003", "", 500, "disk failure"},
		{"GET /v1/messages/1", "", 404, "no such message"},
		{"GET /v1/messages/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "", 404, "no such message"},

		{"POST /v1/messages/00000000000000000000000000000001/cancel", "", 200, `"timeline":[{`},
		{"POST /v1/messages/00000000000000000000000000000002/cancel", "", 409, "too late"},
		{"POST /v1/messages/0000000000000000000000000000000f/cancel", "", 404, "no such message"},
		{"POST /v1/messages/00000000000000000000000000000003/cancel", "", 500, "disk failure"},
		{"POST /v1/messages/1/cancel", "", 404, "no such message"},

		{"POST /v1/messages/00000000000000000000000000000001/retry", "", 200, `"timeline":[{`},
		{"POST /v1/messages/00000000000000000000000000000002/retry", "", 409, "not sent again: the handset has it"},
		{"POST /v1/messages/00000000000000000000000000000004/retry", "", 402, "not enough credit"},
		{"POST /v1/messages/0000000000000000000000000000000f/retry", "", 404, "no such message"},
		{"POST /v1/messages/00000000000000000000000000000003/retry", "", 500, "disk failure"},

		{"GET /v1/queue", "", 200, `{"at":"2026-07-01T12:00:00Z","running":true,"serving":["a"],"queued":0,"oldest":{"id":"00000000000000000000000000000001","due":"2026-07-01T12:00:00Z","seconds":6},`},

		{"POST /v1/messages", `{"to":["1","2"],"text":"x"}`, 202, `[{"to":"1","id":"00000000000000000000000000000001"},{"to":"2",`},
		{"POST /v1/messages", `{"to":["1","bad"],"text":"x"}`, 202, `{"to":"bad","code":105,"error":"Invalid destination address"}]`},
		{"POST /v1/messages", `{"to":["bad"],"text":"x"}`, 422, `[{"to":"bad","code":105,"error":"Invalid destination address"}]`},
		{"POST /v1/messages", `{}`, 422, `[{"to":"","code":101,`},
		{"POST /v1/messages", `{"account":"locked","to":["1"],"text":"x"}`, 422, "ERR: 001, Authentication failed"},
		{"POST /v1/messages", `{"account":"nobody","to":["1"],"text":"x"}`, 404, "no such account"},
		{"POST /v1/messages", `{"account":"broken","to":["1"],"text":"x"}`, 500, "disk failure"},
		{"POST /v1/messages", "", 400, "body: EOF"},
		{"POST /v1/messages", `{"to":"1"}`, 400, "body: json: cannot unmarshal"},
		{"POST /v1/messages", `{"to":["1"],"text":"x","colour":"red"}`, 400, `unknown field \"colour\"`},
		{"POST /v1/messages", `{"to":["1"],"text":"x"}{"to":["2"],"text":"y"}`, 400, "one object only"},
		{"POST /v1/messages", `{"to":["1"],"text":"x"} rest`, 400, "body: invalid character"},
		{"POST /v1/messages", `{"to":["1"],"text":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too large"},

		{"GET /v1/messages?batch=00000000000000000000000000000001", "", 200, `"text":"50"`},
		{"GET /v1/messages?batch=1", "", 400, "batch: a message ID is 32 hexadecimal digits"},
		{"GET /v1/batches", "", 200, `[{"id":"00000000000000000000000000000001","account":"","source":"","created":"2026-07-01T12:00:00Z","total":50,"waiting":1,`},
		{"GET /v1/batches?limit=0", "", 400, "limit: a number from 1 to 10000"},
		{"GET /v1/batches/00000000000000000000000000000001", "", 200, `"total":3,"waiting":0,"sent":3,`},
		{"GET /v1/batches/0000000000000000000000000000000f", "", 404, "no such message"},
		{"POST /v1/batches/00000000000000000000000000000001/cancel", "", 200, `{"messages":2}`},
		{"POST /v1/batches/1/cancel", "", 404, "no such message"},

		{"GET /v1/inbox", "", 200, `[{"id":7,"from":"447700900123","text":"50","kind":"waiting","detail":"voicemail waiting (3)","sim":"a","modem":"m0",` +
			`"received":"2026-07-01T12:00:00Z","sent":"2026-07-01T12:00:00Z","parts":3,"missing":[2],"replaced_by":9,"tpdu":"04AB"}]`},
		{"POST /v1/replies/7/retry", "", 202, "{}"},
		{"POST /v1/replies/8/retry", "", 404, "no such event"},
		{"POST /v1/replies/x/retry", "", 404, "no such event"},
		{"GET /v1/inbox?limit=1", "", 200, `"text":"1"`},
		{"GET /v1/inbox?limit=-1", "", 400, "limit: a number from 1 to 10000"},
		{"GET /v1/inbox?limit=13", "", 500, "disk failure"},

		{"GET /v1/board", "", 200, `{"facts":["none"],"slots":[{"name":"left","facts":["reset line"],"health":[{"code":"c","cause":"x","next_step":"y"}]}]}`},
		{"GET /v1/modems", "", 200, `[{"name":"m0",`},
		{"GET /v1/modems/m%201", "", 200, `{"name":"m 1","device":"","state":"","sim":"","signal_dbm":-73,`},
		{"GET /v1/modems/m2", "", 404, "no modem of this name: see cellpost modem list"},
	} {
		method, url, _ := strings.Cut(c.request, " ")
		t.Run(c.request, func(t *testing.T) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, url, strings.NewReader(c.body)))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s\nwant %d with %s", w.Code, w.Body, c.status, c.want)
			}
			kind := w.Header().Get("Content-Type")
			if isProblem := kind == problem; isProblem == (w.Code < 300 || strings.HasPrefix(w.Body.String(), "[")) {
				t.Errorf("Content-Type %s with status %d", kind, w.Code)
			}
			var p httpd.Problem
			if kind == problem && (json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Status != c.status || p.Title != http.StatusText(c.status)) {
				t.Errorf("problem %s", w.Body)
			}
		})
	}
}

// TestMethods: what is not in the table is not there.
func TestMethods(t *testing.T) {
	for request, want := range map[string]int{
		"DELETE /v1/messages":                                      405,
		"POST /v1/messages/00000000000000000000000000000001":       405,
		"GET /v1/messages/00000000000000000000000000000001/cancel": 405,
		"POST /v1/modems":                                          405,
		"GET /v1":                                                  404,
		"GET /":                                                    404,
	} {
		method, url, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		api().Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, url, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", request, w.Code, want)
		}
	}
}

// TestSendRequest: every field comes to the Gate.
func TestSendRequest(t *testing.T) {
	var account string
	var got ingress.Submission
	a := api()
	a.Send = func(ctx context.Context, name string, s ingress.Submission) (ingress.Receipt, error) {
		account, got = name, s
		return send(ctx, name, s)
	}
	body := `{"account":"acme","to":["1","2"],"text":"hello","flash":true,"queue":2,"concat":3,"report":true}`
	a.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "POST", "/v1/messages", strings.NewReader(body)))
	want := ingress.Submission{
		Source: "operator", Items: []ingress.Item{{To: "1", Text: "hello"}, {To: "2", Text: "hello"}},
		Params: ingress.Params{Flash: true, Priority: 2, Concat: 3, Report: true},
	}
	if account != "acme" || !reflect.DeepEqual(got, want) {
		t.Errorf("account %s\ngot  %+v\nwant %+v", account, got, want)
	}
}

// TestView: the fields that scripts rely on, whatever the message has been
// through.
func TestView(t *testing.T) {
	m := sms.Message{
		ID: known, To: "448311234567", Account: "acme", State: sms.Unknown, Duplicate: true, Created: noon,
		Text: "hello", Priority: 3, Why: "no answer",
		Parts: []sms.Part{{N: 1, State: sms.Unknown, Attempts: []sms.Attempt{
			{SIM: "a", Modem: "m0", Started: noon, Outcome: sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 38}, Detail: "CMS 38"}},
			{SIM: "a", Modem: "m0", Started: noon, Outcome: sms.Outcome{Kind: sms.Ambiguous, Detail: "no result"}},
			{SIM: "b", Modem: "m1", Started: noon, Outcome: sms.Outcome{Kind: sms.Accepted, MR: 0}},
		}}},
	}
	const head = `{"id":"00000000000000000000000000000001","to":"448311234567","account":"acme","state":"unknown","status":"002",` +
		`"parts":[{"n":1,"state":"unknown"`
	const tail = `"possible_duplicate":true,"created":"2026-07-01T12:00:00Z","text":"hello","queue":3,"why":"no answer"}`
	const attempts = `,"attempts":[` +
		`{"sim":"a","modem":"m0","mr":null,"outcome":"refused","cause":"CMS 38","at":"2026-07-01T12:00:00Z"},` +
		`{"sim":"a","modem":"m0","mr":null,"outcome":"unknown","cause":"no result","at":"2026-07-01T12:00:00Z"},` +
		`{"sim":"b","modem":"m1","mr":0,"outcome":"accepted","cause":"","at":"2026-07-01T12:00:00Z"}]`
	for _, c := range []struct {
		name     string
		timeline []sms.Entry
		want     string
	}{
		{"in a list", nil, head + "}]," + tail},
		{"shown", []sms.Entry{}, head + attempts + `}],"timeline":[],` + tail},
	} {
		got, err := json.Marshal(httpd.View(m, c.timeline))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.name, err, got, c.want)
		}
	}
}
