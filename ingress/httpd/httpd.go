// Package httpd speaks JSON over HTTP: what the operator's verbs ask of the
// running daemon over its control socket.
package httpd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"cellpost/ingress"
	"cellpost/sms"
)

// API answers requests. Its functions are the daemon's; all may be called
// concurrently.
type API struct {
	List   func(ctx context.Context, which Which) ([]sms.Message, error)
	Show   func(ctx context.Context, id sms.ID) (sms.Message, []sms.Entry, error)
	Cancel func(ctx context.Context, id sms.ID) error
	Retry  func(ctx context.Context, id sms.ID) error
	Stats  func(ctx context.Context) (QueueStats, error)
	Send   func(ctx context.Context, account string, s ingress.Submission) (ingress.Receipt, error)
	Mail   func(ctx context.Context, r MailRequest) (ingress.Receipt, error)
	Inbox  func(ctx context.Context, limit int) ([]sms.Inbound, error)
	Again  func(ctx context.Context, event int64) error // tries a mail that was given up
	Modems func() []Modem
	Clock  func() Clock
	Board  func(ctx context.Context) Board

	Batches Batches

	// Held returns what tells which SIMs may not send a message now by their limits;
	// nil: none has any.
	Held func(ctx context.Context) (func(sms.Message) string, error)

	// Control finds what can be done with a modem.
	Control func(name string) (ModemControl, bool)

	Log *slog.Logger
}

// Which are the messages that a listing has, the newest first; zero fields are for all.
type Which struct {
	State   sms.State
	Account string
	Batch   sms.ID
	Limit   int
}

// SendRequest is the body of POST /v1/messages.
type SendRequest struct {
	Account  string   `json:"account"`
	To       []string `json:"to"`
	Text     string   `json:"text"`
	Flash    bool     `json:"flash,omitempty"`
	Priority int      `json:"queue,omitempty"`
	Concat   int      `json:"concat,omitempty"`
	Report   bool     `json:"report,omitempty"`

	At time.Time `json:"at,omitzero"` // when it is to leave, up to 7 days ahead; RFC 3339
}

// MailRequest is the body of POST /v1/mails: a mail as if it had come by SMTP.
type MailRequest struct {
	Account string   `json:"account,omitempty"` // empty: as the mail door finds it, else the operator's
	From    string   `json:"from,omitempty"`    // empty: as the mail says
	To      []string `json:"to,omitempty"`      // none: as the mail says
	Mail    []byte   `json:"mail"`              // with its header
}

// SendResult is what became of one number of a SendRequest.
type SendResult struct {
	To    string `json:"to"`
	ID    string `json:"id,omitempty"`
	Code  int    `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// Handler returns the routes of the API.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/messages", a.list)
	mux.HandleFunc("POST /v1/messages", a.send)
	mux.HandleFunc("POST /v1/mails", a.mail)
	mux.HandleFunc("GET /v1/messages/{id}", func(w http.ResponseWriter, r *http.Request) { answerOne(a, w, r, a.one) })
	mux.HandleFunc("POST /v1/messages/{id}/cancel", func(w http.ResponseWriter, r *http.Request) { a.change(w, r, a.Cancel) })
	mux.HandleFunc("POST /v1/messages/{id}/retry", func(w http.ResponseWriter, r *http.Request) { a.change(w, r, a.Retry) })
	mux.HandleFunc("POST /v1/replies/{id}/retry", a.again)
	mux.HandleFunc("GET /v1/queue", a.stats)
	mux.HandleFunc("GET /v1/inbox", a.inbox)
	mux.HandleFunc("GET /v1/clock", func(w http.ResponseWriter, _ *http.Request) { a.reply(w, http.StatusOK, a.Clock()) })
	mux.HandleFunc("GET /v1/board", func(w http.ResponseWriter, r *http.Request) { a.reply(w, http.StatusOK, a.Board(r.Context())) })
	a.handleBatches(mux)
	a.handleModems(mux)
	return mux
}

func (a *API) list(w http.ResponseWriter, r *http.Request) {
	limit, ok := a.limit(w, r)
	if !ok {
		return
	}
	q := r.URL.Query()
	which := Which{State: sms.State(q.Get("state")), Account: q.Get("account"), Limit: limit}
	if batch := q.Get("batch"); batch != "" {
		id, err := sms.ParseID(batch)
		if err != nil {
			a.problem(w, http.StatusBadRequest, "batch: "+err.Error())
			return
		}
		which.Batch = id
	}
	messages, err := a.List(r.Context(), which)
	if err != nil {
		a.fail(w, err)
		return
	}
	held, err := a.held(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	views := make([]Message, len(messages))
	for i, m := range messages {
		views[i] = View(m, nil)
		views[i].Waits = held(m)
	}
	a.reply(w, http.StatusOK, views)
}

// one is a message as it is shown.
func (a *API) one(ctx context.Context, id sms.ID) (Message, error) {
	m, timeline, err := a.Show(ctx, id)
	if err != nil {
		return Message{}, err
	}
	held, err := a.held(ctx)
	if err != nil {
		return Message{}, err
	}
	view := View(m, timeline)
	view.Waits = held(m)
	return view, nil
}

func (a *API) held(ctx context.Context) (func(sms.Message) string, error) {
	if a.Held == nil {
		return func(sms.Message) string { return "" }, nil
	}
	return a.Held(ctx)
}

// change answers with the message as it is after a change.
func (a *API) change(w http.ResponseWriter, r *http.Request, change func(context.Context, sms.ID) error) {
	answerOne(a, w, r, func(ctx context.Context, id sms.ID) (Message, error) {
		if err := change(ctx, id); err != nil {
			return Message{}, err
		}
		return a.one(ctx, id)
	})
}

func (a *API) stats(w http.ResponseWriter, r *http.Request) {
	s, err := a.Stats(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	a.reply(w, http.StatusOK, s)
}

// What a request may hold, in octets.
const (
	maxBody = 1 << 20
	maxMail = 48 << 20 // a mail of 32 MiB in base64
)

func (a *API) send(w http.ResponseWriter, r *http.Request) {
	req, ok := body[SendRequest](a, w, r, maxBody)
	if !ok {
		return
	}
	s := ingress.Submission{
		Source: "operator",
		Params: ingress.Params{Flash: req.Flash, Priority: req.Priority, Concat: req.Concat, Report: req.Report, At: req.At},
	}
	for _, to := range req.To {
		s.Items = append(s.Items, ingress.Item{To: to, Text: req.Text})
	}
	receipt, err := a.Send(r.Context(), req.Account, s)
	a.answer(w, receipt, err)
}

func (a *API) mail(w http.ResponseWriter, r *http.Request) {
	req, ok := body[MailRequest](a, w, r, maxMail)
	if !ok {
		return
	}
	ctx, cancel := slow(w, r, LargeTime)
	defer cancel()
	receipt, err := a.Mail(ctx, req)
	a.answer(w, receipt, err)
}

// again tries a mail that was given up. There is nothing to say but that it will be.
func (a *API) again(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		err = sms.ErrNoEvent
	} else {
		err = a.Again(r.Context(), id)
	}
	if err != nil {
		a.fail(w, err)
		return
	}
	a.reply(w, http.StatusAccepted, struct{}{})
}

// answer says number by number what became of a submission.
func (a *API) answer(w http.ResponseWriter, receipt ingress.Receipt, err error) {
	refusal, refused := errors.AsType[*ingress.Refusal](err)
	if err != nil && (!refused || len(receipt.Results) == 0) {
		if refused {
			a.problem(w, http.StatusUnprocessableEntity, refusal.Error())
			return
		}
		a.fail(w, err)
		return
	}
	results := make([]SendResult, len(receipt.Results))
	for i, res := range receipt.Results {
		results[i] = SendResult{To: res.To}
		if res.Refusal != nil {
			results[i].Code, results[i].Error = res.Refusal.Code, res.Refusal.Text
		} else {
			results[i].ID = res.ID.String()
		}
	}
	status := http.StatusAccepted
	if refused {
		status = http.StatusUnprocessableEntity
	}
	a.reply(w, status, results)
}

// body reads a body that holds one object and nothing else.
func body[T any](a *API, w http.ResponseWriter, r *http.Request, most int64) (req T, ok bool) {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	dec.DisallowUnknownFields()
	err := dec.Decode(&req)
	if err == nil {
		if _, err = dec.Token(); err == io.EOF {
			return req, true
		}
		err = cmp.Or(err, errors.New("one object only"))
	}
	status := http.StatusBadRequest
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status = http.StatusRequestEntityTooLarge
	}
	a.problem(w, status, "body: "+err.Error())
	return req, false
}

func (a *API) inbox(w http.ResponseWriter, r *http.Request) {
	limit, ok := a.limit(w, r)
	if !ok {
		return
	}
	in, err := a.Inbox(r.Context(), limit)
	if err != nil {
		a.fail(w, err)
		return
	}
	views := make([]Inbound, len(in))
	for i, m := range in {
		views[i] = ViewInbound(m)
	}
	a.reply(w, http.StatusOK, views)
}

// LimitMost is how many rows a listing may have; limitDefault is how many it has
// when the request does not say.
const (
	LimitMost    = 10_000
	limitDefault = 50
)

func (a *API) limit(w http.ResponseWriter, r *http.Request) (int, bool) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return limitDefault, true
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > LimitMost {
		a.problem(w, http.StatusBadRequest, "limit: a number from 1 to "+strconv.Itoa(LimitMost))
		return 0, false
	}
	return n, true
}

// fail answers an error with the status that it means.
func (a *API) fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, sms.ErrNoMessage), errors.Is(err, sms.ErrNoAccount), errors.Is(err, sms.ErrNoEvent):
		status = http.StatusNotFound
	case errors.Is(err, sms.ErrTooLate), errors.Is(err, sms.ErrTooEarly), errors.Is(err, sms.ErrNoRetry), errors.Is(err, sms.ErrNoRoute):
		status = http.StatusConflict
	case errors.Is(err, sms.ErrNoCredit):
		status = http.StatusPaymentRequired
	default:
		a.Log.Error("request", "err", err)
	}
	a.problem(w, status, err.Error())
}

// Problem is the body of an answer that is no success. RFC 9457.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (a *API) problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	a.write(w, status, Problem{Status: status, Title: http.StatusText(status), Detail: detail})
}

func (a *API) reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	a.write(w, status, v)
}

func (a *API) write(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.Log.Debug("answer not written", "err", err)
	}
}
