package queue

import (
	"context"
	"errors"
	"time"

	"cellpost/sms"
)

const (
	newsWorkers = 8                // deliveries at a time
	newsHold    = 5 * time.Minute  // an event whose delivery died with the process comes back after this
	newsTimeout = 60 * time.Second // for one delivery; less than newsHold
	newsGrace   = 10 * time.Second // for one under way when the queue stops
	newsFirst   = 30 * time.Second // first back-off, doubled each time
	newsMost    = time.Hour
	newsLife    = 3 * 24 * time.Hour // then it is given up
)

// deliver takes events to their doors, one at a time, until ctx ends.
func (q *Queue) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		e, next, err := q.store.ClaimEvent(ctx, newsHold)
		if err == nil {
			poke(q.news) // there may be more for another worker
			q.notify(ctx, e)
			continue
		}
		if !errors.Is(err, ErrNothing) {
			if ctx.Err() == nil {
				q.log.Error("claim event", "err", err)
			}
			next = time.Now().Add(clerkRetry)
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-timer:
		case <-q.news:
		case <-ctx.Done():
		}
	}
}

// notify delivers one event and records the result. A delivery under way has the
// time of newsGrace when ctx ends, so that it is seldom made twice.
func (q *Queue) notify(ctx context.Context, e sms.Event) {
	stopping := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), newsTimeout)
	defer cancel()
	stop := context.AfterFunc(stopping, func() { time.AfterFunc(newsGrace, cancel) })
	defer stop()
	var err error = &sms.Undeliverable{Reason: "no " + e.Door + " door is configured to deliver it"}
	if door, ok := q.doors[e.Door]; ok {
		err = door.Notify(ctx, e)
	}
	state, due, why := afterDelivery(e, err, time.Now())
	if err != nil {
		q.log.Warn("event not delivered", "event", e.ID, "door", e.Door, "state", state, "tries", e.Tries+1, "err", err)
	}
	if err := q.store.EventDone(context.WithoutCancel(ctx), e.ID, state, due, why); err != nil {
		q.log.Error("record delivery of event", "event", e.ID, "err", err)
	}
}

// afterDelivery decides about an event by the error of its delivery.
func afterDelivery(e sms.Event, err error, now time.Time) (s sms.EventState, due time.Time, why string) {
	var never *sms.Undeliverable
	switch {
	case err == nil:
		return sms.EventDelivered, now, ""
	case errors.As(err, &never), now.Sub(e.Created) > newsLife:
		return sms.EventDead, now, err.Error()
	}
	wait := min(newsFirst<<min(e.Tries, 16), newsMost)
	return sms.EventWaiting, now.Add(wait), err.Error()
}
