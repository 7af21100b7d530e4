package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"net/http"

	"github.com/headsup-bot/headsup/api"
)

// Paging asks for one page of a list. It is exported so that requests can embed it: huma looks at exported fields only.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most."`
	Cursor string `query:"cursor" maxLength:"64" doc:"Where to go on: next_cursor of the page before. From the start, if not given."`
}

// list tells cursors of different lists apart.
type list byte

const (
	listAudit            list = 'a'
	listConversations    list = 'c'
	listDeliveries       list = 'd'
	listJobs             list = 'j'
	listKeys             list = 'k'
	listNotifications    list = 'n'
	listOccurrences      list = 'o'
	listPeople           list = 'p'
	listSchedules        list = 's'
	listTemplates        list = 'm'
	listTemplateVersions list = 'v'
	listTranscript       list = 't'
)

// cursorVersion begins every cursor, so that a later form can be told from this one.
const cursorVersion = 1

var cursorText = base64.RawURLEncoding.Strict()

// cursor names the place after a row of a list. Callers are told nothing of its form: version, list, row.
func (l list) cursor(row int64) string {
	return cursorText.EncodeToString(binary.BigEndian.AppendUint64([]byte{cursorVersion, byte(l)}, uint64(row)))
}

// after reads what cursor wrote for the same list; no cursor is the start.
func (l list) after(cursor string) (row int64, err error) {
	if cursor == "" {
		return 0, nil
	}
	raw, err := cursorText.DecodeString(cursor)
	if err == nil && len(raw) == 10 && raw[0] == cursorVersion && raw[1] == byte(l) {
		if row = int64(binary.BigEndian.Uint64(raw[2:])); row > 0 && l.cursor(row) == cursor {
			return row, nil
		}
	}
	f := api.ProblemField{Field: "query.cursor", Message: "is not a cursor of this list"}
	return 0, newProblem(http.StatusUnprocessableEntity, api.CodeInvalidField, sentence(f), f)
}

// page serves one page of a list: it reads one row more than was asked for, by which it knows whether another page
// follows, and returns the rows and that page's cursor. The number of a row is its place in the list, and the cursor is
// the number of the last that was shown. Its errors are answers.
func page[Row any](
	ctx context.Context, s *service, l list, r Paging, read func(after int64, limit int) ([]Row, error), number func(Row) int64,
) (rows []Row, next string, err error) {
	after, err := l.after(r.Cursor)
	if err != nil {
		return nil, "", err
	}
	if rows, err = read(after, r.Limit+1); err != nil {
		return nil, "", s.problemOf(ctx, err)
	}
	if len(rows) <= r.Limit {
		return rows, "", nil
	}
	rows = rows[:r.Limit]
	return rows, l.cursor(number(rows[r.Limit-1])), nil
}

// each renders rows; the result is never nil.
func each[Row, T any](rows []Row, render func(Row) T) []T {
	out := make([]T, len(rows))
	for i := range rows {
		out[i] = render(rows[i])
	}
	return out
}
