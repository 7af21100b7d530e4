package proactive

import (
	"context"
	"fmt"
	"time"

	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/ident"
)

// PersonID is how people see who is in a row of the book.
func PersonID(row book.PersonRow) string { return ident.Text("per", int64(row)) }

func personRows(ids []string) ([]book.PersonRow, error) {
	rows := make([]book.PersonRow, len(ids))
	for i, id := range ids {
		n, err := ident.Parse("per", id)
		if err != nil {
			return nil, book.ErrNobody
		}
		rows[i] = book.PersonRow(n)
	}
	return rows, nil
}

// ListPeople lists the people of the book in the order in which the bot met them, those that fit the filter and come after
// a row, at most limit.
func (e *Engine) ListPeople(
	ctx context.Context, f book.PeopleFilter, after book.PersonRow, limit int,
) ([]book.Person, error) {
	return e.cfg.Store.ListPeople(ctx, e.cfg.AppID, f, after, limit)
}

// Human returns somebody by their id, with all those who were merged with them, or [book.ErrNobody].
func (e *Engine) Human(ctx context.Context, id string) ([]book.Person, error) {
	rows, err := personRows([]string{id})
	if err != nil {
		return nil, err
	}
	return e.cfg.Store.Human(ctx, e.cfg.AppID, rows[0])
}

// Merge makes several people, named by their ids, one human. [book.ErrNobody], [book.ErrTooManyPeople].
func (e *Engine) Merge(ctx context.Context, ids ...string) ([]book.Person, error) {
	rows, err := personRows(ids)
	if err != nil {
		return nil, err
	}
	return e.cfg.Store.Merge(ctx, e.cfg.AppID, rows, e.cfg.Now())
}

// Split takes people, who are named by their ids, out of the human that they were merged into, and returns them: they are
// one human of their own. [book.ErrNobody], also when they are not of one human.
func (e *Engine) Split(ctx context.Context, ids ...string) ([]book.Person, error) {
	rows, err := personRows(ids)
	if err != nil {
		return nil, err
	}
	if err := e.cfg.Store.Split(ctx, e.cfg.AppID, rows, e.cfg.Now()); err != nil {
		return nil, err
	}
	return e.cfg.Store.Human(ctx, e.cfg.AppID, rows[0])
}

const (
	// reopenEvery is how often it is looked for conversations that were unreachable until now, and reopenAtOnce how many
	// of them are opened in one step.
	reopenEvery  = 30 * time.Second
	reopenAtOnce = 500
)

// reopen opens conversations whose time is over until ctx ends. Whoever speaks there need not wait for it; it is for those
// who ask for all that are active.
func (e *Engine) reopen(ctx context.Context) {
	for ; ctx.Err() == nil; rest(ctx, reopenEvery) {
		for more := true; more; {
			n, err := e.cfg.Store.Reopen(ctx, e.cfg.Now(), reopenAtOnce)
			if err != nil && ctx.Err() == nil {
				e.cfg.Logger.WarnContext(ctx, "conversations not opened again", "error", fmt.Sprint(err))
			}
			more = err == nil && n == reopenAtOnce
		}
	}
}
