package pdu

// Bits of a TP-PI: which fields follow it. 3GPP TS 23.040, 9.2.3.27.
const (
	piPID    = 0x01
	piDCS    = 0x02
	piUDL    = 0x04
	piExtend = 0x80 // another TP-PI octet follows
)

// AppendBinary appends the TPDU to b, without the fields at its end that are
// zero. The error names the field that cannot be sent, and says what to do
// about it.
func (r StatusReport) AppendBinary(b []byte) ([]byte, error) {
	if b == nil {
		b = make([]byte, 0, tpduSize)
	}
	b = append(b, r.firstOctet(), r.Reference)
	b, err := appendAddress(b, r.Recipient)
	if err != nil {
		return nil, wrap("TP-RA", err)
	}
	if b, err = appendTime(b, r.Time); err != nil {
		return nil, wrap("TP-SCTS", err)
	}
	if b, err = appendTime(b, r.Discharge); err != nil {
		return nil, wrap("TP-DT", err)
	}
	b = append(b, byte(r.Status))
	return r.appendOptional(b)
}

func (r StatusReport) firstOctet() byte {
	return byte(MTIStatusReport) |
		flag(!r.MoreMessages, bitMMS) |
		flag(r.ForCommand, bitSRQ) |
		flag(r.Looping, bitLP) |
		flag(len(r.UserData.Header) > 0, bitUDHI)
}

// appendOptional appends TP-PI and what it announces, if there is any.
func (r StatusReport) appendOptional(b []byte) ([]byte, error) {
	hasText := len(r.UserData.Header) > 0 || len(r.UserData.Data) > 0
	pi := flag(r.PID != 0, piPID) | flag(r.DCS != 0, piDCS) | flag(hasText, piUDL)
	if pi == 0 {
		return b, nil
	}
	b = append(b, pi)
	if pi&piPID != 0 {
		b = append(b, byte(r.PID))
	}
	if pi&piDCS != 0 {
		b = append(b, byte(r.DCS))
	}
	if !hasText {
		return b, nil
	}
	return appendUserData(b, r.UserData, r.DCS)
}

// ParseStatusReport reads an SMS-STATUS-REPORT. What it returns shares no
// memory with tpdu. The error is a [*DecodeError]: the TPDU is of another type,
// or ends before TP-ST. Whatever is wrong after that is a warning.
func ParseStatusReport(tpdu []byte) (StatusReport, Warnings, error) {
	s := scanner{b: tpdu}
	r := s.report()
	if s.err != nil {
		return StatusReport{}, nil, s.err
	}
	return r, s.warnings, nil
}

func (s *scanner) report() StatusReport {
	fo := s.firstOctet(MTIStatusReport)
	r := StatusReport{
		MoreMessages: fo&bitMMS == 0,
		ForCommand:   fo&bitSRQ != 0,
		Looping:      fo&bitLP != 0,
		Reference:    s.octet("TP-MR"),
		Recipient:    s.address("TP-RA"),
		Time:         s.time("TP-SCTS"),
		Discharge:    s.time("TP-DT"),
		Status:       Status(s.octet("TP-ST")),
	}
	if s.err == nil {
		r.parseOptional(s, fo&bitUDHI != 0)
	}
	return r
}

// parseOptional takes TP-PI and what it announces. The outcome is known by now,
// so a fault here is no more than a warning.
func (r *StatusReport) parseOptional(s *scanner, header bool) {
	if s.rest() == 0 {
		return
	}
	pi := s.octet("TP-PI")
	for more := pi; more&piExtend != 0 && s.err == nil; {
		more = s.octet("TP-PI")
	}
	if pi&piPID != 0 {
		r.PID = PID(s.octet("TP-PID"))
	}
	if pi&piDCS != 0 {
		r.DCS = DCS(s.octet("TP-DCS"))
	}
	switch {
	case pi&piUDL != 0:
		r.UserData = s.userData(r.DCS, header)
	case s.err == nil && s.rest() > 0:
		s.warn("TP-PI", s.pos, "%d octets follow that it does not announce", s.rest())
	}
	if s.err != nil {
		s.warnings = append(s.warnings, s.err)
		s.err = nil
	}
}
