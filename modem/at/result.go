package at

import (
	"fmt"
	"strconv"
	"strings"
)

// CommandError is a final result other than OK.
type CommandError struct {
	Set  string // "CMS" (3GPP TS 27.005, 3.2.5), "CME" (3GPP TS 27.007, 9.2), or "" for plain ERROR
	Code int    // -1 when the modem gave only text, or nothing
	Text string // what followed the colon, the code included
}

func (e *CommandError) Error() string {
	if e.Set == "" {
		return "the modem answered ERROR"
	}
	return fmt.Sprintf("the modem answered +%s ERROR: %s", e.Set, e.Text)
}

// Final reads a final result as [Timeouts].Late gets it: nil for OK, else a
// [*CommandError].
func Final(line string) error {
	if line == "OK" {
		return nil
	}
	for _, set := range []string{"CMS", "CME"} {
		text, ok := strings.CutPrefix(line, "+"+set+" ERROR: ")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(text, ",")
		code, err := strconv.ParseUint(strings.TrimSpace(number), 10, 16)
		if err != nil {
			return &CommandError{Set: set, Code: -1, Text: text}
		}
		return &CommandError{Set: set, Code: int(code), Text: text}
	}
	return &CommandError{Code: -1, Text: line}
}

// normal gives a final result the form of the standards, and is empty for any
// other line. Real modems leave out the colon and find words of their own:
// Huawei says COMMAND NOT SUPPORT.
func normal(line string) string {
	if line == "OK" {
		return line
	}
	for _, set := range []string{"+CMS ERROR", "+CME ERROR"} {
		if text, ok := strings.CutPrefix(line, set); ok {
			return set + ": " + strings.TrimLeft(text, ": ")
		}
	}
	for _, word := range []string{"ERROR", "COMMAND NOT SUPPORT", "TOO MANY PARAMETERS"} {
		if strings.HasPrefix(line, word) {
			return "ERROR"
		}
	}
	return ""
}

// numeric is normal for a modem that speaks result codes as numbers, V0
// (V.250, 6.2.6).
func numeric(line string) string {
	switch line {
	case "0":
		return "OK"
	case "4":
		return "ERROR"
	}
	return ""
}

// glued cuts an OK from the end of a line where it cannot be a part of it: after
// hexadecimal digits, or after the last field of a line that names the command.
func glued(line string, x *exchange) (head string, ok bool) {
	head, ok = strings.CutSuffix(line, "OK")
	if !ok || head == "" || x == nil {
		return line, false
	}
	hex := strings.Trim(head, "0123456789ABCDEFabcdef") == ""
	field := strings.ContainsAny(head[len(head)-1:], `0123456789")`)
	return head, hex || field && x.names(line)
}
