//go:build !race

package storetest

// raceRounds is how often the races are run: ten thousand of them.
const raceRounds = 20
