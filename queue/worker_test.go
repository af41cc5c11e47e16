package queue_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cellpost/pdu"
	"cellpost/sms"
)

// tiers are two tiers for 44, and SIM a alone for 49.
var tiers = sms.Rules{Routes: []sms.Route{
	{Prefix: "44", Tiers: [][]string{{"a"}, {"b"}}},
	{Prefix: "49", Tiers: [][]string{{"a"}}},
}}

// shared has a and b carry 44, and a alone 49.
var shared = sms.Rules{Routes: []sms.Route{
	{Prefix: "44", Tiers: [][]string{{"a", "b"}}},
	{Prefix: "49", Tiers: [][]string{{"a"}}},
}}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules sms.Rules
		run   func(*world)
	}{
		{"rotation: who has rested longest", sms.Rules{}, func(w *world) {
			for _, sim := range []string{"a", "b", "c"} {
				w.serve(sim, takes(time.Second))
				time.Sleep(time.Millisecond)
			}
			for i, text := range []string{"1", "2", "3", "4", "5"} {
				w.until(time.Duration(i+1) * 10 * time.Second)
				w.add(text)
			}
			w.heard("10s a 1", "20s b 2", "30s c 3", "40s a 4", "50s b 5")
		}},
		{"rotation: a batch is for all", sms.Rules{}, func(w *world) {
			for _, sim := range []string{"a", "b", "c"} {
				w.serve(sim, takes(time.Minute))
			}
			w.addAll("1", "2", "3")
			w.until(holdPatience)
			if len(w.air) != 3 {
				w.Errorf("three lines are free, and on the air are %q", w.air)
			}
		}},
		{"the preferred tier is woken first", tiers, func(w *world) {
			w.serve("b", takes(time.Second))
			time.Sleep(time.Second)
			w.serve("a", takes(time.Second))
			w.addOne("1", escalate(1))
			w.addOne("2", escalate(1))
			w.addOne("3")
			w.until(2 * time.Second)
			w.heard("1s a 1", "1s b 2", "2s a 3")
		}},
		{"the second tier when its time has come", tiers, func(w *world) {
			w.serve("b", takes(time.Second))
			w.addOne("1", escalate(2))
			w.until(escalateAfter)
			w.heard("1m0s b 1")
		}},
		{"the next claim is open while one is on the air", sms.Rules{}, func(w *world) {
			w.serve("a", takes(5*time.Second))
			w.add("1", "2", "3")
			w.until(time.Second)
			w.want("1", sms.Sending)
			w.want("2", sms.Sending)
			w.want("3", sms.Queued)
			w.until(10 * time.Second)
			w.heard("0s a 1", "5s a 2", "10s a 3")
			w.events("3", "accepted", "sending")
		}},
		{"what the operator sends again wakes a line", sms.Rules{}, func(w *world) {
			no := sms.Outcome{Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 1}}
			w.serve("a", first(no, takes(time.Second)))
			w.add("1")
			w.until(time.Minute)
			m := w.want("1", sms.Failed)
			w.ok(w.queue.Retry(w.ctx, m.ID))
			w.until(time.Minute + 2*time.Second)
			w.heard("0s a 1", "1m0s a 1")
			w.want("1", sms.Sent)
		}},
		{"a claim that is held goes to a line that comes", sms.Rules{}, func(w *world) {
			w.serve("a", takes(time.Minute))
			w.add("1", "2")
			w.until(time.Second)
			w.ok(w.queue.Late(w.ctx, 99, sms.Outcome{Kind: sms.Accepted})) // has everybody look
			w.serve("b", takes(time.Second))
			w.heard("0s a 1", "1s b 2")
			w.events("2", "accepted", "sending", "given back", "sending")
		}},
		{"a claim that is held goes to a line that gets free", sms.Rules{}, func(w *world) {
			w.serve("a", takes(time.Minute))
			time.Sleep(time.Millisecond)
			w.serve("b", takes(3*time.Second))
			w.until(time.Second)
			w.addAll("1", "2", "3")
			w.until(5 * time.Second)
			if len(w.air) != 3 || w.air[2] != "4s b 3" {
				w.Errorf("b is free after 4s, and on the air were %q", w.air)
			}
		}},
		{"a claim is held for 200 ms at least", sms.Rules{}, func(w *world) {
			w.serve("a", takes(time.Minute))
			w.add("1", "2")
			w.until(50 * time.Millisecond)
			w.serve("b", takes(time.Second))
			w.until(199 * time.Millisecond)
			w.want("2", sms.Sending)
			w.until(200 * time.Millisecond)
			w.heard("0s a 1", "200ms b 2")
		}},
		{"a line that gets free in time keeps its claim", sms.Rules{}, func(w *world) {
			w.serve("a", takes(150*time.Millisecond))
			w.add("1", "2")
			w.until(50 * time.Millisecond)
			w.serve("b", takes(time.Second))
			w.until(time.Second)
			w.heard("0s a 1", "150ms a 2")
		}},
		{"a claim is held for 10 s at most", sms.Rules{}, func(w *world) {
			w.serve("a", takes(25*time.Second))
			w.add("1", "2")
			w.until(10 * time.Second)
			w.want("2", sms.Queued)
			w.until(25 * time.Second)
			w.heard("0s a 1", "25s a 2")
			w.events("2", "accepted", "sending", "given back", "sending") // once
		}},
		{"after 10 s it is for whoever is free first", sms.Rules{}, func(w *world) {
			w.serve("a", takes(25*time.Second))
			w.add("1")
			w.serve("b", takes(20*time.Second))
			w.add("2", "3")
			w.until(10 * time.Second)
			w.want("3", sms.Queued)
			w.until(20 * time.Second)
			w.heard("0s a 1", "0s b 2", "20s b 3")
			w.events("3", "accepted", "sending", "given back", "sending")
		}},
		{"that no report came is seen on time", sms.Rules{}, func(w *world) {
			w.serve("a", takes(10*time.Second))
			w.addOne("1", func(m *sms.Message) { m.Report = true })
			w.until(5 * time.Second)
			w.ok(w.queue.Late(w.ctx, 99, sms.Outcome{Kind: sms.Accepted})) // has the clerk look now
			w.until(48 * time.Hour)
			w.events("1", "accepted", "sending", "sent", "no report")
		}},
		{"what was given back escalates on time", tiers, func(w *world) {
			w.serve("a", takes(10*time.Minute))
			w.serve("b", takes(time.Second))
			w.add("1")
			w.addOne("2", escalate(2))
			w.until(5 * time.Second)
			w.ok(w.queue.Late(w.ctx, 99, sms.Outcome{Kind: sms.Accepted})) // has the clerk look now
			w.until(escalateAfter + holdPatience)                          // a may have been the first to see it
			if len(w.air) != 2 || !strings.HasSuffix(w.air[1], "b 2") {
				w.Errorf("on the air were %q", w.air)
			}
		}},
		{"what was given back wakes a line that may take it", sms.Rules{}, func(w *world) {
			w.serve("c", takes(10*time.Minute))
			w.add("1")
			w.serve("a", first(notSent, takes(time.Second)))
			w.add("2") // a fails, c holds it
			w.until(time.Second)
			w.serve("b", takes(time.Second))
			w.heard("0s c 1", "0s a 2", "1s b 2")
		}},
		{"a line does not ask for what it is to pass over", sms.Rules{}, func(w *world) {
			w.serve("c", takes(5*time.Second))
			w.add("1")
			w.serve("a", first(notSent, takes(time.Second)))
			w.add("2") // a fails, c holds it
			w.until(time.Second)
			w.add("3") // a takes it, is free again, and looks around
			w.until(5 * time.Second)
			w.heard("0s c 1", "0s a 2", "1s a 3", "5s c 2")
			w.events("2", "accepted", "sending", "queued", "sending")
		}},
		{"a line that gets free while it gives back looks for more", shared, func(w *world) {
			w.add("1", "2")
			w.addOne("abroad", to("4915112345678"))
			w.serve("a", takes(2500*time.Millisecond))
			w.store.slow.Store(int64(time.Second))
			w.until(2 * time.Second)
			w.serve("b", takes(time.Minute)) // asks for 2
			w.until(10 * time.Second)
			w.want("abroad", sms.Sent)
		}},
		{"the end of a line gives back what it holds", sms.Rules{}, func(w *world) {
			stop := w.serve("a", takes(time.Minute))
			w.add("1", "2")
			w.until(50 * time.Millisecond)
			w.serve("b", takes(time.Second))
			w.until(100 * time.Millisecond)
			w.run(func(context.Context) error { stop(); return nil })
			w.until(101 * time.Millisecond)
			w.heard("0s a 1", "100ms b 2") // although 1 is still on the air
			w.events("2", "accepted", "sending", "given back", "sending")
			w.until(time.Minute)
			w.want("1", sms.Sent)
		}},
		{"a line that never begins gives back", sms.Rules{}, func(w *world) {
			ctx, cancel := context.WithCancel(w.ctx)
			l := &line{w, "a", func(context.Context, handed) sms.Outcome { cancel(); return notSent }}
			w.run(func(context.Context) error { return w.queue.Serve(ctx, l) })
			w.add("1")
			w.events("1", "accepted", "sending", "given back")
			if m := w.want("1", sms.Queued); m.Avoid != "" {
				w.Errorf("it avoids %s, which left by itself", m.Avoid)
			}
		}},
		{"stalled: another takes it when the wait is over", sms.Rules{}, func(w *world) {
			w.serve("a", after(time.Minute, ambiguous))
			time.Sleep(time.Millisecond)
			w.serve("b", takes(time.Second))
			w.until(time.Second)
			w.add("1")
			w.until(2 * time.Minute)
			w.heard("1s a 1", "1m31s b 1")
			if m := w.want("1", sms.Sent); !m.Duplicate {
				w.Error("it is not flagged as a possible duplicate")
			}
		}},
		{"stalled: what is behind it goes by another", sms.Rules{}, func(w *world) {
			w.serve("a", after(time.Minute, ambiguous))
			w.add("1", "2")
			w.until(time.Second)
			w.serve("b", takes(time.Second))
			w.heard("0s a 1", "1s b 2")
		}},
		{"what is more urgent goes before what is held", sms.Rules{}, func(w *world) {
			w.serve("a", takes(5*time.Second))
			w.add("1", "2", "3")
			w.until(time.Second)
			w.addOne("alarm", urgent)
			w.until(20 * time.Second)
			w.heard("0s a 1", "5s a alarm", "10s a 2", "15s a 3")
			w.events("2", "accepted", "sending", "given back", "sending", "sent")
		}},
		{"what is not goes behind", sms.Rules{}, func(w *world) {
			w.serve("a", takes(5*time.Second))
			w.add("1")
			w.addOne("2", urgent)
			w.until(time.Second)
			w.addOne("3", urgent)
			w.addOne("4", func(m *sms.Message) { m.Priority = 2 })
			w.until(20 * time.Second)
			w.heard("0s a 1", "5s a 2", "10s a 3", "15s a 4")
			w.events("2", "accepted", "sending", "sent")
		}},
		{"what is more urgent takes a free line first", sms.Rules{}, func(w *world) {
			w.serve("a", takes(5*time.Second))
			w.add("1", "2")
			w.until(50 * time.Millisecond)
			w.serve("b", takes(time.Second))
			w.addOne("alarm", urgent)
			w.until(10 * time.Second)
			w.heard("0s a 1", "50ms b alarm", "1.05s b 2")
		}},
		{"what is more urgent goes between parts, and the rest waits for its SIM", sms.Rules{}, func(w *world) {
			w.serve("a", takes(5*time.Second))
			w.addOne("long", parts(3))
			w.until(time.Second)
			for i := range 30 {
				w.addOne(fmt.Sprint("alarm ", i), urgent)
			}
			w.until(200 * time.Second)
			if len(w.air) != 33 || w.air[1] != "5s a alarm 0" || w.air[31] != "2m35s a /2" || w.air[32] != "2m40s a /3" {
				w.Errorf("on the air were %q", w.air)
			}
			if m := w.want("long", sms.Sent, sms.Sent, sms.Sent, sms.Sent); m.Duplicate {
				w.Error("it started over although its SIM was only busy")
			}
		}},
		{"what is more urgent comes while less is claimed", sms.Rules{}, func(w *world) {
			w.serve("a", takes(5*time.Second))
			alarm := w.message("alarm", urgent)
			claims := 0
			w.store.claimed = func() { // which the line does not know yet
				if claims++; claims == 2 {
					w.ok(w.queue.Add(w.ctx, sms.Batch{Messages: []sms.Message{alarm}}))
				}
			}
			w.addAll("1", "2", "3")
			w.until(20 * time.Second)
			w.heard("0s a 1", "5s a alarm", "10s a 2", "15s a 3")
		}},
		{"what comes back urgent goes before what another holds", sms.Rules{}, func(w *world) {
			w.serve("a", after(2*time.Second, notSent))
			w.addOne("alarm", urgent)
			w.until(time.Millisecond)
			w.serve("b", takes(5*time.Second))
			w.add("1", "2")
			w.until(6 * time.Second)
			w.heard("0s a alarm", "1ms b 1", "2s a 2", "5.001s b alarm")
		}},
		{"alone: there is nothing to avoid", sms.Rules{}, func(w *world) {
			w.serve("a", first(notSent, takes(time.Second)))
			w.add("1")
			w.heard("0s a 1", "0s a 1")
		}},
		{"alone: from when the others have gone", sms.Rules{}, func(w *world) {
			w.serve("a", first(notSent, takes(time.Second)))
			time.Sleep(time.Second)
			stop := w.serve("b", takes(time.Minute))
			w.add("1", "2") // a fails with 1; b takes one and holds the other
			w.until(2 * time.Second)
			stop()
			w.until(2 * time.Minute)
			w.want("1", sms.Sent)
			w.want("2", sms.Sent)
		}},
		{"a TPDU that cannot be sent is refused, and delays nobody", sms.Rules{}, func(w *world) {
			w.serve("a", takes(time.Second))
			bad := w.message("bad")
			bad.Parts[0].TPDU = []byte{1, 2, 3}
			w.ok(w.queue.Add(w.ctx, sms.Batch{Messages: []sms.Message{bad}}))
			w.add("1")
			w.heard("0s a 1")
			w.want("bad", sms.Failed)
		}},
		{"evidence in a report wakes the SIM of the rest", sms.Rules{}, func(w *world) {
			w.serve("a", first(ambiguous, takes(time.Second)))
			w.addOne("1", parts(2), func(m *sms.Message) { m.Report = true })
			w.serve("b", takes(time.Second))
			w.until(time.Second)
			w.report("a", 7)
			w.until(5 * time.Second)
			w.heard("0s a 1/1", "1s a /2")
			w.want("1", sms.Sent, sms.Delivered, sms.Sent)
		}},
		{"a late result wakes the SIM of the rest", sms.Rules{}, func(w *world) {
			var attempt int64
			took := takes(time.Second)
			w.serve("a", func(ctx context.Context, h handed) sms.Outcome {
				if h.part == 1 {
					attempt = h.Attempt
					return ambiguous
				}
				return took(ctx, h)
			})
			w.addOne("1", parts(2))
			w.until(time.Second)
			w.ok(w.queue.Late(w.ctx, attempt, sms.Outcome{Kind: sms.Accepted, MR: 7}))
			w.until(5 * time.Second)
			w.heard("0s a 1/1", "1s a /2")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { bubble(t, c.rules, nil, c.run) })
	}
}

func urgent(m *sms.Message) { m.Priority = 1 }

// holdPatience is how long a line may keep a claim from another that is free.
const holdPatience = 200 * time.Millisecond

// report brings a status report: delivered.
func (w *world) report(sim string, mr byte) {
	w.Helper()
	r := pdu.StatusReport{Reference: mr, Recipient: sms.Number("447700900123").Address(), Time: time.Now(), Discharge: time.Now()}
	tpdu, err := r.AppendBinary(nil)
	w.ok(err)
	w.ok(w.queue.Report(w.ctx, sms.Report{SIM: sim, Modem: "modem-" + sim, TPDU: tpdu, Received: time.Now()}))
}

func TestParts(t *testing.T) {
	t.Run("each is on disk before the next", func(t *testing.T) {
		bubble(t, sms.Rules{}, nil, func(w *world) {
			w.serve("a", func(_ context.Context, h handed) sms.Outcome {
				states := []sms.State{sms.Queued, sms.Queued, sms.Queued}
				for i := range h.part {
					states[i] = sms.Sent
				}
				states[h.part-1] = sms.Sending
				w.want("1", sms.Sending, states...)
				if h.More != (h.part < 3) {
					w.Errorf("part %d: more follow: %v", h.part, h.More)
				}
				<-time.After(time.Second)
				return sms.Outcome{Kind: sms.Accepted, MR: byte(h.part)}
			})
			w.addOne("1", parts(3))
			w.until(time.Minute)
			w.heard("0s a 1/1", "1s a /2", "2s a /3")
			m := w.want("1", sms.Sent)
			for i, p := range m.Parts {
				if p.MR != byte(i+1) || p.SIM != "a" {
					w.Errorf("part %+v", p)
				}
			}
		})
	})
	t.Run("shutdown between parts", func(t *testing.T) {
		bubble(t, sms.Rules{}, nil, func(w *world) {
			ctx, cancel := context.WithCancel(w.ctx)
			l := &line{w, "a", func(context.Context, handed) sms.Outcome {
				cancel()
				<-time.After(time.Second)
				return sms.Outcome{Kind: sms.Accepted, MR: 1}
			}}
			w.run(func(context.Context) error { return w.queue.Serve(ctx, l) })
			w.addOne("1", parts(2))
			w.until(2 * time.Second)
			w.want("1", sms.Queued, sms.Sent, sms.Queued)
			w.serve("b", takes(time.Second)) // is not for it
			w.serve("a", takes(time.Second))
			w.until(5 * time.Second)
			w.heard("0s a 1/1", "2s a /2")
			w.want("1", sms.Sent)
		})
	})
}

// TestValidityIsSpan: a clock that is set does not change the validity of what a line has.
// Not in a bubble, where times have no monotonic reading.
func TestValidityIsSpan(t *testing.T) {
	w := begin(t, sms.Rules{}, nil)
	last := make(chan struct{})
	stop := w.run(func(ctx context.Context) error {
		return w.queue.Serve(ctx, &line{w, "a", func(_ context.Context, h handed) sms.Outcome {
			if h.part == 2 {
				close(last)
			}
			return sms.Outcome{Kind: sms.Accepted, MR: 1}
		}})
	})
	w.ok(w.queue.Add(w.ctx, sms.Batch{Messages: []sms.Message{w.message("1", parts(2))}}))
	<-last
	stop()
	w.want("1", sms.Sent)
	if n := w.store.byClock.Load(); n != 0 {
		w.Errorf("that of %d of 2 hand-overs is a time of the clock", n)
	}
}

func TestStoreFails(t *testing.T) {
	t.Run("an outcome is recorded when it is back", func(t *testing.T) {
		for name, o := range map[string]sms.Outcome{
			"accepted": {Kind: sms.Accepted, MR: 3}, "unknown": ambiguous, "refused": {Kind: sms.Refused, Cause: pdu.Cause{Set: pdu.CMS, Code: 1}},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, sms.Rules{}, nil, func(w *world) {
					w.serve("a", after(time.Second, o))
					w.add("1")
					w.store.down.Store(true)
					w.until(10 * time.Second)
					w.want("1", sms.Sending)
					w.store.down.Store(false)
					w.until(11 * time.Second)
					want := map[sms.OutcomeKind]sms.State{sms.Accepted: sms.Sent, sms.Ambiguous: sms.Unknown, sms.Refused: sms.Failed}
					w.want("1", want[o.Kind])
					w.heard("0s a 1")
				})
			})
		}
	})
	t.Run("what never left is not in doubt when its lease ends first", func(t *testing.T) {
		bubble(t, sms.Rules{UnknownWait: time.Hour, EscalateAfter: time.Minute, Lease: time.Minute}, nil, func(w *world) {
			stop := w.serve("a", takes(10*time.Second))
			w.add("1", "2")
			w.until(time.Second)
			w.store.slow.Store(int64(2 * time.Minute))
			go stop()
			w.until(90 * time.Second)
			w.ok(w.queue.Trust(w.ctx, sms.Clock{Trusted: true, Judged: time.Now()})) // and the clerk comes round
			w.until(100 * time.Second)
			w.want("2", sms.Unknown)
			w.until(5 * time.Minute)
			if m := w.want("2", sms.Queued); m.Duplicate {
				w.Error("it is a possible duplicate")
			}
		})
	})
	t.Run("parts go on when it is back", func(t *testing.T) {
		bubble(t, sms.Rules{}, nil, func(w *world) {
			w.serve("a", takes(time.Second))
			w.addOne("1", parts(2))
			w.store.down.Store(true)
			w.until(4500 * time.Millisecond)
			w.heard("0s a 1/1")
			w.store.down.Store(false)
			w.until(10 * time.Second)
			w.heard("0s a 1/1", "5s a /2")
			w.want("1", sms.Sent)
		})
	})
	t.Run("claims and the clerk go on when it is back", func(t *testing.T) {
		bubble(t, sms.Rules{}, nil, func(w *world) {
			w.serve("a", takes(time.Second))
			w.addOne("1", func(m *sms.Message) { m.Due = time.Now().Add(time.Minute) })
			w.store.down.Store(true)
			w.until(90 * time.Second)
			w.store.down.Store(false)
			w.until(92 * time.Second)
			if len(w.air) != 1 {
				w.Errorf("on the air were %q", w.air)
			}
		})
	})
	t.Run("a late result is recorded when it is back", func(t *testing.T) {
		bubble(t, sms.Rules{}, nil, func(w *world) {
			var attempt int64
			w.serve("a", func(_ context.Context, h handed) sms.Outcome {
				attempt = h.Attempt
				return ambiguous
			})
			w.add("1")
			w.until(10 * time.Second)
			w.want("1", sms.Unknown)
			w.store.down.Store(true)
			w.ok(w.queue.Late(w.ctx, attempt, sms.Outcome{Kind: sms.Accepted, MR: 7}))
			w.until(unknownWait + 10*time.Second) // it would be sent again by now
			w.store.down.Store(false)
			w.until(5 * time.Minute)
			w.heard("0s a 1")
			if m := w.want("1", sms.Sent); m.Parts[0].MR != 7 {
				w.Errorf("part %+v", m.Parts[0])
			}
		})
	})
	t.Run("the end of a line meanwhile loses nothing", func(t *testing.T) {
		bubble(t, sms.Rules{}, nil, func(w *world) {
			stop := w.serve("a", takes(time.Second))
			w.add("1", "2")
			w.store.down.Store(true)
			w.until(500 * time.Millisecond)
			stop()
			w.until(1700 * time.Millisecond)
			w.serve("b", takes(time.Second)) // tries to claim every second
			w.until(9600 * time.Millisecond) // it is the first to know, and finds nothing
			w.want("1", sms.Sending)
			w.want("2", sms.Sending)
			w.store.down.Store(false)
			w.until(20 * time.Second)
			w.want("1", sms.Sent)
			w.want("2", sms.Sent)
			if len(w.air) != 2 {
				w.Errorf("on the air were %q", w.air)
			}
		})
	})
	t.Run("the end of a line between parts meanwhile loses nothing", func(t *testing.T) {
		bubble(t, sms.Rules{}, nil, func(w *world) {
			stop := w.serve("a", takes(time.Second))
			w.addOne("1", parts(2))
			w.store.down.Store(true)
			w.until(500 * time.Millisecond)
			stop()
			w.store.down.Store(false)
			w.until(5 * time.Second)
			w.want("1", sms.Queued, sms.Sent, sms.Queued)
			w.serve("a", takes(time.Second))
			w.until(10 * time.Second)
			w.heard("0s a 1/1", "5s a /2")
		})
	})
}
