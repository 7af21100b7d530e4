package httpapi

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/pace"
)

// Rosters tells who takes part in conversations of Microsoft Teams; *teams.Client implements it.
type Rosters interface {
	Pages(ctx context.Context, ref activity.Reference, size int) iter.Seq2[[]activity.ChannelAccount, error]
}

const (
	// rosterPage is how many people are asked for at once, and rosterTime how long all of them may take.
	rosterPage = 500
	rosterTime = time.Minute
)

type rosterAnswer struct {
	Body api.Roster
}

func (s *service) roster(a huma.API, path string) {
	register(s, a, huma.Operation{
		OperationID: "note-roster", Method: http.MethodPost, Path: path + "/roster",
		Summary: "Learn who takes part",
		Description: "Asks Microsoft Teams who is in a team or a chat, within the limits that it has for that, and notes them in the reference book: they are found by " +
			"e-mail address, user principal name and object id from then on. A conversation of a team stands for the whole team. Other channels " +
			"have no roster (404 no_roster).",
		Security: needs(access.Manage),
		Tags:     []string{"conversations"},
		Errors:   []int{404, 422, 502, 503},
	}, s.noteRoster)
}

func (s *service) noteRoster(ctx context.Context, r *ConversationName) (*rosterAnswer, error) {
	c, err := s.known(ctx, *r)
	if err != nil {
		return nil, err
	}
	if s.cfg.Rosters == nil || c.Key.Channel != activity.ChannelTeams || c.Source == book.SourceDev && s.cfg.Proven {
		return nil, newProblem(http.StatusNotFound, api.CodeNoRoster, "the conversation's channel tells nobody here who takes part")
	}
	ctx, cancel := context.WithTimeout(ctx, rosterTime)
	defer cancel()
	ref, n := c.Reference, 0
	if c.Place.Team != "" {
		ref.Conversation.ID = activity.ConversationID(c.Place.Team)
	}
	for people, err := range s.cfg.Rosters.Pages(ctx, ref, rosterPage) {
		if err == nil {
			err = s.engine(ctx).NoteMembers(ctx, ref, people)
		}
		if err != nil {
			return nil, s.rosterProblem(ctx, err)
		}
		n += len(people)
	}
	return &rosterAnswer{Body: api.Roster{Conversation: string(c.Key.Conversation), Members: n}}, nil
}

// rosterProblem is the answer where not all could be asked for.
func (s *service) rosterProblem(ctx context.Context, err error) error {
	e, refused := errors.AsType[*connector.Error](err)
	switch {
	case refused:
		return newProblem(http.StatusBadGateway, api.CodeChannelRefused, e.Error())
	case errors.As(err, new(*pace.BusyError)), errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusBadGateway, api.CodeChannelRefused, "the channel takes no more questions in time")
	}
	return s.problemOf(ctx, err)
}
