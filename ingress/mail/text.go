package mail

import (
	"regexp"
	"strings"
	"unicode"
)

// Terms say how a text is made of a mail.
type Terms struct {
	Template string   // with {subject}, {body} and {from}; empty: the body, or the subject where that is empty
	Ends     []string // beginnings of lines at which a text ends, in any case: of disclaimers
}

// Text is what a mail says to a number. cuts are what was left out of it, for
// people: "a signature".
func Text(m Message, t Terms) (text string, cuts []string) {
	body, cuts := cutBody(m, t.Ends)
	text = body
	if text == "" {
		text = m.Subject
	}
	asks := strings.Contains(t.Template, "{subject}") || strings.Contains(t.Template, "{body}")
	if t.Template != "" && (text != "" || !asks) { // with nothing to put in, nothing is said
		text = strings.TrimSpace(strings.NewReplacer("{subject}", m.Subject, "{body}", body, "{from}", m.From).Replace(t.Template))
	}
	return strings.TrimSpace(legible(text)), cuts
}

// legible has one blank for all kinds of them, and nothing that nobody sees: one such
// character is not in the GSM alphabet, and makes the message twice as long.
func legible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\u3000': // the latter stands among characters as wide
			return r
		case r == '\u2028', r == '\u2029':
			return '\n'
		case r == '\t', unicode.Is(unicode.Zs, r):
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, visible(s))
}

// cutBody takes off what a mail program puts below what a person wrote.
func cutBody(m Message, ends []string) (body string, cuts []string) {
	text := strings.NewReplacer("\r\n", "\n", "\n\r", "\n", "\r", "\n").Replace(m.Text)
	lines := strings.Split(text, "\n")
	if n := signature(lines); n < len(lines) {
		lines, cuts = lines[:n], append(cuts, "a signature")
	}
	if n := disclaimer(lines, ends); n < len(lines) {
		lines, cuts = lines[:n], append(cuts, "a disclaimer")
	}
	if n := original(lines); n < len(lines) && !blank(strings.Join(lines[:n], "")) { // with nothing above, it is forwarded
		lines, cuts = lines[:n], append(cuts, "the mail that it answers")
	}
	if kept := unquoted(lines, m.Answers); len(kept) < len(lines) {
		lines, cuts = kept, append(cuts, "a quote")
	}
	return tidy(lines), cuts
}

// tidy joins lines, with one empty line at most between two that are not.
func tidy(lines []string) string {
	var b strings.Builder
	empty := 0
	for _, line := range lines {
		line = strings.TrimRight(line, " \t\u00a0")
		if line == "" {
			empty++
			continue
		}
		if b.Len() > 0 {
			b.WriteString(strings.Repeat("\n", 1+min(empty, 1)))
		}
		empty = 0
		b.WriteString(line)
	}
	return strings.TrimSpace(b.String())
}

// signature is the line at which one begins: "-- ", of which some programs cut the
// blank. RFC 3676, 4.3.
func signature(lines []string) int {
	for i, line := range lines {
		if line == "-- " || line == "--" {
			return i
		}
	}
	return len(lines)
}

func disclaimer(lines, ends []string) int {
	for i, line := range lines {
		line = strings.ToLower(strings.TrimSpace(line))
		for _, end := range ends {
			if end != "" && strings.HasPrefix(line, strings.ToLower(end)) {
				return i
			}
		}
	}
	return len(lines)
}

// separator is the line that Outlook puts above the mail that it answers. One that
// says "forwarded" is no such line: who forwards a mail wants it sent.
var separator = regexp.MustCompile(`(?i)^\s*-{2,}\s*(original (message|appointment)|urspr(ü|ue)ngliche (nachricht|e-?mail)|message d['’]origine|mensaje original|` +
	`messaggio originale|oorspronkelijk bericht|wiadomość oryginalna|oryginalna wiadomość|mensagem original|ursprungligt meddelande|` +
	`op?rin(delig|nelig) (meddelelse|melding)|původní zpráva|alkuperäinen viesti|исходное сообщение)\s*-{2,}\s*$`)

// forwarded is the line above a mail that is sent on.
var forwarded = regexp.MustCompile(`(?i)^\s*(-{2,}[^-]*(forward|weitergeleitet|transféré|reenvia|inoltrat|encaminhad|doorgestuurd|przekazan|vidarebefordra|videresend|přeposlan|välitet|пересл|пересыл)|begin forwarded message)`)

// Header lines above the mail that is answered, as Outlook writes them: who, when,
// to whom, about what.
var (
	headFrom = regexp.MustCompile(`(?i)^[\s*]*(from|von|de|da|van|od|från|fra|lähettäjä|от)\s?:`)
	headRest = regexp.MustCompile(`(?i)^[\s*]*(sent|date|gesendet|datum|envoyé|enviado|fecha|data|inviato|verzonden|wysłano|skickat|sendt|dato|odesláno|lähetetty|отправлено|дата` +
		`|to|cc|an|à|para|a|aan|do|dw|till|til|komu|vastaanottaja|кому|копия` +
		`|subject|betreff|objet|asunto|oggetto|onderwerp|temat|ämne|emne|assunto|předmět|aihe|тема)\s?:`)
)

// original is the line at which the mail begins that is answered, as Outlook has it.
func original(lines []string) int {
	for i, line := range lines {
		if forwarded.MatchString(line) {
			return len(lines)
		}
		if separator.MatchString(line) {
			return i
		}
		if !headFrom.MatchString(line) {
			continue
		}
		heads := 0
		for _, next := range lines[i+1 : min(i+5, len(lines))] {
			if headRest.MatchString(next) {
				heads++
			}
		}
		const enough = 3 // when, to whom, about what
		if heads >= enough {
			if i > 0 && strings.Trim(lines[i-1], "_ ") == "" {
				i--
			}
			return i
		}
	}
	return len(lines)
}

// wrote is the line above a quote: who wrote it, and when. It may be broken in two.
var wrote = regexp.MustCompile(`(?i)^\s*(on|am|le|el|il|in data|op|em|a|w dniu|dnia|den|dne|på|ma|\d|[^:]{0,80}\d{4})[^\n]*` +
	`(wrote|writes|schrieb|a écrit|escribió|ha scritto|scrisse|schreef|escreveu|pisze|napisał(\(a\)|a)?|skrev|napsal(\(a\)|a)?|kirjoitti|пишет|написал(\(а\)|а)?)` +
	`[^\n]{0,120}:\s*$`)

// says is such a line in the short: "Anna wrote:", or "2026-03-02 8:01 Anna <a@b>:". It
// counts in an answer only, right above a quote.
var says = regexp.MustCompile(`(?i)(wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|napisał(\(a\))?|skrev|<[^<>\s]+@[^<>\s]+>)\s*:\s*$`)

// attribution returns how many lines from i on say who wrote what is quoted below.
func attribution(lines []string, i int, answer bool) int {
	const longest = 300 // octets of a line with a name and an address
	if answer && i+1 < len(lines) && len(lines[i]) <= longest && says.MatchString(lines[i]) {
		next := i + 1
		if blank(lines[next]) && next+1 < len(lines) {
			next++
		}
		if strings.HasPrefix(lines[next], ">") {
			return 1
		}
	}
	joined := ""
	for n := range min(2, len(lines)-i) {
		joined = strings.TrimSpace(joined + " " + lines[i+n])
		if len(joined) > longest || lines[i+n] == "" || strings.HasPrefix(lines[i+n], ">") {
			return 0
		}
		if strings.ContainsAny(joined, "0123456789@") && wrote.MatchString(joined) {
			return n + 1
		}
	}
	return 0
}

// unquoted leaves out what is quoted with ">", and who wrote it. Where nobody says
// so, and the mail is no answer, a ">" is of the text. What is below a line that
// says so, without ">", is quoted to the end.
func unquoted(lines []string, answer bool) []string {
	var kept []string
	for i := 0; i < len(lines); i++ {
		n := attribution(lines, i, answer)
		if n == 0 {
			if !answer || !strings.HasPrefix(strings.TrimLeft(lines[i], " "), ">") {
				kept = append(kept, lines[i])
			}
			continue
		}
		next := i + n
		for next < len(lines) && blank(lines[next]) {
			next++
		}
		if next < len(lines) && !strings.HasPrefix(lines[next], ">") {
			return kept
		}
		for next < len(lines) && (blank(lines[next]) || strings.HasPrefix(lines[next], ">")) {
			next++
		}
		i = next - 1
	}
	return kept
}
