package sim

import "time"

// profiles are the modules that [Options.Profile] knows. What they say of
// themselves is what modules of the kind print; the quirks are those that public
// drivers (gammu, oFono, SMSLib, Kannel, chan_dongle, chan_quectel) work around.
// Where those leave room, the comment at the quirk says what was chosen.
func profiles() []profile {
	return []profile{
		sim900(), e220(), e3372(), mf190(), sim800l(), sim7600(), ec25(), eg06(), tc35(), wavecom(), saraR4(), msm(), e1750(),
		m66DS(), dualCSUS(),
	}
}

// noSR is what AT+CPMS takes where there is no memory for reports.
var noSR = [3][]int{{memSM, memME}, {memSM, memME}, {memSM, memME}}

// simcom2G is the modules of the SIM900 age: no message before "Call Ready".
func simcom2G(p profile) profile {
	p.ready = []string{"Call Ready", "SMS Ready"}
	p.gate, p.gated = notReady, messageService
	p.memories, p.reports = noSR, memSM
	return p
}

func sim900() profile {
	p := simcom2G(plain())
	p.name = "sim900"
	p.manufacturer, p.model, p.revision = "SIMCOM_Ltd", "SIMCOM_SIM900", "Revision:1137B11SIM900M64_ST"
	p.missedCall = true
	p.commands = func(w wrapped) { w.accept("+CSCLK", "+CIURC") }
	return p
}

// sim800l takes no ds over 1 and wants no acknowledgements; see also [BrownOut].
func sim800l() profile {
	p := simcom2G(plain())
	p.name = "sim800l"
	p.manufacturer, p.model, p.revision = "SIMCOM_Ltd", "SIMCOM_SIM800L", "Revision:1418B05SIM800L24"
	p.missedCall = true
	p.cnmi[cnmiDS] = "01"
	p.noAck = true
	p.commands = func(w wrapped) { w.accept("+CSCLK", "+CIURC") }
	return p
}

// huawei is what the sticks have in common. That routing ends without AT+CNMA is
// in the manual of the EM770W, 5.9.2; that of the HE863 says it does not.
func huawei(p profile) profile {
	p.manufacturer = "huawei"
	p.start, p.ready = []string{"^BOOT:26417135,0,0,0,20", "^SIMST:1", "^SRVST:2"}, nil
	p.unknown = "COMMAND NOT SUPPORT"
	p.full = `^SMMEMFULL:"SM"`
	p.csms = "+CSMS: ,1,1,1" // oFono skips the first field: it cannot be read
	p.memories, p.reports, p.indexBase = noSR, memSM, 0
	p.unroutes = true
	p.ussd, p.timeCode = ussdPacked, nwtime
	return p
}

// e220 never stops talking and forgets the service centre when it starts.
func e220() profile {
	p := huawei(plain())
	p.name, p.model, p.revision = "e220", "E220", "11.117.09.04.00"
	p.chat = chatter{
		lines:  []string{"^RSSI:18", "^RSSI:17", "^BOOT:26417135,0,0,0,20", "^MODE:5,4"},
		every:  300 * time.Millisecond,
		inside: true,
	}
	p.forgetful = true
	p.ussd = "" // not packed, unlike the later ones (gammu)
	p.commands = func(w wrapped) { w.accept("^U2DIAG", "^PORTSEL") }
	return p
}

// e3372 becomes a CD-ROM when it is restarted. AT^U2DIAG is taken and changes
// nothing: on these sticks another command governs the CD-ROM.
func e3372() profile {
	p := huawei(plain())
	p.name, p.model, p.revision = "e3372", "E3372", "21.200.07.00.00"
	p.chat = chatter{
		lines: []string{"^RSSI:18", `^HCSQ:"LTE",46,42,107,24`, "^LTERSRP:-95,-8"},
		every: 5 * time.Second,
		off:   "^CURC",
	}
	p.commands = func(w wrapped) {
		w["+CFUN"] = zeroCD(w["+CFUN"])
		w.accept("^U2DIAG", "^PORTSEL")
	}
	return p
}

// e1750 hangs on AT+CMGL, and takes AT+CMGR.
func e1750() profile {
	p := huawei(plain())
	p.name, p.model, p.revision = "e1750", "E1750", "11.126.10.00.00"
	p.chat = chatter{lines: []string{"^RSSI:18", "^MODE:5,4"}, every: 5 * time.Second, off: "^CURC"}
	p.commands = func(w wrapped) {
		w["+CMGL"] = hole(w["+CMGL"])
		w.accept("^U2DIAG", "^PORTSEL")
	}
	return p
}

// mf190 offers AT+CNMI mode 2 and answers ERROR to it; its +CDS has an empty
// field in front. A log of nm-modem-probe shows what it says all the time.
// gammu 1.42 knows +ZUSIMR of that only: a +ZPASR or +ZDONR right before an answer
// is an unknown frame to it, and the command fails. That is its fault.
func mf190() profile {
	p := plain()
	p.name = "mf190"
	p.manufacturer, p.model, p.revision = "ZTE CORPORATION", "MF190", "BD_MF190V1.0.0B02"
	p.start, p.ready = []string{"+ZUSIMR:2", `+ZDONR: "Not Found"`, `+ZPASR: "Limited Service"`}, nil
	p.chat = chatter{
		lines: []string{"+ZUSIMR:2", `+ZPASR: "GPRS"`, `+ZDONR: "Simulated",234,15,"CS_PS","ROAM_OFF"`},
		every: 2 * time.Second,
	}
	p.offer, p.cnmi[cnmiMode], p.cnmiCause = p.cnmi, "01", plainError
	p.cds = "+CDS: ,%d\r\n%s"
	p.memories, p.reports = noSR, memSM
	p.commands = func(w wrapped) { w.accept("+ZCDRUN", "+ZOPRT") }
	return p
}

// sim7600 sends nothing before AT&F, and nothing before "SMS DONE".
func sim7600() profile {
	p := plain()
	p.name = "sim7600"
	p.manufacturer, p.model, p.revision = "SIMCOM INCORPORATED", "SIMCOM_SIM7600E-H", "+CGMR: LE20B04SIM7600M22"
	p.start, p.ready = []string{"RDY", "+CFUN: 1", cpin, "PB DONE"}, []string{"SMS DONE"}
	p.gate, p.gated = plainError, []string{"+CMGS"}
	p.factory = true
	p.full = "+CMTI: ,-1" // such lines are known; that they mean a full memory was chosen here
	p.chat = chatter{
		lines: []string{"+CNSMOD: 8", "+CTZV: +0", "+CSQ: 18,99"},
		every: 10 * time.Second,
	}
	p.timeCode, p.missedCall = psuttz, true
	p.commands = func(w wrapped) {
		w["&F"] = factoryReset(w["&F"])
		w.accept("+CNSMOD", "+AUTOCSQ", "+CGSMS")
	}
	return p
}

// quectelLTE is what the LTE modules have in common.
func quectelLTE(p profile) profile {
	p.manufacturer = "Quectel"
	p.start = []string{"RDY", "+CFUN: 1", cpin, "+QUSIM: 1"}
	p.ready = []string{"+QIND: SMS DONE", "+QIND: PB DONE"}
	p.chat = chatter{lines: []string{`+QIND: "csq",20,99`, "+QUSIM: 1"}, every: 10 * time.Second, off: "+QINDCFG"}
	return p
}

// ec25 keeps reports in SR and announces "SM",0. AT+CNMA takes a while.
func ec25() profile {
	p := quectelLTE(plain())
	p.name, p.model, p.revision = "ec25", "EC25", "EC25EFAR06A03M4G"
	p.cdsi = `+CDSI: "SM",0`
	p.commands = func(w wrapped) {
		w["+CNMA"] = slowly(w["+CNMA"], 300*time.Millisecond)
		w.accept("+QURCCFG", "+QCFG")
	}
	return p
}

// eg06 is late with a refusal. AT+CMGL has the states of text mode in PDU mode,
// too, and refuses the numbers, as firmware of its sisters EP06-A and EM06-A does
// (forums.quectel.com 7820). gammu 1.42 then reads one by one; but its deleteallsms
// does so in a memory that it never chose, and fails. That was mended in gammu.
func eg06() profile {
	p := quectelLTE(plain())
	p.name, p.model, p.revision = "eg06", "EG06", "EG06ELAR04A04M4G"
	p.slowRefuse = true
	p.commands = func(w wrapped) {
		w["+CMGL"] = textStates
		w.accept("+QURCCFG", "+QCFG")
	}
	return p
}

// tc35 passes messages and reports on in phase 2+ with mode 3 only, and no more
// when one was not acknowledged (manual of the MC35, AT+CNMI); it takes no bfr of
// 0, and loses octets without flow control.
func tc35() profile {
	p := plain()
	p.name = "tc35"
	p.manufacturer, p.model, p.revision = "SIEMENS", "TC35i", "REVISION 03.01"
	p.start, p.ready = []string{"^SYSSTART"}, nil
	p.chat.lines = []string{"^SCKS: 1", "+CIEV: signal,18", "^SBC: 0,100"}
	p.full = "^SMGO: 2"
	p.cnmi = [5]string{"0123", "0123", "0", "012", "1"}
	p.cnmiStart = [5]int{cnmiBfr: 1}
	p.direct3, p.unroutes = true, true
	p.memories, p.reports = noSR, memSM
	p.buffer = 128
	p.commands = func(w wrapped) {
		w[`\Q`] = number(3, func(m *Modem) *int { return &m.set.flow })
		w.accept("^SMGO", "^SCKS")
	}
	return p
}

// wavecom keeps reports in SR. AT+CPMS has two lists in its offer, as oFono knows,
// and takes as many parameters, as manuals of MultiTech modems with such modules
// say; a third is refused.
func wavecom() profile {
	p := plain()
	p.name = "wavecom"
	p.manufacturer, p.model, p.revision = " WAVECOM MODEM", " MULTIBAND  900E  1800 ", "641b09gg.Q2403A 1320676 061804 14:38"
	p.start, p.ready = []string{"+WIND: 1", "+WIND: 3", "+WIND: 7"}, []string{"+WIND: 4"}
	p.chat = chatter{lines: []string{"+WIND: 7", "+WIND: 4"}, every: 10 * time.Second, off: "+WIND"}
	p.memories = [3][]int{{memSM, memSR}, {memSM}, {memSM}}
	p.twoLists = true
	p.commands = func(w wrapped) { w.accept("+WATH") }
	return p
}

// saraR4 starts with AT+CNMI 1,0 and throws codes away in mode 1.
func saraR4() profile {
	p := plain()
	p.name = "sara-r4"
	p.manufacturer, p.model, p.revision = "u-blox", "SARA-R410M-02B", "L0.0.00.00.05.06 [Feb 03 2018 13:00:41]"
	p.start, p.ready = []string{"+PACSP1"}, []string{"+PBREADY"}
	p.chat.lines = []string{"+CTZV: +0", "+UUSORD: 0,0", "+UCALLSTAT: 1,6"}
	p.full = "+CIEV: 8,1"
	p.cnmiStart = [5]int{cnmiMode: 1}
	p.discards = true
	p.commands = func(w wrapped) { w.accept("+UPSV") }
	return p
}

// msm offers AT+CNMI mode 2 and refuses it. Its first memory is ME.
func msm() profile {
	p := plain()
	p.name = "msm"
	p.manufacturer, p.model, p.revision = "QUALCOMM INCORPORATED", "HSUPA MODEM", "MSM6290-1.0.0"
	p.start, p.ready = nil, nil
	p.chat.lines = []string{"^MODE:5", "^RSSI:18"}
	p.offer, p.cnmi[cnmiMode] = p.cnmi, "01"
	p.memories = [3][]int{{memME, memSM, memSR}, {memME, memSM}, {memME, memSM}}
	p.commands = func(w wrapped) { w["+CUSD"] = refusing(w["+CUSD"], "2", notAllowed) }
	return p
}

func m66DS() profile {
	p := simcom2G(plain())
	p.name = "m66-ds"
	p.manufacturer, p.model, p.revision = "Quectel_Ltd", "Quectel_M66-DS", "Revision: M66DSFAR01A02"
	p.chat.lines = []string{"+QSIMSTAT: 1,1", "+QIURC: 0"}
	p.slotCommand = "+QDSIM"
	return p
}

func dualCSUS() profile {
	p := plain()
	p.name = "dual-csus"
	p.model = "Simulated dual-SIM modem"
	p.slotCommand = "+CSUS"
	return p
}
