package pdu

import (
	"fmt"
	"slices"
)

// languageNames are the languages in lower case.
var languageNames = [...]string{
	NoLanguage: "none",
	Turkish:    "turkish",
	Spanish:    "spanish",
	Portuguese: "portuguese",
	Bengali:    "bengali",
	Gujarati:   "gujarati",
	Hindi:      "hindi",
	Kannada:    "kannada",
	Malayalam:  "malayalam",
	Oriya:      "oriya",
	Punjabi:    "punjabi",
	Tamil:      "tamil",
	Telugu:     "telugu",
	Urdu:       "urdu",
}

// String returns the name of the language in lower case; "none" for NoLanguage.
func (l Language) String() string {
	if int(l) < len(languageNames) {
		return languageNames[l]
	}
	return fmt.Sprintf("language %d", byte(l))
}

// ParseLanguage returns the language of a name as [Language.String] has it.
func ParseLanguage(name string) (Language, error) {
	if i := slices.Index(languageNames[:], name); i > 0 {
		return Language(i), nil
	}
	return NoLanguage, fmt.Errorf("no tables for language %q; there are turkish, spanish, portuguese, bengali, gujarati, hindi, kannada, malayalam, oriya, punjabi, tamil, telugu and urdu", name)
}

// locking returns the locking shift table; the default alphabet where the
// language has none. 3GPP TS 23.038, 6.2.1.2.3.
func (l Language) locking() string {
	if l.hasLocking() {
		return lockingTables[l]
	}
	return defaultTable
}

// single returns the single shift table; the default extension table where the
// language has none. 3GPP TS 23.038, 6.2.1.2.2.
func (l Language) single() string {
	if l.hasSingle() {
		return singleTables[l]
	}
	return extensionTable
}

func (l Language) hasLocking() bool { return int(l) < len(lockingTables) && lockingTables[l] != "" }
func (l Language) hasSingle() bool  { return int(l) < len(singleTables) && singleTables[l] != "" }

// check returns an error about a table that there is not.
func (t Tables) check() error {
	switch {
	case t.Locking != NoLanguage && !t.Locking.hasLocking():
		return fmt.Errorf("no locking shift table for %s; leave it out", t.Locking)
	case t.Single != NoLanguage && !t.Single.hasSingle():
		return fmt.Errorf("no single shift table for %s; leave it out", t.Single)
	}
	return nil
}

// alphabet returns how characters are written with the tables.
func (t Tables) alphabet() (*alphabet, error) {
	if t == (Tables{}) {
		return defaultAlphabet, nil
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return newAlphabet(t.Locking.locking(), t.Single.single()), nil
}

// characters returns what septets mean: alone, and after an escape, where 0 is
// for no character.
func (t Tables) characters() (main, ext *[128]rune) {
	main, ext = unescaped, escaped
	if t.Locking.hasLocking() {
		main = characters(t.Locking.locking(), ' ')
	}
	if t.Single.hasSingle() {
		ext = characters(t.Single.single(), 0)
	}
	return main, ext
}
