package mail

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

func TestConvert(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 72, 14))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	img.Set(3, 3, color.Black)
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	melody, card := "Tune:d=4,o=5,b=120:c,d,e", "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Berg;Anna\r\nTEL:+447700900123\r\nPHOTO:x\r\nEND:VCARD\r\n"
	event := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\nDTSTART:20260302T080000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	tests := []struct {
		name, kind string // of the file
		data       string
		makes, as  string
		port       uint16 // 0: an error
		words      string
	}{
		{"a.rtttl", "application/octet-stream", melody, Ringtone, "", smart.PortRingtone, "ringtone of a.rtttl"},
		{"a.txt", "text/plain", melody, Ringtone, "", smart.PortRingtone, ""},
		{"a.txt", "text/plain", "hello", "", "", 0, ""},
		{"", "audio/x-rtttl", melody, Ringtone, "", smart.PortRingtone, "ringtone of audio/x-rtttl"},
		{"a.png", "image/png", file.String(), Picture, "", smart.PortPicture, ""},
		{"A.PNG", "application/octet-stream", file.String(), Picture, CallerLogo, smart.PortCLILogo, ""},
		{"a.png", "image/png", file.String(), Picture, OperatorLogo, smart.PortOperatorLogo, ""},
		{"a.png", "image/png", "no image", Picture, OperatorLogo, 0, ""},
		{"a.vcf", "text/x-vcard", card, Card, "", smart.PortVCard, "PHOTO"},
		{"a.ics", "text/calendar", event, Appointment, "", smart.PortVCalendar, ""},
		{"a.pdf", "application/pdf", "%PDF", "", "", 0, ""},
	}
	for _, tt := range tests {
		a := Attachment{Name: tt.name, Type: tt.kind, Data: []byte(tt.data)}
		if got := Makes(a); got != tt.makes {
			t.Errorf("%s: makes %q, want %q", tt.name, got, tt.makes)
		}
		as := tt.as
		if as == "" {
			as = tt.makes
		}
		c, words, err := Convert(a, as)
		ports, ok := (pdu.UserData{Header: c.Header}).Ports()
		if (err != nil) != (tt.port == 0) || err == nil && (!ok || ports.Dest != tt.port || len(c.Data) == 0 || !strings.Contains(words, tt.words)) {
			t.Errorf("%s as %s: %+v, %q, %v", tt.name, as, c, words, err)
		}
		if c.Logo != (as == OperatorLogo && err == nil) {
			t.Errorf("%s as %s: logo %v", tt.name, as, c.Logo)
		}
	}
	if _, _, err := Convert(Attachment{Name: "a.png", Type: "image/png"}, Picture); err == nil || Makes(Attachment{Name: "a.png"}) != "" {
		t.Error("an attachment that was too large is converted")
	}
}
