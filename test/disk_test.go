package test

import (
	"bytes"
	format "encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// recorder builds what records the way of writes to the disk, to be preloaded.
func recorder(t testing.TB) string {
	t.Helper()
	lib := filepath.Join(t.TempDir(), "disk.so")
	build := exec.Command("gcc", "-std=gnu11", "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", lib, "testdata/crash/disk.c", "-ldl")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return lib
}

// disk knows which content of a database would outlast a power cut. It follows
// the strict reading of POSIX: a write is durable after an fsync of its file, a name
// after an fsync of the directory.
type disk struct {
	database string
	record   string // path of what the recorder writes
	folder   uint64 // inode of the directory

	inodes  map[uint64]*content
	names   map[string]*content // durable entries of the directory
	entries []entry             // under way
	steps   int                 // records read
	syncs   int                 // of files, among them
}

// content is a file.
type content struct {
	durable []byte
	pending []change
}

// change is a write under way, or a new length.
type change struct {
	step     int
	at       int64
	data     []byte
	truncate bool
}

// entry is a change of the directory under way; no content is a removal.
type entry struct {
	step int
	name string
	file *content
}

// newDisk takes all as durable that is on the disk before the process starts.
func newDisk(database, record string) (*disk, error) {
	d := &disk{database: database, record: record, inodes: map[uint64]*content{}, names: map[string]*content{}}
	var err error
	if d.folder, err = inode(filepath.Dir(database)); err != nil {
		return nil, err
	}
	for _, suffix := range files() {
		name := database + suffix
		n, err := inode(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		c := &content{durable: data}
		d.inodes[n], d.names[name] = c, c
	}
	return d, os.WriteFile(record, nil, 0o600)
}

// files are the suffixes of the files of a database. What is in shared memory (-shm)
// does not outlast a power cut.
func files() []string { return []string{"", "-journal", "-wal"} }

// inode is the number of a file.
func inode(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Sys().(*syscall.Stat_t).Ino, nil
}

// environment has a process recorded, and killed instead of making a step; 0 is never.
func (d *disk) environment(lib string, at int) []string {
	return []string{"LD_PRELOAD=" + lib, "CRASH_DATABASE=" + d.database, "CRASH_RECORD=" + d.record, "CRASH_AT=" + strconv.Itoa(at)}
}

// Kinds of record, see testdata/crash/disk.c.
const (
	recCreate = 1 + iota
	recWrite
	recTruncate
	recSync
	recRemove
)

type recordHead struct {
	Op, Size  uint32
	Inode, At uint64
}

// read follows what was recorded. The process may have died amid the last record.
func (d *disk) read() error {
	data, err := os.ReadFile(d.record)
	if err != nil {
		return err
	}
	for r := bytes.NewReader(data); ; d.steps++ {
		var head recordHead
		if err := format.Read(r, format.NativeEndian, &head); err != nil {
			return ignoreEnd(err)
		}
		body := make([]byte, head.Size)
		if _, err := io.ReadFull(r, body); err != nil {
			return ignoreEnd(err)
		}
		if err := d.follow(head, body); err != nil {
			return err
		}
	}
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func (d *disk) follow(head recordHead, body []byte) error {
	file := d.inodes[head.Inode]
	switch head.Op {
	case recCreate:
		file = &content{}
		d.inodes[head.Inode] = file
		d.entries = append(d.entries, entry{d.steps, string(body), file})
		return nil
	case recRemove:
		d.entries = append(d.entries, entry{d.steps, string(body), nil})
		return nil
	case recSync:
		if head.Inode == d.folder {
			d.entries = d.enter(func(e entry) bool { return e.step < int(head.At) })
			return nil
		}
		d.syncs++
	}
	if file == nil {
		return errors.New("a record names a file that was never opened")
	}
	switch head.Op {
	case recWrite:
		file.pending = append(file.pending, change{step: d.steps, at: int64(head.At), data: body})
	case recTruncate:
		file.pending = append(file.pending, change{step: d.steps, at: int64(head.At), truncate: true})
	case recSync:
		file.settle(func(c change) bool { return c.step < int(head.At) })
	}
	return nil
}

// enter makes changes of the directory durable, and returns the others.
func (d *disk) enter(durable func(entry) bool) (others []entry) {
	for _, e := range d.entries {
		switch {
		case !durable(e):
			others = append(others, e)
		case e.file == nil:
			delete(d.names, e.name)
		default:
			d.names[e.name] = e.file
		}
	}
	return others
}

// settle makes changes durable, and keeps the others.
func (c *content) settle(durable func(change) bool) {
	var others []change
	for _, p := range c.pending {
		if durable(p) {
			c.apply(p)
		} else {
			others = append(others, p)
		}
	}
	c.pending = others
}

func (c *content) apply(p change) {
	size := int(p.at) + len(p.data)
	if grown := size - len(c.durable); grown > 0 {
		c.durable = append(c.durable, make([]byte, grown)...)
	}
	if p.truncate {
		c.durable = c.durable[:size]
	}
	copy(c.durable[p.at:], p.data)
}

// fate is what a power cut does to writes under way.
type fate int

const (
	nothing    fate = iota // reaches the disk
	everything             // does
	some                   // writes do, whole
	torn                   // sectors of writes do
	fates
)

// sector is what a disk writes whole.
const sector = 512

// cut leaves on the disk what a power cut at the end of the process does. Changes
// of the directory are in a journal: they take effect in order.
func (d *disk) cut(f fate, random *rand.Rand) error {
	if err := d.read(); err != nil {
		return err
	}
	switch f {
	case nothing:
	case everything:
		d.enter(func(entry) bool { return true })
	default:
		last := random.IntN(len(d.entries) + 1)
		d.enter(func(e entry) bool {
			return slices.IndexFunc(d.entries, func(o entry) bool { return o.step == e.step }) < last
		})
	}
	for _, c := range d.inodes {
		if f == torn {
			c.pending = sectors(c.pending)
		}
		c.settle(func(change) bool { return f == everything || f != nothing && random.IntN(2) == 0 })
	}
	return d.write()
}

// sectors cuts writes at the bounds of sectors.
func sectors(changes []change) (pieces []change) {
	for _, c := range changes {
		for len(c.data) > sector-int(c.at%sector) {
			n := sector - int(c.at%sector)
			pieces = append(pieces, change{step: c.step, at: c.at, data: c.data[:n]})
			c.at, c.data = c.at+int64(n), c.data[n:]
		}
		pieces = append(pieces, c)
	}
	return pieces
}

// write puts what is durable in the place of the files, shared memory included.
func (d *disk) write() error {
	for _, suffix := range append(files(), "-shm") {
		if err := os.Remove(d.database + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for name, c := range d.names {
		if err := os.WriteFile(name, c.durable, 0o600); err != nil {
			return err
		}
	}
	return nil
}
