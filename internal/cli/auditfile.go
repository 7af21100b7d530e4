package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/audit"
)

// maxAuditLine bounds a line of an export.
const maxAuditLine = 64 << 10

// file checks an export.
func (a *auditCheck) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return usageError{fmt.Errorf("--file: %w", err)}
	}
	defer func() { _ = f.Close() }() // it was only read
	a.begin(audit.NewPartVerifier(a.keys...))
	var end *audit.ExportEnd
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxAuditLine)
	n := 1
	for ; lines.Scan(); n++ {
		if end != nil {
			return fmt.Errorf("%s: line %d comes after the one that ends the export", path, n)
		}
		if end, err = a.line(lines.Bytes()); err != nil {
			return fmt.Errorf("%s: line %d%w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: line %d: %w", path, n, err)
	}
	if err := a.v.End(audit.Mark{}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := a.ends(end); err != nil {
		return fmt.Errorf("%s %w", path, err)
	}
	return nil
}

// line checks a line, and returns what it says if it is the last one.
func (a *auditCheck) line(text []byte) (*audit.ExportEnd, error) {
	if bytes.HasPrefix(text, []byte(`{"end":`)) {
		var last audit.ExportLast
		if err := json.Unmarshal(text, &last, json.RejectUnknownMembers(true)); err != nil || last.End == nil || last.End.Format != audit.ExportFormat {
			return nil, errors.New(" ends the export in a way that this version does not know")
		}
		return last.End, nil
	}
	var e api.AuditEntry
	if err := json.Unmarshal(text, &e, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf(" is no entry: %w", err)
	}
	if err := a.add(e); err != nil {
		return nil, fmt.Errorf(": %w", err)
	}
	return nil, nil
}

// ends holds what was read against what the last line says of it or, without one, against the hash that was given.
func (a *auditCheck) ends(end *audit.ExportEnd) error {
	last := a.v.Last()
	switch {
	case a.v.Entries() == 0:
		return errors.New("has no entries")
	case end == nil && (a.anchor == nil || *a.anchor != last.Hash):
		return fmt.Errorf("has no last line that says where it ends: the end is not known without --head with the hash of entry %d", last.Number)
	case end != nil && *end != audit.ExportEnd{
		Format: audit.ExportFormat, Entries: a.v.Entries(), First: a.first, Head: api.AuditMark{Number: last.Number, Hash: last.Hash.String()},
	}:
		return fmt.Errorf("has entries %d to %d, and its last line says that it has entries %d to %d: some are missing or were made anew",
			a.first, last.Number, end.First, end.Head.Number)
	}
	return nil
}
