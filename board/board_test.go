package board

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write makes a file below root, with the directories above it.
func write(t testing.TB, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The texts and compatible strings are those of public sources: "dts" is Linux,
// arch/arm/boot/dts/broadcom and arch/arm64/boot/dts, "rpi dts" the same in
// Raspberry Pi's tree of it; "raspios" is a list of what
// Raspberry Pi OS 2024-03-15 shows on real boards, with its finding that a 3A+
// runs on the tree of a 3B+; "log" is a kernel log ("Hardware name").
func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		source, model, compatible string
		want                      string
		ports                     Ports
	}{
		{"raspios", "Raspberry Pi 3 Model B Rev 1.2", "raspberrypi,3-model-b\x00brcm,bcm2837", "Raspberry Pi 3B", PortsGanged},
		{"raspios", "Raspberry Pi 3 Model B Plus Rev 1.3", "raspberrypi,3-model-b-plus\x00brcm,bcm2837", "Raspberry Pi 3B+", PortsGanged},
		{"dts", "Raspberry Pi 3 Model B+", "raspberrypi,3-model-b-plus\x00brcm,bcm2837", "Raspberry Pi 3B+", PortsGanged},
		{"raspios", "Raspberry Pi 3 Model A Plus Rev 1.0", "raspberrypi,3-model-b-plus\x00brcm,bcm2837", "Raspberry Pi 3A+", PortsFixed},
		{"dts", "Raspberry Pi 3 Model A+", "raspberrypi,3-model-a-plus\x00brcm,bcm2837", "Raspberry Pi 3A+", PortsFixed},
		{"raspios", "Raspberry Pi Compute Module 3 Rev 1.0", "raspberrypi,3-compute-module\x00brcm,bcm2837", "Raspberry Pi CM3", PortsCarrier},
		{"dts", "Raspberry Pi Compute Module 3 IO board V3.0", "raspberrypi,3-compute-module\x00brcm,bcm2837", "Raspberry Pi CM3", PortsCarrier},
		{"log", "Raspberry Pi Compute Module 3 Plus Rev 1.0", "raspberrypi,3-compute-module\x00brcm,bcm2837", "Raspberry Pi CM3", PortsCarrier},
		{"raspios", "Raspberry Pi 4 Model B Rev 1.4", "raspberrypi,4-model-b\x00brcm,bcm2711", "Raspberry Pi 4B", PortsGanged},
		{"dts", "Raspberry Pi 4 Model B", "raspberrypi,4-model-b\x00brcm,bcm2711", "Raspberry Pi 4B", PortsGanged},
		{"raspios", "Raspberry Pi 400 Rev 1.0", "raspberrypi,400\x00brcm,bcm2711", "Raspberry Pi 400", PortsGanged},
		{"dts", "Raspberry Pi Compute Module 4 IO Board", "raspberrypi,4-compute-module\x00brcm,bcm2711", "Raspberry Pi CM4", PortsCarrier},
		{"raspios", "Raspberry Pi Zero 2 W Rev 1.0", "raspberrypi,model-zero-2-w\x00brcm,bcm2837", "Raspberry Pi Zero 2 W", PortsFixed},
		{"raspios", "Raspberry Pi 5 Model B Rev 1.0", "raspberrypi,5-model-b\x00brcm,bcm2712", "Raspberry Pi 5", PortsGanged},
		{"dts", "Raspberry Pi 5", "raspberrypi,5-model-b\x00brcm,bcm2712", "Raspberry Pi 5", PortsGanged},
		{"rpi dts", "Raspberry Pi 500", "raspberrypi,500\x00brcm,bcm2712", "Raspberry Pi 500", PortsGanged},
		{"rpi dts", "Raspberry Pi Compute Module 5", "raspberrypi,5-compute-module\x00brcm,bcm2712", "Raspberry Pi CM5", PortsCarrier},
		{"a test of public code", "Raspberry Pi Compute Module 5 Lite Rev 1.0", "raspberrypi,5-compute-module\x00brcm,bcm2712", "Raspberry Pi CM5", PortsCarrier},
		{"raspios", "Raspberry Pi Model B Plus Rev 1.2", "raspberrypi,model-b-plus\x00brcm,bcm2835", "Raspberry Pi Model B Plus Rev 1.2", PortsUnknown},
		{"dts", "FriendlyElec NanoPi R4S", "friendlyarm,nanopi-r4s\x00rockchip,rk3399", "FriendlyElec NanoPi R4S", PortsUnknown},
		{"a tree without a model", "", "linux,dummy-virt", "linux,dummy-virt", PortsUnknown},
		{"a PC", "", "", "none", PortsUnknown},
	} {
		for _, dir := range []string{"proc/device-tree/", "sys/firmware/devicetree/base/"} {
			root := t.TempDir()
			if tt.model != "" {
				write(t, root, dir+"model", tt.model+"\x00")
			}
			if tt.compatible != "" {
				write(t, root, dir+"compatible", tt.compatible+"\x00")
			}
			b, err := Detect(root)
			if err != nil || b.Model != tt.want || b.Ports != tt.ports {
				t.Errorf("%s, %s %q: %+v, %v, want %s", tt.source, dir, tt.model, b, err, tt.want)
			}
			if image := b.known && !strings.Contains(tt.compatible, "bcm2712"); b.Image != image {
				t.Errorf("%s: image %v", b.Model, b.Image)
			}
		}
	}
}

func TestDetectUnreadable(t *testing.T) {
	root := t.TempDir()
	write(t, root, "proc/device-tree/model/in-the-way", "") // a directory cannot be read
	b, err := Detect(root)
	if err == nil || b.Model != none {
		t.Errorf("%+v, %v", b, err)
	}
	h, err := Open(Config{}, root)
	if err != nil {
		t.Fatal(err)
	}
	if p := h.Problems(); len(p) != 1 || !strings.HasPrefix(p[0].Cause, "device tree: ") || !strings.Contains(p[0].Cure, "[board]") {
		t.Errorf("%+v", p)
	}
}

func TestBoardFacts(t *testing.T) {
	for _, tt := range []struct {
		name string
		tree map[string]string
		want []string
	}{
		{"3B+", map[string]string{
			"proc/device-tree/model":                "Raspberry Pi 3 Model B Plus Rev 1.3\x00",
			"sys/class/watchdog/watchdog0/identity": "Broadcom BCM2835 Watchdog timer\n",
		}, []string{
			"Raspberry Pi 3B+ (Raspberry Pi 3 Model B Plus Rev 1.3)",
			"USB ports: one supply for all, which port 1-1.2 switches; a hub that switches each port helps",
			"GPIO: 26 lines for slots",
			"watchdog: Broadcom BCM2835 Watchdog timer",
		}},
		{"5", map[string]string{"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\x00"}, []string{
			"Raspberry Pi 5 (Raspberry Pi 5 Model B Rev 1.0)",
			"image: the flashable image does not run on this board",
			"USB ports: one supply for all, on until every port is off; a hub that switches each port helps",
			"GPIO: 26 lines for slots",
			"watchdog: the chip has one, and the kernel shows none: load bcm2835_wdt",
		}},
		{"a PC", map[string]string{"sys/class/watchdog/watchdog0/identity": "Software Watchdog\n"}, []string{
			"no board known (a PC, a virtual machine or a container)",
			"USB ports: not known whether their supply is switched",
			"GPIO: lines not known, gpioinfo lists them if there are any",
			"watchdog: the kernel shows none in hardware",
		}},
	} {
		root := t.TempDir()
		for name, text := range tt.tree {
			write(t, root, name, text)
		}
		b, err := Detect(root)
		if err != nil || !slices.Equal(b.Facts(), tt.want) {
			t.Errorf("%s: %v\n%s", tt.name, err, strings.Join(b.Facts(), "\n"))
		}
	}
}

func TestNamed(t *testing.T) {
	for _, name := range names() {
		for _, written := range []string{name, strings.ToLower(name), strings.TrimPrefix(name, "Raspberry Pi ")} {
			if b, ok := named(written); !ok || b.Model != name || b.String() != name {
				t.Errorf("%q: %+v, %v", written, b, ok)
			}
		}
	}
	if b, ok := named("Raspberry Pi"); ok {
		t.Errorf("%+v", b)
	}
}

// FuzzTree puts anything into the device tree.
func FuzzTree(f *testing.F) {
	f.Add([]byte("Raspberry Pi 3 Model B Plus Rev 1.3\x00"), []byte("raspberrypi,3-model-b-plus\x00brcm,bcm2837\x00"))
	f.Add([]byte("\xff\x00\x00"), []byte("\n"))
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, model, compatible []byte) {
		write(t, root, "proc/device-tree/model", string(model))
		write(t, root, "proc/device-tree/compatible", string(compatible))
		b, err := Detect(root)
		if err != nil || b.Model == "" || len(b.Model) > treeMax || strings.ContainsAny(b.String(), "\n\x00") {
			t.Errorf("%q: %v", b, err)
		}
	})
}
