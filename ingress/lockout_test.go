package ingress

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"cellpost/sms"
)

// An address that guesses is locked out, longer each time; others are not, nor is
// who has shown the right password, nor one that has an old password.
func TestLockout(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 9, 21, 12, 0, 0, 0, time.UTC)
	g := &Gate{
		Accounts: func(_ context.Context, name string) (sms.Account, error) {
			return sms.Account{Name: name, PasswordHash: string(hash)}, nil
		},
		Now: func() time.Time { return now },
	}
	guesser, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	login := func(user, password string, peer netip.Addr) string {
		_, err := g.Login(t.Context(), user, password, peer)
		switch {
		case err == nil:
			return "in"
		case errors.Is(err, ErrTooManyLogins):
			return "wait"
		}
		return err.Error()
	}
	const refused = "ERR: 001, Authentication failed"
	expect := func(what, want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	expect("known", "in", login("anna", "secret", guesser))
	for i := range 3 * guessesMax {
		now = now.Add(wrongInterval)
		expect("old password", refused, login("bert", "old", guesser))
		expect("no guess", "in", login(fmt.Sprint("fresh", i), "secret", guesser))
	}
	for i := range guessesMax - 1 {
		expect("guess", refused, login(fmt.Sprint("user", i), "guess", guesser))
	}
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		expect("after the wait", "wait", login("new", "secret", guesser))
		expect("known, after guesses", "in", login("anna", "secret", guesser))
		expect("another address", "in", login("new", "secret", other))
		g.logins.known = map[digest]struct{}{g.logins.digest(sms.Account{Name: "anna", PasswordHash: string(hash)}, "secret"): {}}
		now = now.Add(wait*time.Minute - time.Second)
		expect("just before the end", "wait", login("new", "secret", guesser))
		now = now.Add(time.Second)
		expect("next guess", refused, login(fmt.Sprint("next", wait), now.String(), guesser))
	}
	now = now.Add(lockoutRest + time.Hour)
	expect("forgotten", refused, login("user", "guess", guesser))
	expect("a guess is free again", "in", login("new2", "secret", guesser))
}
