//go:build !chaos

package proactive_test

// raceTimes is how often somebody answers in the moment of a notification, and raceTimesOfNodes how often with three nodes.
const raceTimes, raceTimesOfNodes = 600, 100

// optOutRace is how many people are told something while some of them opt out, and optOutRaceOfNodes how many with two nodes.
const optOutRace, optOutRaceOfNodes = 1_500, 300
