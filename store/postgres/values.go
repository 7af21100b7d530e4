package postgres

import (
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
)

// Columns that may be NULL are written and read with the types of package zeronull, for which NULL is the zero value.
type (
	optionalText = zeronull.Text
	optionalTime = zeronull.Timestamptz
)

// registerTypes makes times come back in UTC, and arrays leave fast.
func registerTypes(m *pgtype.Map) {
	t := &pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	}
	m.RegisterType(t)
	m.RegisterType(&pgtype.Type{
		Name: "_timestamptz", OID: pgtype.TimestamptzArrayOID, Codec: &pgtype.ArrayCodec{ElementType: t},
	})
	registerArrays(m)
}

// exact is t as it comes back from the database.
func exact(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// clean is text that others have made as PostgreSQL takes it: valid UTF-8 without U+0000.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
