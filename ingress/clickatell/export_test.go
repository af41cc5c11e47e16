package clickatell

import (
	"maps"
	"slices"
)

// Keys are those of the parser, in order.
func Keys() []string { return slices.Sorted(maps.Keys(keys)) }
