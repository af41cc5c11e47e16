package sms

import "slices"

// Members are the SIMs that work in a lane, as far as they are known by name.
// None: any SIM.
func (r *Rules) Members(l Lane) []string {
	var sims []string
	for _, sim := range r.named(l) {
		if _, ok := r.Rank(l, sim); ok {
			sims = append(sims, sim)
		}
	}
	return sims
}

// named are all SIMs that the rules, or the lane, have a name of.
func (r *Rules) named(l Lane) []string {
	sims := slices.Clone(r.SIMs)
	for _, t := range r.Routes {
		sims = slices.Concat(sims, slices.Concat(t.Tiers...))
	}
	for sim := range r.PerSIM {
		sims = append(sims, sim)
	}
	if pinned, ok := l.pinned(); ok {
		sims = append(sims, pinned)
	}
	return distinct(sims)
}

// pinned returns the SIM of a lane of one SIM alone.
func (l Lane) pinned() (sim string, ok bool) {
	if len(l) <= len(lanePinned) || string(l[:len(lanePinned)]) != lanePinned {
		return "", false
	}
	return string(l[len(lanePinned):]), true
}

// Way is where a number goes.
type Way struct {
	Prefix string     // of the route
	Routed bool       // false: there are no routes, or one SIM is asked for
	Tiers  [][]string // SIMs that may send to the number, those of the first tier first; none in a tier: any SIM
	Price  Credits    // of one part
}

// Way says where a message goes that [Rules.Admit] has given a lane, and what
// else it may come to by escalation.
func (r *Rules) Way(m Message) (Way, error) {
	price, err := r.PartPrice(m)
	if err != nil {
		return Way{}, err
	}
	w := Way{Price: price}
	t, ok := r.route(m.To)
	if m.OnlySIM != "" || !ok {
		lane, err := r.firstLane(m)
		if err != nil {
			return Way{}, err
		}
		w.Tiers = [][]string{r.Members(lane)}
		return w, nil
	}
	w.Prefix, w.Routed = t.Prefix, true
	var before []string
	for _, lane := range r.path(m.To) {
		all := r.Members(lane)
		w.Tiers = append(w.Tiers, slices.DeleteFunc(slices.Clone(all), func(sim string) bool { return slices.Contains(before, sim) }))
		before = all
	}
	return w, nil
}

// PartPrice is what one part of a message costs. A SIM that was asked for by its
// number needs no route.
func (r *Rules) PartPrice(m Message) (Credits, error) {
	price, err := r.Price(m.To)
	if err != nil && m.OnlySIM != "" {
		return DefaultPrice, nil
	}
	return price, err
}
