// Package history is how drivers keep what became of a delivery: text that only grows, one JSON object a line, each an
// [outbox.Change].
package history

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/outbox"
)

// Line is a change as a line.
func Line(c outbox.Change) string {
	b := begin(c)
	if c.Attempt != 0 {
		b = strconv.AppendInt(append(b, `,"attempt":`...), int64(c.Attempt), 10)
	}
	return string(append(b, "}\n"...))
}

// Begin is the line of a change without its attempt and its end, for a driver whose database knows the attempt's number.
func Begin(c outbox.Change) string { return string(begin(c)) }

func begin(c outbox.Change) []byte {
	b := make([]byte, 0, 256)
	b = appendTime(append(b, `{"at":`...), c.At)
	b = append(append(append(b, `,"state":"`...), c.State...), '"')
	b = appendText(b, "reason", c.Reason)
	if c.Status != 0 {
		b = strconv.AppendInt(append(b, `,"status":`...), int64(c.Status), 10)
	}
	b = appendText(b, "detail", c.Detail)
	if !c.RetryAt.IsZero() {
		b = appendTime(append(b, `,"retry_at":`...), c.RetryAt)
	}
	return appendText(b, "activity_id", string(c.Activity))
}

// lastTime is the last that can be written (RFC 3339, 1).
var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

func appendTime(b []byte, t time.Time) []byte {
	if t.After(lastTime) {
		t = lastTime
	}
	b = append(b, '"')
	b = t.UTC().Truncate(time.Microsecond).AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// appendText adds a member unless it is empty. Bytes that are no text become U+FFFD.
func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, ',', '"'), name...), `":`...)
	b, _ = jsontext.AppendQuote(b, value)
	return b
}

// Parse reads lines.
func Parse(lines []byte) ([]outbox.Change, error) {
	var changes []outbox.Change
	for line := range bytes.Lines(lines) {
		var c outbox.Change
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("history of a delivery: %w", err)
		}
		changes = append(changes, c)
	}
	return changes, nil
}
