package profile

import (
	"regexp"
	"slices"
)

// Table is all that is known of modules and their ports. It does not change, and
// may be used by many at once.
type Table struct {
	profiles []Profile // the last matches everything
	ports    []Ports
	noise    []string
}

// Match returns the first profile that the module matches; "generic" when there
// is none better.
func (t *Table) Match(m Module) Profile {
	for _, p := range t.profiles {
		if p.Match.matches(m) {
			return p
		}
	}
	return t.profiles[len(t.profiles)-1]
}

func (m Match) matches(mod Module) bool {
	return fits(m.Manufacturer, mod.Manufacturer) && fits(m.Model, mod.Model) && fits(m.Revision, mod.Revision) &&
		(len(m.USB) == 0 || slices.ContainsFunc(m.USB, mod.USB.within))
}

// all tells whether a pattern lets everything through.
func all(re *regexp.Regexp) bool { return re == nil || re.MatchString("") && re.MatchString("\x00") }

func fits(re *regexp.Regexp, s string) bool { return re == nil || re.MatchString(s) }

// within tells whether the device is the one that pattern names, or one of its
// vendor's where it names all.
func (id ID) within(pattern ID) bool {
	return id.Vendor == pattern.Vendor && (pattern.Product == 0 || id.Product == pattern.Product)
}

// empty tells whether everything matches.
func (m Match) empty() bool {
	return all(m.Manufacturer) && all(m.Model) && all(m.Revision) && len(m.USB) == 0
}

// Named returns the profile of a name.
func (t *Table) Named(name string) (Profile, bool) {
	i := slices.IndexFunc(t.profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return t.profiles[i], true
}

// Names lists the profiles in the order in which they are tried.
func (t *Table) Names() []string {
	var names []string
	for _, p := range t.profiles {
		names = append(names, p.Name)
	}
	return names
}

// Ports returns what is known of the ports of a USB device: of the product, else
// of all devices of its vendor.
func (t *Table) Ports(id ID) (Ports, bool) {
	for _, want := range []ID{id, {Vendor: id.Vendor}} {
		for _, p := range t.ports {
			if slices.Contains(p.USB, want) {
				return p, true
			}
		}
	}
	return Ports{}, false
}

// Noise lists how the unsolicited lines of all families begin (Noise, Started,
// Ready and Full), sorted. They are taken out of answers before the family is known.
// Those with further lines (+CMT, +CDS, +CBM, +CUSD) are not among them.
func (t *Table) Noise() []string { return slices.Clone(t.noise) }

func noise(profiles []Profile) []string {
	var lines []string
	for _, p := range profiles {
		lines = slices.Concat(lines, p.Noise, p.Started, p.Ready, p.Full)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// KnownFaults lists what is wrong with a version of the module's firmware.
func (p Profile) KnownFaults(revision string) []Known {
	var faults []Known
	for _, k := range p.Known {
		if fits(k.Revision, revision) {
			faults = append(faults, k)
		}
	}
	return faults
}
