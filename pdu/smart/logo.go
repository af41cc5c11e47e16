package smart

import (
	"fmt"
	"strings"

	"cellpost/pdu"
)

// Dots of a logo. Handsets of the time show no other size; some of the 7110
// kind take operator logos of 78 x 21.
const (
	logoWidth  = 72
	logoHeight = 14
)

// Network is a mobile network: "262" and "01". 3GPP TS 23.003, clause 2.2.
type Network struct {
	MCC string // mobile country code, 3 digits
	MNC string // mobile network code, 2 or 3 digits; 01 and 001 are not the same
}

// ParseNetwork reads a network as people write it: 26201, 262-01 or 262 01. The
// first three digits are the MCC.
func ParseNetwork(s string) (Network, error) {
	mcc, mnc, cut := strings.Cut(strings.TrimSpace(s), "-")
	if !cut {
		mcc, mnc, cut = strings.Cut(mcc, " ")
	}
	if !cut && len(mcc) > 3 {
		mcc, mnc = mcc[:3], mcc[3:]
	}
	n := Network{MCC: mcc, MNC: mnc}
	if !n.valid() {
		return Network{}, fmt.Errorf("%q is no network; write MCC and MNC, 262-01 for instance", s)
	}
	return n, nil
}

// String returns MCC and MNC with a hyphen: "262-01".
func (n Network) String() string { return n.MCC + "-" + n.MNC }

func (n Network) valid() bool {
	return len(n.MCC) == 3 && (len(n.MNC) == 2 || len(n.MNC) == 3) &&
		strings.Trim(n.MCC+n.MNC, "0123456789") == ""
}

// AppendBinary appends the network in three octets, as in a location area
// identification: 262-01 is 62 F2 10, 310-260 is 13 00 62. 3GPP TS 24.008,
// 10.5.1.3. The error says that it is no network.
func (n Network) AppendBinary(b []byte) ([]byte, error) {
	if !n.valid() {
		return nil, fmt.Errorf("%q is no network; give MCC and MNC, 262-01 for instance", n)
	}
	mnc := n.MNC + "?" // its low bits are F, as a missing third digit is to be
	for _, pair := range [networkOctets][2]byte{{n.MCC[0], n.MCC[1]}, {n.MCC[2], mnc[2]}, {mnc[0], mnc[1]}} {
		b = append(b, pair[0]&0xF|pair[1]<<4)
	}
	return b, nil
}

// networkOctets is how many octets a network takes.
const networkOctets = 3

// parseNetworkOctets reads three octets; ok is false when they are no network.
func parseNetworkOctets(b []byte) (n Network, ok bool) {
	n.MCC = string([]byte{b[0]&0xF + '0', b[0]>>4 + '0', b[1]&0xF + '0'})
	n.MNC = string([]byte{b[2]&0xF + '0', b[2]>>4 + '0'})
	if third := b[1] >> 4; third != 0xF {
		n.MNC += string(rune(third + '0'))
	}
	return n, n.valid()
}

// Around the network in an operator logo as the specification has it. A logo of
// 72 x 14 dots then takes two short messages. Without them it is the 140 octets
// of one. Handsets take that as well, Nokia's developer forum says (2001), and
// gammu, gnokii and Kannel send it.
const (
	logoVersion  = 0x30
	logoLineFeed = 0x0A
)

// OperatorLogo makes the object that shows a bitmap instead of the name of a
// network: the network, then the OTA bitmap. A logo of 72 x 14 dots fits into
// one short message. The error is about the network or an empty bitmap.
func OperatorLogo(b Bitmap, n Network) (Object, error) {
	ota, err := b.AppendBinary(nil)
	if err != nil {
		return Object{}, err
	}
	return operatorLogo(ota, n)
}

func operatorLogo(ota []byte, n Network) (Object, error) {
	data, err := n.AppendBinary(nil)
	if err != nil {
		return Object{}, err
	}
	data = append(data, ota...)
	if err := checkObject(data); err != nil {
		return Object{}, err
	}
	return Object{Port: PortOperatorLogo, Data: data}, nil
}

// ParseOperatorLogo reads an operator logo: a network and an OTA bitmap, with
// or without the version and the line feed of the specification. The error is a
// [*pdu.DecodeError]; what [CleanLogo] sends is one, for it holds no logo.
func ParseOperatorLogo(data []byte) (Network, Bitmap, pdu.Warnings, error) {
	at, ota := 0, networkOctets
	if len(data) > networkOctets+1 && data[0] == logoVersion && data[networkOctets+1] == logoLineFeed {
		at, ota = 1, networkOctets+2
	}
	if len(data) < ota {
		return Network{}, Bitmap{}, nil, octetFault("network", at, "there is none here; start with three octets of MCC and MNC")
	}
	n, ok := parseNetworkOctets(data[at:])
	if !ok {
		return Network{}, Bitmap{}, nil, octetFault("network", at, "% X is no MCC and MNC; 262-01 is 62 F2 10", data[at:at+networkOctets])
	}
	b, warnings, err := parseBitmap(data, ota)
	if err != nil {
		return Network{}, Bitmap{}, nil, err
	}
	return n, b, warnings, nil
}

// ReadOperatorLogo makes an operator logo from what people have: an image file
// (as [ReadImage] takes it, made 72 x 14), an OTA bitmap, or an operator logo
// that has its network inside. Octets, which may be written as hexadecimal
// digits with white space anywhere, are sent as they are, after a look at
// whether they can be read; n is put in front of those that lack a network and
// is not used otherwise.
func ReadOperatorLogo(content []byte, n Network) (Object, error) {
	if _, isImage := sniffImage(content); isImage {
		b, err := ReadImage(content, logoWidth, logoHeight)
		if err != nil {
			return Object{}, err
		}
		return OperatorLogo(b, n)
	}
	octets, err := readOctets(content)
	if err != nil {
		return Object{}, fmt.Errorf("no operator logo: %w", err)
	}
	// A bitmap starts with an infofield; no country's code starts with a 0.
	if len(octets) > 0 && octets[0]&^infoWide == 0 {
		if _, _, err := ParseBitmap(octets); err != nil {
			return Object{}, fmt.Errorf("no operator logo: %w", err)
		}
		return operatorLogo(octets, n)
	}
	if _, _, _, err := ParseOperatorLogo(octets); err != nil {
		return Object{}, fmt.Errorf("no operator logo: %w", err)
	}
	return Object{Port: PortOperatorLogo, Data: octets}, nil
}

// CleanLogo makes the object that takes the operator logo away: the single
// octet 00, as Clickatell's SMS_NOKIA_CLEAN has it. gammu, gnokii and Kannel send
// nothing of the kind; a handset that ignores it can be sent a logo without ink.
func CleanLogo() Object { return Object{Port: PortOperatorLogo, Data: []byte{0}} }

// CLILogo makes the object that shows a bitmap when somebody of a caller group
// rings: the OTA bitmap alone. The error is about an empty bitmap.
func CLILogo(b Bitmap) (Object, error) {
	ota, err := b.AppendBinary(nil)
	if err != nil {
		return Object{}, err
	}
	return Object{Port: PortCLILogo, Data: ota}, nil
}

// ParseCLILogo reads a CLI logo: an OTA bitmap, with or without the version 30
// of the specification. The error is a [*pdu.DecodeError].
func ParseCLILogo(data []byte) (Bitmap, pdu.Warnings, error) {
	if len(data) > 0 && data[0] == logoVersion {
		return parseBitmap(data, 1)
	}
	return ParseBitmap(data)
}

// ReadCLILogo makes a CLI logo from what people have: an image file (as
// [ReadImage] takes it, made 72 x 14) or octets that [ParseCLILogo] can read,
// which are sent as they are. They may be written as hexadecimal digits with
// white space anywhere.
func ReadCLILogo(content []byte) (Object, error) {
	if _, isImage := sniffImage(content); isImage {
		b, err := ReadImage(content, logoWidth, logoHeight)
		if err != nil {
			return Object{}, err
		}
		return CLILogo(b)
	}
	octets, err := readOctets(content)
	if err == nil {
		_, _, err = ParseCLILogo(octets)
	}
	if err != nil {
		return Object{}, fmt.Errorf("no CLI logo: %w", err)
	}
	return Object{Port: PortCLILogo, Data: octets}, nil
}
