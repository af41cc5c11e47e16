package mail

import (
	"errors"
	"reflect"
	"testing"
)

func TestParseAddress(t *testing.T) {
	yes, no := true, false
	number := func(local, n string, o Options) Address {
		return Address{Kind: Number, Local: local, Domain: "gw", Number: n, Options: o}
	}
	tests := []struct {
		in   string
		want Address
		err  error
	}{
		{"sms@gw", Address{Kind: Script, Local: "sms", Domain: "gw"}, nil},
		{"SMS@messaging.clickatell.com", Address{Kind: Script, Local: "SMS", Domain: "messaging.clickatell.com"}, nil},
		{"+48600100200@gw", number("+48600100200", "+48600100200", Options{}), nil},
		{"0048600100200@gw", number("0048600100200", "0048600100200", Options{}), nil},
		{"0600100200@gw", number("0600100200", "0600100200", Options{}), nil},
		{"p48600100200@gw", number("p48600100200", "+48600100200", Options{}), nil},
		{"P+48600100200@gw", number("P+48600100200", "+48600100200", Options{}), nil},
		{"48600100200.flash@gw", number("48600100200.flash", "48600100200", Options{Flash: true}), nil},
		{"48600100200.NoAck.Q1.Flash@gw", number("48600100200.NoAck.Q1.Flash", "48600100200", Options{Flash: true, Priority: 1, Ack: &no}), nil},
		{"48.600.100.200.ack.logo@gw", number("48.600.100.200.ack.logo", "48.600.100.200", Options{Ack: &yes, Picture: "logo"}), nil},
		{`"+48 600 100-200"@gw`, number("+48 600 100-200", "+48 600 100-200", Options{}), nil},
		{"+48 (600) 100200@gw", number("+48 (600) 100200", "+48 (600) 100200", Options{}), nil},
		{"112@[192.168.1.9]", Address{Kind: Number, Local: "112", Domain: "[192.168.1.9]", Number: "112"}, nil},
		{"112@[IPv6:fd00::1]", Address{Kind: Number, Local: "112", Domain: "[IPv6:fd00::1]", Number: "112"}, nil},
		{"reply+Ab3@gw", Address{Kind: Reply, Local: "reply+Ab3", Domain: "gw", Token: "Ab3"}, nil},
		{"Status@gw", Address{Kind: Status, Local: "Status", Domain: "gw"}, nil},
		{"Postmaster", Address{Kind: Operator, Local: "Postmaster"}, nil},
		{"abuse@gw", Address{Kind: Operator, Local: "abuse", Domain: "gw"}, nil},
		{"anna@gw", Address{Local: "anna", Domain: "gw"}, nil},
		{"anna2@gw", Address{Local: "anna2", Domain: "gw"}, nil},
		{"48600100200.loud@gw", Address{Local: "48600100200.loud", Domain: "gw"}, ErrNumber},
		{"48600100200.q4@gw", Address{Local: "48600100200.q4", Domain: "gw"}, ErrNumber},
		{"48600100200.q1.q2@gw", Address{Local: "48600100200.q1.q2", Domain: "gw"}, ErrNumber},
		{"48600x100200@gw", Address{Local: "48600x100200", Domain: "gw"}, ErrNumber},
		{"48600100200", Address{Local: "48600100200"}, ErrAddress},
		{"1@[192.168.1.900]", Address{Local: "1", Domain: "[192.168.1.900]"}, ErrAddress},
		{"@gw", Address{Domain: "gw"}, ErrAddress},
		{"", Address{}, ErrAddress},
		{`"1`, Address{Local: "1"}, ErrAddress},
	}
	for _, tt := range tests {
		got, err := ParseAddress(tt.in)
		if !errors.Is(err, tt.err) || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v, want %+v, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

// What an address says is in what it is written as.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"sms@gw", "p48.600.q1.flash@gw", `"+48 600"@[192.168.1.9]`, "reply+x@gw", "postmaster", `"a\"b"@gw`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		again.Local = a.Local // in one order now
		if err != nil || !reflect.DeepEqual(again, a) {
			t.Errorf("%q: %+v, as %q: %+v, %v", s, a, a.String(), again, err)
		}
	})
}
