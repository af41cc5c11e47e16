package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cellpost/ingress/httpd"
	"cellpost/modem/usb"
	"cellpost/queue/sqlite"
)

// disk is what a file system says of itself.
type disk struct {
	free     uint64 // octets for this user
	files    uint64 // that can be made yet
	counts   bool   // the file system knows a limit of files
	readOnly bool
	denied   bool // this user may not write
}

// lookAtDisk looks at the place of the data.
func lookAtDisk(dir string) []diagnosis {
	wrong := func(code, cause, step string) []diagnosis {
		return []diagnosis{{Subject: "disk", Code: code, Cause: cause, NextStep: step}}
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong("data-missing", dir+" is not there", "start the gateway, which makes it: cellpost serve --config FILE; or correct data_dir")
	case err != nil:
		return wrong("data-denied", err.Error(), "run this as root, or as the user of the gateway")
	case !info.IsDir():
		return wrong("data-no-directory", dir+" is no directory", "correct data_dir")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return wrong("data-denied", fmt.Sprintf("%s: %v", dir, err), "see what dmesg says of the disk")
	}
	return []diagnosis{judgeDisk(dir, disk{
		free: st.Bavail * uint64(st.Bsize), files: st.Ffree, counts: st.Files > 0,
		readOnly: int64(st.Flags)&unix.ST_RDONLY != 0 || refusesFiles(dir), denied: unix.Access(dir, unix.W_OK) != nil,
	})}
}

// refusesFiles reports whether a file system takes no file because it is read-only:
// since Linux 6.12 one that found an error in itself does not show it otherwise.
func refusesFiles(dir string) bool {
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return errors.Is(err, syscall.EROFS)
	}
	f.Close()
	os.Remove(f.Name())
	return false
}

// lookAtRescued looks for databases that were damaged and have been replaced.
func lookAtRescued(c config) []diagnosis {
	list, err := sqlite.ListRescued(c.database())
	if err != nil {
		return []diagnosis{{Subject: "queue", Code: "queue-rescued-unreadable", Cause: err.Error(), NextStep: "run this as root, or as the user of the gateway"}}
	}
	var found []diagnosis
	for _, r := range list {
		f := diagnosis{Subject: "queue", Code: "queue-rescued", Since: r.At}
		f.Cause = fmt.Sprintf("the database was damaged (%s). The snapshot of %s took its place: what was accepted, sent, reported, received or booked after that is not in it, and %d messages that may have been sent since are marked",
			r.Why, r.Snapshot.Local().Format(clock), r.Unfinished)
		if r.Snapshot.IsZero() {
			f.Cause = fmt.Sprintf("the database was damaged (%s), and there was no snapshot: all began anew, without accounts, messages and inbox", r.Why)
		}
		f.NextStep = fmt.Sprintf("see what dmesg says of the disk; docs/storage.md tells how to get more out of the damaged file; then: rm %s*; until then mails of accounts that are not there are put off, not refused", r.File)
		found = append(found, f)
	}
	return found
}

// What the queue needs at least: it grows by some 2 KB a message, and SQLite
// writes a second file beside it.
const (
	leastFree  = 64 << 20
	leastFiles = 100
)

func judgeDisk(dir string, d disk) diagnosis {
	f := diagnosis{Subject: "disk"}
	switch {
	case d.readOnly:
		f.Code, f.Cause = "disk-read-only", dir+" is on a file system that is mounted for reading only: no message can be taken"
		f.NextStep = "see what dmesg says of the disk; if it is sound: mount -o remount,rw; an SD card that turned read-only is worn out, replace it"
	case d.denied:
		f.Code, f.Cause = "data-denied", "this user may not write to "+dir
		f.NextStep = "run this as the user of the gateway (sudo -u cellpost cellpost doctor ...); if the gateway cannot write either: chown -R cellpost: " + dir
	case d.free < leastFree:
		f.Code, f.Cause = "disk-full", fmt.Sprintf("%s free on %s: without room no message can be taken", octets(d.free), dir)
		f.NextStep = "delete what is not needed (du -xh " + dir + "; journalctl --vacuum-size=50M), or use a larger disk"
	case d.counts && d.files < leastFiles:
		f.Code, f.Cause = "disk-full", fmt.Sprintf("only %d files can be made on %s", d.files, dir)
		f.NextStep = "delete files that are not needed: df -i tells how many there are"
	default:
		f.Code, f.Cause = allRight, fmt.Sprintf("%s free on %s", octets(d.free), dir)
	}
	return f
}

// octets writes a size for people.
func octets(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d KB", n>>10)
}

// builtAt is when the source of this program was committed.
func builtAt() time.Time {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			t, _ := time.Parse(time.RFC3339, s.Value)
			return t
		}
	}
	return time.Time{}
}

// judgeClock says what is wrong with the clock. trusted and why are what the
// gateway thinks of it, or would.
func judgeClock(c clockFacts, trusted bool, why string) diagnosis {
	const cure = "give the site an NTP server (timedatectl shows what is used), or the board a clock with a battery"
	f := diagnosis{Subject: "clock", Code: "clock-wrong"}
	now := c.now.Local().Format("2006-01-02 15:04:05 MST")
	switch {
	case c.now.Before(c.floor):
		f.Cause = fmt.Sprintf("it shows %s, which is before this program was made: messages for a certain time are held, and dates are wrong", now)
		f.NextStep = "set it: date -s '2030-12-31 23:59'; then " + cure
	case c.contradicted():
		there := c.now.Add(c.offset).Local()
		f.Cause = fmt.Sprintf("it shows %s, and the mobile network says %s (%s)", now, there.Format("2006-01-02 15:04:05 MST"), c.source)
		f.NextStep = fmt.Sprintf("set it: date -s '%s'; then %s", there.Format(time.DateTime), cure)
	case !trusted:
		f.Code = "clock-unsure"
		f.Cause = fmt.Sprintf("it shows %s, and is not trusted: %s. Messages for a certain time are held", now, why)
		f.NextStep = cure + `; where it is right and stays so, write trust = "always" into [clock]`
		if c.RTC != "" {
			f.NextStep = "set it: date -s '2030-12-31 23:59'; then hwclock --systohc, so that " + c.RTC + " tells the same; or " + f.NextStep
		}
	default:
		f.Code, f.Cause = allRight, now+": "+why
	}
	return f
}

// How long a message may be due, or of unknown outcome, before a person should
// look at it.
const (
	queueLate   = 10 * time.Minute
	unknownLate = time.Hour
)

func judgeQueue(queued, unknown []httpd.Message, now time.Time) []diagnosis {
	late, longUnknown, restrained := 0, 0, 0
	var oldest httpd.Message
	for _, m := range queued {
		if m.Waits != "" {
			restrained++
			continue // as the operator wants it
		}
		if now.Sub(m.Due) > queueLate {
			late++
		}
		if oldest.Due.IsZero() || m.Due.Before(oldest.Due) {
			oldest = m
		}
	}
	for _, m := range unknown {
		if now.Sub(m.Created) > unknownLate {
			longUnknown++
		}
	}
	var found []diagnosis
	if late > 0 {
		found = append(found, diagnosis{
			Subject: "queue", Code: "queue-stuck", Since: oldest.Due,
			Cause:    fmt.Sprintf("%d messages are due for more than %s and no modem takes them; the oldest is %s, %s", late, queueLate, oldest.ID, oldest.Why),
			NextStep: "see what is wrong with the modems; cellpost queue show " + oldest.ID + " has the story",
		})
	}
	if longUnknown > 0 {
		found = append(found, diagnosis{
			Subject: "queue", Code: "queue-unknown",
			Cause:    fmt.Sprintf("of %d messages nobody knows whether the network has them", longUnknown),
			NextStep: "cellpost queue list --state unknown; send them again if they matter, and cancel them",
		})
	}
	if len(found) == 0 {
		found = append(found, diagnosis{Subject: "queue", Code: allRight, Cause: queueWords(len(queued), restrained, oldest, now)})
	}
	return found
}

func queueWords(n, restrained int, oldest httpd.Message, now time.Time) string {
	if n == 0 {
		return "no message waits"
	}
	var words string
	if restrained < n {
		words = fmt.Sprintf(", the oldest for %s", max(now.Sub(oldest.Due), 0).Round(time.Second))
	}
	if restrained > 0 {
		words += fmt.Sprintf("; %d of them for SIMs that may not send now by their limits", restrained)
	}
	return fmt.Sprintf("%d messages wait%s", n, words)
}

// lookAtDevice looks for what keeps a serial device from being opened.
func (d *doctor) lookAtDevice(device string) (f diagnosis, wrong bool) {
	info, err := os.Stat(device)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return diagnosis{Code: "device-missing", Cause: device + " is not there", NextStep: "plug the modem in, or correct the path; " + d.plugged()}, true
	case err != nil:
		return diagnosis{Code: "device-denied", Cause: err.Error(), NextStep: "run this as root, or as the user of the gateway"}, true
	case d.tree.NoPort(device):
		return diagnosis{Code: "device-wrong", Cause: device + " is no serial device", NextStep: "correct the path; " + d.plugged()}, true
	case unix.Access(device, unix.R_OK|unix.W_OK) != nil:
		return diagnosis{Code: "device-denied", Cause: "this user may not use " + device, NextStep: joinGroup(info)}, true
	}
	for _, h := range d.tree.Holders(device) {
		return diagnosis{Code: "device-held", Cause: fmt.Sprintf("%s is held by %s", device, h), NextStep: letGo(h)}, true
	}
	return diagnosis{}, false
}

// joinGroup says how this user gets at a device.
func joinGroup(info fs.FileInfo) string {
	group, name := "dialout", "NAME"
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if g, err := user.LookupGroupId(strconv.Itoa(int(st.Gid))); err == nil && g.Name != "root" {
			group = g.Name
		}
	}
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return fmt.Sprintf("usermod -aG %s %s, then log in anew (a service: restart it)", group, name)
}

// letGo says how a program is kept off a device.
func letGo(h usb.Holder) string {
	switch h.Program {
	case "ModemManager":
		return `systemctl disable --now ModemManager, or keep it off this device with ENV{ID_MM_DEVICE_IGNORE}="1" in a udev rule`
	case "cellpost":
		return "ask the gateway that has it: cellpost doctor --config FILE"
	}
	return fmt.Sprintf("stop it: systemctl status %d tells its service", h.PID)
}
