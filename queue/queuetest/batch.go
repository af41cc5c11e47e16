package queuetest

import (
	"errors"
	"fmt"

	"cellpost/queue"
	"cellpost/sms"
)

// batchTests are about submissions of several messages.
var batchTests = []test{
	{name: "batch: what has not left is cancelled", run: func(e *env) {
		for _, n := range []int{2, queue.LargeBatch + 1} {
			b := e.several(n)
			e.ok(e.store.Add(e.ctx, b))
			e.letIn()
			e.settle(e.claimID("a", b.Messages[0].ID), accepted(1))
			e.settle(e.claimID("a", b.Messages[1].ID), ambiguous)
			on := e.add(1) // of nobody's batch
			cancelled, err := e.store.CancelBatch(e.ctx, b.Messages[0].Submission)
			e.ok(err)
			if cancelled != n-2 {
				e.Errorf("%d of %d are cancelled", cancelled, n)
			}
			e.want(b.Messages[0].ID, sms.Sent)
			e.want(b.Messages[1].ID, sms.Unknown)
			e.want(on, sms.Queued)
			e.ok(e.store.Cancel(e.ctx, on))
		}
	}},
	{name: "batch: a message to the second number is of it", run: func(e *env) {
		b := e.several(2)
		b.Messages[0].Again = sms.Again{Within: within, To: spare}
		b.Messages[0].Report = true
		e.ok(e.store.Add(e.ctx, b))
		e.add(1) // of nobody's batch
		e.settle(e.claimID("a", b.Messages[0].ID), accepted(1))
		e.overdue(within)
		second := e.elsewhere(1)[0]
		cancelled, err := e.store.CancelBatch(e.ctx, second.Submission)
		e.ok(err)
		if cancelled != 2 {
			e.Errorf("%d cancelled", cancelled)
		}
		e.want(second.ID, sms.Cancelled)
	}},
	{name: "batch: there is none", run: func(e *env) {
		m, _ := e.show(e.add(1))
		for _, id := range []sms.ID{{1}, m.Submission} {
			if _, err := e.store.CancelBatch(e.ctx, id); !errors.Is(err, queue.ErrNoMessage) {
				e.Errorf("%v", err)
			}
		}
	}},
}

// several is a submission of so many messages.
func (e *env) several(n int) sms.Batch {
	var b sms.Batch
	for i := range n {
		m := e.message(1, to(sms.Number(fmt.Sprintf("4477002%05d", i))))
		if i > 0 {
			m.Submission = b.Messages[0].Submission
		}
		b.Messages = append(b.Messages, m)
	}
	return b
}
