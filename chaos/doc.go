// Package chaos has the tests that break a running Headsup: the real binary is killed, stopped, paused and starved while
// clients ask for notifications, and the ledger of a fake channel in another process tells what people have seen.
//
// What must hold is said in docs/reliability.md, as invariants I1 to I12; the tests name them. "go test" runs short versions,
// which need nothing but Go. "make chaos" runs long ones, and those that need strace, root or PostgreSQL (build tag chaos).
package chaos
