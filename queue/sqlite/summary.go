package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"cellpost/sms"
)

// listMost is up to how many messages a mail lists in its text; more are attached.
const listMost = 1000

// fate is a message as the mail about its submission has it.
type fate struct {
	seq      int64
	id       sms.ID
	to       sms.Number
	state    sms.State
	clientID string
	why      string
}

func scanFate(s scanner) (f fate, err error) {
	err = s.Scan(&f.seq, ident{&f.id}, &f.to, &f.state, &f.clientID, &f.why)
	return f, err
}

const fatesQuery = `SELECT seq, id, recipient, state, client_id, why FROM message
	WHERE seq BETWEEN (SELECT first FROM batch WHERE id = ?1) AND (SELECT last FROM batch WHERE id = ?1) AND submission = ?1`

// summary is the mail about a submission that is over. Of a single message it says
// the same as the mail about that. What it lists is looked up when it leaves, see
// listed: no modem waits for that.
func (t *tx) summary(l listener, r *record) (sms.Event, error) {
	m := &r.msg
	e := l.Report(*m, t.now)
	several, err := scalar[bool](t.row(`SELECT EXISTS (SELECT 1 FROM batch WHERE id = ?)`, m.Submission[:]))
	if several {
		e.Message, e.Parts, e.List = sms.ID{}, nil, m.Submission
		e.Subject = "SMS: a submission is at its end"
		e.Text = fmt.Sprintf("All messages of submission %s are at their end.\r\n", m.Submission)
	}
	return e, err
}

// listed adds to news the messages of the submission that it lists.
func (r *Reader) listed(ctx context.Context, e *sms.Event) error {
	var list []fate
	err := r.snapshot(ctx, func(tx *sql.Tx) (err error) {
		list, err = fates(ctx, tx, e.List)
		return err
	})
	if err != nil || len(list) == 0 {
		return err
	}
	counts := map[sms.State]int{}
	for _, f := range list {
		counts[f.state]++
	}
	e.Subject = fmt.Sprintf("SMS: %d messages, %d delivered, %d sent, %d not", len(list), counts[sms.Delivered],
		counts[sms.Sent], len(list)-counts[sms.Delivered]-counts[sms.Sent])
	var b strings.Builder
	again := len(list) // messages that the operator sends once more since
	for _, s := range bygoneStates {
		if counts[s] > 0 {
			fmt.Fprintf(&b, "  %s: %d\r\n", s, counts[s])
			again -= counts[s]
		}
	}
	head := fmt.Sprintf("All %d messages of submission %s are at their end:\r\n", len(list), e.List)
	if again > 0 {
		head = fmt.Sprintf("Of %d messages of submission %s %d are sent again; the others are at their end:\r\n", len(list), e.List, again)
	}
	b.WriteString("\r\n")
	if len(list) > listMost {
		b.WriteString("The attached table lists them.\r\n")
		e.Parts = []sms.EventPart{{Type: "text/csv; charset=utf-8", Name: "messages.csv", Data: table(list)}}
	} else {
		for _, f := range list {
			fmt.Fprintf(&b, "ID: %s To: %s State: %s\r\n", f.id, f.to, f.state)
		}
	}
	e.Text = head + b.String()
	return nil
}

// fates are the messages of a submission in their order, wherever they are.
func fates(ctx context.Context, tx *sql.Tx, submission sms.ID) ([]fate, error) {
	list, err := readAll(ctx, tx, scanFate, fatesQuery, submission[:])
	if err != nil {
		return nil, err
	}
	months, err := readAll(ctx, tx, scalar[string], monthsQuery)
	if err != nil {
		return nil, err
	}
	for _, month := range months {
		for old, err := range pastBatch(ctx, tx, month, submission) {
			if err != nil {
				return nil, err
			}
			m := &old.Message
			list = append(list, fate{old.seq, m.ID, m.To, m.State, m.ClientID, m.Why})
		}
	}
	slices.SortFunc(list, func(a, b fate) int { return cmp.Compare(a.seq, b.seq) })
	return list, nil
}

// table lists messages as CSV. RFC 4180.
func table(list []fate) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	// Writing to memory cannot fail.
	_ = w.Write([]string{"id", "to", "state", "climsgid", "reason"})
	for _, f := range list {
		_ = w.Write([]string{f.id.String(), string(f.to), string(f.state), f.clientID, sms.Cell(f.why)})
	}
	w.Flush()
	return b.Bytes()
}
