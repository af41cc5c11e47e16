package smart

import (
	"bytes"
	"slices"

	"cellpost/pdu"
)

// nameless stands in front of an operator logo for the network that it is yet to
// get: octets that are no network.
var nameless = []byte{0xFF, 0xFF, 0xFF}

// Nameless is the operator logo of an OTA bitmap with room for its network, which
// [SetNetwork] puts in.
func Nameless(ota []byte) Object {
	return Object{Port: PortOperatorLogo, Data: slices.Concat(nameless, ota)}
}

// LacksNetwork reports whether a message is the first part of an operator logo that
// [Nameless] made.
func LacksNetwork(s pdu.Submit) bool {
	ports, ok := s.UserData.Ports()
	c, parts := s.UserData.Concat()
	return ok && ports.Dest == PortOperatorLogo && (!parts || c.Seq == 1) &&
		s.DCS.Alphabet() == pdu.Octets && bytes.HasPrefix(s.UserData.Data, nameless)
}

// SetNetwork puts the network into a message that [LacksNetwork]. The old data is
// left as it was. The error says that n is no network.
func SetNetwork(s *pdu.Submit, n Network) error {
	data, err := n.AppendBinary(nil)
	if err == nil {
		s.UserData.Data = append(data, s.UserData.Data[networkOctets:]...)
	}
	return err
}

// threeDigits are the countries whose networks have three digits, as ITU-T E.212
// gives them out: for a SIM that does not tell how many its own has.
var threeDigits = []string{"302", "310", "311", "312", "313", "314", "315", "316", "334", "405", "708", "722", "732"}

// HomeNetwork returns the network of a SIM: the beginning of its IMSI. digits is how
// many the MNC has, 2 or 3; any other number: what is usual in its country. ok is
// false when the IMSI is none.
func HomeNetwork(imsi string, digits int) (n Network, ok bool) {
	if len(imsi) < 6 {
		return Network{}, false
	}
	if digits != 2 && digits != 3 {
		digits = 2
		if slices.Contains(threeDigits, imsi[:3]) {
			digits = 3
		}
	}
	n = Network{MCC: imsi[:3], MNC: imsi[3 : 3+digits]}
	return n, n.valid()
}
