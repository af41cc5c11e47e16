package pdu

// PortName names the application behind a port of a user data header in plain
// words; "" when nobody has registered the port. An 8-bit
// port is looked up as it is: those in use mean the same with 16 bits.
func PortName(port uint16) string {
	if name := ports[port]; name != "" {
		return name
	}
	// 3GPP TS 23.040, 9.2.3.24.3 and 9.2.3.24.4.
	if 240 <= port && port <= 255 || 16000 <= port && port <= 16999 {
		return "an application's own"
	}
	return ""
}

// ports come from the registry of IANA where it has them, the smart ones from
// Nokia's Smart Messaging Specification 3.0, the settings from the restricted
// ports of JSR 120, A.6.0.
var ports = map[uint16]string{
	80:    "web (HTTP)",
	226:   "vCard",
	228:   "vCalendar",
	2805:  "WTA, secure",
	2923:  "WTA session, secure",
	2948:  "WAP push",
	2949:  "WAP push, secure",
	5501:  "compact business card",
	5502:  "service card",
	5503:  "Internet access settings",
	5505:  "ringing tone",
	5506:  "operator logo",
	5507:  "CLI logo",
	5508:  "dynamic menu control",
	5511:  "message access protocol",
	5512:  "e-mail notification",
	5514:  "picture or other multipart message",
	5580:  "web in text (TTML)",
	7275:  "location (SUPL)",
	9200:  "WAP",
	9201:  "WAP session",
	9202:  "WAP, secure",
	9203:  "WAP session, secure",
	9204:  "vCard",
	9205:  "vCalendar",
	9206:  "vCard, secure",
	9207:  "vCalendar, secure",
	49996: "SyncML settings",
	49999: "browser and MMS settings",
}
