package main

import (
	"log/slog"
	"testing"

	"cellpost/modem"
	"cellpost/sms"
)

// TestSender: the SIM with a number is found though no modem has told it yet.
func TestSender(t *testing.T) {
	d := &daemon{
		fleet: modem.NewFleet(modem.FleetConfig{Log: slog.New(slog.DiscardHandler)}),
		cards: []sms.Card{
			{Number: "447700900001", Name: "a", Modem: "m1"},
			{Number: "447700900002", Name: "b"},              // it is out
			{Number: "447700900003", Modem: "m2"},            // another has its name
			{Number: "447700900004", Name: "e", Modem: "m3"}, // the configuration says otherwise
		},
	}
	d.config.Modem = []modemEntry{{Name: "m4", SIM: "d", MSISDN: "447700900004", Slot: []slotEntry{{SIM: "f", MSISDN: "447700900005"}}}}
	for number, want := range map[string]string{
		"447700900001": "a", "447700900002": "", "447700900003": "", "447700900004": "d", "447700900005": "f", "447700900006": "", "": "",
	} {
		if sim, ok := d.sender(number); sim != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", number, sim, ok, want)
		}
	}
}
