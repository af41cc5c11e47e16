//go:build !race

package sqlite

const matchingMessages = 10_000
