package sqlite

// OpenLease opens a store whose leases last for another time.
var OpenLease = openLease
