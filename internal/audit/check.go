package audit

import (
	"context"
	"errors"
	"math"
	"time"
)

// Check is what a check of the whole log has found.
type Check struct {
	// Ends are what the store says of the log's ends when the check begins; later entries are not looked at.
	Ends Ends
	// Entries is how many fit, First the number of the first of them, and Last the place of the last.
	Entries, First int64
	Last           Mark
	// Sealed tells how those entries are sealed, one after another.
	Sealed []Range
	// Complete: the check has come to the log's end, or to what is wrong. Otherwise its time was over.
	Complete bool
	// Broken is the first thing that is wrong; nil while nothing is.
	Broken *Broken
}

// Range is entries that follow each other and are sealed alike.
type Range struct {
	First, Last int64
	Sealed      string
}

// checkAtOnce is how many entries are read at once, and checkTries how often a check begins anew because the log was cut.
const (
	checkAtOnce = 500
	checkTries  = 3
)

// errMoved: the log's ends have moved while it was checked.
var errMoved = errors.New("audit: the log was cut off while it was checked")

// Check reads the whole log and checks it, as [Verifier] does, for as long as ctx and a time allow. Entries from before the
// log had its key may be sealed without: [Check.Sealed] tells. An error is that the log could not be read.
func (l *Log) Check(ctx context.Context, most time.Duration) (found Check, err error) {
	until := l.cfg.Now().Add(most)
	for range checkTries {
		if found, err = l.check(ctx, until); !errors.Is(err, errMoved) {
			return found, err
		}
	}
	return found, err
}

func (l *Log) check(ctx context.Context, until time.Time) (c Check, err error) {
	if c.Ends, err = l.Ends(ctx); err != nil {
		return c, err
	}
	v := NewVerifier(c.Ends.Foot, l.cfg.Key)
	v.PlainThrough(math.MaxInt64)
	// broken is what is wrong, unless the log was cut meanwhile.
	broken := func(wrong error) (Check, error) {
		if now, err := l.Ends(ctx); err != nil || now.Foot != c.Ends.Foot {
			return c, errors.Join(err, errMoved)
		}
		c.Complete = true
		c.Broken, _ = errors.AsType[*Broken](wrong)
		return c, nil
	}
	f := Filter{Oldest: true, Limit: checkAtOnce}
	for {
		entries, err := l.Entries(ctx, f)
		if err != nil {
			return c, err
		}
		for _, e := range entries {
			if e.Number > c.Ends.Head.Number && v.Last().Number >= c.Ends.Head.Number {
				entries = nil // written since
				break
			}
			if err := v.Add(e); err != nil {
				return broken(err)
			}
			c.add(e)
		}
		switch {
		case len(entries) < checkAtOnce:
			if err := v.End(c.Ends.Head); err != nil {
				return broken(err)
			}
			c.Complete = true
			return c, nil
		case !l.cfg.Now().Before(until):
			return c, nil
		}
		f.After = entries[len(entries)-1].Number
	}
}

func (c *Check) add(e Entry) {
	if c.Entries == 0 {
		c.First = e.Number
	}
	c.Entries++
	c.Last = e.Mark()
	if n := len(c.Sealed); n > 0 && c.Sealed[n-1].Sealed == e.Sealed {
		c.Sealed[n-1].Last = e.Number
		return
	}
	c.Sealed = append(c.Sealed, Range{First: e.Number, Last: e.Number, Sealed: e.Sealed})
}
