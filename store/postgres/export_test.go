package postgres

// OpenLease is Open with another time for leases.
var OpenLease = openLease
