package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestBox(t *testing.T) {
	row := func(s string) string {
		return "│ " + s + strings.Repeat(" ", boxWidth-utf8.RuneCountInString(s)) + " │\n"
	}
	for _, c := range []struct{ name, text, want string }{
		{"one line", "Hello", row("Hello")},
		{"no text", "", ""},
		{"empty line between", "a\r\n\r\nb\r\n", row("a") + row("") + row("b")},
		{"as wide as the box", strings.Repeat("x", boxWidth), row(strings.Repeat("x", boxWidth))},
		{"wider", strings.Repeat("é", boxWidth+1), row(strings.Repeat("é", boxWidth)) + row("é")},
		{"control characters", "a\x1b[2Jb\tc\rd", row("a·[2Jb·c·d")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := box("head", c.text, "foot")
			lines := strings.SplitAfter(strings.TrimSuffix(got, "\n"), "\n")
			if body := strings.Join(lines[1:len(lines)-1], ""); body != c.want {
				t.Errorf("got\n%swant\n%s", body, c.want)
			}
			for _, line := range lines {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n != boxWidth+4 {
					t.Errorf("%d characters in %q", n, line)
				}
			}
		})
	}
}

func TestWelcome(t *testing.T) {
	for _, c := range []struct{ file, smtp, want string }{
		{"/tmp/demo/cellpost.toml", "127.0.0.1:2525", `smtplib.SMTP("127.0.0.1", 2525)`},
		{"/tmp/demo/cellpost.toml", "[::1]:2525", `smtplib.SMTP("::1", 2525)`},
		{"/tmp/demo/cellpost.toml", ":2525", `smtplib.SMTP("localhost", 2525)`},
		{"/tmp/demo/cellpost.toml", ":2525", " queue list --config /tmp/demo/cellpost.toml\n"},
		{"/tmp/a demo/it's.toml", ":2525", ` queue list --config '/tmp/a demo/it'\''s.toml'` + "\n"},
	} {
		if got := welcome(c.file, c.smtp, 2); !strings.Contains(got, c.want) {
			t.Errorf("no %s in:\n%s", c.want, got)
		}
	}
}
