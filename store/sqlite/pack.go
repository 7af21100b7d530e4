package sqlite

import (
	"encoding/binary"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/store/internal/pack"
)

// packed is an entry in a few hundred bytes, without its reference as JSON.
type packed struct {
	conv   pack.Packed
	route  int64
	people string
}

func (p packed) size() int { return p.conv.Size() + len(p.people) }

func (e *entry) pack() packed {
	p := packed{pack.Conversation(&e.conv), e.route, e.packedPeople}
	if e.people == nil {
		return p
	}
	var b []byte
	for id, hash := range e.people {
		b = append(binary.AppendUvarint(b, uint64(len(id))), id...)
		b = binary.LittleEndian.AppendUint64(b, hash)
	}
	p.people = string(b)
	return p
}

// unpack makes an entry of its own.
func (p packed) unpack() *entry {
	return &entry{conv: p.conv.Conversation(), route: p.route, packedPeople: p.people}
}

// known are those who are known to be stored as members, as [entry.people] tells.
func (e *entry) known() map[activity.AccountID]uint64 {
	if e.people != nil || e.packedPeople == "" {
		return e.people
	}
	people := make(map[activity.AccountID]uint64)
	for b := []byte(e.packedPeople); len(b) > 0; {
		n, size := binary.Uvarint(b)
		b = b[size:]
		people[activity.AccountID(b[:n])] = binary.LittleEndian.Uint64(b[n:])
		b = b[n+8:]
	}
	return people
}
