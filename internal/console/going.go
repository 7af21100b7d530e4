package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/state"
)

// Talks are the bot's conversations; *proactive.Engine implements it.
type Talks interface {
	ConversationOn(ctx context.Context, channel activity.ChannelID, id activity.ConversationID) (book.Conversation, error)
	Free(ctx context.Context, key headsup.ConversationKey, by string) (book.Conversation, error)
}

// going is what goes on in a conversation: what keeps it busy, and the dialogs that run in it, the one that waits last.
type going struct {
	Busy    []busy    `json:"busy"`
	Dialogs []running `json:"dialogs"`
}

type busy struct {
	By       string     `json:"by"`
	Reason   string     `json:"reason,omitzero"`
	Priority int        `json:"priority"`
	Since    time.Time  `json:"since"`
	Until    *time.Time `json:"until,omitempty"`
}

// running is a dialog on the stack.
type running struct {
	ID string `json:"id"`
	// Step counts from 1; 0 for a dialog without steps. Steps is how many there are, if the state tells.
	Step  int `json:"step,omitzero"`
	Steps int `json:"steps,omitzero"`
	// Interrupts: it was begun on top of what went on.
	Interrupts bool `json:"interrupts,omitzero"`
}

// goingOn tells what goes on in a conversation.
func (p *Playground) goingOn(w http.ResponseWriter, r *http.Request) error {
	c, err := p.Talks.ConversationOn(r.Context(), activity.ChannelDirectLine, pathID(r))
	if errors.Is(err, book.ErrNotFound) { // the bot has not been spoken to
		reply(w, going{[]busy{}, []running{}})
		return nil
	}
	if err != nil {
		return err
	}
	return p.replyGoing(w, r, c)
}

// free takes back what somebody says goes on in a conversation. A dialog goes on all the same, and says so again.
func (p *Playground) free(w http.ResponseWriter, r *http.Request) error {
	c, err := p.Talks.ConversationOn(r.Context(), activity.ChannelDirectLine, pathID(r))
	if err == nil {
		c, err = p.Talks.Free(r.Context(), c.Key, r.URL.Query().Get("by"))
	}
	if errors.Is(err, book.ErrNotFound) {
		return &httpError{http.StatusNotFound, "not_found", "the bot does not know this conversation"}
	}
	if err != nil {
		return err
	}
	return p.replyGoing(w, r, c)
}

func (p *Playground) replyGoing(w http.ResponseWriter, r *http.Request, c book.Conversation) error {
	key := state.Key{AppID: c.Key.AppID, Tenant: c.Key.Tenant, Path: state.ConversationPath(c.Key)}
	found, err := p.State.ReadState(r.Context(), []state.Key{key})
	if err != nil {
		return err
	}
	out := going{Busy: []busy{}, Dialogs: stackOf(found[key].Value)}
	for _, b := range headsup.StillBusy(c.Busy, time.Now()) {
		shown := busy{By: b.By, Reason: b.Reason, Priority: b.Priority, Since: b.Since.UTC()}
		if !b.Until.IsZero() {
			until := b.Until.UTC()
			shown.Until = &until
		}
		out.Busy = append(out.Busy, shown)
	}
	reply(w, out)
	return nil
}

// stackOf reads the dialogs in a conversation's state, as package dialog and the SDK for JavaScript write them: those of a
// component stand behind it. What is not such a stack shows nothing.
func stackOf(doc jsontext.Value) []running {
	var in struct {
		DialogState   dialogs `json:"DialogState"`
		DialogStateJS dialogs `json:"dialogState"`
	}
	all := []running{}
	if len(doc) == 0 || json.Unmarshal(doc, &in) != nil {
		return all
	}
	if in.DialogState.Stack == nil {
		in.DialogState = in.DialogStateJS
	}
	return in.DialogState.list(all, 0)
}

// dialogs are a stack.
type dialogs struct {
	Stack []struct {
		ID         string `json:"id"`
		Interrupts bool   `json:"interrupts"`
		State      struct {
			StepIndex *int    `json:"stepIndex"`
			StepCount int     `json:"stepCount"`
			Dialogs   dialogs `json:"dialogs"`
		} `json:"state"`
	} `json:"dialogStack"`
}

// maxNested bounds how many stacks lie inside each other.
const maxNested = 10

func (d dialogs) list(all []running, nested int) []running {
	for _, s := range d.Stack {
		one := running{ID: s.ID, Interrupts: s.Interrupts, Steps: s.State.StepCount}
		if s.State.StepIndex != nil {
			one.Step = *s.State.StepIndex + 1
		}
		all = append(all, one)
		if nested < maxNested {
			all = s.State.Dialogs.list(all, nested+1)
		}
	}
	return all
}
