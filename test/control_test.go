package test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cellpost/ingress/httpd"
)

// patience is how long anything may take that is sure to happen.
const patience = time.Minute

// await looks again and again until what it sees is as wanted or the time is over,
// and reports which.
func await(within time.Duration, look func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); ; <-tick.C {
		if look() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// control asks a gateway that runs, over its control socket, as the verbs do. A
// verb for each look would keep the machine busy.
type control struct {
	t      testing.TB
	client *http.Client
}

// newControl makes the control of whatever gateway has the data in a directory.
func newControl(t testing.TB, data string) control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, "control.sock"))
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dial}}
	t.Cleanup(client.CloseIdleConnections)
	return control{t, client}
}

// ask returns what is at a path of the API.
func ask[T any](c control, path string) (answer T) {
	c.t.Helper()
	resp, err := c.client.Get("http://cellpost" + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		c.t.Fatalf("%s: %v", path, err)
	}
	return answer
}

// list returns all messages, newest first, without their stories.
func (c control) list() []message {
	c.t.Helper()
	return ask[[]message](c, "/v1/messages?limit=10000")
}

// show returns a message with its story.
func (c control) show(id string) message {
	c.t.Helper()
	return ask[message](c, "/v1/messages/"+id)
}

// peruse is show for many.
func (c control) peruse(list []message) []message {
	c.t.Helper()
	full := make([]message, len(list))
	for i, m := range list {
		full[i] = c.show(m.ID)
	}
	return full
}

// settle waits until there are n messages, or more, and all are done, and returns
// them.
func (c control) settle(n int, done func(message) bool) []message {
	c.t.Helper()
	var list []message
	settled := await(2*patience, func() bool {
		list = c.list()
		i := slices.IndexFunc(list, func(m message) bool { return !done(m) })
		if i >= 0 { // the newest of them is often the last; a list of a thousand is dear
			await(patience, func() bool { return done(c.show(list[i].ID)) })
		}
		return i < 0 && len(list) >= n
	})
	if !settled {
		waiting := slices.DeleteFunc(slices.Clone(list), done)
		c.t.Fatalf("there are %d messages of %d, and %d are not done, as %+v\nmodems: %+v",
			len(list), n, len(waiting), waiting[:min(len(waiting), 5)], c.present())
	}
	return list
}

// present returns the modems.
func (c control) present() []httpd.Modem {
	c.t.Helper()
	return ask[[]httpd.Modem](c, "/v1/modems")
}

// awaitModem waits until there is a modem as wanted.
func (c control) awaitModem(name, what string, want func(httpd.Modem) bool) httpd.Modem {
	c.t.Helper()
	var modems []httpd.Modem
	ok := await(patience, func() bool {
		modems = slices.DeleteFunc(c.present(), func(m httpd.Modem) bool { return m.Name != name })
		return len(modems) == 1 && want(modems[0])
	})
	if !ok {
		c.t.Fatalf("%s is not %s: %+v", name, what, modems)
	}
	return modems[0]
}

// ready waits until a modem is in service with a SIM.
func (c control) ready(name, sim string) httpd.Modem {
	c.t.Helper()
	return c.awaitModem(name, "ready with "+sim, func(m httpd.Modem) bool { return m.State == "ready" && m.SIM == sim })
}

// away waits until a modem is known to be gone.
func (c control) away(name string) httpd.Modem {
	c.t.Helper()
	return c.awaitModem(name, "absent", func(m httpd.Modem) bool { return m.State == "absent" })
}
