package modem

import (
	"slices"
	"strconv"
	"strings"
)

// answer is the text of an answer of one line, with or without the prefix that
// repeats the command, and without quotes.
func answer(info []string) string {
	if len(info) == 0 {
		return ""
	}
	line := info[0]
	if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "^") {
		if _, rest, ok := strings.Cut(line, ":"); ok {
			line = rest
		}
	}
	return strings.Trim(strings.TrimSpace(line), `"`)
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// fields splits the first line of an answer at its commas, outside quotes and
// parentheses.
func fields(info []string) []string {
	if len(info) == 0 {
		return nil
	}
	_, line, ok := strings.Cut(info[0], ":")
	if !ok {
		return nil
	}
	var out []string
	depth, quoted, start := 0, false, 0
	for i, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '(':
			depth++
		case r == ')':
			depth = max(depth-1, 0)
		case r == ',' && depth == 0:
			out = append(out, field(line[start:i]))
			start = i + 1
		}
	}
	return append(out, field(line[start:]))
}

func field(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

// offered returns those wishes that an offer like "(0-2)" or "(0,1,3)" holds; all
// where nothing is known of the offer, and its first number where it holds none.
func offered(want []int, offer string) []int {
	have := numbers(offer)
	if len(have) == 0 {
		return slices.Clone(want)
	}
	both := slices.DeleteFunc(slices.Clone(want), func(n int) bool { return !slices.Contains(have, n) })
	if len(both) == 0 {
		return have[:1]
	}
	return both
}

// numbers reads an offer; none where it cannot be read.
func numbers(offer string) []int {
	var have []int
	for part := range strings.SplitSeq(strings.Trim(offer, "() "), ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.ParseUint(low, 10, 8)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.ParseUint(high, 10, 8); err != nil {
				continue
			}
		}
		for n := a; n <= b; n++ {
			have = append(have, int(n))
		}
	}
	return have
}
