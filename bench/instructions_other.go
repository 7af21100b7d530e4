//go:build !linux

package main

import "errors"

// counter counts the instructions of processes; here nobody does.
type counter struct{}

func countInstructions(...int) (*counter, error) {
	return nil, errors.New("instructions are counted on Linux only")
}

func (*counter) end() (user, kernel float64) { return 0, 0 }
