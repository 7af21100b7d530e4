package memory

// NewWith makes a store whose leases last for another time.
var NewWith = newStore
