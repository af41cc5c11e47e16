package ingress

import (
	"strings"

	"cellpost/sms"
)

// Lengths of numbers in digits: E.164 ends at 15, and short codes begin at 3.
const (
	numberMin    = sms.ShortCodeMax + 1
	numberMax    = 15
	shortCodeMin = 3
)

// separators are what people put between the digits of a number.
var separators = strings.NewReplacer(" ", "", "\t", "", "\u00a0", "", "-", "", ".", "", "(", "", ")", "")

// ParseNumber reads a number as people write it: "+44 7700 900123",
// "0044 (0)7700-900123", "447700900123". A national number, with one leading 0,
// gets countryPrefix; where that is empty it is refused. Three to six digits
// are a short code if shortCodes allows them. What is no number is a [Refusal]
// with code 105.
func ParseNumber(s, countryPrefix string, shortCodes bool) (sms.Number, error) {
	digits := strings.TrimSpace(s)
	digits, plus := strings.CutPrefix(digits, "+")
	if plus || strings.HasPrefix(digits, "00") {
		// The trunk 0 of "+44 (0)7700 900123" is for callers within the country.
		digits = strings.Replace(digits, "(0)", "", 1)
	}
	digits = separators.Replace(digits)
	if !plus {
		if allDigits(digits) && shortCodes && shortCodeMin <= len(digits) && len(digits) <= sms.ShortCodeMax {
			return sms.Number(digits), nil
		}
		digits = sms.International(digits, countryPrefix)
	}
	if !allDigits(digits) || len(digits) < numberMin || len(digits) > numberMax || digits[0] == '0' {
		return "", Refuse(CodeDestination, "")
	}
	return sms.Number(digits), nil
}

func allDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
