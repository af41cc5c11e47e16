package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"cellpost/pdu"
)

// maxRequest is the longest line that is read, in octets. The longest message
// that can be sent takes 0.2 MiB of hex; 10,000 PDUs to join take 4 MiB.
const maxRequest = 16 << 20

// request is a line that a program writes. Which fields count depends on Op.
type request struct {
	Op string `json:"op"`

	message // encode

	PDU     string   `json:"pdu"`  // decode
	PDUs    []string `json:"pdus"` // reassemble
	HasSMSC bool     `json:"has_smsc"`
}

// refusal is the answer to what cannot be done.
type refusal struct {
	Error string `json:"error"`
}

// answerLines answers each request with a line, until in ends.
func answerLines(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 64<<10)
	w := bufio.NewWriter(out)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for {
		line, err := readLine(r, maxRequest)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLongLine):
			err = enc.Encode(refusal{err.Error()})
		case err != nil:
			return fmt.Errorf("read the requests: %w", err)
		default:
			err = enc.Encode(answer(line))
		}
		if err := errors.Join(err, w.Flush()); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	}
}

var errLongLine = fmt.Errorf("the line is longer than %d MiB; send less at a time", maxRequest>>20)

// readLine returns the next line without its end. One that is longer than
// limit is skipped, with errLongLine.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for size := 0; ; {
		piece, err := r.ReadSlice('\n')
		size += len(piece)
		if size <= limit+1 { // the line end does not count
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || size == 0):
			return nil, err
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); size > limit+1 || len(line) > limit {
			return nil, errLongLine
		}
		return line, nil
	}
}

// answer carries out one request. A fault of a codec that would end the program
// is an answer too: the next request may be a good one.
func answer(line []byte) (reply any) {
	defer func() {
		if fault := recover(); fault != nil {
			reply = refusal{fmt.Sprintf("internal: %v (please report this request)", fault)}
		}
	}()
	reply, err := carryOut(line)
	if err != nil {
		return refusal{err.Error()}
	}
	return reply
}

func carryOut(line []byte) (any, error) {
	var q request
	if err := readRequest(line, &q); err != nil {
		return nil, err
	}
	switch q.Op {
	case "encode":
		return q.encode()
	case "decode":
		return q.decode()
	case "reassemble":
		return q.reassemble()
	case "":
		return nil, errors.New("op is missing; it is encode, decode or reassemble")
	}
	return nil, fmt.Errorf("there is no op %q; it is encode, decode or reassemble", q.Op)
}

// readRequest reads a line strictly: a name that is misspelt, or half a
// surrogate pair, which the JSON package would replace, is an error.
func readRequest(line []byte, q *request) error {
	if err := checkUnicode(line); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	err := dec.Decode(q)
	if err == nil {
		if rest := bytes.TrimSpace(line[dec.InputOffset():]); len(rest) > 0 {
			return fmt.Errorf("something follows the request at octet %d; write one request a line", len(line)-len(rest))
		}
		return nil
	}
	return requestError(err)
}

// requestError says what is wrong with a request, without the words of Go.
func requestError(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("the line is no JSON: %v at octet %d", e, max(0, e.Offset-1))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the line is no JSON: it ends before the request does")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field == "" {
			return fmt.Errorf("the request is a JSON %s; it has to be an object", e.Value)
		}
		return fmt.Errorf("%s: a JSON %s where %s goes", fieldPath.Replace(e.Field), e.Value, jsonType(e.Type))
	}
	return fmt.Errorf("%s (see cellpost pdu --help)", strings.TrimPrefix(err.Error(), "json: "))
}

// fieldPath takes the names of embedded structs out of a path.
var fieldPath = strings.NewReplacer("message.", "", "smartContent.", "")

// jsonType is what a Go type is in JSON.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "an array"
	case reflect.Struct:
		return "an object"
	}
	return "a whole number that is not too large"
}

// checkUnicode finds what is no character: octets that are no UTF-8, and the
// escape of half a surrogate pair. In JSON a backslash begins an escape
// wherever it may stand.
func checkUnicode(line []byte) error {
	for i := 0; i < len(line); {
		if line[i] == '\\' {
			size, err := checkEscape(line[i:])
			if err != nil {
				return fmt.Errorf("octet %d of the request: %w", i, err)
			}
			i += size
			continue
		}
		r, size := utf8.DecodeRune(line[i:])
		if r == utf8.RuneError && size == 1 {
			return fmt.Errorf("octet %d of the request is no UTF-8; requests are UTF-8", i)
		}
		i += size
	}
	return nil
}

// checkEscape returns the size of the escape that b begins with, a surrogate
// pair being one. An escape that is none is left to the JSON package.
func checkEscape(b []byte) (size int, err error) {
	unit, ok := unicodeEscape(b)
	switch {
	case !ok:
		return min(2, len(b)), nil
	case !utf16.IsSurrogate(unit):
		return escapeSize, nil
	}
	low, _ := unicodeEscape(b[escapeSize:])
	if utf16.DecodeRune(unit, low) == utf8.RuneError {
		return 0, fmt.Errorf("%s is half a surrogate pair and no character", b[:escapeSize])
	}
	return 2 * escapeSize, nil
}

const escapeSize = len(`\u0000`)

// unicodeEscape returns the UTF-16 unit of the escape that b begins with.
func unicodeEscape(b []byte) (unit rune, ok bool) {
	if len(b) < escapeSize || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	octets, err := parseHex(string(b[2:escapeSize]))
	if err != nil || len(octets) != 2 {
		return 0, false
	}
	return rune(octets[0])<<8 | rune(octets[1]), true
}

// segments is the answer to encode.
type segments struct {
	Segments []string `json:"segments"`
	SMSC     string   `json:"smsc,omitempty"`    // what stands before each where a modem is to send it
	Encoding string   `json:"encoding"`          // gsm7, ucs2 or 8bit
	Remarks  []string `json:"remarks,omitempty"` // what a card or calendar lost
	Strays   []string `json:"strays,omitempty"`  // what made it ucs2 where encoding was auto
}

func (q request) encode() (any, error) {
	e, err := q.message.encode()
	if err != nil {
		return nil, err
	}
	return e.answer(), nil
}

func (e encoded) answer() segments {
	a := segments{Encoding: encodingName(e.DCS.Alphabet()), Remarks: e.remarks}
	if len(e.smsc) > 1 {
		a.SMSC = upperHex(e.smsc)
	}
	for _, stray := range e.strays {
		a.Strays = append(a.Strays, string(stray.Rune))
	}
	for _, tpdu := range e.tpdus {
		a.Segments = append(a.Segments, upperHex(tpdu))
	}
	return a
}

func upperHex(b []byte) string { return fmt.Sprintf("%X", b) }

func (q request) decode() (any, error) {
	if q.PDU == "" {
		return nil, errors.New("pdu is missing; it is the hex of a PDU")
	}
	r, err := q.read(q.PDU)
	if err != nil {
		return nil, fmt.Errorf("pdu: %w", err)
	}
	return r.fields(), nil
}

func (q request) read(digits string) (reading, error) {
	octets, err := parseHex(digits)
	if err != nil {
		return reading{}, err
	}
	return readPDU(octets, q.HasSMSC)
}

// joinedMessages is the answer to reassemble.
type joinedMessages struct {
	Messages []joinedMessage `json:"messages"` // in the order in which they became whole
	Pending  int             `json:"pending"`  // messages that lack parts
}

type joinedMessage struct {
	From string  `json:"from"` // of messages to a handset, their sender; else their recipient
	Text string  `json:"text"`
	Data *string `json:"data,omitempty"` // of an 8-bit message
}

func (q request) reassemble() (any, error) {
	a := newAssembly()
	reply := joinedMessages{Messages: []joinedMessage{}}
	for i, digits := range q.PDUs {
		r, err := q.read(digits)
		var parts []pdu.Fragment
		if err == nil {
			parts, err = a.add(&r)
		}
		if err != nil {
			return nil, fmt.Errorf("pdus[%d]: %w", i, err)
		}
		if parts != nil {
			reply.Messages = append(reply.Messages, joined(parts))
		}
	}
	reply.Pending = len(a.pending())
	return reply, nil
}

func joined(parts []pdu.Fragment) joinedMessage {
	j := pdu.Join(parts)
	m := joinedMessage{From: parts[0].Originator.String(), Text: j.Text}
	if j.DCS.Alphabet() == pdu.Octets {
		m.Data = new(upperHex(j.Data))
	}
	return m
}
