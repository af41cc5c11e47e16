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

func refused(code int) sms.Outcome {
	c := pdu.Cause{Set: pdu.CMS, Code: code}
	return sms.Outcome{Kind: sms.Refused, Cause: c, Detail: c.String()}
}

// TestAgain: who waits for a handset, or for a line that is no good, does not wait
// longer than that.
func TestAgain(t *testing.T) {
	confirm := func(to sms.Number) func(*sms.Message) {
		return func(m *sms.Message) { m.Again, m.Report = sms.Again{Within: 2 * time.Minute, To: to}, true }
	}
	for _, c := range []struct {
		name string
		run  func(*world)
	}{
		{"by another SIM, as soon as the report is overdue", func(w *world) {
			w.serve("a", takes(time.Second))
			w.addOne("alarm", confirm(""))
			w.serve("b", takes(time.Second))
			w.until(time.Hour)
			w.heard("0s a alarm", "2m1s b alarm")
			if m := w.want("alarm", sms.Sent); !m.Duplicate || !m.WentAgain {
				w.Errorf("message %+v: want it flagged", m)
			}
		}},
		{"to the second number, as soon as the report is overdue", func(w *world) {
			w.serve("a", takes(time.Second))
			w.addOne("alarm", confirm("447700900999"))
			w.until(time.Hour)
			w.heard("0s a alarm", "2m1s a alarm")
			if m := w.want("alarm", sms.Sent); m.Duplicate {
				w.Error("the first is no duplicate of the second")
			}
		}},
		{"to the second number, as soon as the first is refused", func(w *world) {
			w.serve("a", first(refused(1), takes(time.Second)))
			w.addOne("alarm", confirm("447700900999"))
			w.until(time.Hour)
			w.heard("0s a alarm", "0s a alarm")
			w.want("alarm", sms.Failed)
		}},
		{"over a restart", func(w *world) {
			leave := w.serve("a", takes(time.Second))
			w.addOne("alarm", confirm(""))
			w.until(time.Minute)
			leave()
			w.stop()
			w.until(3 * time.Minute)
			w.run(w.queue.Run)
			w.serve("b", takes(time.Second))
			w.until(time.Hour)
			w.heard("0s a alarm", "3m0s b alarm")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { bubble(t, sms.Rules{}, nil, c.run) })
	}
}

// TestHandsOver: a SIM that is no good keeps no message from another.
func TestHandsOver(t *testing.T) {
	for _, code := range []int{21, 310, 313, 331} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			bubble(t, sms.Rules{}, nil, func(w *world) {
				w.serve("a", after(time.Second, refused(code)))
				w.addOne("hello")
				w.serve("b", takes(time.Second))
				w.until(time.Minute)
				w.heard("0s a hello", "1s b hello")
			})
		})
	}
	t.Run("nobody else", func(t *testing.T) { // then it does not go round and round
		bubble(t, sms.Rules{}, nil, func(w *world) {
			w.serve("a", after(0, refused(331)))
			w.addOne("hello")
			w.until(time.Minute)
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.air) < 8 || len(w.air) > 14 {
				w.Errorf("on the air %d times in a minute: %v", len(w.air), w.air)
			}
		})
	})
}

// TestOneBadNumber: what one number costs the others is its own time on the air.
func TestOneBadNumber(t *testing.T) {
	const air, others = 200 * time.Millisecond, 99
	for name, o := range map[string]sms.Outcome{"for now": refused(42), "for good": refused(1), "busy": refused(515)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, sms.Rules{}, nil, func(w *world) {
				texts := []string{"bad"}
				for i := range others {
					texts = append(texts, fmt.Sprint("good", i))
				}
				w.addAll(texts...)
				w.serve("a", func(_ context.Context, h handed) sms.Outcome {
					<-time.After(air)
					if h.text == "bad" {
						return o
					}
					return sms.Outcome{Kind: sms.Accepted}
				})
				w.until(time.Minute)
				w.mu.Lock()
				defer w.mu.Unlock()
				good := 0
				for i, told := range w.air {
					if !strings.HasPrefix(told, fmt.Sprint(time.Duration(i)*air, " a ")) {
						t.Fatalf("hand-over %d at %s: the line stood still", i, told)
					}
					if good += strings.Count(told, "good"); good == others {
						return
					}
				}
				t.Errorf("%d of %d others left: %v", good, others, w.air)
			})
		})
	}
}
