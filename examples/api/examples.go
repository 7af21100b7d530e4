// Package api holds small programs that use the HTTP API, one for each of several languages. Each says something to
// somebody under an idempotency key, waits until it is delivered, and prints what became of it. The API's page shows
// them; the test runs them against a real server.
package api

import _ "embed" // the programs are files

//go:embed curl.sh
var curl string

//go:embed notify.py
var python string

//go:embed notify.mjs
var javaScript string

//go:embed notify/main.go
var golang string

// Example is a program in one language.
type Example struct {
	Language string // for people
	File     string // its path from here
	Source   string
}

// Examples are the programs.
var Examples = []Example{
	{"curl", "curl.sh", curl}, {"Python", "notify.py", python}, {"JavaScript", "notify.mjs", javaScript},
	{"Go", "notify/main.go", golang},
}
