package clickatell

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cellpost/ingress"
	"cellpost/sms"
)

// Up to listedMost results all stand in the text of the answer, which programs read;
// of more the first refusals do.
const (
	listedMost  = 1000
	refusedMost = 50
)

// Tell is what the reply addresses of a script are told: [Script.Answer], or, where
// that would be long, a summary with all the results in an attached file of comma
// separated values: number, ID, error.
func (s Script) Tell(r ingress.Receipt) (text string, parts []sms.EventPart) {
	if len(r.Results) <= listedMost {
		return s.Answer(r), nil
	}
	file := sms.EventPart{Type: "text/csv; charset=utf-8; header=present", Name: "results.csv", Data: results(r)}
	return s.summary(r), []sms.EventPart{file}
}

// results has a line for each of them. RFC 4180.
func results(r ingress.Receipt) []byte {
	const line = 56 // octets, of most
	b := bytes.NewBuffer(make([]byte, 0, line*len(r.Results)))
	w := csv.NewWriter(b)
	w.UseCRLF = true
	// Writing to memory cannot fail.
	_ = w.Write([]string{"to", "id", "error"})
	for _, res := range r.Results {
		record := []string{res.To, res.ID.String(), ""}
		if res.Refusal != nil {
			record[0] = sms.Cell(res.To) // as it was written
			record[1], record[2] = "", fmt.Sprintf("%03d, %s", res.Refusal.Code, res.Refusal.Text)
		}
		_ = w.Write(record)
	}
	w.Flush()
	return b.Bytes()
}

// summary tells a large submission in a few lines.
func (s Script) summary(r ingress.Receipt) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	same, repeats, refused := 0, 0, 0
	codes := make(map[int]int)
	for _, res := range r.Results {
		switch {
		case res.Refusal != nil:
			refused++
			codes[res.Refusal.Code]++
		case res.Same:
			same++
		case res.Repeat:
			repeats++
		}
	}
	line("%d accepted, %d refused, of %d", r.Accepted(), refused, len(r.Results))
	if r.Accepted() > 1 { // one that came alone is no batch
		line("Submission: %s (cellpost queue batch shows how far it is)", r.Submission)
	}
	line("Price: %s", strconv.FormatFloat(float64(r.Price)/float64(sms.Credit), 'f', -1, 64))
	if same > 0 {
		line("%s given more than once: sent once", count(same, "number"))
	}
	if repeats > 0 {
		line("%s submitted before: not sent again", count(repeats, "message"))
	}
	if refused > 0 {
		line("\r\nRefused:")
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			line("%s: %d", ingress.Refuse(code, ""), codes[code])
		}
		line("\r\nThe first of them:")
		s.firstRefused(r, line)
	}
	line("\r\nAll of them are in the attached file results.csv.")
	return b.String() + s.Answer(ingress.Receipt{})
}

func (s Script) firstRefused(r ingress.Receipt, line func(string, ...any)) {
	n := 0
	for _, res := range r.Results {
		if res.Refusal == nil {
			continue
		}
		if n++; n > refusedMost {
			return
		}
		line("%s", Line(res))
	}
}
