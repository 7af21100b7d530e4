package memory

import "time"

// NewLease makes a store whose leases last for another time.
func NewLease(leaseTime time.Duration) *Store { return newStore(leaseTime, nil) }
