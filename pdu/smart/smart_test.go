package smart_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

// TestObjectsAreBounded reads objects with more of what is only warned of, up to
// what short messages hold and beyond.
func TestObjectsAreBounded(t *testing.T) {
	const most = 255 * 140
	dot := unhex(t, "00010101 80")
	logo := append(unhex(t, "62F210"), dot...)
	picture := append(unhex(t, "30 02 0005"), dot...)
	tone := ringtoneBits(basic + "00000001 000 00 0000 00000001" + quarterC)
	for _, test := range []struct {
		name        string
		start, more []byte
		read        func(data []byte) error
	}{
		{"ParseBitmap", dot, []byte{0}, func(data []byte) error { _, _, err := smart.ParseBitmap(data); return err }},
		{"ParseOperatorLogo", logo, []byte{0}, func(data []byte) error { _, _, _, err := smart.ParseOperatorLogo(data); return err }},
		{"ReadOperatorLogo", logo, []byte{0}, func(data []byte) error { _, err := smart.ReadOperatorLogo(data, testNetwork); return err }},
		{"ParseCLILogo", dot, []byte{0}, func(data []byte) error { _, _, err := smart.ParseCLILogo(data); return err }},
		{"ReadCLILogo", dot, []byte{0}, func(data []byte) error { _, err := smart.ReadCLILogo(data); return err }},
		{"ParsePicture", picture, []byte{5, 0, 0}, func(data []byte) error { _, _, err := smart.ParsePicture(data); return err }},
		{"ReadPicture", picture, []byte{5, 0, 0}, func(data []byte) error { _, err := smart.ReadPicture(data, ""); return err }},
		{"ParseRingtone", tone, []byte{0}, func(data []byte) error { _, _, err := smart.ParseRingtone(data); return err }},
		{"ReadRingtone", tone, []byte{0}, func(data []byte) error { _, err := smart.ReadRingtone(data); return err }},
	} {
		for _, octets := range []int{most, most + len(test.more), 1 << 20} {
			data := append(bytes.Clone(test.start), bytes.Repeat(test.more, (octets-len(test.start))/len(test.more))...)
			forms := [][]byte{data}
			if strings.HasPrefix(test.name, "Read") {
				forms = append(forms, []byte(hex.EncodeToString(data)))
			}
			for _, form := range forms {
				err := test.read(form)
				e, ok := errors.AsType[*pdu.DecodeError](err)
				if (err == nil) != (octets == most) || err != nil && (!ok || e.Field != "object") {
					t.Errorf("%s of %d octets (%.4q...): %v", test.name, len(data), form, err)
				}
			}
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	const most = 32
	picture := append(unhex(t, "30 02 0005 00010101 80"), bytes.Repeat([]byte{5, 0, 0}, 100)...)
	if _, w, err := smart.ParsePicture(picture); err != nil || len(w) != most {
		t.Errorf("picture: %d warnings, %v", len(w), err)
	}
	tone := ringtoneBits(basic + "00000001 000 00 0000 01100101" + quarterC + strings.Repeat("001 1101 010 00", 100))
	if _, w, err := smart.ParseRingtone(tone); err != nil || len(w) != most {
		t.Errorf("ringtone: %d warnings, %v", len(w), err)
	}
}
