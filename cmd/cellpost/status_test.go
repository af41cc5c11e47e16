package main

import (
	"testing"

	"cellpost/modem"
)

func TestStatusLine(t *testing.T) {
	ready := modem.Facts{Name: "m0", Present: true, Answering: true, Card: modem.CardReady, SMSC: "+44", Signal: true, Network: modem.NetworkHome, Ready: true}
	full := ready
	full.Memory = "SM 20/20"
	for want, all := range map[string][]modem.Facts{
		"no modem":                 nil,
		"2 of 2 modems in service": {ready, full},
		"1 of 3 modems in service; m1 absent, m2 suspended": {ready, {Name: "m1"}, {Name: "m2", Suspended: true}},
	} {
		if got := statusLine(all); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
