package main

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"cellpost/board"
	"cellpost/ingress/httpd"
)

// light shows on a LED whether a modem carries messages. That it cannot is told
// once, until it can again. What it returns is for one goroutine.
func light(set func(on bool) error, log *slog.Logger) func(ready bool) {
	told := false
	return func(ready bool) {
		err := set(ready)
		if err != nil && !told {
			log.Warn("LED", "err", err)
		}
		told = err != nil
	}
}

// boardLook is how long the looking at a slot may wait for a reset under way: less
// than the asker waits for all.
const boardLook = 5 * time.Second

// boardView looks at the hardware.
func boardView(ctx context.Context, h *board.Hardware) httpd.Board {
	v := httpd.Board{Facts: h.Board.Facts(), Health: boardFindings(h.Problems())}
	ctx, cancel := context.WithTimeout(ctx, boardLook)
	defer cancel()
	for _, s := range h.Slots {
		v.Slots = append(v.Slots, httpd.BoardSlot{Name: s.Name(), Facts: s.Facts(), Health: boardFindings(s.Problems(ctx))})
	}
	return v
}

func boardFindings(problems []board.Problem) []httpd.Finding {
	var all []httpd.Finding
	for _, p := range problems {
		step := cmp.Or(p.Cure, "compare [board] of the configuration with the wiring; docs/board.md tells what each key means")
		all = append(all, httpd.Finding{Code: "board-missing", Cause: p.Cause, NextStep: step})
	}
	return all
}

// boardDiagnoses tells of the board and each slot, and then what is wrong with it.
func boardDiagnoses(b httpd.Board) []diagnosis {
	if len(b.Slots) == 0 {
		b.Facts = append(b.Facts, "no slot is configured")
	}
	all := hardwareDiagnoses("board", b.Facts, b.Health)
	for _, s := range b.Slots {
		all = append(all, hardwareDiagnoses("slot "+s.Name, s.Facts, s.Health)...)
	}
	return all
}

func hardwareDiagnoses(subject string, facts []string, health []httpd.Finding) []diagnosis {
	all := []diagnosis{{Subject: subject, Code: allRight, Cause: strings.Join(facts, "; ")}}
	for _, f := range health {
		all = append(all, diagnosis{subject, f.Code, f.Cause, f.NextStep, f.Since})
	}
	return all
}
