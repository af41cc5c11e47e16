package ingress

import (
	"errors"
	"strings"
	"testing"

	"cellpost/sms"
)

func TestParseNumber(t *testing.T) {
	tests := []struct {
		in      string
		country string
		short   bool
		want    sms.Number // empty: refused
	}{
		{in: "448311234567", want: "448311234567"},
		{in: "+448311234567", want: "448311234567"},
		{in: "00448311234567", want: "448311234567"},
		{in: " +44 8311-234.567 ", want: "448311234567"},
		{in: "+44 (0)7700 900123", want: "447700900123"},
		{in: "0044 (0)7700 900123", want: "447700900123"},
		{in: "(0044) 7700 900123", want: "447700900123"},
		{in: "07700 900123", country: "44", want: "447700900123"},
		{in: "(0)7700 900123", country: "44", want: "447700900123"},
		{in: "07700 900123"},
		{in: "1234567", want: "1234567"},
		{in: "123456789012345", want: "123456789012345"},
		{in: "1234567890123456"},
		{in: "12345", short: true, want: "12345"},
		{in: "112", short: true, want: "112"},
		{in: "12", short: true},
		{in: "12345"},
		{in: "+12345", short: true},
		{in: "000448311234567"},
		{in: "+0448311234567"},
		{in: "++448311234567"},
		{in: "44831x234567"},
		{in: "٤٤٨٣١١٢٣٤٥٦٧"},
		{in: "sms@example.org"},
		{in: ""},
		{in: "+"},
		{in: "0"},
		{in: "00"},
	}
	for _, tt := range tests {
		got, err := ParseNumber(tt.in, tt.country, tt.short)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ParseNumber(%q, %q, %v) = %q, %v; want %q", tt.in, tt.country, tt.short, got, err, tt.want)
		}
		if r, ok := errors.AsType[*Refusal](err); err != nil && (!ok || r.Code != CodeDestination) {
			t.Errorf("ParseNumber(%q): %v, want code 105", tt.in, err)
		}
	}
}

// What comes out is digits, of a length that can be dialled, and stays what it
// is when it is read again.
func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"+44 (0)7700 900123", "00447700900123", "07700900123", "12345", "x"} {
		f.Add(s, "44", true)
	}
	f.Fuzz(func(t *testing.T, s, country string, short bool) {
		if strings.Trim(country, "0123456789") != "" || len(country) > 3 || strings.HasPrefix(country, "0") {
			return // the configuration allows no other
		}
		n, err := ParseNumber(s, country, short)
		if err != nil {
			return
		}
		if strings.Trim(string(n), "0123456789") != "" || len(n) < 3 || len(n) > 15 || n.IsShortCode() && !short {
			t.Errorf("ParseNumber(%q) = %q", s, n)
		}
		again, err := ParseNumber(string(n), country, short)
		if err != nil || again != n {
			t.Errorf("read again, %q is %q, %v", n, again, err)
		}
	})
}
