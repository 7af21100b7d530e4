package audit_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/internal/audit"
)

// kept is a store that holds what it is given, and cannot be written.
type kept struct {
	audit.Store
	log   []audit.Entry
	ends  audit.Ends
	moves int // how often the log is cut while it is read
	err   error
	reads int
}

func (k *kept) AuditEnds(context.Context, string) (audit.Ends, error) { return k.ends, k.err }

func (k *kept) AuditEntries(_ context.Context, f audit.Filter) (found []audit.Entry, err error) {
	if k.reads++; k.moves > 0 && f.After == 0 {
		k.moves--
		first := k.log[0]
		k.log, k.ends.Foot = k.log[1:], first.Mark()
	}
	for _, e := range k.log {
		if e.Number > f.After && len(found) < f.Limit {
			found = append(found, e)
		}
	}
	return found, k.err
}

func checked(t *testing.T, k *kept, key *audit.Key, most time.Duration) (audit.Check, error) {
	t.Helper()
	log, err := audit.New(audit.Config{AppID: "app", Store: k, Key: key, People: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return log.Check(t.Context(), most)
}

func TestWholeLogIsChecked(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k")
	for name, log := range map[string][]audit.Entry{
		"plain": chain(1200, nil), "sealed": chain(1200, key), "a page": chain(500, nil), "sealed later": func() []audit.Entry {
			log := chain(600, nil)
			for range 10 {
				log = append(log, audit.Act{AppID: "app", Action: audit.KeyRevoke, Key: key}.Follow(log[len(log)-1].Mark(), time.Now()))
			}
			return log
		}(),
	} {
		head := log[len(log)-1].Mark()
		sealed := key
		if log[len(log)-1].Sealed == audit.Plain {
			sealed = nil
		}
		k := &kept{log: log, ends: audit.Ends{Head: head}}
		c, err := checked(t, k, sealed, time.Minute)
		if err != nil || !c.Complete || c.Broken != nil || c.Entries != head.Number || c.First != 1 || c.Last != head {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if last := c.Sealed[len(c.Sealed)-1]; last.Last != head.Number || last.Sealed != sealed.Seal() || len(c.Sealed) > 2 {
			t.Errorf("%s: it is sealed %+v", name, c.Sealed)
		}
		// What was written since the check began is not part of it, and what is wrong is named.
		k.log = append(slices.Clone(log), audit.Act{AppID: "app", Action: audit.KeyRevoke, Key: sealed}.Follow(head, time.Now()))
		if c, err := checked(t, k, sealed, time.Minute); err != nil || !c.Complete || c.Broken != nil || c.Last != head {
			t.Errorf("%s, longer since: %+v, %v", name, c, err)
		}
		k.log = slices.Clone(log)
		k.log[301].Actor = "key:x"
		if c, err := checked(t, k, sealed, time.Minute); err != nil || !c.Complete || c.Broken == nil || c.Broken.Number != 302 || c.Last != log[300].Mark() {
			t.Errorf("%s, changed: %+v, %v", name, c, err)
		}
		k.log = log[:len(log)-1]
		if c, err := checked(t, k, sealed, time.Minute); err != nil || c.Broken == nil || c.Broken.Number != head.Number {
			t.Errorf("%s, without its end: %+v, %v", name, c, err)
		}
	}
}

func TestCheckEndsWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	log := chain(1200, nil)
	k := &kept{log: log, ends: audit.Ends{Head: log[1199].Mark()}}
	c, err := checked(t, k, nil, 0)
	if err != nil || c.Complete || c.Broken != nil || c.Last != log[499].Mark() || k.reads != 1 {
		t.Errorf("%+v, %v, after %d reads", c, err, k.reads)
	}
}

func TestLogThatIsCutMeanwhileIsCheckedAnew(t *testing.T) {
	t.Parallel()
	log := chain(20, nil)
	foot := log[1].Mark()
	log = append(log, audit.Act{AppID: "app", Action: audit.LogCut, Detail: audit.Detail{
		"through": foot.Number, "hash": foot.Hash.String(),
	}}.Follow(log[19].Mark(), time.Now()))
	head := log[20].Mark()
	k := &kept{log: log[1:], ends: audit.Ends{Foot: log[0].Mark(), Head: head}, moves: 1}
	if c, err := checked(t, k, nil, time.Minute); err != nil || !c.Complete || c.Broken != nil || c.First != 3 || c.Last != head {
		t.Errorf("%+v, %v", c, err)
	}
	k = &kept{log: log, ends: audit.Ends{Head: head}, err: errors.New("no disk")}
	if _, err := checked(t, k, nil, time.Minute); err == nil {
		t.Error("a log that cannot be read passes")
	}
}
