package api

import (
	"encoding/json"
	"time"
)

// AuditEntry is an act as it stands in the audit log.
type AuditEntry struct {
	Number int64           `json:"number" doc:"Counts the entries from 1, without gaps."`
	AppID  string          `json:"app_id" doc:"Whose log it is."`
	At     time.Time       `json:"at" doc:"When it was written, by the store's clock, to the microsecond."`
	Action string          `json:"action" doc:"What was done; docs/audit.md lists the words." example:"key.create"`
	Actor  string          `json:"actor" doc:"Who did it: key:<id>, local (an operator on the server's machine), development (a caller without a key, in development mode) or server. Empty where that is not known."`
	From   string          `json:"from" doc:"The address that it came from; empty where there is none."`
	Object string          `json:"object" doc:"The id of what it was done to, or a keyed hash where that may be a person."`
	Detail json.RawMessage `json:"detail,omitempty" doc:"More of it, without anything that somebody said: an object. A string is what somebody has put in its place, behind the server's back."`
	Trace  string          `json:"trace" doc:"The id of the request's trace (W3C Trace Context), if it had one."`
	Sealed string          `json:"sealed" doc:"How the hash was made: sha256, or hmac-sha256 and which key." example:"sha256"`
	Prev   string          `json:"prev" doc:"The hash of the entry before; zeros for the first."`
	Hash   string          `json:"hash" doc:"The hash over the entry and the one before."`
}

// AuditEntries is one page of the audit log.
type AuditEntries struct {
	Entries    []AuditEntry `json:"entries" doc:"In the order that was asked for."`
	NextCursor string       `json:"next_cursor,omitempty" doc:"Where the next page starts; not given on the last one."`
}

// AuditMark names a place in the audit log.
type AuditMark struct {
	Number int64  `json:"number" doc:"The entry's number; 0 for none."`
	Hash   string `json:"hash" doc:"The entry's hash."`
}

// AuditEnds is where the audit log begins and ends.
type AuditEnds struct {
	Foot   AuditMark  `json:"foot" doc:"The last entry that was cut off because of its age."`
	Head   AuditMark  `json:"head" doc:"The newest entry. Keep it elsewhere: it vouches for all before it."`
	HeadAt *time.Time `json:"head_at,omitempty" doc:"When that was written."`
	Sealed string     `json:"sealed" doc:"How new entries are sealed: sha256, or hmac-sha256 and which key."`
}

// AuditCheck is what a check of the whole audit log has found.
type AuditCheck struct {
	Whole    bool         `json:"whole" doc:"Every entry is there, follows the one before and is as it was written, up to through."`
	Complete bool         `json:"complete" doc:"The check has come to the end of the log, or to what is wrong. Otherwise the log is so long that the time was over: headsup audit verify checks all of it."`
	Entries  int64        `json:"entries" doc:"How many entries fit."`
	First    int64        `json:"first,omitempty" doc:"The number of the first of them; those before it were cut off because of their age."`
	Through  AuditMark    `json:"through" doc:"The last of them."`
	Sealed   []AuditRange `json:"sealed" doc:"How they are sealed, one after another. Only a key shows that nobody who can write the database has made all of them anew."`
	Broken   *AuditBroken `json:"broken,omitempty" doc:"The first thing that is wrong."`
}

// AuditRange is entries of the audit log that follow each other and are sealed alike.
type AuditRange struct {
	First  int64  `json:"first" doc:"The number of the first."`
	Last   int64  `json:"last" doc:"The number of the last."`
	Sealed string `json:"sealed" doc:"sha256, or hmac-sha256 and which key." example:"sha256"`
}

// AuditBroken says what is wrong with the audit log.
type AuditBroken struct {
	Number int64  `json:"number" doc:"The entry that is wrong, or is missing."`
	Reason string `json:"reason" doc:"The rest of a sentence that begins with the entry."`
}
