package smtpd

import (
	"testing"

	"cellpost/ingress"
	"cellpost/sms"
)

// TestRefusedIsASCII: the words of a mail may be in a refusal, but not raw.
func TestRefusedIsASCII(t *testing.T) {
	got := refused(ingress.Refuse(ingress.CodeParameter, "character 'ş' is not in the alphabet"))
	if want := "ERR: 101, Invalid or missing parameters (character 'U+015F' is not in the alphabet)"; got.Code != 554 || got.Message != want {
		t.Errorf("got %d %q, want %q", got.Code, got.Message, want)
	}
}

// TestSubject: a submission is refused when all of it is.
func TestSubject(t *testing.T) {
	refusal := ingress.Result{Refusal: ingress.Refuse(ingress.CodeDestination, "")}
	for _, tt := range []struct {
		results []ingress.Result
		want    string
	}{
		{[]ingress.Result{{ID: sms.ID{1}}}, "SMS: 1 accepted"},
		{[]ingress.Result{{ID: sms.ID{1}}, refusal}, "SMS: 1 accepted, 1 refused"},
		{[]ingress.Result{refusal, refusal}, "SMS: refused, ERR: 105"},
		{[]ingress.Result{{ID: sms.ID{1}, Repeat: true}, refusal}, "SMS: 0 accepted, 1 refused"},
	} {
		if got := subject(ingress.Receipt{Results: tt.results}); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
