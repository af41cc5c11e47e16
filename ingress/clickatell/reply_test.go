package clickatell

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"cellpost/ingress"
	"cellpost/sms"
)

// TestTell: up to 1,000 results stand in the answer, more in a file.
func TestTell(t *testing.T) {
	var r ingress.Receipt
	for i := range listedMost {
		r.Results = append(r.Results, ingress.Result{To: fmt.Sprintf("4477009%05d", i), ID: sms.ID{0: 1, 14: byte(i >> 8), 15: byte(i)}})
	}
	s := Script{Ignored: 1, Quoted: []string{"Kind regards"}}
	text, parts := s.Tell(r)
	if text != s.Answer(r) || len(parts) != 0 {
		t.Fatalf("%d parts beside\n%s", len(parts), text)
	}
	for i := range 100 {
		r.Results = append(r.Results, ingress.Result{To: fmt.Sprintf("no, \"%d\"", i), Refusal: ingress.Refuse(ingress.CodeDestination, "")})
	}
	same := r.Results[0]
	same.Same = true
	r.Results = append(r.Results, ingress.Result{To: "2", ID: sms.ID{2}, Repeat: true}, same, ingress.Result{To: "=1+1", Refusal: ingress.Refuse(ingress.CodeRoute, "detail")})
	r.Submission, r.Price = sms.ID{15: 9}, sms.Credit*3/2
	text, parts = s.Tell(r)
	for _, want := range []string{
		"1000 accepted, 101 refused, of 1103\r\nSubmission: 00000000000000000000000000000009 (cellpost queue batch shows how far it is)\r\nPrice: 1.5\r\n1 number given more than once: sent once\r\n1 message submitted before: not sent again\r\n",
		"Refused:\r\nERR: 105, Invalid destination address: 100\r\nERR: 114, Cannot route message: 1\r\n",
		"The first of them:\r\nERR: 105, Invalid destination address To: no, \"0\"\r\n",
		"results.csv.\r\n\r\n1 line ignored:\r\n  Kind regards\r\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if n := strings.Count(text, " To: "); n != refusedMost {
		t.Errorf("%d refusals are listed", n)
	}
	if len(parts) != 1 || parts[0].Name != "results.csv" {
		t.Fatalf("parts %+v", parts)
	}
	rows, err := csv.NewReader(strings.NewReader(string(parts[0].Data))).ReadAll()
	if err != nil || len(rows) != 1+len(r.Results) {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for i, want := range map[int]string{
		0:    "to|id|error",
		2:    "447700900001|01000000000000000000000000000001|",
		1001: "no, \"0\"||105, Invalid destination address",
		1101: "2|02000000000000000000000000000000|",
		1103: "'=1+1||114, Cannot route message (detail)",
		1102: "447700900000|01000000000000000000000000000000|",
	} {
		if got := strings.Join(rows[i], "|"); got != want {
			t.Errorf("row %d is %s, want %s", i, got, want)
		}
	}
	one := r.Results[listedMost-1:]
	for len(one) <= listedMost {
		one = append(one, r.Results[listedMost])
	}
	if text, _ = s.Tell(ingress.Receipt{Results: one}); !strings.HasPrefix(text, "1 accepted, ") || strings.Contains(text, "Submission:") {
		t.Errorf("a message that came alone is no batch:\n%s", text)
	}
}
