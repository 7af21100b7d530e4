package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// table writes lines whose columns stand below each other. The columns of a table are a promise to scripts: new ones
// come last.
type table struct {
	w *tabwriter.Writer
}

// newTable writes a table to out, or nowhere if it is silent.
func newTable(out io.Writer, silent bool, head ...any) table {
	if silent {
		out = io.Discard
	}
	t := table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

// row writes a line; an empty cell is a dash.
func (t table) row(cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = dash(printable(fmt.Sprint(c)))
	}
	_, _ = fmt.Fprintln(t.w, strings.Join(line, "\t")) // flush returns the first error
}

// gap leaves a line empty; the columns below it have widths of their own.
func (t table) gap() { _, _ = fmt.Fprintln(t.w) }

func (t table) flush() error { return t.w.Flush() }

// listing are the flags of a command that lists.
type listing struct {
	Limit int `default:"50" placeholder:"N" help:"Show at most so many; 0 shows all (${default})."`
}

// largestPage is what the API gives at once of most lists.
const largestPage = 500

// lister shows a list whose entries are of type T.
type lister[T any] struct {
	head []any
	// page asks for the entries after a cursor, at most limit of them, and says where the next page starts. It may leave
	// out what was not asked for.
	page    func(cursor string, limit int) (entries []T, next string, err error)
	cells   func(T) []any
	largest int // page; 0 means largestPage
}

// print writes a list as a table, or as JSON with one entry a line. When there is more than the limit, it says so to
// whoever looks.
func (p lister[T]) print(s streams, l listing, asJSON bool) error {
	if l.Limit < 0 {
		return usageError{errors.New("--limit: must not be negative")}
	}
	t := newTable(s.out, asJSON, p.head...)
	shown := 0
	for cursor := ""; ; {
		want := cmp.Or(p.largest, largestPage)
		if l.Limit > 0 {
			want = min(want, l.Limit-shown)
		}
		entries, next, err := p.page(cursor, want)
		if err != nil && shown > 0 {
			return errors.Join(t.flush(), err)
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if asJSON {
				if err := json.MarshalWrite(s.out, e, jsontext.Multiline(false)); err != nil {
					return err
				}
				if _, err := io.WriteString(s.out, "\n"); err != nil {
					return err
				}
			}
			t.row(p.cells(e)...)
		}
		shown += len(entries)
		if next == "" {
			return t.flush()
		}
		if shown == l.Limit && l.Limit > 0 {
			break
		}
		cursor = next
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.err, "headsup: these are the first %d; --limit 0 shows all\n", shown)
	return err
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func optionalInstant(t *time.Time) string {
	if t == nil {
		return ""
	}
	return instant(*t)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
