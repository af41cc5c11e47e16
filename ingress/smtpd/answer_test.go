package smtpd

import (
	"testing"

	"cellpost/ingress"
)

// TestRefusedIsASCII: the words of a mail may be in a refusal, but not raw.
func TestRefusedIsASCII(t *testing.T) {
	got := refused(ingress.Refuse(ingress.CodeParameter, "character 'ş' is not in the alphabet"))
	if want := "ERR: 101, Invalid or missing parameters (character 'U+015F' is not in the alphabet)"; got.Code != 554 || got.Message != want {
		t.Errorf("got %d %q, want %q", got.Code, got.Message, want)
	}
}
