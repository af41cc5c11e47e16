package pdu

// AppendBinary appends the TPDU to b. The error names the field that cannot be
// sent, and says what to do about it.
func (d Deliver) AppendBinary(b []byte) ([]byte, error) {
	if b == nil {
		b = make([]byte, 0, tpduSize)
	}
	b = append(b, d.firstOctet())
	b, err := appendAddress(b, d.Originator)
	if err != nil {
		return nil, wrap("TP-OA", err)
	}
	b = append(b, byte(d.PID), byte(d.DCS))
	if b, err = appendTime(b, d.Time); err != nil {
		return nil, wrap("TP-SCTS", err)
	}
	return appendUserData(b, d.UserData, d.DCS)
}

func (d Deliver) firstOctet() byte {
	return byte(MTIDeliver) |
		flag(!d.MoreMessages, bitMMS) |
		flag(d.StatusReport, bitSRI) |
		flag(d.Looping, bitLP) |
		flag(len(d.UserData.Header) > 0, bitUDHI) |
		flag(d.ReplyPath, bitRP)
}

// ParseDeliver reads an SMS-DELIVER, also one of the reserved message type 3.
// What it returns shares no memory with tpdu. The error is a [*DecodeError]:
// the TPDU is of another type, or ends before its user data. User data cut
// short, and octets after it, are warnings.
func ParseDeliver(tpdu []byte) (Deliver, Warnings, error) {
	s := scanner{b: tpdu}
	d := s.deliver()
	if s.err != nil {
		return Deliver{}, nil, s.err
	}
	return d, s.warnings, nil
}

func (s *scanner) deliver() Deliver {
	want := MTIDeliver
	if len(s.b) > 0 && MTI(s.b[0]&mtiMask) == mtiReserved {
		want = mtiReserved
		s.warn("TP-MTI", 0, "the reserved type 3; taken for an SMS-DELIVER")
	}
	fo := s.firstOctet(want)
	d := Deliver{
		MoreMessages: fo&bitMMS == 0,
		ReplyPath:    fo&bitRP != 0,
		StatusReport: fo&bitSRI != 0,
		Looping:      fo&bitLP != 0,
		Originator:   s.address("TP-OA"),
		PID:          PID(s.octet("TP-PID")),
		DCS:          DCS(s.octet("TP-DCS")),
		Time:         s.time("TP-SCTS"),
	}
	d.UserData = s.userData(d.DCS, fo&bitUDHI != 0)
	return d
}
