//go:build chaos

package proactive_test

// raceTimes is how often somebody answers in the moment of a notification, and raceTimesOfNodes how often with three nodes:
// go test -tags chaos -timeout 30m -run Moment ./proactive.
const raceTimes, raceTimesOfNodes = 10_000, 10_000

// optOutRace is how many people are told something while some of them opt out, and optOutRaceOfNodes how many with two nodes:
// go test -tags chaos -timeout 30m -run OptOut ./proactive.
const optOutRace, optOutRaceOfNodes = 10_000, 10_000
