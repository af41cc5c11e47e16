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
// node any more has none. Who made a pseudo terminal is the device behind it,
// and no holder.
func (t Tree) Holders(node string) []Holder {
	node, err := filepath.EvalSymlinks(node)
	if err != nil {
		return nil
	}
	processes, _ := os.ReadDir(t.proc())
	var holders []Holder
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		files := openFiles(filepath.Join(t.proc(), p.Name(), "fd"))
		if err != nil || !slices.Contains(files, node) || made(node, files) {
			continue
		}
		a := attributes{dir: filepath.Join(t.proc(), p.Name())}
		holders = append(holders, Holder{PID: pid, Program: cmp.Or(a.text("comm"), "a program")})
	}
	slices.SortFunc(holders, func(a, b Holder) int { return cmp.Compare(a.PID, b.PID) })
	return holders
}

// openFiles are the paths that the links in dir lead to.
func openFiles(dir string) []string {
	links, _ := os.ReadDir(dir)
	var files []string
	for _, l := range links {
		if target, err := os.Readlink(filepath.Join(dir, l.Name())); err == nil {
			files = append(files, target)
		}
	}
	return files
}

// made reports whether a program with these open files can have made the node:
// it has the other side of a pseudo terminal open. See pts(4).
func made(node string, files []string) bool {
	return filepath.Dir(node) == "/dev/pts" && (slices.Contains(files, "/dev/ptmx") || slices.Contains(files, "/dev/pts/ptmx"))
}
