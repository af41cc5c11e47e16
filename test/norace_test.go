//go:build !race

package test

var buildFlags []string

const raceFactor = 1
