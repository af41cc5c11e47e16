package modem

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"cellpost/pdu"
	"cellpost/pdu/smart"
)

// invalidPDU is the cause of a TPDU that cannot be sent as it is.
var invalidPDU = pdu.Cause{Set: pdu.CMS, Code: 304}

// errNoLogoNetwork is the end of a logo that is to be of the SIM's network.
var errNoLogoNetwork = errors.New("the operator logo names no network, and the SIM does not tell its own: set logo-network of the account")

// roomMark begins the data of an operator logo without a network. It tells most
// other messages without reading them.
var roomMark = []byte{0xFF, 0xFF, 0xFF}

// named puts the home network of the SIM into an operator logo that has none; any
// other TPDU stays as it is.
func (s *session) named(ctx context.Context, tpdu []byte) ([]byte, error) {
	if !bytes.Contains(tpdu, roomMark) {
		return tpdu, nil
	}
	submit, _, err := pdu.ParseSubmit(tpdu)
	if err != nil || !smart.LacksNetwork(submit) {
		return tpdu, nil
	}
	n, ok := smart.HomeNetwork(s.m.Facts().IMSI, s.mncDigits(ctx))
	if !ok {
		return nil, errNoLogoNetwork
	}
	if err := smart.SetNetwork(&submit, n); err != nil {
		return nil, err
	}
	return submit.AppendBinary(nil)
}

// mncDigits asks the SIM how many digits the MNC of its network has: the fourth
// octet of EF_AD. 0: it does not tell. 3GPP TS 31.102, 4.2.18; 27.007, 8.18.
func (s *session) mncDigits(ctx context.Context) int {
	const readBinary, administrativeData, octets = "176", "28589", 8 // the length is in digits
	f := fields(s.try(ctx, "+CRSM="+readBinary+","+administrativeData+",0,0,4", cardTimeout))
	if len(f) < 3 || f[0] != "144" || len(f[2]) < octets { // 90 00: carried out
		return 0
	}
	n, err := strconv.ParseUint(f[2][octets-1:octets], 16, 4) // the high half is reserved
	if err != nil {
		return 0
	}
	return int(n)
}
