package test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cellpost/modem/sim"
)

// data is the gateway's data_dir.
func (w *world) data() string { return filepath.Join(w.dir, "data") }

// mount puts a file system of its own under data_dir. Only root can.
func (w *world) mount(source, kind, options string) {
	w.t.Helper()
	if os.Geteuid() != 0 {
		w.t.Skip("only root mounts file systems")
	}
	run := exec.Command("mount", "-t", kind, "-o", options, source, w.data())
	if out, err := run.CombinedOutput(); err != nil {
		w.t.Skipf("this machine mounts no %s: %v\n%s", kind, err, out)
	}
	w.t.Cleanup(func() { unix.Unmount(w.data(), unix.MNT_DETACH) })
	if err := os.CopyFS(w.data(), os.DirFS(accounts)); err != nil && !errors.Is(err, os.ErrExist) {
		w.t.Fatal(err)
	}
	dir, err := os.Open(w.data()) // no fsync has seen the copies
	if err != nil {
		w.t.Fatal(err)
	}
	if err := errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// remount changes the options of what mount has put there.
func (w *world) remount(options string) {
	w.t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+options, w.data()).CombinedOutput(); err != nil {
		w.t.Fatalf("remount: %v\n%s", err, out)
	}
}

// fill takes all room in data_dir; the file that holds it is returned.
func (w *world) fill() string {
	w.t.Helper()
	f, err := os.Create(filepath.Join(w.data(), "filler"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for n := 1 << 20; n > 0; n /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, n))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			w.t.Fatal(err)
		}
	}
	return f.Name()
}

// bear offers mails until the answer is that the store is out of reach, and
// returns the texts of those that were accepted before.
func (w *world) bear(name string) (accepted []string) {
	w.t.Helper()
	for i := range 1000 { // there may be room in files that are there
		text := fmt.Sprintf("%s %d", name, i)
		err := w.mail(script("to:448311234567", "text:"+text))
		if err == nil {
			accepted = append(accepted, text)
			continue
		}
		if e, ok := errors.AsType[*textproto.Error](err); !ok || e.Code != 452 || !strings.HasPrefix(e.Msg, "4.3.1 ") {
			w.t.Fatalf("answer %v, want 452 4.3.1", err)
		}
		return accepted
	}
	w.t.Fatal("everything is accepted")
	return nil
}

// ledger checks that the network took every text that was accepted, and none
// twice in silence.
func (w *world) ledger(accepted []string, list []message) {
	w.t.Helper()
	taken := map[string]int{}
	for _, e := range w.network.Ledger() {
		taken[e.Submit.UserData.Text(e.Submit.DCS)]++
	}
	flagged := map[string]bool{}
	for _, m := range list {
		flagged[m.Text] = m.Duplicate
	}
	for _, text := range accepted {
		if taken[text] == 0 || taken[text] > 1 && !flagged[text] {
			w.t.Errorf("%q was taken %d times, possible duplicate %v", text, taken[text], flagged[text])
		}
	}
	if len(list) != len(accepted) {
		w.t.Errorf("%d messages are stored, %d were accepted", len(list), len(accepted))
	}
}

// goesOn waits until mails are accepted again by the same process.
func (w *world) goesOn(text string) {
	w.t.Helper()
	if !await(patience, func() bool { return w.mail(script("to:448311234567", "text:"+text)) == nil }) {
		w.t.Fatal("nothing is accepted any more")
	}
}

// TestDiskFull: mails are put off, what was accepted is sent when there is room
// again, and nobody has to do more than make some.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{modems: 2, options: sim.Options{AirTime: 100 * time.Millisecond}, more: "[store]\nsnapshot = \"1m\"\n"})
	w.mount("tmpfs", "tmpfs", "size=6m")
	g := w.start()
	var accepted []string
	for i := range 40 {
		text := fmt.Sprintf("before %d", i)
		w.mustMail("to:448311234567", "text:"+text)
		accepted = append(accepted, text)
	}
	filler := w.fill()
	accepted = append(accepted, w.bear("full")...)
	w.list() // it answers
	w.says(w.cellpostFails("doctor"), "disk-full")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.goesOn("after")
	accepted = append(accepted, "after")
	w.ledger(accepted, w.settle(len(accepted), delivered))
	g.stop(t)
}

// TestReadOnlyAtStart: the gateway says what to do, and comes up when it is done.
func TestReadOnlyAtStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{modems: 1})
	w.mount("tmpfs", "tmpfs", "size=6m")
	w.remount("ro")
	out := w.cellpostFails("serve")
	w.says(out, "make the file and its folder writable")
	w.says(w.cellpostFails("doctor"), "disk-read-only")
	w.remount("rw")
	w.start()
	w.mustMail("to:448311234567", "text:after")
	w.ledger([]string{"after"}, w.settle(1, delivered))
}

// TestReadOnlyAtWork: the kernel makes a file system read-only that has an error.
func TestReadOnlyAtWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{modems: 2, options: sim.Options{AirTime: 100 * time.Millisecond}})
	image := filepath.Join(w.dir, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 24<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("this machine makes no ext4: %v\n%s", err, out)
	}
	const options = "loop,errors=remount-ro"
	w.mount(image, "ext4", options)
	g := w.start()
	var accepted []string
	for i := range 20 {
		text := fmt.Sprintf("before %d", i)
		w.mustMail("to:448311234567", "text:"+text)
		accepted = append(accepted, text)
	}
	w.breakDisk()
	accepted = append(accepted, w.bear("read-only")...)
	w.list()
	w.says(w.cellpostFails("doctor"), "disk-read-only")
	g.kill()
	if err := unix.Unmount(w.data(), 0); err != nil {
		t.Fatal(err)
	}
	w.mount(image, "ext4", options)
	w.start()
	w.goesOn("after")
	accepted = append(accepted, "after")
	w.ledger(accepted, w.settle(len(accepted), delivered))
}

// breakDisk lets the kernel find an error in the file system of data_dir, which is
// on a loop device.
func (w *world) breakDisk() {
	w.t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(w.data(), &st); err != nil {
		w.t.Fatal(err)
	}
	link, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	device := filepath.Base(link)
	if err != nil || !strings.HasPrefix(device, "loop") {
		w.t.Skipf("%q is no loop device, %v", device, err)
	}
	if err := os.WriteFile(filepath.Join("/sys/fs/ext4", device, "trigger_fs_error"), []byte("1"), 0); err != nil {
		w.t.Skipf("this kernel breaks no file system: %v", err)
	}
}

// TestDatabaseHeld: while another program holds the database mails are put off.
func TestDatabaseHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{modems: 1})
	w.start()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(w.data(), "cellpost.db")+"?_txlock=immediate&_busy_timeout=50000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	hold, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if accepted := w.bear("held"); len(accepted) > 0 {
		t.Errorf("accepted: %q", accepted)
	}
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	w.goesOn("after")
	w.ledger([]string{"after"}, w.settle(1, delivered))
}

// cellpostFails runs a verb that has to end with status 1, and returns what it prints.
func (w *world) cellpostFails(args ...string) string {
	w.t.Helper()
	out, err := exec.Command(binary, append(args, "--config", w.config)...).CombinedOutput()
	if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != 1 {
		w.t.Fatalf("cellpost %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// snapshots returns the paths of the snapshots.
func (w *world) snapshots() []string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.data(), "snapshots", "*.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

// prepare leaves a world with a snapshot in which three messages wait that have
// been sent since, and a gateway that runs.
func prepare(t *testing.T) (*world, *gateway) {
	w := newWorld(t, setting{modems: 1})
	g := w.start()
	w.cellpost("modem", "suspend", "m0")
	for i := range 3 {
		w.mustMail("to:448311234567", fmt.Sprintf("text:early %d", i))
	}
	g.stop(t)
	for _, name := range w.snapshots() { // another is made at once
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	g = w.start()
	if !await(patience, func() bool { return len(w.snapshots()) == 1 }) {
		t.Fatal("no snapshot was made")
	}
	w.cellpost("modem", "resume", "m0")
	w.settle(3, delivered)
	w.mustMail("to:448311234567", "text:late")
	w.settle(4, delivered)
	return w, g
}

// rescued checks that the early messages were sent again, and say so.
func (w *world) rescued() {
	w.t.Helper()
	list := w.settle(3, delivered)
	if len(list) != 3 {
		w.t.Errorf("%d messages are stored", len(list))
	}
	for _, m := range w.peruse(list) {
		if !m.Duplicate || !strings.HasPrefix(m.events(), "accepted restored queued sending sent") {
			w.t.Errorf("%q, possible duplicate %v: %s", m.Text, m.Duplicate, m.events())
		}
	}
	if n := len(w.network.Ledger()); n != 7 {
		w.t.Errorf("%d messages were taken, want 4 and 3 again", n)
	}
}

// spoil writes rubbish over a file, from an offset on.
func spoil(t *testing.T, path string, from int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	rubbish := []byte(strings.Repeat("rubbish\n", int(max(0, info.Size()-from)/8)))
	if _, err := f.WriteAt(rubbish, from); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedAtWork: the process ends and says why, the next one restores the
// snapshot, and the one after finds nothing to do.
func TestDamagedAtWork(t *testing.T) {
	t.Parallel()
	w, g := prepare(t)
	database := filepath.Join(w.data(), "cellpost.db")
	spoil(t, database, 4096)
	spoil(t, database+"-wal", 4096)
	ended := make(chan error, 1)
	go func() { <-g.silent; ended <- g.Wait() }()
	await(patience, func() bool { // until it has seen it
		w.mail(script("to:448311234567", "text:x"))
		select {
		case <-g.silent:
			return true
		default:
			return false
		}
	})
	if err := <-ended; err == nil || g.ProcessState.ExitCode() != 1 {
		t.Fatalf("the gateway ended with %v:\n%s", err, g.log)
	}
	w.says(g.log.String(), "the file is damaged; when the service starts it restores the newest snapshot")
	w.aftermath("queue-rescued")
}

// TestDamagedAtStart: the same for a file that cannot even be opened.
func TestDamagedAtStart(t *testing.T) {
	t.Parallel()
	w, g := prepare(t)
	g.stop(t)
	spoil(t, filepath.Join(w.data(), "cellpost.db"), 0)
	w.aftermath("queue-rescued")
}

// aftermath starts the gateway on what was damaged, and again; the alarm lasts
// until a person ends it.
func (w *world) aftermath(code string) {
	w.t.Helper()
	g := w.start()
	w.rescued()
	out := w.cellpostFails("doctor")
	w.says(out, code)
	w.says(out, "3 messages that may have been sent since are marked")
	// An account that is not there may have been lost: no refusal for good.
	stranger := "user:new\r\npassword:secret\r\napi_id:3456\r\nto:448311234567\r\ntext:x\r\n"
	w.says(fmt.Sprint(w.mail(stranger)), `452 "4.3.1 `)
	g.stop(w.t)
	g = w.start()
	w.says(g.log.String(), "the queue was damaged and has been replaced")
	files, err := filepath.Glob(filepath.Join(w.data(), "cellpost.db.corrupt-*"))
	if err != nil || len(files) < 2 {
		w.t.Fatalf("moved aside: %v, %v", files, err)
	}
	for _, name := range files {
		if err := os.Remove(name); err != nil {
			w.t.Fatal(err)
		}
	}
	seen, _ := exec.Command(binary, "doctor", "--config", w.config).CombinedOutput() // it may find fault with this machine
	if w.says(string(seen), "ok     queue:"); strings.Contains(string(seen), code) {
		w.t.Errorf("the alarm goes on:\n%s", seen)
	}
	w.says(fmt.Sprint(w.mail(stranger)), `554 "5.7.8 `)
	if len(w.list()) != 3 {
		w.t.Error("messages came again")
	}
	g.stop(w.t)
}

// TestBackup: a backup of a gateway at work brings back all that was in it, on the
// same machine and on a new one.
func TestBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{modems: 1})
	g := w.start()
	w.cellpost("modem", "suspend", "m0")
	for i := range 3 {
		w.mustMail("to:448311234567", fmt.Sprintf("text:early %d", i))
	}
	file := filepath.Join(w.dir, "backup.tar")
	w.says(w.cellpost("backup", file), "the configuration "+w.config+" and 1 files")
	w.cellpost("modem", "resume", "m0")
	w.settle(3, delivered)
	w.mustMail("to:448311234567", "text:late")
	w.settle(4, delivered)

	w.says(w.cellpostFails("restore", file, "--force"), "another cellpost runs")
	g.stop(t)
	w.says(w.cellpostFails("restore", file), "with --force it is moved aside")
	out := w.cellpost("restore", file, "--force")
	w.says(out, "3 unfinished messages may have been sent since")
	w.says(out, "restored 1 of 1 other files")
	g = w.start()
	w.cellpost("modem", "resume", "m0")
	w.rescued()
	g.stop(t)

	// A new machine has neither data nor configuration.
	if err := errors.Join(os.RemoveAll(w.data()), os.Remove(w.config)); err != nil {
		t.Fatal(err)
	}
	w.says(w.cellpost("restore", file), "restored the configuration "+w.config)
	g = w.start()
	if n := len(w.list()); n != 3 {
		t.Errorf("%d messages", n)
	}
	g.stop(t)

	// Without a gateway it is the same; a bare database is restored as well.
	w.cellpost("backup", file)
	w.says(w.cellpost("restore", w.snapshots()[0], "--force"), "restored 0 of 0 other files")
	for _, c := range []struct{ name, text, want string }{
		{"rubbish", strings.Repeat("rubbish\n", 1000), "no backup that cellpost backup has written"},
		{"empty", "", "no backup that cellpost backup has written"},
		{"half", half(t, file), "unexpected EOF"},
	} {
		if err := os.WriteFile(file+c.name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.says(w.cellpostFails("restore", file+c.name, "--force"), c.want)
	}
	w.cellpost("restore", file, "--force")
}

func half(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text[:len(text)/2])
}
