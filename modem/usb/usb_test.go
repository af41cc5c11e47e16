package usb

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// fake makes an empty tree of its own.
func fake(t testing.TB) Tree {
	t.Helper()
	root := t.TempDir()
	tree := Tree{Sys: filepath.Join(root, "sys"), Dev: filepath.Join(root, "dev")}
	for _, dir := range []string{"sys/class/tty", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// add makes files of a tree below sys: "name=content" is a file, "name->target"
// a link, whose target is below sys too.
func add(t testing.TB, tree Tree, entries ...string) {
	t.Helper()
	for _, e := range entries {
		var err error
		if name, target, ok := strings.Cut(e, "->"); ok {
			name = filepath.Join(tree.Sys, name)
			os.MkdirAll(filepath.Dir(name), 0o755)
			err = os.Symlink(filepath.Join(tree.Sys, target), name)
		} else {
			name, content, _ := strings.Cut(e, "=")
			name = filepath.Join(tree.Sys, name)
			os.MkdirAll(filepath.Dir(name), 0o755)
			err = os.WriteFile(name, []byte(content+"\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// intf are the entries of an interface with a tty, laid out as its driver does.
func intf(device string, number int, class, driver, tty string) []string {
	dir := fmt.Sprintf("devices/%s/%s:1.%d", device, filepath.Base(device), number)
	port := dir
	if strings.HasPrefix(tty, "ttyUSB") {
		port += "/" + tty
	}
	c := strings.Split(class, "/")
	return []string{
		fmt.Sprintf("%s/bInterfaceNumber=%02x", dir, number),
		dir + "/bInterfaceClass=" + c[0], dir + "/bInterfaceSubClass=" + c[1], dir + "/bInterfaceProtocol=" + c[2],
		dir + "/driver->bus/usb/drivers/" + driver,
		port + "/tty/" + tty + "/device->" + port,
		"class/tty/" + tty + "->" + port + "/tty/" + tty,
	}
}

func TestDevices(t *testing.T) {
	tree := fake(t)
	add(t, tree, "class/tty/tty0/active=tty1", "devices/platform/serial8250/uevent=x",
		"class/tty/ttyS0/device->devices/platform/serial8250")
	const stick, acm, half = "usb1/1-1/1-1.3", "usb1/1-1/1-1.10", "usb1/1-2"
	add(t, tree, "devices/"+stick+"/idVendor=12d1", "devices/"+stick+"/idProduct=1506", "devices/"+stick+"/devnum=7",
		"devices/"+stick+"/manufacturer=HUAWEI\x1b[2J Technology\x00", "devices/"+stick+"/product=HUAWEI  Mobile")
	add(t, tree, intf(stick, 2, "ff/01/02", "option", "ttyUSB11")...)
	add(t, tree, intf(stick, 0, "ff/01/01", "option", "ttyUSB9")...)
	add(t, tree, "devices/"+acm+"/idVendor=1546", "devices/"+acm+"/idProduct=1102", "devices/"+acm+"/serial=0042")
	add(t, tree, intf(acm, 10, "02/02/01", "cdc_acm", "ttyACM0")...)
	add(t, tree, intf(half, 0, "ff/00/00", "option", "ttyUSB20")...) // its idVendor is gone already
	add(t, tree, "class/tty/ttyUSB21->devices/usb1/1-9/1-9:1.0/ttyUSB21/tty/ttyUSB21")

	got, err := tree.Devices()
	want := []Device{
		{Path: "1-1.10", Vendor: 0x1546, Product: 0x1102, Serial: "0042", Ports: []Port{
			{Node: tree.Dev + "/ttyACM0", Interface: 10, Driver: "cdc_acm", Class: 2, Subclass: 2, Protocol: 1},
		}},
		{Path: "1-1.3", Number: 7, Vendor: 0x12d1, Product: 0x1506, Manufacturer: "HUAWEI [2J Technology", Name: "HUAWEI Mobile", Ports: []Port{
			{Node: tree.Dev + "/ttyUSB9", Interface: 0, Driver: "option", Class: 0xff, Subclass: 1, Protocol: 1},
			{Node: tree.Dev + "/ttyUSB11", Interface: 2, Driver: "option", Class: 0xff, Subclass: 1, Protocol: 2},
		}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	for i, want := range []string{"1-1.10 (1546:1102)", "1-1.3 (HUAWEI [2J Technology HUAWEI Mobile)"} {
		if i < len(got) && got[i].String() != want {
			t.Errorf("%v, want %s", got[i], want)
		}
	}
}

func TestNoDevices(t *testing.T) {
	for name, tree := range map[string]Tree{"empty": fake(t), "without sysfs": {Sys: "/nonexistent"}} {
		if got, err := tree.Devices(); len(got) != 0 || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	tree := fake(t)
	os.Remove(filepath.Join(tree.Sys, "class/tty"))
	add(t, tree, "class/tty=no directory")
	if _, err := tree.Devices(); err == nil {
		t.Error("a file in place of class/tty: no error")
	}
}

// TestPublished reads a tree made of what the kernel of somebody's board showed.
func TestPublished(t *testing.T) {
	tree := fake(t)
	addListing(t, tree, "testdata/rm520n.txt")
	got, err := tree.Devices()
	port := func(n int, subclass, protocol byte) Port {
		return Port{Node: fmt.Sprintf("%s/ttyUSB%d", tree.Dev, n), Interface: n, Driver: "option", Class: 0xff, Subclass: subclass, Protocol: protocol}
	}
	want := []Device{{
		Path: "2-1", Number: 2, Vendor: 0x2c7c, Product: 0x0801, Manufacturer: "Quectel", Name: "RM520N-GL", Serial: "a5c17952",
		Ports: []Port{port(0, 0xff, 0x30), port(1, 0, 0x40), port(2, 0, 0), port(3, 0, 0)},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

var (
	topology = regexp.MustCompile(`^T:  Bus=0*(\d+) Lev=(\d+) .* Port=(\d+) .* Dev#= *(\d+)`)
	product  = regexp.MustCompile(`^P:  Vendor=(\w+) ProdID=(\w+)`)
	name     = regexp.MustCompile(`^S:  (Manufacturer|Product|SerialNumber)=(.*)`)
	function = regexp.MustCompile(`^I:\* If#= *(\d+) .* Cls=(\w+)\(.*\) Sub=(\w+) Prot=(\w+) Driver=(\w+)`)
)

// addListing makes what /sys/kernel/debug/usb/devices lists, devices at most one
// level below the root.
func addListing(t *testing.T, tree Tree, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var dir string
	ttys := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		if m := topology.FindStringSubmatch(s.Text()); m != nil {
			if dir = "usb" + m[1]; m[2] == "01" {
				var port int
				fmt.Sscan(m[3], &port)
				dir += fmt.Sprintf("/%s-%d", m[1], port+1)
			}
			add(t, tree, "devices/"+dir+"/devnum="+m[4])
		} else if m := product.FindStringSubmatch(s.Text()); m != nil {
			add(t, tree, "devices/"+dir+"/idVendor="+m[1], "devices/"+dir+"/idProduct="+m[2])
		} else if m := name.FindStringSubmatch(s.Text()); m != nil {
			file := map[string]string{"Manufacturer": "manufacturer", "Product": "product", "SerialNumber": "serial"}[m[1]]
			add(t, tree, "devices/"+dir+"/"+file+"="+m[2])
		} else if m := function.FindStringSubmatch(s.Text()); m != nil && m[5] == "option" {
			var number int
			fmt.Sscan(m[1], &number)
			add(t, tree, intf(dir, number, m[2]+"/"+m[3]+"/"+m[4], m[5], fmt.Sprintf("ttyUSB%d", ttys))...)
			ttys++
		}
	}
}

// TestHolders finds a process with a port open through a link to it.
func TestHolders(t *testing.T) {
	tree := fake(t)
	port := filepath.Join(t.TempDir(), "port")
	node := filepath.Join(tree.Dev, "ttyUSB0")
	if err := os.WriteFile(port, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(port, node); err != nil {
		t.Fatal(err)
	}
	if got := tree.Holders(node); len(got) != 0 {
		t.Errorf("nobody holds it: %v", got)
	}
	file, err := os.Open(port)
	if err != nil {
		t.Fatal(err)
	}
	sleep := exec.Command("sleep", "1000")
	sleep.ExtraFiles = []*os.File{file}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleep.Wait()
	defer sleep.Process.Kill()
	file.Close()
	want := []Holder{{sleep.Process.Pid, "sleep"}}
	if got := tree.Holders(node); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, none := range []string{port + "x", tree.Dev} {
		if got := tree.Holders(none); len(got) != 0 {
			t.Errorf("%s: %v", none, got)
		}
	}
	tree.Proc = "/nonexistent"
	if got := tree.Holders(node); len(got) != 0 {
		t.Errorf("without proc: %v", got)
	}
}

func TestNoPort(t *testing.T) {
	tree := fake(t)
	add(t, tree, "dev/char/1:3/subsystem->class/mem", "dev/char/1:5/subsystem->class/tty") // null; zero, as if it were a port
	dir := t.TempDir()
	file, pipe, link := filepath.Join(dir, "file"), filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), unix.Mkfifo(pipe, 0o600), os.Symlink("/dev/null", link)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dir: true, file: true, pipe: true, link: true, "/dev/null": true,
		"/dev/zero": false, "/dev/full": false, dir + "/none": false, // full: the kernel does not show it
	} {
		if got := tree.NoPort(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func FuzzAttribute(f *testing.F) {
	for _, seed := range []string{"2c7c\n", "02\n", "ff", "", "\n", "123456", "-1", "0x12", "+1", "HUAWEI\x00\x1b[2J\xff", strings.Repeat("ä", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, bits := range []int{8, 16} {
			n, ok := parseHex(s, bits)
			if n>>bits != 0 || !ok && n != 0 {
				t.Errorf("parseHex(%q, %d) = %x, %v", s, bits, n, ok)
			}
			if again, ok2 := parseHex(fmt.Sprintf("%x\n", n), bits); ok && (again != n || !ok2) {
				t.Errorf("%x does not come back: %x, %v", n, again, ok2)
			}
		}
		if n := parseDecimal(s); n < 0 || n != parseDecimal(fmt.Sprint(n)) {
			t.Errorf("parseDecimal(%q) = %d", s, n)
		}
		text := parseText(s)
		if len(text) > maxText || !utf8.ValidString(text) || parseText(text) != text || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("parseText(%q) = %q", s, text)
		}
	})
}
