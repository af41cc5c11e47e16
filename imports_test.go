package cellpost_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed is the table of docs/flow.md: what each package may import of ours.
// One that implements a seam may name what the seam's types are made of.
var allowed = map[string][]string{
	"pdu":                {},
	"pdu/smart":          {"pdu"},
	"pdu/wap":            {"pdu"},
	"sms":                {"pdu", "pdu/smart", "pdu/wap"},
	"queue":              {"sms", "pdu"},
	"queue/sqlite":       {"queue", "sms", "pdu"},
	"queue/queuetest":    {"queue", "sms", "pdu"},
	"modem":              {"modem/at", "modem/profile", "modem/usb", "sms", "pdu", "pdu/smart"},
	"modem/at":           {},
	"modem/profile":      {},
	"modem/usb":          {},
	"modem/sim":          {"pdu"},
	"ingress":            {"sms", "pdu", "pdu/smart"},
	"ingress/clickatell": {"ingress", "sms", "pdu", "pdu/smart"},
	"ingress/mail":       {"ingress", "pdu", "pdu/smart"},
	"ingress/smtpd":      {"ingress", "ingress/clickatell", "ingress/mail", "sms", "pdu"},
	"ingress/httpd":      {"ingress", "ingress/clickatell", "sms", "pdu"},
	"board":              {},
	"systemd":            {},
	"cmd/cellpost":       {"*"},
	"test":               {},
}

// pure packages read no clock and do no I/O.
var pure = []string{"pdu", "pdu/smart", "pdu/wap", "sms", "ingress/clickatell", "ingress/mail"}

// impure is what a pure package has no business with.
var impure = []string{"context", "database/sql", "io/fs", "log", "log/slog", "net", "net/http", "os", "os/exec", "path/filepath", "sync", "syscall"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	for _, p := range goList(t) {
		name, ours := strings.CutPrefix(p.ImportPath, "cellpost/")
		if !ours {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("%s is not in the table: give it a place in the design first", name)
			continue
		}
		for _, imp := range p.Imports {
			imp, ours := strings.CutPrefix(imp, "cellpost/")
			if ours && !slices.Contains(may, imp) && !slices.Contains(may, "*") {
				t.Errorf("%s imports %s", name, imp)
			}
			if !ours && slices.Contains(pure, name) && slices.Contains(impure, imp) {
				t.Errorf("%s is pure and imports %s", name, imp)
			}
		}
	}
}

func goList(t *testing.T) []goPackage {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}
