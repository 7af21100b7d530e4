//go:build !chaos

package proactive_test

// raceTimes is how often somebody answers in the moment of a notification, and raceTimesOfNodes how often with three nodes.
const raceTimes, raceTimesOfNodes = 600, 100
