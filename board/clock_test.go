package board

import (
	"context"
	"runtime"
	"testing"
	"time"
)

func TestReadClock(t *testing.T) {
	pc := runtime.GOARCH == "amd64" || runtime.GOARCH == "386"
	for _, tt := range []struct {
		name  string
		files map[string]string // below sys/class/rtc, or from the root
		want  Clock
	}{
		{"none", nil, Clock{Firmware: pc}},
		{"a board without", map[string]string{"proc/device-tree/compatible": "raspberrypi,4-model-b\x00"}, Clock{}},
		{"one", map[string]string{"sys/class/rtc/rtc0/hctosys": "1\n", "sys/class/rtc/rtc0/since_epoch": "1790000000\n"},
			Clock{RTC: "rtc0", RTCTime: time.Unix(1790000000, 0)}},
		{"the second", map[string]string{"sys/class/rtc/rtc0/hctosys": "0\n", "sys/class/rtc/rtc1/hctosys": "1\n", "sys/class/rtc/rtc1/since_epoch": "1790000000\n"},
			Clock{RTC: "rtc1", RTCTime: time.Unix(1790000000, 0)}},
		{"one that showed no date", map[string]string{"sys/class/rtc/rtc0/hctosys": "0\n", "sys/class/rtc/rtc0/since_epoch": "1790000000\n"}, Clock{}},
		{"one that does not tell", map[string]string{"sys/class/rtc/rtc0/hctosys": "1\n"}, Clock{RTC: "rtc0"}},
		{"nonsense", map[string]string{"sys/class/rtc/rtc0/hctosys": "1\n", "sys/class/rtc/rtc0/since_epoch": "soon\n"}, Clock{RTC: "rtc0"}},
	} {
		root := t.TempDir()
		for name, text := range tt.files {
			write(t, root, name, text)
		}
		got := ReadClock(root)
		got.Synced = false // as the machine of the test has it
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestWatchClock: it can be begun, and ends when told, whatever it is at. No test
// sets the clock of its machine, so that is all.
func TestWatchClock(t *testing.T) {
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- WatchClock(ctx, func() {}) }()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
