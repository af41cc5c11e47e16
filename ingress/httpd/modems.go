package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Modem is a modem as operators see it.
type Modem struct {
	Name         string    `json:"name"`
	Device       string    `json:"device"`
	State        string    `json:"state"`
	Since        time.Time `json:"since,omitzero"`
	Problem      string    `json:"problem,omitempty"`
	NextStep     string    `json:"next_step,omitempty"`
	SIM          string    `json:"sim"`
	IMEI         string    `json:"imei,omitempty"`
	IMSI         string    `json:"imsi,omitempty"`
	ICCID        string    `json:"iccid,omitempty"`
	MSISDN       string    `json:"msisdn,omitempty"`
	SMSC         string    `json:"smsc,omitempty"`
	Manufacturer string    `json:"manufacturer,omitempty"`
	Model        string    `json:"model,omitempty"`
	Revision     string    `json:"revision,omitempty"`
	Operator     string    `json:"operator,omitempty"`
	Network      string    `json:"network,omitempty"`
	SignalDBm    int       `json:"signal_dbm,omitempty"`
	Reception    string    `json:"reception,omitempty"`

	Profile      string    `json:"profile,omitempty"`
	ProfileTitle string    `json:"profile_title,omitempty"`
	USB          string    `json:"usb,omitempty"`   // path on the bus
	Slot         int       `json:"slot,omitempty"`  // the SIM slot in use, from 1
	Slots        int       `json:"slots,omitempty"` // how many it has, when more than one
	Setup        []string  `json:"setup,omitempty"` // what was agreed with the module
	Rung         string    `json:"rung,omitempty"`  // of the recovery, taken last
	NextReset    time.Time `json:"next_reset,omitzero"`
	Suspended    bool      `json:"suspended,omitempty"`
	Health       []Finding `json:"health,omitempty"` // worst first
	Waits        string    `json:"waits,omitempty"`  // why its SIM may not send now, or only queue 1
	WaitsUntil   time.Time `json:"waits_until,omitzero"`
	Quota        *Finding  `json:"quota,omitempty"` // of its SIM, that is used or nearly
	Calls        []Call    `json:"calls,omitempty"`
	Notices      []Notice  `json:"notices,omitempty"` // newest first
	NetworkTime  time.Time `json:"network_time,omitzero"`
	ClockSource  string    `json:"clock_source,omitempty"`

	Sent     int       `json:"sent"`
	Refused  int       `json:"refused"`
	Stalls   int       `json:"stalls"`
	LastSent time.Time `json:"last_sent,omitzero"`
}

// Finding is something that is wrong.
type Finding struct {
	Code     string    `json:"code"`
	Cause    string    `json:"cause"`
	NextStep string    `json:"next_step,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

// Call is an incoming call.
type Call struct {
	At   time.Time `json:"at"`
	From string    `json:"from,omitempty"` // empty: withheld

	Rejected bool `json:"rejected,omitempty"`
}

// Notice is what the network said over USSD without being asked.
type Notice struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Reading is what the radio of a modem showed at a time.
type Reading struct {
	At        time.Time `json:"at"`
	SignalDBm int       `json:"signal_dbm,omitempty"` // 0: not known
	MinDBm    int       `json:"min_dbm,omitempty"`    // the weakest since the reading before
	Network   string    `json:"network,omitempty"`
	Operator  string    `json:"operator,omitempty"`
}

// Clock is what is known of the clock of this machine, and what the mobile
// networks say of the time.
type Clock struct {
	Trusted bool    `json:"trusted"`          // false: messages with an absolute time are held
	Why     string  `json:"why"`              // what vouches for it, or why nothing does
	Offset  float64 `json:"offset"`           // of the networks' time from it, in seconds
	Source  string  `json:"source,omitempty"` // empty: they have not said yet, or do not agree
}

// TraceLine is a line of the dialogue with a modem, its content masked.
type TraceLine struct {
	At   time.Time `json:"at"`
	Dir  string    `json:"dir"` // "<" from the modem, ">" to it
	Text string    `json:"text"`
}

// ResetRequest is the body of POST /v1/modems/{name}/reset.
type ResetRequest struct {
	Step string `json:"step,omitempty"` // empty: the mildest
}

// ResetResult is what is being done.
type ResetResult struct {
	Step string `json:"step"`
}

// USSDRequest is the body of POST /v1/modems/{name}/ussd.
type USSDRequest struct {
	Code string `json:"code"` // or the answer that an open dialogue waits for
}

// USSDAnswer is what the network says to it.
type USSDAnswer struct {
	Text string `json:"text"`
	Open bool   `json:"open"` // the network waits for an answer
}

// ModemControl is what can be done with one modem.
type ModemControl struct {
	Suspend, Resume func() error
	Reset           func(step string) (name string, err error) // begins it
	USSD            func(ctx context.Context, code string) (USSDAnswer, error)
	CancelUSSD      func(ctx context.Context) error
	Trace           func(ctx context.Context, f func(TraceLine)) // until ctx ends
	History         func() []Reading
}

func (a *API) handleModems(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/modems", func(w http.ResponseWriter, _ *http.Request) { a.reply(w, http.StatusOK, a.Modems()) })
	mux.HandleFunc("GET /v1/modems/{name}", a.modem)
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request, ModemControl){
		"POST /v1/modems/{name}/suspend": a.suspend,
		"POST /v1/modems/{name}/resume":  a.resume,
		"POST /v1/modems/{name}/reset":   a.reset,
		"POST /v1/modems/{name}/ussd":    a.ussd,
		"DELETE /v1/modems/{name}/ussd":  a.cancelUSSD,
		"GET /v1/modems/{name}/trace":    a.trace,
		"GET /v1/modems/{name}/history":  func(w http.ResponseWriter, _ *http.Request, c ModemControl) { a.reply(w, http.StatusOK, c.History()) },
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c, ok := a.Control(r.PathValue("name"))
			if !ok {
				a.noModem(w)
				return
			}
			serve(w, r, c)
		})
	}
}

func (a *API) noModem(w http.ResponseWriter) {
	a.problem(w, http.StatusNotFound, "no modem of this name: see cellpost modem list")
}

func (a *API) modem(w http.ResponseWriter, r *http.Request) {
	for _, m := range a.Modems() {
		if m.Name == r.PathValue("name") {
			a.reply(w, http.StatusOK, m)
			return
		}
	}
	a.noModem(w)
}

func (a *API) suspend(w http.ResponseWriter, r *http.Request, c ModemControl) {
	a.afterwards(w, r, c.Suspend())
}

func (a *API) resume(w http.ResponseWriter, r *http.Request, c ModemControl) {
	a.afterwards(w, r, c.Resume())
}

// afterwards answers with the modem as it is after a change.
func (a *API) afterwards(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		a.fail(w, err)
		return
	}
	a.modem(w, r)
}

// SlowTime is how long a request may take that waits for the network, which has
// a minute for an answer.
const SlowTime = 90 * time.Second

// LargeTime is how long a request may take that is about as many messages as a mail
// may have: the disk of a small board takes minutes for them.
const LargeTime = 10 * time.Minute

// answerTime is how long a client may take for an answer, or a line of one.
const answerTime = 30 * time.Second

// slow gives a request its time, whatever the server grants by itself.
func slow(w http.ResponseWriter, r *http.Request, most time.Duration) (context.Context, context.CancelFunc) {
	setDeadlines(w, most+answerTime)
	return context.WithTimeout(r.Context(), most)
}

// setDeadlines lets the connection live while the request is worked on: the
// server's limit on reading would end its context. A writer that knows no
// deadlines has none to prolong.
func setDeadlines(w http.ResponseWriter, write time.Duration) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Now().Add(write))
}

// refused answers that a modem could not do what was asked of it.
func (a *API) refused(w http.ResponseWriter, err error) {
	a.problem(w, http.StatusConflict, err.Error())
}

func (a *API) reset(w http.ResponseWriter, r *http.Request, c ModemControl) {
	req, ok := body[ResetRequest](a, w, r, maxBody)
	if !ok {
		return
	}
	step, err := c.Reset(req.Step)
	if err != nil {
		a.refused(w, err)
		return
	}
	a.reply(w, http.StatusAccepted, ResetResult{step})
}

func (a *API) ussd(w http.ResponseWriter, r *http.Request, c ModemControl) {
	req, ok := body[USSDRequest](a, w, r, maxBody)
	if !ok {
		return
	}
	if req.Code == "" {
		a.problem(w, http.StatusBadRequest, "code is missing: write what one would dial, like *100#")
		return
	}
	ctx, cancel := slow(w, r, SlowTime)
	defer cancel()
	answer, err := c.USSD(ctx, req.Code)
	if err != nil {
		a.refused(w, err)
		return
	}
	a.reply(w, http.StatusOK, answer)
}

func (a *API) cancelUSSD(w http.ResponseWriter, r *http.Request, c ModemControl) {
	ctx, cancel := slow(w, r, SlowTime)
	defer cancel()
	if err := c.CancelUSSD(ctx); err != nil {
		a.refused(w, err)
		return
	}
	a.reply(w, http.StatusOK, USSDAnswer{})
}

// trace answers with one line after the other until the client goes. One that
// does not read is let go.
func (a *API) trace(w http.ResponseWriter, r *http.Request, c ModemControl) {
	ctx, gone := context.WithCancel(r.Context())
	defer gone()
	setDeadlines(w, answerTime)
	w.Header().Set("Content-Type", LinesType)
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	if err := flush(); err != nil {
		a.Log.Debug("trace", "err", err)
		return
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	c.Trace(ctx, func(l TraceLine) {
		setDeadlines(w, answerTime)
		if err := errors.Join(enc.Encode(l), flush()); err != nil {
			gone()
		}
	})
	setDeadlines(w, answerTime) // for the end of the answer
}

// LinesType is the type of an answer that is one JSON object a line.
const LinesType = "application/x-ndjson"
