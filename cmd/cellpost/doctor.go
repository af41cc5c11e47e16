package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cellpost/board"
	"cellpost/ingress/httpd"
	"cellpost/modem"
	"cellpost/modem/profile"
	"cellpost/modem/usb"
)

type doctorVerb struct {
	Config string `help:"Configuration file: look at all that it names, or ask the gateway that runs on it; default: ${config}, or none with --device." env:"CELLPOST_CONFIG" placeholder:"FILE"`
	Device string `help:"Serial device: look at the modem behind it alone." placeholder:"PATH"`
	JSON   bool   `help:"Print one JSON object a line; its code is ok where nothing is wrong."`
}

// diagnosis is one thing that the doctor has looked at.
type diagnosis struct {
	Subject  string    `json:"subject"` // "modem m0", "disk"
	Code     string    `json:"code"`    // stable: "sim-absent"; allRight: nothing is wrong
	Cause    string    `json:"cause"`   // or what was found
	NextStep string    `json:"next_step,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

const allRight = "ok"

// doctor looks at one thing after the other, and tells at once what it finds.
type doctor struct {
	s      streams
	json   bool
	config config
	table  *profile.Table
	tree   usb.Tree
	wrong  int   // findings
	err    error // of printing
}

// Run ends with an error when something needs a person.
func (v doctorVerb) Run(ctx context.Context, s streams) error {
	var c config
	var err error
	if v.Device == "" {
		v.Config = cmp.Or(v.Config, standardConfig)
	}
	if v.Config != "" {
		c, err = loadConfig(v.Config)
	}
	d := &doctor{s: s, json: v.JSON, config: c, tree: c.Modems.tree()}
	if err == nil {
		d.table, err = c.profiles()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		d.tell(diagnosis{Subject: "configuration", Code: "config-unreadable", Cause: err.Error(), NextStep: "put that right; a modem without a configuration is looked at with --device PATH"})
	case err != nil:
		d.tell(diagnosis{Subject: "configuration", Code: "config-invalid", Cause: err.Error(), NextStep: "correct it; cellpost check tells the next fault"})
	case v.Config == "":
		d.device(ctx, "device "+v.Device, v.Device, modemEntry{})
	case v.Device == "":
		d.all(ctx)
	default:
		d.one(ctx, v.Device)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case d.err != nil:
		return d.err
	case d.wrong == 1:
		return errors.New("one thing needs a person")
	case d.wrong > 1:
		return fmt.Errorf("%d things need a person", d.wrong)
	}
	return nil
}

// tell prints what was found.
func (d *doctor) tell(found ...diagnosis) {
	for _, f := range found {
		if f.Code != allRight {
			d.wrong++
		}
		if d.json {
			d.err = cmp.Or(d.err, json.NewEncoder(d.s.out).Encode(f))
			continue
		}
		_, err := fmt.Fprint(d.s.out, f)
		d.err = cmp.Or(d.err, err)
	}
}

// String is a diagnosis in words, a line or two.
func (f diagnosis) String() string {
	cause := strings.Map(visible, f.Cause)
	if f.Code == allRight {
		return fmt.Sprintf("ok     %s: %s\n", f.Subject, cause)
	}
	text := fmt.Sprintf("WRONG  %s: %s%s [%s]\n", f.Subject, cause, since(f.Since), f.Code)
	if f.NextStep != "" {
		text += "       what to do: " + strings.Map(visible, f.NextStep) + "\n"
	}
	return text
}

// all looks at everything that the configuration names. What a running gateway
// uses is not touched: it is asked.
func (d *doctor) all(ctx context.Context) {
	d.tell(diagnosis{Subject: "configuration", Code: allRight, Cause: "valid"})
	d.tell(lookAtDisk(d.config.DataDir)...)
	d.tell(lookAtRescued(d.config)...)
	modems, runs, told := d.gateway(ctx)
	d.clock(ctx, runs && told)
	if !told {
		return
	}
	if runs {
		d.tell(diagnosis{Subject: "gateway", Code: allRight, Cause: "it runs and answers"})
	} else {
		d.tell(diagnosis{Subject: "gateway", Code: allRight, Cause: "it does not run: its modems are asked directly"})
	}
	d.board(ctx, runs)
	d.queue(ctx)
	d.limits(ctx)
	switch {
	case !runs && len(d.config.Modem) > 0:
		d.configured(ctx)
	case !runs || len(modems) == 0:
		d.tell(noModem(d.config))
	}
	for _, m := range modems {
		d.tell(modemDiagnoses(m)...)
	}
}

// clock judges the clock of this machine, by what the networks say where the
// gateway has heard of it.
func (d *doctor) clock(ctx context.Context, ask bool) {
	c := d.config.clockFacts()
	trusted, why := c.trust()
	if ask {
		var told httpd.Clock
		if err := d.config.call(ctx, http.MethodGet, "/v1/clock", nil, &told); err == nil {
			c.offset, c.source = time.Duration(told.Offset*float64(time.Second)), told.Source
			trusted, why = told.Trusted, told.Why
		}
	}
	d.tell(judgeClock(c, trusted, why))
}

// board looks at what the modems sit on: as the gateway that runs has it, or as one
// would find it, with its lines taken and given back.
func (d *doctor) board(ctx context.Context, runs bool) {
	var b httpd.Board
	var err error
	if runs {
		err = d.config.call(ctx, http.MethodGet, "/v1/board", nil, &b)
	} else {
		b, err = d.openBoard(ctx)
	}
	if err != nil {
		d.tell(diagnosis{Subject: "board", Code: "board-unreadable", Cause: err.Error(), NextStep: "try again in a minute; if it lasts: systemctl restart cellpost"})
		return
	}
	d.tell(boardDiagnoses(b)...)
}

func (d *doctor) openBoard(ctx context.Context) (httpd.Board, error) {
	h, err := board.Open(d.config.Board, d.config.Modems.boardRoot())
	if err != nil {
		return httpd.Board{}, err
	}
	b := boardView(ctx, h)
	return b, h.Close()
}

// one looks at the modem behind a device, or asks the gateway that uses it.
func (d *doctor) one(ctx context.Context, device string) {
	modems, _, told := d.gateway(ctx)
	if !told {
		return
	}
	for _, m := range modems {
		if !m.Suspended && m.Device != "" && sameFile(m.Device, device) {
			d.tell(modemDiagnoses(m)...)
			return
		}
	}
	var entry modemEntry
	for _, e := range d.config.Modem {
		if e.Device != "" && sameFile(e.Device, device) {
			entry = e
		}
	}
	d.device(ctx, "device "+device, device, entry)
}

// gateway asks the running gateway for its modems. One that runs and does not
// tell has been complained of; what it may use is left alone.
func (d *doctor) gateway(ctx context.Context) (modems []httpd.Modem, runs, told bool) {
	err := d.config.call(ctx, http.MethodGet, "/v1/modems", nil, &modems)
	silent := diagnosis{Subject: "gateway", Code: "gateway-silent", NextStep: "try again in a minute; if it lasts: systemctl restart cellpost"}
	switch {
	case err == nil:
		return modems, true, true
	case errors.Is(err, errNoDaemon) && !isClaimed(d.config.DataDir):
		return nil, false, true
	case errors.Is(err, errNoDaemon):
		silent.Cause = "it runs on this data_dir and does not answer: it starts, stops or hangs"
	case errors.Is(err, fs.ErrPermission):
		silent.Code, silent.Cause, silent.NextStep = "gateway-denied", err.Error(), "run this as root, or as the user of the gateway"
	default:
		silent.Cause = err.Error()
	}
	d.tell(silent)
	return nil, true, false
}

// isClaimed reports whether a process works on the data.
func isClaimed(dir string) bool {
	claimed, err := claim(dir)
	if err == nil {
		claimed.Close()
	}
	return errors.Is(err, errClaimed)
}

// sameFile reports whether two paths lead to one device.
func sameFile(a, b string) bool {
	x, errX := filepath.EvalSymlinks(a)
	y, errY := filepath.EvalSymlinks(b)
	return a == b || errX == nil && errY == nil && x == y
}

func modemDiagnoses(m httpd.Modem) []diagnosis {
	subject := "modem " + m.Name
	if len(m.Health) == 0 {
		return []diagnosis{{Subject: subject, Code: allRight, Cause: m.State + modemWords(m)}}
	}
	var all []diagnosis
	for _, f := range m.Health {
		all = append(all, diagnosis{subject, f.Code, f.Cause, f.NextStep, f.Since})
	}
	return all
}

// modemWords sums up a modem in which nothing is wrong.
func modemWords(m httpd.Modem) string {
	var words string
	for _, w := range []string{strings.TrimSpace(m.Manufacturer + " " + m.Model), m.Operator} {
		if w != "" {
			words += ", " + w
		}
	}
	if m.SignalDBm != 0 {
		words += ", " + signalText(m.SignalDBm)
	}
	return words
}

func noModem(c config) diagnosis {
	if c.Modems.Discover {
		return diagnosis{Subject: "modems", Code: "modem-none", Cause: "no modem was found", NextStep: "plug one in; if one is, the log says why it was left alone"}
	}
	return diagnosis{Subject: "modems", Code: "modem-none", Cause: "no modem is configured: messages are taken and wait", NextStep: "write a [[modem]] with name and device into the configuration"}
}

// configured looks at every modem of the configuration.
func (d *doctor) configured(ctx context.Context) {
	for _, e := range d.config.Modem {
		if ctx.Err() != nil {
			return
		}
		device, err := d.locate(ctx, e)
		if err != nil {
			d.tell(d.absent(e, modem.Misplaced(err)))
			continue
		}
		d.device(ctx, "modem "+e.Name, device, e)
	}
}

// absent is a modem that was not found.
func (d *doctor) absent(e modemEntry, f modem.Finding) diagnosis {
	step := f.Step
	if f.Code == modemAbsent {
		step = "plug it in, or correct its place in the configuration; " + d.plugged()
	}
	return diagnosis{Subject: "modem " + e.Name, Code: f.Code, Cause: f.Cause, NextStep: step}
}

// modemAbsent is the code of a modem that is not plugged in.
const modemAbsent = "modem-absent"

// locate finds the device of a modem.
func (d *doctor) locate(ctx context.Context, e modemEntry) (string, error) {
	if e.Device != "" {
		return e.Device, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	place, err := modem.Find(ctx, d.tree, d.table, e.IMEI, e.USB)
	return place.Device, err
}

// plugged lists the modems on USB.
func (d *doctor) plugged() string {
	devices, err := d.tree.Devices()
	if err != nil || len(devices) == 0 {
		return "no modem is on USB"
	}
	var names []string
	for _, dev := range devices {
		names = append(names, dev.String())
	}
	return "on USB are " + strings.Join(names, ", ")
}

// lookFor is how long a modem may take to be found, or to tell of itself.
const lookFor = 2 * time.Minute

// device looks at a serial device, then at the modem behind it.
func (d *doctor) device(ctx context.Context, subject, device string, e modemEntry) {
	if f, wrong := d.lookAtDevice(device); wrong {
		f.Subject = subject
		d.tell(f)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	c := d.config.modem(e, d.table)
	c.PINs = modem.NewPINs(d.config.pins())
	found, facts, err := modem.Diagnose(ctx, device, c)
	if err != nil {
		d.tell(diagnosis{Subject: subject, Code: "device-unusable", Cause: fmt.Sprintf("%s: %v", device, err)})
		return
	}
	for _, f := range found {
		d.tell(diagnosis{subject, f.Code, f.Cause, f.Step, f.Since})
	}
	if len(found) == 0 {
		d.tell(diagnosis{Subject: subject, Code: allRight, Cause: "the modem answers" + modemWords(modemView(facts, nil, nil))})
	}
	if n := len(e.slots()); n > 1 {
		d.tell(diagnosis{Subject: subject, Code: allRight, Cause: fmt.Sprintf(
			"only the SIM in use was looked at, of %d that are configured: changing the slot is left to the gateway, which looks at each as it takes it", n)})
	}
}

// queue looks for messages that nobody takes, and for those that wait for a
// person.
func (d *doctor) queue(ctx context.Context) {
	if _, err := os.Stat(d.config.database()); errors.Is(err, fs.ErrNotExist) {
		return // the gateway never ran here
	}
	queued, err := queueListVerb{Limit: httpd.LimitMost, State: "queued"}.messages(ctx, d.config)
	unknown, err2 := queueListVerb{Limit: httpd.LimitMost, State: "unknown"}.messages(ctx, d.config)
	if err := errors.Join(err, err2); err != nil {
		d.tell(diagnosis{Subject: "queue", Code: "queue-unreadable", Cause: err.Error()})
		return
	}
	d.tell(judgeQueue(queued, unknown, time.Now())...)
}
