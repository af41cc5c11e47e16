package wap_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cellpost/pdu"
	"cellpost/pdu/wap"
)

// TestVectors reads every file of testdata: the octets (data, whose parts may
// be several lines) and each field that they must give. Fields that a file
// leaves out have to be zero. With "media" the data are a body alone, and the
// push around it has that well-known content type.
func TestVectors(t *testing.T) {
	files := vectorFiles(t)
	if len(files) < 25 {
		t.Fatalf("%d vectors", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want := readVector(t, file)
			got := fields{}
			got.push(vectorData(t, want))
			for _, key := range []string{"source", "data", "media"} {
				delete(want, key)
			}
			for _, key := range slices.Sorted(maps.Keys(got)) {
				if got[key] != want[key] {
					t.Errorf("%s: %s\nwanted: %s", key, got[key], want[key])
				}
				delete(want, key)
			}
			if len(want) > 0 {
				t.Errorf("not given: %v", want)
			}
		})
	}
}

func vectorFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readVector(t testing.TB, file string) map[string]string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			t.Fatalf("%s: line without a key: %q", file, line)
		}
		want[key] += strings.TrimSpace(value)
	}
	return want
}

func vectorData(t testing.TB, vector map[string]string) []byte {
	text := vector["data"]
	if media := vector["media"]; media != "" {
		text = "000601" + media + text
	}
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fields are those of a push that are not zero, under their names in a vector.
type fields map[string]string

func (f fields) put(key string, value any) {
	switch v := value.(type) {
	case time.Time:
		if !v.IsZero() {
			f[key] = v.Format(time.RFC3339)
		}
	case string:
		if v != "" {
			f[key] = strconv.Quote(v)
		}
	default:
		f[key] = fmt.Sprint(v)
	}
}

func (f fields) headers(key string, headers []wap.Header) {
	var all []string
	for _, h := range headers {
		all = append(all, h.Name+"="+h.Value)
	}
	f.put(key, strings.Join(all, "; "))
}

func (f fields) push(data []byte) {
	p, warnings, err := wap.Parse(data)
	if err != nil {
		e, _ := errors.AsType[*pdu.DecodeError](err)
		f.put("error", fmt.Sprintf("%s at %d", e.Field, e.Offset))
		return
	}
	f["type"] = p.ContentType
	f["line"] = p.String()
	f.headers("parameters", p.Parameters)
	f.headers("headers", p.Headers)
	if p.Confirmed {
		f["confirmed"] = "yes"
	}
	var all []string
	for _, w := range warnings {
		all = append(all, fmt.Sprintf("%s at %d", w.Field, w.Offset))
	}
	f.put("warnings", strings.Join(all, "; "))
	f.content(p)
}

func (f fields) content(p wap.Push) {
	switch c := p.Content.(type) {
	case nil:
		f["octets"] = strconv.Itoa(len(p.Body))
	case wap.ServiceIndication:
		f.put("text", c.Text)
		f.put("href", c.Href)
		f.put("si-id", c.ID)
		f["action"] = c.Action
		f.put("created", c.Created)
		f.put("si-expires", c.Expires)
	case wap.ServiceLoading:
		f.put("href", c.Href)
		f["action"] = c.Action
	case wap.MMSNotification:
		f.put("transaction", c.TransactionID)
		f.put("version", c.Version)
		f.put("from", c.From)
		f.put("subject", c.Subject)
		f.put("class", c.Class)
		f.put("size", c.Size)
		f.put("location", c.Location)
		f.put("until", c.Expiry.Until)
		if c.Expiry.After != 0 {
			f["after"] = c.Expiry.After.String()
		}
	case wap.MMSDelivery:
		f.put("message", c.MessageID)
		f.put("version", c.Version)
		f.put("to", c.To)
		f.put("date", c.Date)
		f.put("status", c.Status)
	case wap.MMSMessage:
		f.put("message type", c.Type)
	}
}
