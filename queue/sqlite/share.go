package sqlite

// share divides the lines among the accounts of a queue: whose turn it is has had
// least of them (start-time fair queueing, parts being the measure). Who comes
// late begins where the others are: nobody saves up turns. A process begins anew.
type share struct {
	queue [4]struct { // by priority
		had   map[string]int64
		level int64 // where the account stood that was served last
	}
}

// turn is where an account stands; the lowest is next.
func (s *share) turn(priority int, account string) int64 {
	q := &s.queue[priority]
	return max(q.had[account], q.level)
}

// shareMost bounds what is kept of accounts that are behind anyway.
const shareMost = 1000

// took notes that an account has got a line for so many parts.
func (s *share) took(priority int, account string, parts int) {
	q := &s.queue[priority]
	if q.had == nil || len(q.had) > shareMost {
		q.had = map[string]int64{}
	}
	q.level = s.turn(priority, account)
	q.had[account] = q.level + int64(parts)
}
