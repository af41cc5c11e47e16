//go:build race

package test

// buildFlags: tests that look for races run a binary that does, too.
var buildFlags = []string{"-race"}
