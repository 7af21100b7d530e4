package postgres_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headsup-bot/headsup/store/postgres"
)

// TestArraysAreEncodedAsPgtypeDoes holds the encoding of arrays against the one that it stands for.
func TestArraysAreEncodedAsPgtypeDoes(t *testing.T) {
	t.Parallel()
	ours, theirs := pgtype.NewMap(), pgtype.NewMap()
	postgres.RegisterTypes(ours)
	now := time.Date(2026, 3, 29, 1, 59, 59, 123_456_789, time.FixedZone("", 3600))
	for _, c := range []struct {
		oid   uint32
		value any
	}{
		{pgtype.Int8ArrayOID, []int64{0, -1, math.MaxInt64, math.MinInt64}},
		{pgtype.Int8ArrayOID, []int64{}},
		{pgtype.Int8ArrayOID, []pgtype.Int8{{Int64: 7, Valid: true}, {}}},
		{pgtype.Int4ArrayOID, []int32{1, -2, math.MinInt32}},
		{pgtype.Int2ArrayOID, []int16{1, -2, math.MinInt16}},
		{pgtype.BoolArrayOID, []bool{true, false}},
		{pgtype.TextArrayOID, []string{"", "ä", "two words"}},
		{pgtype.TextArrayOID, []pgtype.Text{{}, {String: "x", Valid: true}, {Valid: true}}},
		{pgtype.TextArrayOID, []pgtype.Text{{String: "x", Valid: true}}},
		{pgtype.ByteaArrayOID, [][]byte{nil, {}, {0, 255}}},
		{pgtype.TimestamptzArrayOID, []pgtype.Timestamptz{
			{Time: now, Valid: true}, {}, {Valid: true, InfinityModifier: pgtype.Infinity}, {Valid: true, InfinityModifier: pgtype.NegativeInfinity},
			{Time: time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC), Valid: true},
		}},
		{pgtype.Int4ArrayOID, []int64{1, 2}}, // of another type: left to pgtype
	} {
		got, err := ours.Encode(c.oid, pgtype.BinaryFormatCode, c.value, nil)
		want, wantErr := theirs.Encode(c.oid, pgtype.BinaryFormatCode, c.value, nil)
		if err != nil || wantErr != nil || !bytes.Equal(got, want) {
			t.Errorf("%T is encoded as\n%x, %v, want\n%x, %v", c.value, got, err, want, wantErr)
		}
	}
}
