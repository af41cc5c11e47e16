package sim

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cellpost/pdu"
)

// terminal is the other side of a modem in a synctest bubble. It always reads.
type terminal struct {
	t  *testing.T
	rw io.ReadWriteCloser
	wg sync.WaitGroup

	mu  sync.Mutex
	got strings.Builder
}

// connect serves m until the test ends or the terminal is closed.
func connect(t *testing.T, m *Modem) *terminal {
	ours, theirs := net.Pipe()
	x := &terminal{t: t, rw: ours}
	x.wg.Go(func() {
		if err := m.Serve(t.Context(), theirs); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	x.wg.Go(func() { io.Copy(x, ours) })
	t.Cleanup(x.close)
	return x
}

func (x *terminal) close() {
	x.rw.Close()
	x.wg.Wait()
}

func (x *terminal) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.got.Write(b)
}

// heard returns what the modem said since it was asked last, in short form:
// lines joined by |.
func (x *terminal) heard() string {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.got.String()
	x.got.Reset()
	return short(s)
}

func short(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\r' || r == '\n' })
	return strings.Join(lines, "|")
}

// say writes octets and returns what came of them.
func (x *terminal) say(s string) string {
	if _, err := io.WriteString(x.rw, s); err != nil {
		x.t.Fatalf("write %q: %v", s, err)
	}
	return x.heard()
}

func (x *terminal) expect(send, want string) {
	x.t.Helper()
	if got := x.say(send); got != want {
		x.t.Errorf("%q: got %q, want %q", send, got, want)
	}
}

// passes lets fake time go by.
func (x *terminal) passes(d time.Duration, want string) {
	x.t.Helper()
	time.Sleep(d)
	if got := x.heard(); got != want {
		x.t.Errorf("after %v: got %q, want %q", d, got, want)
	}
}

// submission is an SMS-SUBMIT that asks for a report.
func submission(t testing.TB, to, text string, change ...func(*pdu.Submit)) pdu.Submit {
	segments, err := pdu.Split(text, pdu.SplitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := pdu.Submit{StatusReport: true, Destination: telephone(to), DCS: segments.DCS, UserData: segments.Parts[0]}
	for _, f := range change {
		f(&s)
	}
	return s
}

// cmgs returns the two lines that hand a message over.
func cmgs(t testing.TB, s pdu.Submit) (command, data string) {
	tpdu, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("AT+CMGS=%d\r", len(tpdu)), "00" + hexOf(tpdu) + "\x1a"
}

// hands hands a message over and checks what comes after Ctrl-Z.
func (x *terminal) hands(s pdu.Submit, want string) {
	x.t.Helper()
	command, data := cmgs(x.t, s)
	x.expect(command, "> ")
	x.expect(data, want)
}

const handset = "447700900123"

// quiet is a modem without echo.
var quiet = Options{NoEcho: true}

func TestDialogues(t *testing.T) {
	type step struct{ send, want string }
	command, data := cmgs(t, submission(t, handset, "hi"))
	tests := []struct {
		name  string
		o     Options
		steps []step
	}{
		{"echo", Options{}, []step{
			{"AT\r", "AT|OK"},
			{"ATE0\r", "ATE0|OK"},
			{"AT\r", "OK"},
			{"ATE1\r", "OK"},
			{"AT+FOO\r", "AT+FOO|ERROR"},
			{"ATZ\r", "ATZ|OK"},
			{command, strings.TrimRight(command, "\r") + "|> "},
			{data, data + "|+CMGS: 1|OK"},
		}},
		{"lines", quiet, []step{
			{"at\r", "OK"},
			{"A", ""},
			{"T\r\n", "OK"},
			{"junk\r", ""},
			{"\x1b\x1ajunk AT\r", "OK"},
			{"ATX\b\r", "OK"},
			{"ATE0V1+CMEE=1;+CSMS=1;+CMEE?\r", "+CSMS: 1,1,1|+CMEE: 1|OK"},
			{"AT+CMEE=9;+CMEE=0\r", "+CME ERROR: 50"},
			{"AT" + strings.Repeat("I", 600) + "\r", "+CME ERROR: 50"},
			{"AT\rAT\r", "OK|OK"},
		}},
		{"numeric results", quiet, []step{{"ATV0\r", "0"}, {"AT+FOO\r", "4"}, {"AT+CMGR=1\r", "+CMS ERROR: 321"}, {"ATV1\r", "OK"}}},
		{"forms of errors", quiet, []step{
			{"AT+FOO\r", "ERROR"},
			{"AT+CMEE=1\r", "OK"},
			{"AT+FOO\r", "+CME ERROR: 4"},
			{"AT+CMEE=2\r", "OK"},
			{"AT+FOO\r", "+CME ERROR: operation not supported"},
			{"AT&F+FOO\r", "ERROR"},
		}},
		{"identity", Options{NoEcho: true, IMEI: "358912000000017", IMSI: "234150000000001", ICCID: "8944150000000000012", MSISDN: "447700900555"}, []step{
			{"AT+CGSN\r", "358912000000017|OK"},
			{"AT+CGSN=?\r", "OK"},
			{"AT+CIMI\r", "234150000000001|OK"},
			{"AT+CCID\r", "+CCID: 8944150000000000012|OK"},
			{"AT+CNUM\r", `+CNUM: "","+447700900555",145|OK`},
			{"AT+CGMI;+CGMM;+CGMR\r", "Cellpost|Simulated modem|Revision: 1|OK"},
			{"ATI\r", "Cellpost Simulated modem|OK"},
		}},
		{"network", quiet, []step{
			{"AT+CREG?\r", "+CREG: 0,1|OK"},
			{"AT+CREG=1;+CEREG=2\r", "OK"},
			{"AT+CEREG?\r", `+CEREG: 2,1,"0001","00000001"|OK`},
			{"AT+CFUN=0\r", "OK|+CREG: 0|+CEREG: 0"},
			{"AT+CSQ\r", "+CSQ: 99,99|OK"},
			{"AT+COPS?;+CGATT?\r", "+COPS: 0|+CGATT: 0|OK"},
			{"AT+CFUN?\r", "+CFUN: 0|OK"},
			{"AT+CFUN=1\r", `OK|+CREG: 1|+CEREG: 1,"0001","00000001"`},
			{"AT+CSQ;+COPS?\r", `+CSQ: 18,0|+COPS: 0,0,"Simulated"|OK`},
			{"AT+COPS=3,2;+COPS?\r", `+COPS: 0,2,"00101"|OK`},
			{"AT+COPS=3,1;+COPS?;+COPS=?\r", `+COPS: 0,1,"Simulated"|+COPS: (2,"Simulated","Simulated","00101"),,(0,3),(0-2)|OK`},
			{"AT+COPS=3,3\r", "ERROR"},
			{"AT+CGATT?;+CGATT=?\r", "+CGATT: 1|+CGATT: (0,1)|OK"},
			{"AT+CGATT=0\r", "ERROR"},
			{"AT+CREG=?\r", "+CREG: (0-2)|OK"},
			{"AT+CUSD=1,\"*100#\",15\r", `OK|+CUSD: 0,"Balance of 447700900000: 12.34",15`},
			{"AT+CCLK?\r", `+CCLK: "00/01/01,00:00:00+00"|OK`},
		}},
		{"alphabets", quiet, []step{
			{"AT+CSCS=?;+CSCS?\r", `+CSCS: ("GSM","IRA","UCS2")|+CSCS: "IRA"|OK`},
			{"AT+CSCS=\"UCS2\";+CSCS?;+COPS?\r", `+CSCS: "UCS2"|+COPS: 0,0,"00530069006D0075006C0061007400650064"|OK`},
			{"AT+CSCS=\"GSM\";+COPS?\r", `+COPS: 0,0,"Simulated"|OK`},
			{"AT+CSCS=\"8859-1\"\r", "ERROR"},
			{"ATZ;+CSCS?\r", `+CSCS: "IRA"|OK`},
		}},
		{"restart by command", quiet, []step{
			{"ATE1+CMEE=1\r", "OK"},
			{"AT+CFUN=1,1\r", "AT+CFUN=1,1|OK|RDY|+CFUN: 1|+CPIN: READY|SMS Ready"},
			{"AT+CMEE?\r", "+CMEE: 0|OK"},
		}},
		{"PIN", Options{NoEcho: true, PIN: "1234"}, []step{
			{"AT+CMEE=1\r", "OK"},
			{"AT+CPIN?\r", "+CPIN: SIM PIN|OK"},
			{"AT+CIMI\r", "+CME ERROR: 11"},
			{"AT+CNMI=2,1\r", "+CMS ERROR: 311"},
			{command, "+CMS ERROR: 311"},
			{"AT+CREG?\r", "+CREG: 0,0|OK"},
			{"AT+CPIN=\"0000\"\r", "+CME ERROR: 16"},
			{"AT+CPIN=\"1234\"\r", "OK"},
			{"AT+CPIN?;+CREG?\r", "+CPIN: READY|+CREG: 0,1|OK"},
			{"AT+CPIN=1234\r", "+CME ERROR: 3"},
		}},
		{"PUK", Options{NoEcho: true, PIN: "1234"}, []step{
			{"AT+CPIN=1\r", "ERROR"},
			{"AT+CPIN=2\r", "ERROR"},
			{"AT+CPIN=3\r", "ERROR"},
			{"AT+CPIN?\r", "+CPIN: SIM PUK|OK"},
			{"AT+CMEE=1;+CPIN=1234\r", "+CME ERROR: 12"},
			{command, "+CMS ERROR: 316"},
		}},
		{"message set-up", quiet, []step{
			{"AT+CMGF=?;+CMGF=0;+CMGF?\r", "+CMGF: (0-0)|+CMGF: 0|OK"},
			{"AT+CMGF=1\r", "ERROR"},
			{"AT+CSMS?\r", "+CSMS: 0,1,1,1|OK"},
			{"AT+CSMS=?\r", "+CSMS: (0,1)|OK"},
			{"AT+CSMS=2\r", "+CMS ERROR: 303"},
			{"AT+CMMS=2;+CMMS?\r", "+CMMS: 2|OK"},
			{"AT+CSCA?\r", `+CSCA: "+447785016005",145|OK`},
			{"AT+CSCA=\"+4477\";+CSCA?\r", `+CSCA: "+4477",145|OK`},
			{"AT+CNMI=?\r", "+CNMI: (0-2),(0-3),(0,2,3),(0-2),(0,1)|OK"},
			{"AT+CNMI=2,1,0,1,0;+CNMI=,2;+CNMI?\r", "+CNMI: 2,2,0,1,0|OK"},
			{"AT+CNMI=2,1,1\r", "+CMS ERROR: 303"},
			{"AT+CPMS=?\r", `+CPMS: ("SM","ME","SR"),("SM","ME"),("SM","ME")|OK`},
			{"AT+CPMS=\"SR\",\"ME\"\r", "+CPMS: 0,20,0,20,0,20|OK"},
			{"AT+CPMS?\r", `+CPMS: "SR",0,20,"ME",0,20,"SM",0,20|OK`},
			{"AT+CPMS=\"SM\",\"SR\"\r", "+CMS ERROR: 303"},
			{"AT+CNMA\r", "+CMS ERROR: 340"},
		}},
		{"hand-over", quiet, []step{
			{"AT+CMGS=?\r", "OK"},
			{"AT+CMGS=4\r", "+CMS ERROR: 304"},
			{"AT+CMGS=x\r", "+CMS ERROR: 304"},
			{command, "> "},
			{"\x1b", "OK"},
			{command, "> "},
			{data, "+CMGS: 1|OK"},
			{command, "> "},
			{strings.ToLower(data[:6]) + "\r\n" + data[6:], "+CMGS: 2|OK"},
			{command, "> "},
			{data[:len(data)-3] + "\x1a", "+CMS ERROR: 304"},
			{command, "> "},
			{"zz" + data, "+CMS ERROR: 304"},
			{command, "> "},
			{"\x1a", "+CMS ERROR: 304"},
			{command, "> "},
			{strings.Repeat("0", 2000) + "\x1a", "+CMS ERROR: 304"},
			{"AT\r", "OK"},
		}},
		{"no SMSC", quiet, []step{
			{"AT+CSCA=\"\"\r", "OK"},
			{command, "> "},
			{data, "+CMS ERROR: 330"},
			{command, "> "},
			{"0491447758" + data[2:], "+CMGS: 1|OK"},
		}},
		{"commands in the air", Options{NoEcho: true, AirTime: time.Second}, []step{
			{command, "> "},
			{data + "AT+CMEE?\r", ""},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := connect(t, NewModem(NewNetwork(NetworkOptions{}), tt.o))
				for _, s := range tt.steps {
					x.expect(s.send, s.want)
				}
				if tt.o.AirTime > 0 {
					x.passes(tt.o.AirTime, "+CMGS: 1|OK|+CMEE: 0|OK")
				}
			})
		})
	}
}

func TestFraming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := connect(t, NewModem(NewNetwork(NetworkOptions{}), quiet))
		command, data := cmgs(t, submission(t, handset, "hi"))
		for _, s := range []string{"AT+CMEE?\r", command, data} {
			io.WriteString(x.rw, s)
			synctest.Wait()
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		want := "\r\n+CMEE: 0\r\n\r\nOK\r\n" + "\r\n> " + "\r\n+CMGS: 1\r\n\r\nOK\r\n"
		if got := x.got.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModem(NewNetwork(NetworkOptions{}), Options{NoEcho: true, PIN: "1", Register: 5 * time.Second, SIMBusy: time.Second, Boot: 3 * time.Second})
		x := connect(t, m)
		x.expect("AT+CMEE=1;+CREG=1\r", "OK")
		x.expect("AT+CPIN=1\r", "OK|+CREG: 2")
		x.expect("AT+CSCA?\r", "+CMS ERROR: 314")
		x.passes(time.Second, "")
		x.expect("AT+CIMI\r", "234151200000000|OK")
		x.passes(3*time.Second, "")
		x.hands(submission(t, handset, "too early"), "+CMS ERROR: 331")
		x.passes(time.Second, "+CREG: 1")
		m.Strike(Fault{Kind: NoNetwork, For: time.Minute})
		x.passes(0, "+CREG: 2")
		x.passes(time.Minute, "")
		x.passes(5*time.Second, "+CREG: 1")
		m.Strike(Fault{Kind: Denied})
		x.passes(time.Hour, "+CREG: 3")
		m.Strike(Fault{Kind: NoSIM, For: time.Minute})
		x.passes(0, "+CREG: 0|+CPIN: NOT READY")
		x.expect("AT+CPIN?\r", "+CME ERROR: 10")
		x.passes(time.Minute, "+CPIN: SIM PIN")
		m.Reboot()
		x.expect("AT\r", "")
		x.passes(3*time.Second, "RDY|+CFUN: 1|+CPIN: SIM PIN")
		x.expect("AT+CREG?\r", "+CREG: 0,0|OK")
	})
}

// TestReconnect: what a module that stays powered keeps.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		m := NewModem(n, Options{NoEcho: true, PIN: "1", AirTime: time.Second})
		x := connect(t, m)
		x.expect("AT+CPIN=1;+CNMI=2,1,0,1\r", "OK")
		command, data := cmgs(t, submission(t, handset, "in the air"))
		x.expect(command+data, "> ")
		x.close()
		time.Sleep(time.Second)
		synctest.Wait()
		if l := n.Ledger(); len(l) != 1 {
			t.Errorf("ledger has %d entries, want 1", len(l))
		}
		if err := n.Send("447700900000", "447700900999", "while away"); err != nil {
			t.Fatal(err)
		}
		y := connect(t, m)
		want := "+CDS: 25|"
		if got := y.heard(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `|+CMTI: "SM",1`) {
			t.Errorf("on return: got %q", got)
		}
		y.expect("AT+CPIN?;+CNMI?\r", "+CPIN: READY|+CNMI: 2,1,0,1,0|OK")
	})
}

func TestServeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModem(NewNetwork(NetworkOptions{}), quiet)
		connect(t, m)
		synctest.Wait()
		_, theirs := net.Pipe()
		if err := m.Serve(t.Context(), theirs); err == nil {
			t.Error("a second Serve got the port")
		}
	})
}

func TestGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewModem(NewNetwork(NetworkOptions{}), Options{NoEcho: true, AirTime: time.Second})
		x := connect(t, m)
		for i := range 3 {
			command, data := cmgs(t, submission(t, handset, "hi"))
			x.expect(command[:1], "")
			time.Sleep(time.Hour) // the rest of the line does not count
			x.expect(command[1:], "> ")
			x.expect(data, "")
			x.passes(time.Second, fmt.Sprintf("+CMGS: %d|OK", i+1))
			time.Sleep(time.Duration(i+1) * time.Millisecond)
		}
		if got := fmt.Sprint(m.Gaps()); got != "[1ms 2ms]" {
			t.Errorf("gaps %s", got)
		}
		if c := m.Counters(); c != (Counters{Commands: 3, HandOvers: 3}) {
			t.Errorf("counters %+v", c)
		}
	})
}

// unhex reads the PDU of a line such as +CDS and cuts the SMSC off.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("PDU %q: %v", s, err)
	}
	sc, tpdu, err := pdu.CutSMSC(raw)
	if err != nil || sc.Digits() != defaultSMSC {
		t.Fatalf("PDU %q: SMSC %v, %v", s, sc, err)
	}
	return tpdu
}
