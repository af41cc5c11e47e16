package pdu_test

import (
	"strings"
	"testing"

	"cellpost/pdu"
)

func TestStatus(t *testing.T) {
	tests := []struct {
		s     pdu.Status
		class pdu.StatusClass
		words string
	}{
		{0x00, pdu.StatusDelivered, "received by the handset"},
		{0x01, pdu.StatusDelivered, "forwarded to the handset, which could not confirm it"},
		{0x03, pdu.StatusDelivered, "delivered: reserved status 03"},
		{0x1F, pdu.StatusDelivered, "delivered: the service centre's own status 1F"},
		{0x20, pdu.StatusTrying, "congestion, the service centre still tries"},
		{0x3F, pdu.StatusTrying, "the service centre's own status 3F, the service centre still tries"},
		{0x43, pdu.StatusFailed, "failed: number not obtainable"},
		{0x46, pdu.StatusFailed, "failed: validity period over"},
		{0x5F, pdu.StatusFailed, "failed: the service centre's own status 5F"},
		{0x62, pdu.StatusGivenUp, "no response from the handset, the service centre gave up"},
		{0x6A, pdu.StatusGivenUp, "reserved status 6A, the service centre gave up"},
		{0xFF, pdu.StatusGivenUp, "reserved status FF, the service centre gave up"},
	}
	for _, tt := range tests {
		if c, w := tt.s.Class(), tt.s.String(); c != tt.class || w != tt.words {
			t.Errorf("%02X: got class %d, %q; want %d, %q", byte(tt.s), c, w, tt.class, tt.words)
		}
	}
}

// TestCauseClass has every code of the table that the product goes by, and looks
// at every code there is.
func TestCauseClass(t *testing.T) {
	tests := []struct {
		set   pdu.CauseSet
		class pdu.CauseClass
		codes []int
	}{
		{pdu.CMS, pdu.CausePermanent, []int{1, 28, 30, 81, 95, 96, 97, 98, 99, 128, 129, 130, 143, 144, 145, 159, 160, 161,
			175, 176, 193, 195, 196, 198, 199, 304, 305, 538, 549, 550, 551, 552, 553, 554}},
		{pdu.CMS, pdu.CauseOtherSIM, []int{8, 10, 21, 29, 50, 69}},
		{pdu.CMS, pdu.CauseDuplicate, []int{197}},
		{pdu.CMS, pdu.CauseTemporary, []int{17, 22, 27, 38, 41, 42, 47, 111, 127, 192, 194, 332, 615, 616}},
		{pdu.CMS, pdu.CauseRadio, []int{331}},
		{pdu.CMS, pdu.CauseSIM, []int{310, 311, 312, 313, 315, 316, 317, 318, 532, 770, 772}},
		{pdu.CMS, pdu.CauseModem, []int{0, 210, 212, 255, 300, 301, 302, 303, 314, 320, 500, 512, 513, 514, 515, 521, 522, 535}},
		{pdu.CMS, pdu.CauseFull, []int{208, 211, 322}},
		{pdu.CMS, pdu.CauseSMSC, []int{330}},
		{pdu.CME, pdu.CauseRadio, []int{30, 31, 32}},
		{pdu.CME, pdu.CauseSIM, []int{10, 11, 12, 13, 15, 16, 17, 18}},
		{pdu.CME, pdu.CauseModem, []int{0, 14, 100, 515}},
	}
	want := map[pdu.Cause]pdu.CauseClass{}
	for _, tt := range tests {
		for _, code := range tt.codes {
			want[pdu.Cause{Set: tt.set, Code: code}] = tt.class
		}
	}
	for _, set := range []pdu.CauseSet{pdu.CMS, pdu.CME} {
		for code := range 1000 { // those that nobody lists are temporary
			c := pdu.Cause{Set: set, Code: code}
			if got := c.Class(); got != want[c] {
				t.Errorf("%v: got class %d, want %d", c, got, want[c])
			}
		}
	}
	if got := (pdu.Cause{}).Class(); got != pdu.CauseTemporary {
		t.Errorf("no cause: got class %d", got)
	}
}

func TestCauseComesBack(t *testing.T) {
	for _, set := range []pdu.CauseSet{pdu.CMS, pdu.CME} {
		for code := range 800 {
			want := pdu.Cause{Set: set, Code: code}
			short, words, ok := strings.Cut(want.String(), ": ")
			if !ok || words == "" {
				t.Errorf("%+v has no words: %q", want, want.String())
			}
			for _, s := range []string{want.String(), short} {
				if got, err := pdu.ParseCause(s); err != nil || got != want {
					t.Errorf("%q: got %+v, %v; want %+v", s, got, err, want)
				}
			}
		}
	}
	if got, err := pdu.ParseCause((pdu.Cause{}).String()); err != nil || got != (pdu.Cause{}) {
		t.Errorf("no cause: got %+v, %v", got, err)
	}
}

func TestCauseWords(t *testing.T) {
	for want, c := range map[string]pdu.Cause{
		"CMS 38: network out of order":                     {Set: pdu.CMS, Code: 38},
		"CME 14: SIM busy":                                 {Set: pdu.CME, Code: 14},
		"CMS 230: the service centre's own":                {Set: pdu.CMS, Code: 230},
		"CMS 550: not listed; see the manual of the modem": {Set: pdu.CMS, Code: 550},
		"": {},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseCauseRefuses(t *testing.T) {
	for _, s := range []string{"38", "CMS", "CMS ", "CMS x", "CMS -1", "cms 38", "CPS 38", "CMS 38 ", "CMS  38", " 38", ": x", "CMS 70000"} {
		if c, err := pdu.ParseCause(s); err == nil {
			t.Errorf("%q: taken as %+v", s, c)
		}
	}
}
