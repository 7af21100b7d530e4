package postgres

import (
	"encoding/binary"
	"math"

	"github.com/jackc/pgx/v5/pgtype"
)

// Statements over arrays send some twenty values for each delivery. pgtype encodes arrays of any type, an element at a time, each in an
// interface of its own; the few types that are sent here are encoded in one pass, in the same format (src/backend/utils/adt/arrayfuncs.c
// of PostgreSQL, array_recv).

// arrayCodec is pgtype's, which it leaves all else to.
type arrayCodec struct{ *pgtype.ArrayCodec }

// PlanEncode implements [pgtype.Codec].
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		if plan := planOf(c.ElementType.OID, value); plan != nil {
			return plan
		}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// planOf encodes arrays of a type as Go has them; nil if it is none of those that are sent.
func planOf(element uint32, value any) pgtype.EncodePlan {
	switch value.(type) {
	case []int64:
		if element == pgtype.Int8OID {
			return plan[int64]{element, func(b []byte, n int64) []byte { return appendInt8(b, n) }, nil}
		}
	case []pgtype.Int8:
		if element == pgtype.Int8OID {
			return plan[pgtype.Int8]{element, func(b []byte, n pgtype.Int8) []byte { return appendInt8(b, n.Int64) }, func(n pgtype.Int8) bool { return !n.Valid }}
		}
	case []int32:
		if element == pgtype.Int4OID {
			return plan[int32]{element, func(b []byte, n int32) []byte {
				return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(n)) //nolint:gosec // as two's complement
			}, nil}
		}
	case []int16:
		if element == pgtype.Int2OID {
			return plan[int16]{element, func(b []byte, n int16) []byte {
				return binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(n)) //nolint:gosec // as two's complement
			}, nil}
		}
	case []bool:
		if element == pgtype.BoolOID {
			return plan[bool]{element, appendBool, nil}
		}
	case []string:
		if element == pgtype.TextOID {
			return plan[string]{element, appendText[string], nil}
		}
	case []pgtype.Text:
		if element == pgtype.TextOID {
			return plan[pgtype.Text]{element, func(b []byte, s pgtype.Text) []byte { return appendText(b, s.String) }, func(s pgtype.Text) bool { return !s.Valid }}
		}
	case [][]byte:
		if element == pgtype.ByteaOID {
			return plan[[]byte]{element, appendText[[]byte], func(s []byte) bool { return s == nil }}
		}
	case []pgtype.Timestamptz:
		if element == pgtype.TimestamptzOID {
			return plan[pgtype.Timestamptz]{element, appendMoment, func(t pgtype.Timestamptz) bool { return !t.Valid }}
		}
	}
	return nil
}

// plan encodes arrays whose elements are of type T.
type plan[T any] struct {
	oid  uint32                     // of the elements
	add  func(b []byte, v T) []byte // with the length before it
	null func(v T) bool             // nil if none is NULL
}

// Encode implements [pgtype.EncodePlan].
func (p plan[T]) Encode(value any, b []byte) ([]byte, error) {
	list, _ := value.([]T)
	nulls := uint32(0)
	b = binary.BigEndian.AppendUint32(b, 1) // dimension
	flag := len(b)
	b = binary.BigEndian.AppendUint32(b, nulls)
	b = binary.BigEndian.AppendUint32(b, p.oid)
	b = binary.BigEndian.AppendUint32(b, uint32(len(list))) //nolint:gosec // there are not so many
	b = binary.BigEndian.AppendUint32(b, 1)                 // the first index
	for _, v := range list {
		if p.null != nil && p.null(v) {
			nulls = 1
			b = appendNull(b)
		} else {
			b = p.add(b, v)
		}
	}
	binary.BigEndian.PutUint32(b[flag:], nulls)
	return b, nil
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0, 0, 0, 1, 1)
	}
	return append(b, 0, 0, 0, 1, 0)
}

func appendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) //nolint:gosec // they are short
}

func appendMoment(b []byte, t pgtype.Timestamptz) []byte {
	switch t.InfinityModifier {
	case pgtype.Infinity:
		return appendInt8(b, math.MaxInt64)
	case pgtype.NegativeInfinity:
		return appendInt8(b, math.MinInt64)
	case pgtype.Finite:
	}
	return appendInt8(b, t.Time.UnixMicro()-epoch)
}

// registerArrays has arrays of the types that are sent encoded like that.
func registerArrays(m *pgtype.Map) {
	for _, oid := range [...]uint32{
		pgtype.Int8ArrayOID, pgtype.Int4ArrayOID, pgtype.Int2ArrayOID, pgtype.BoolArrayOID, pgtype.TextArrayOID, pgtype.ByteaArrayOID,
		pgtype.TimestamptzArrayOID,
	} {
		t, _ := m.TypeForOID(oid)
		if c, ok := t.Codec.(*pgtype.ArrayCodec); ok {
			m.RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: arrayCodec{c}})
		}
	}
}
