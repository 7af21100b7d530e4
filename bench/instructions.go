package main

import (
	"fmt"
	"os"
)

// instructions are how many thousands each delivery took, in user mode and in the kernel.
type instructions struct{ user, kernel float64 }

// String is empty when they were not counted.
func (i instructions) String() string {
	if i == (instructions{}) {
		return ""
	}
	return fmt.Sprintf(", %.0f+%.0f thousand instructions", i.user, i.kernel)
}

// counting returns what begins to count the instructions of processes for n deliveries, and then ends it, if that was asked
// for.
func (o options) counting(processes func() []int) func(n int) (count func() instructions, err error) {
	if !o.instructions {
		return func(int) (func() instructions, error) { return func() instructions { return instructions{} }, nil }
	}
	return func(n int) (func() instructions, error) {
		c, err := countInstructions(processes()...)
		if err != nil {
			return nil, err
		}
		return func() instructions {
			user, kernel := c.end()
			return instructions{user / float64(n) / 1000, kernel / float64(n) / 1000}
		}, nil
	}
}

// this is the process that asks, alone.
func this() []int { return []int{os.Getpid()} }
