//go:build race

package sqlite

// The race detector makes SQLite three times slower.
const matchingMessages = 4_000
