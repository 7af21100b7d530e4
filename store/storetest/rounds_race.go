//go:build race

package storetest

// raceRounds is how often the races are run. The race detector makes a database in Go many times slower.
const raceRounds = 2
