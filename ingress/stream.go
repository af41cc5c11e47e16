package ingress

import (
	"errors"
	"iter"
	"slices"

	"cellpost/sms"
)

// keptMost is how many messages of a submission are in memory at a time. Of a larger
// one the receipt is made first, and the others are made again when the store draws
// them: 100,000 of them take more memory than the board has to spare.
const keptMost = 500

// errChanged cannot happen while the rules are what they were: a batch that is not
// what its receipt says is not stored.
var errChanged = errors.New("a submission came out otherwise the second time; send it again")

// All has every item of the submission.
func (s Submission) All() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for _, item := range s.Items {
			if !yield(item) {
				return
			}
		}
		if s.Rest != nil {
			s.Rest(yield)
		}
	}
}

func (s Submission) empty() bool {
	for range s.All() {
		return false
	}
	return true
}

// keep forgets the message of an item, by its index, where it is one too many.
func (b *builder) keep(item int) {
	if len(b.messages) <= keptMost {
		return
	}
	if b.beyond == 0 {
		b.beyond = item
	}
	clear(b.messages[keptMost:])
	b.messages = b.messages[:keptMost]
}

// rest makes the messages that were not kept once more, with the IDs that the
// results have; nil when all were kept.
func (b *builder) rest(results []Result) iter.Seq2[sms.Message, error] {
	if b.beyond == 0 {
		return nil
	}
	first := *b
	first.messages, first.spent = nil, 0
	results = slices.Clone(results) // they may change
	return func(yield func(sms.Message, error) bool) {
		again := first
		i := -1
		for item := range again.submission.All() {
			if i++; i < again.beyond || !results[i].taken() {
				continue
			}
			m, ok := again.remake(item, results[i])
			if !ok {
				yield(sms.Message{}, errChanged)
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// remake makes the message of an item that was accepted before.
func (b *builder) remake(item Item, before Result) (sms.Message, bool) {
	b.seen = make(map[load]int) // it is known that it is there once
	b.messages = b.messages[:0]
	res := b.item(item, nil)
	if res.Refusal != nil || res.To != before.To || len(b.messages) != 1 {
		return sms.Message{}, false
	}
	m := b.messages[0]
	m.ID = before.ID
	return m, true
}

// left are the messages of a batch that are still taken by its receipt, and what they
// cost.
func (r Receipt) left(batch sms.Batch) (left sms.Batch, price sms.Credits, err error) {
	taken := make(map[sms.ID]bool)
	for _, res := range r.Results {
		if res.taken() {
			taken[res.ID] = true
		}
	}
	left.Once = batch.Once
	for m, err := range batch.All() {
		if err != nil {
			return left, 0, err
		}
		if !taken[m.ID] {
			continue
		}
		price += m.Price
		if len(left.Messages) < keptMost {
			left.Messages = append(left.Messages, m)
			delete(taken, m.ID)
		}
	}
	if len(taken) > 0 {
		left.Rest, left.Beyond = only(batch.All(), taken), len(taken)
	}
	return left, price, nil
}

// only has the messages with some IDs.
func only(all iter.Seq2[sms.Message, error], ids map[sms.ID]bool) iter.Seq2[sms.Message, error] {
	return func(yield func(sms.Message, error) bool) {
		for m, err := range all {
			if (err != nil || ids[m.ID]) && !yield(m, err) {
				return
			}
		}
	}
}
