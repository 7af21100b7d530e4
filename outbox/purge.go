package outbox

import "time"

// Purge says what is over and may be forgotten.
type Purge struct {
	// ContentBefore: messages that were created before it lose their content, which is what people are told. Zero for
	// none.
	ContentBefore time.Time
	// RecordsBefore: messages that were created, and whose deliveries all ended, before it are removed, with those
	// deliveries and their history. Zero for none.
	RecordsBefore time.Time
	// After is where the last step has ended; 0 for the first.
	After MessageID
	// Limit is how many messages a step looks at; positive.
	Limit int
}

// Purged tells what a step of a purge has done.
type Purged struct {
	// Contents and Records are how many messages have lost their content, and how many are gone.
	Contents, Records int
	// Next is the After of the next step; 0 at the end of the walk.
	Next MessageID
}
