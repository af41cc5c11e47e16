//go:build race

package test

// buildFlags: tests that look for races run a binary that does, too.
var buildFlags = []string{"-race"}

// raceFactor is how much more memory a binary that looks for races takes.
const raceFactor = 6
