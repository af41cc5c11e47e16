package ingress

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"cellpost/sms"
)

func TestBySender(t *testing.T) {
	site := []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}
	accounts := []sms.Account{
		{Name: "site", Networks: site, Settings: sms.Settings{Senders: []string{"@site.lan"}}},
		{Name: "anywhere", Settings: sms.Settings{Senders: []string{"@open.lan"}}},
		{Name: "ups", Networks: site, Settings: sms.Settings{Senders: []string{"UPS@site.lan"}}},
		{Name: "early", Networks: site, Settings: sms.Settings{Senders: []string{"@site.lan"}}},
	}
	gate := &Gate{Senders: func(context.Context) ([]sms.Account, error) { return accounts, nil }}
	for _, tt := range []struct{ from, peer, want string }{
		{"ups@SITE.lan", "192.168.1.9", "ups"},
		{"door@site.lan", "192.168.1.9", "early"},
		{"door@site.lan", "::ffff:192.168.1.9", "early"},
		{"door@site.lan", "192.168.2.9", ""},
		{"door@open.lan", "192.168.1.9", ""},
		{"door@sub.site.lan", "192.168.1.9", ""},
		{"", "192.168.1.9", ""},
		{"site.lan", "192.168.1.9", ""},
	} {
		a, err := gate.BySender(t.Context(), tt.from, netip.MustParseAddr(tt.peer))
		if a.Name != tt.want || (tt.want == "") != errors.Is(err, sms.ErrNoAccount) {
			t.Errorf("%s from %s: %q, %v, want %q", tt.from, tt.peer, a.Name, err, tt.want)
		}
	}
	if _, err := (&Gate{}).BySender(t.Context(), "a@b", netip.IPv6Loopback()); !errors.Is(err, sms.ErrNoAccount) {
		t.Error(err)
	}
	broken := errors.New("disk")
	gate.Senders = func(context.Context) ([]sms.Account, error) { return nil, broken }
	if _, err := gate.BySender(t.Context(), "a@b", netip.IPv6Loopback()); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Numbers without a country, of whoever is written to and of the SIM, are of that of
// the account.
func TestCountryPrefix(t *testing.T) {
	for _, tt := range []struct{ account, gateway, want string }{
		{"", "44", "447700900001"}, {"48", "44", "487700900001"}, {"48", "", "487700900001"}, {"", "", ""},
	} {
		g, batches := testGate(t)
		g.Rules = &sms.Rules{}
		g.CountryPrefix = tt.gateway
		g.Sender = func(n string) (string, bool) { return "a", n == tt.want }
		a := sms.Account{Name: "shop", Unlimited: true, Settings: sms.Settings{CountryPrefix: tt.account}}
		_, err := g.Submit(t.Context(), a, Submission{Items: []Item{{To: "07700900001", Text: "x"}}, Params: Params{From: "07700900001"}})
		if tt.want == "" {
			if code(err) != CodeSender {
				t.Error(err)
			}
			continue
		}
		if err != nil || string((*batches)[0].Messages[0].To) != tt.want {
			t.Errorf("%+v: %v, %+v", tt, err, *batches)
		}
	}
}
