//go:build chaos

package proactive_test

// raceTimes is how often somebody answers in the moment of a notification: go test -tags chaos -run Moment ./proactive.
const raceTimes = 10_000
