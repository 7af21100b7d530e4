package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Very many rows are inserted by COPY in its binary format (PostgreSQL documentation, COPY, Binary Format), which takes the
// database a quarter less time than a statement over arrays. The rows are encoded here: the columns are known, so that
// nothing need be asked of the database, and there are few types.

// column is how the fields of a column are added to the data.
type column struct {
	name string
	add  func(b []byte, row int) []byte
}

// copyHeader is the signature, no flags, and no extension.
const copyHeader = "PGCOPY\n\377\r\n\000\000\000\000\000\000\000\000\000"

func encodeRows(rows int, columns []column) []byte {
	b := make([]byte, 0, len(copyHeader)+rows*(2+14*len(columns)+64)+2)
	b = append(b, copyHeader...)
	for i := range rows {
		b = binary.BigEndian.AppendUint16(b, uint16(len(columns))) //nolint:gosec // there are few
		for k := range columns {
			b = columns[k].add(b, i)
		}
	}
	return append(b, 0xff, 0xff)
}

func appendNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

func appendInt8(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(n)) //nolint:gosec // as two's complement
}

// epoch is the time from which PostgreSQL counts, in microseconds of Unix time.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func bigints(name string, list []int64) column {
	return column{name, func(b []byte, i int) []byte { return appendInt8(b, list[i]) }}
}

func smallints(name string, list []int16) column {
	return column{name, func(b []byte, i int) []byte {
		return binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(list[i])) //nolint:gosec // as two's complement
	}}
}

func optionalBigints(name string, list ints) column {
	return column{name, func(b []byte, i int) []byte {
		if !list[i].Valid {
			return appendNull(b)
		}
		return appendInt8(b, list[i].Int64)
	}}
}

func booleans(name string, list []bool) column {
	return column{name, func(b []byte, i int) []byte { return appendBool(b, list[i]) }}
}

func moments(name string, list times) column {
	return column{name, func(b []byte, i int) []byte {
		if !list[i].Valid {
			return appendNull(b)
		}
		return appendInt8(b, list[i].Time.UnixMicro()-epoch)
	}}
}

func lines(name string, list []string) column {
	return column{name, func(b []byte, i int) []byte { return appendText(b, list[i]) }}
}

// copy inserts very many rows at once, none of which is handed out. Columns that are NULL in all of them, or as they are by
// themselves, are left out.
func (a *deliveryArrays) copy(ctx context.Context, t *tx) error {
	columns := []column{
		bigints("id", a.id), bigints("message", a.message), bigints("conversation", a.conversation), smallints("lane", a.lane),
		booleans("alone", a.alone), bigints("route", a.route), bigints("rank", a.rank), smallints("state", a.state),
		smallints("waits", a.waits), moments("wanted_at", a.wantedAt), moments("created_at", a.at), moments("updated_at", a.at),
		lines("history", a.history),
	}
	if slices.ContainsFunc(a.dueAt, func(at pgtype.Timestamptz) bool { return at.Valid }) {
		columns = append(columns, moments("due_at", a.dueAt))
	}
	if slices.ContainsFunc(a.collapse, func(n pgtype.Int8) bool { return n.Valid }) {
		columns = append(columns, optionalBigints("collapse", a.collapse))
	}
	seq := make(ints, len(a.id))
	placed := 0
	for _, s := range a.state {
		if s != int16(scheduled) {
			placed++
		}
	}
	if placed > 0 {
		places, err := t.places(ctx, placed)
		if err != nil {
			return err
		}
		for i, s := range a.state {
			if s != int16(scheduled) {
				seq[i], places = pgtype.Int8{Int64: places[0], Valid: true}, places[1:]
			}
		}
		columns = append(columns, optionalBigints("seq", seq))
	}
	if err := t.flush(ctx); err != nil {
		return err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	_, err := t.conn.PgConn().CopyFrom(ctx, bytes.NewReader(encodeRows(len(a.id), columns)),
		"COPY deliveries ("+strings.Join(names, ", ")+") FROM STDIN (FORMAT binary)")
	return err
}
