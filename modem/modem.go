// Package modem keeps a GSM modem in service: it opens the device, brings the
// module up, watches the registration, hands over messages, takes in reports
// and messages from handsets, and gets the module back when it stalls or goes
// away. It promises that the process never ends for a modem, and that the
// outcome of a hand-over is never guessed.
package modem

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"cellpost/sms"
)

// Config is what the operator says about a modem.
type Config struct {
	Name   string
	Device string // path of its serial device
	Baud   int    // 0: 115200
	PIN    string // of the SIM; empty: none is tried
	PINLog string // file that remembers a PIN given and not proved right; empty: until the process ends
	MSISDN string // of the SIM, digits; empty: as the SIM says
	SIM    string // name of the SIM in routes; empty: Name

	PromptTimeout time.Duration // AT+CMGS to the prompt; 0: 10 s
	ResultTimeout time.Duration // Ctrl-Z to the final result; 0: 60 s
}

// Inbox keeps what comes from the network. The modem acknowledges or deletes it
// when the method has returned nil, and not before.
type Inbox interface {
	Report(ctx context.Context, r sms.Report) error
	Receive(ctx context.Context, in sms.Inbound) error

	// Late takes the result of a hand-over that had ended unknown.
	Late(ctx context.Context, attempt int64, o sms.Outcome) error
}

// Modem is one modem, present or not.
type Modem struct {
	cfg   Config
	inbox Inbox
	serve func(context.Context, *Line) error
	log   *slog.Logger

	changed chan struct{} // holds a token when the state changed

	mu       sync.Mutex // guards what follows
	facts    Facts
	triedPIN bool // the configured PIN was given and the SIM is not ready: two more tries lock it
}

// New returns a modem out of service. serve is called with a [Line] whenever
// the modem comes into service; it carries messages over it and returns when
// its context ends, which is when the modem leaves service.
func New(c Config, inbox Inbox, serve func(context.Context, *Line) error, log *slog.Logger) *Modem {
	c.Baud = cmp.Or(c.Baud, 115200)
	c.SIM = cmp.Or(c.SIM, c.Name)
	c.PromptTimeout = cmp.Or(c.PromptTimeout, 10*time.Second)
	c.ResultTimeout = cmp.Or(c.ResultTimeout, time.Minute)
	return &Modem{
		cfg: c, inbox: inbox, serve: serve, log: log.With("modem", c.Name),
		changed: make(chan struct{}, 1),
		facts:   Facts{Name: c.Name, Device: c.Device, SIM: c.SIM, MSISDN: c.MSISDN},
	}
}

// Facts returns what is known of the modem now.
func (m *Modem) Facts() Facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.facts
}

// learn changes facts; when the state changes by it, it logs, and tells the session.
func (m *Modem) learn(change func(*Facts)) {
	m.mu.Lock()
	before := steady(m.facts.State())
	change(&m.facts)
	now, problem := steady(m.facts.State()), m.facts.Problem
	if now != before {
		m.facts.Since = time.Now()
	}
	m.mu.Unlock()
	if now == before {
		return
	}
	m.log.Info("modem state", "from", before, "to", now, "problem", problem)
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// steady takes the sending out of a state, which changes with every message.
func steady(s State) State {
	if s == Sending {
		return Ready
	}
	return s
}

// Run keeps the modem in service until ctx ends.
func (m *Modem) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		served, err := m.session(ctx, failures%cfunEvery == cfunEvery-1)
		if ctx.Err() != nil {
			break
		}
		if failures++; served {
			failures = 0
		}
		m.learn(func(f *Facts) {
			*f = Facts{
				Name: f.Name, Device: f.Device, SIM: f.SIM, MSISDN: m.cfg.MSISDN, IMEI: f.IMEI,
				Sent: f.Sent, Refused: f.Refused, Stalls: f.Stalls, LastSent: f.LastSent, Since: f.Since,
				Present: !errors.Is(err, errAbsent), Recovering: failures, Parked: failures > parkFrom,
				Problem: err.Error(),
			}
		})
		m.pause(ctx, failures, errors.Is(err, errAbsent))
	}
	m.learn(func(f *Facts) { f.Ready, f.Problem = false, "stopped" })
	return nil
}

// The ladder, by sessions in a row that came to nothing. Inside a session the
// resync comes first; a new session opens the device anew.
const (
	cfunEvery = 3  // every so many the radio is switched off and on
	parkFrom  = 30 // from here on the waits grow to minutes
)

// Waits before the next session, when the device is there.
var (
	soonWaits   = [...]time.Duration{0, 0, time.Second, 2 * time.Second, 5 * time.Second}
	parkedWaits = [...]time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}
)

// pause waits until the next session is worth trying: until the device comes or
// changes, where it is away or nothing has helped.
func (m *Modem) pause(ctx context.Context, failures int, absent bool) {
	switch {
	case absent:
		awaitDevice(ctx, m.cfg.Device, false, lookAgain)
	case failures > parkFrom:
		awaitDevice(ctx, m.cfg.Device, true, parkedWaits[min(failures-parkFrom, len(parkedWaits))-1])
	default:
		select {
		case <-time.After(soonWaits[min(failures, len(soonWaits)-1)]):
		case <-ctx.Done():
		}
	}
}
