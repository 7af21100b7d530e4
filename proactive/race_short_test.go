//go:build !chaos

package proactive_test

// raceTimes is how often somebody answers in the moment of a notification.
const raceTimes = 300
