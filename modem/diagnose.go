package modem

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"cellpost/modem/at"
)

// Diagnose looks at a modem that nobody else uses: it opens the port, asks what
// a bring-up asks, and says what is wrong. It gives no PIN, takes in no message
// and changes nothing that outlasts a restart of the module. An error means that
// the port could not be opened.
func Diagnose(ctx context.Context, device string, c Config) ([]Finding, Facts, error) {
	c.Device = device
	m := New(c, nil, nil, slog.New(slog.DiscardHandler))
	port, err := at.Open(device, m.cfg.Mode)
	if err != nil {
		return nil, m.Facts(), err
	}
	m.learn(func(f *Facts) { f.Present = true })
	ctx, cancel := context.WithCancelCause(ctx)
	s := &session{m: m, began: time.Now(), ctx: ctx, end: cancel, heard: map[string]bool{}, said: make(chan struct{}, 1)}
	s.dialogue = at.New(port, at.Config{Unsolicited: codes(c.Profiles), Handler: func([]string) {}})
	var wg sync.WaitGroup
	wg.Go(func() { s.dialogue.Run(ctx) })
	defer wg.Wait()
	defer cancel(nil)
	if err := s.examine(ctx); err != nil {
		m.learn(func(f *Facts) { f.Problem = err.Error() })
	}
	m.learn(func(f *Facts) { f.Ready = true })
	f := m.Facts()
	return s.findings(f), f, nil
}

// examine asks in the order of a bring-up, and goes on as long as the module
// answers.
func (s *session) examine(ctx context.Context) error {
	if err := s.resync(ctx, resyncFor); err != nil {
		return err
	}
	s.m.learn(func(f *Facts) { f.Answering = true })
	return inOrder(ctx, s.dialect, s.identify, s.examineCard, s.readNetwork)
}

func (s *session) examineCard(ctx context.Context) error {
	card, err := s.readPIN(ctx)
	if err != nil {
		return err
	}
	key := s.slotInUse().key
	asked := s.cardNow()
	asked.iccid = s.readICCID(ctx)
	tried := key.PIN != "" && s.m.cfg.PINs.has(key.PIN, asked)
	s.m.learn(func(f *Facts) { f.Card = verdict(card, tried) })
	if card != CardReady {
		return nil
	}
	if err := s.readCard(ctx); err != nil {
		return err
	}
	smsc := s.readSMSC(ctx)
	s.m.learn(func(f *Facts) { f.SMSC = smsc })
	return nil
}

// findings is the health, but for a PIN that the gateway is going to give.
func (s *session) findings(f Facts) []Finding {
	all := f.Health()
	if f.Card != CardPIN || s.slotInUse().PIN == "" {
		return all
	}
	return slices.DeleteFunc(all, func(x Finding) bool { return x.Code == complaints[PINMissing].Code })
}
