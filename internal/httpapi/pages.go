package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"

	"github.com/headsup-bot/headsup/api"
)

// pageRequest asks for one page of a list.
type pageRequest struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most."`
	Cursor string `query:"cursor" maxLength:"64" doc:"Where to go on: next_cursor of the page before. From the start, if not given."`
}

// list tells cursors of different lists apart.
type list byte

const (
	listConversations list = 'c'
	listDeliveries    list = 'd'
	listJobs          list = 'j'
	listNotifications list = 'n'
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

// page cuts what was asked for from rows, of which one more was read, and returns the cursor of the next page; empty when
// there is none.
func page[T any](l list, rows []T, limit int, row func(T) int64) (_ []T, next string) {
	if len(rows) <= limit {
		return rows, ""
	}
	rows = rows[:limit]
	return rows, l.cursor(row(rows[limit-1]))
}
