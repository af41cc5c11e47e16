package sms

import (
	"strings"

	"cellpost/pdu"
)

// Number is a telephone number as the product keeps it: digits only,
// international with the country code first ("447700900123"), or a short code
// of three to six digits.
type Number string

// ShortCodeMax is the length in digits up to which a number is a short code.
const ShortCodeMax = 6

// IsShortCode reports whether the number is dialled as it stands, without a
// country code.
func (n Number) IsShortCode() bool { return len(n) <= ShortCodeMax }

// Address returns the number as a TP-DA: international, or of unknown type for
// a short code. 3GPP TS 23.040, 9.1.2.5.
func (n Number) Address() pdu.Address {
	if n.IsShortCode() {
		return pdu.Address{TON: pdu.TONUnknown, NPI: pdu.NPITelephone, Value: string(n)}
	}
	return pdu.Address{TON: pdu.TONInternational, NPI: pdu.NPITelephone, Value: string(n)}
}

// International returns digits, as somebody within a country writes them, with the
// country code first: without the prefix for international calls, or with the code in
// the place of the trunk 0. Without a code, and where there is no trunk 0, they stay.
func International(digits, countryPrefix string) string {
	if rest, ok := strings.CutPrefix(digits, "00"); ok {
		return rest
	}
	if rest, ok := strings.CutPrefix(digits, "0"); ok && countryPrefix != "" {
		return countryPrefix + rest
	}
	return digits
}

// minTail is how many digits two spellings of one number must share at least.
const minTail = 7

// Matches reports whether digits, taken from a TP-RA or TP-OA, are this number.
// Networks answer in the format they like (international, national with or
// without the trunk 0), so the shorter spelling has to be the tail of the longer.
func (n Number) Matches(digits string) bool {
	if string(n) == digits {
		return true
	}
	if n.IsShortCode() {
		return false
	}
	digits = strings.TrimLeft(digits, "+0")
	if len(digits) < minTail {
		return false
	}
	return strings.HasSuffix(string(n), digits) || strings.HasSuffix(digits, string(n))
}
