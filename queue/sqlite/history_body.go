package sqlite

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"

	"cellpost/sms"
)

// past is a message in the history, with all that happened to it. It is kept as
// JSON: a field that is new in [sms.Message] comes by itself, and one that gets
// another name there needs its old one as a tag.
type past struct {
	Message  sms.Message
	Timeline []sms.Entry
}

// packed1 is the first octet of a body: what follows is JSON, compressed (RFC 1951)
// with the dictionary packWords.
const packed1 = 1

// pastMost bounds the JSON of a message: 255 parts that were tried a hundred times
// each have less.
const pastMost = 16 << 20

// packWords is what stories have in common; what is likeliest stands last. Bodies
// need it to be read: it is never edited again.
const packWords = `"Detail":"no report came; price given back"}` +
	`,"State":"failed","State":"expired","State":"cancelled","State":"unknown","Kind":"refused","Kind":"unknown","Kind":"not sent"` +
	`{"At":"2026-11-22T10:00:00Z","Event":"given back","Detail":"{"At":"2026-11-22T10:00:00Z","Event":"part sent","Detail":"` +
	`outcome unknown and no evidence came: sent again, possible duplicate; again in ; so the network had accepted it` +
	`no prompt within 10s; no result within 1m0s; no SIM of any took it in 1m0s: now for accepted by the network` +
	`{"Message":{"ID":"019","Submission":"019","Account":"","Source":"smtp 192.168.1.","To":"","From":"","ClientID":"","OnlySIM":"","Text":"` +
	`","Priority":3,"Escalate":0,"Resend":true,"Report":true,"State":"delivered","Due":"2026-11-22T10:00:00.000Z","Review":"0001-01-01T00:00:00Z",` +
	`"Expires":"2026-11-23T10:00:00.000Z","Lane":"any","Avoid":"","AvoidUntil":"0001-01-01T00:00:00Z","Tries":0,"Doubts":0,"Price":1000000,` +
	`"Why":"received by the handset","Duplicate":false,"Parts":[{"N":1,"TPDU":"AQALkQ==","State":"delivered","SIM":"m0","MR":1,"Attempts":[{"ID":1,"Part":1,"SIM":"m0","Modem":"m0",` +
	`"Outcome":{"Kind":"accepted","MR":1,"NoMR":false,"Cause":{"Set":0,"Code":0},"Detail":""},"Started":"2026-11-22T10:00:00.000Z","Ended":"2026-11-22T10:00:00.000Z"}]}],` +
	`"Created":"2026-11-22T10:00:00.000Z","Updated":"2026-11-22T10:00:00.000Z"},"Timeline":[{"At":"2026-11-22T10:00:00.000Z","Event":"accepted","Detail":"smtp 192.168.1.: queued, for any"},` +
	`{"At":"2026-11-22T10:00:00.000Z","Event":"sending","Detail":"part 1 of 1 by m0 (m0)"},{"At":"2026-11-22T10:00:00.000Z","Event":"sent","Detail":"part 1 of 1 by m0 (m0): reference "},` +
	`{"At":"2026-11-22T10:00:00.000Z","Event":"report","Detail":"part 1 of 1 by m0 (m0): reference 1: received by the handset"},{"At":"2026-11-22T10:00:00.000Z","Event":"delivered","Detail":"received by the handset"}]}`

// packer writes and reads bodies. It is for one goroutine; the zero value is
// ready. Writing takes 1 MiB as long as it lives.
type packer struct {
	out *flate.Writer
	in  io.ReadCloser
}

func (p *packer) pack(m past) ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	body := bytes.NewBuffer([]byte{packed1})
	if p.out == nil {
		if p.out, err = flate.NewWriterDict(body, flate.DefaultCompression, []byte(packWords)); err != nil {
			return nil, err
		}
	} else {
		p.out.Reset(body)
	}
	if _, err := p.out.Write(text); err != nil {
		return nil, err
	}
	err = p.out.Close()
	return body.Bytes(), err
}

func (p *packer) unpack(body []byte) (m past, err error) {
	if len(body) == 0 || body[0] != packed1 {
		return past{}, fmt.Errorf("a message of the history has an unknown form: use the newer program again")
	}
	from := bytes.NewReader(body[1:])
	if p.in == nil {
		p.in = flate.NewReaderDict(from, []byte(packWords))
	} else if err := p.in.(flate.Resetter).Reset(from, []byte(packWords)); err != nil {
		return past{}, err
	}
	text, err := io.ReadAll(io.LimitReader(p.in, pastMost))
	if err != nil {
		return past{}, fmt.Errorf("a message of the history: %w", err)
	}
	return m, json.Unmarshal(text, &m)
}
