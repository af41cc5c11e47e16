package clickatell

import (
	"encoding/hex"
	"strings"
	"unicode"

	"cellpost/ingress"
	"cellpost/pdu"
)

// text joins the text lines of a script with CRLF, none after the last. With
// unicode they are UTF-16 in hexadecimal.
func text(lines []string, unicode bool) (string, error) {
	if !unicode {
		return strings.Join(lines, "\r\n"), nil
	}
	decoded := make([]string, len(lines))
	for i, line := range lines {
		s, ok := decodeUTF16(line)
		if !ok {
			return "", ingress.Refuse(ingress.CodeUnicode, "text: with unicode:1 it is four hexadecimal digits a character")
		}
		decoded[i] = s
	}
	return strings.Join(decoded, "\r\n"), nil
}

// decodeUTF16 reads big-endian UTF-16 in hexadecimal digits, white space
// ignored. It is not ok when a character is not whole, a surrogate lacks its
// other half, or a digit is none.
func decodeUTF16(digits string) (s string, ok bool) {
	digits = strings.Join(strings.FieldsFunc(digits, unicode.IsSpace), "")
	octets, err := hex.DecodeString(digits)
	if err != nil {
		return "", false
	}
	s, bad := pdu.DecodeUCS2(octets)
	return s, bad < 0
}
