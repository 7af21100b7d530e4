package api

// People is a page of the people in the reference book.
type People struct {
	People     []KnownPerson `json:"people" doc:"In the order in which the bot met them."`
	NextCursor string        `json:"next_cursor,omitempty" doc:"The cursor of the next page; missing on the last."`
}

// Human is one human: somebody, and those on other channels who were merged with them.
type Human struct {
	People []KnownPerson `json:"people" doc:"Who they are on each channel, in the order in which the bot met them."`
}

// MergeRequest says who else somebody is.
type MergeRequest struct {
	With []string `json:"with" minItems:"1" maxItems:"99" doc:"The ids of the other entries of the same human." example:"[\"per_0000000000008\"]"`
}

// SplitRequest says who leaves a human together with somebody.
type SplitRequest struct {
	With []string `json:"with,omitzero" maxItems:"99" doc:"The ids of those who go with them: they stay one human." example:"[\"per_0000000000008\"]"`
}
