package usb

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Holder is a program that has a port open.
type Holder struct {
	PID     int
	Program string // its name, 15 octets at most: "ModemManager"
}

// String is for messages: "ModemManager (pid 612)".
func (h Holder) String() string { return fmt.Sprintf("%s (pid %d)", h.Program, h.PID) }

// Holders returns the programs that have a node open, this one included, by
// PID. It finds those only that this program may look into; a link that is no
// node any more has none.
func (t Tree) Holders(node string) []Holder {
	node, err := filepath.EvalSymlinks(node)
	if err != nil {
		return nil
	}
	processes, _ := os.ReadDir(t.proc())
	var holders []Holder
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || !holds(filepath.Join(t.proc(), p.Name(), "fd"), node) {
			continue
		}
		a := attributes{dir: filepath.Join(t.proc(), p.Name())}
		holders = append(holders, Holder{PID: pid, Program: cmp.Or(a.text("comm"), "a program")})
	}
	slices.SortFunc(holders, func(a, b Holder) int { return cmp.Compare(a.PID, b.PID) })
	return holders
}

// holds reports whether one of the open files that dir lists is node.
func holds(dir, node string) bool {
	files, _ := os.ReadDir(dir)
	return slices.ContainsFunc(files, func(f os.DirEntry) bool {
		target, err := os.Readlink(filepath.Join(dir, f.Name()))
		return err == nil && target == node
	})
}
