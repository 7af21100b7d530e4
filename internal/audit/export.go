package audit

import (
	"bufio"
	"io"
	"iter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
)

// An export of the audit log has one entry a line, oldest first, and a last line that says what was written, so that a file
// whose end or beginning was lost does not look whole.

// ExportFormat is the number of that form.
const ExportFormat = 1

// ExportLast is the last line.
type ExportLast struct {
	End *ExportEnd `json:"end"`
}

// ExportEnd says what an export has: how many entries, the number of the first, and the last.
type ExportEnd struct {
	Format  int           `json:"format"`
	Entries int64         `json:"entries"`
	First   int64         `json:"first"`
	Head    api.AuditMark `json:"head"`
}

// WriteExport writes entries and the last line. It ends without that with the first error.
func WriteExport(to io.Writer, entries iter.Seq2[api.AuditEntry, error]) error {
	w := bufio.NewWriter(to)
	line := func(v any) error {
		err := json.MarshalWrite(w, v, jsontext.Multiline(false))
		_ = w.WriteByte('\n') // Flush returns the first error
		return err
	}
	end := ExportEnd{Format: ExportFormat}
	for e, err := range entries {
		if err != nil {
			return err
		}
		if err := line(e); err != nil {
			return err
		}
		if end.Entries++; end.Entries == 1 {
			end.First = e.Number
		}
		end.Head = api.AuditMark{Number: e.Number, Hash: e.Hash}
	}
	if err := line(ExportLast{&end}); err != nil {
		return err
	}
	return w.Flush()
}
