package teams

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// Names of events and invokes.
const (
	EventReadReceipt      = "application/vnd.microsoft.readReceipt"
	EventMeetingStart     = "application/vnd.microsoft.meetingStart"
	EventMeetingEnd       = "application/vnd.microsoft.meetingEnd"
	EventParticipantJoin  = "application/vnd.microsoft.meetingParticipantJoin"
	EventParticipantLeave = "application/vnd.microsoft.meetingParticipantLeave"

	InvokeAction     = "adaptiveCard/action"
	InvokeTaskFetch  = "task/fetch"
	InvokeTaskSubmit = "task/submit"
	InvokeQuery      = "composeExtension/query"
)

// Routes adds routes for what Teams says to a [headsup.Mux]. They count as its special ones, in the order of their
// registration.
type Routes struct{ Mux *headsup.Mux }

// handler is a handler that is told the channel data.
type handler = func(ctx context.Context, t *headsup.Turn, d Data) error

// Event handles conversationUpdates, messageUpdates and messageDeletes with one of the events.
func (r Routes) Event(h handler, events ...Event) {
	r.Mux.When(func(t *headsup.Turn) bool {
		switch t.Activity().Type {
		case activity.TypeConversationUpdate, activity.TypeMessageUpdate, activity.TypeMessageDelete:
		default:
			return false
		}
		happened := DataOf(t.Activity()).Event
		for _, e := range events {
			if happened.Is(e) {
				return true
			}
		}
		return false
	}, told(h))
}

// Installed handles that the app was installed for a person, or in a team, group or meeting; not that it was upgraded. It is
// where to say welcome: the data has the channel that was chosen ([Data.Settings]), and the activity's From is who did it.
func (r Routes) Installed(h handler) { r.installation(h, activity.UpdateAdd) }

// Uninstalled handles that the app was removed. What is said then does not arrive as a rule.
func (r Routes) Uninstalled(h handler) { r.installation(h, activity.UpdateRemove) }

func (r Routes) installation(h handler, action activity.UpdateAction) {
	r.Mux.When(func(t *headsup.Turn) bool {
		a := t.Activity()
		return a.ChannelID == activity.ChannelTeams && a.Type == activity.TypeInstallationUpdate && a.Action == action
	}, told(h))
}

func told(h handler) headsup.HandlerFunc {
	return func(ctx context.Context, t *headsup.Turn) error { return h(ctx, t, DataOf(t.Activity())) }
}

// Read handles read receipts, which Teams sends for conversations with one person where the app may have them (the permission
// ChatMessageReadReceipt.Read.Chat). Everything up to that message was read; ids compare as numbers.
func (r Routes) Read(h func(ctx context.Context, t *headsup.Turn, last activity.ID) error) {
	r.Mux.Event(func(ctx context.Context, t *headsup.Turn) error {
		var value struct {
			Last activity.ID `json:"lastReadMessageId"`
		}
		if err := json.Unmarshal(t.Activity().Value, &value); err != nil || value.Last == "" {
			return nil //nolint:nilerr // a receipt for nothing is nothing
		}
		return h(ctx, t, value.Last)
	}, EventReadReceipt)
}

// Action is what somebody did on a card (Action.Execute), or what a client asks for when it shows one ("Universal Actions for
// Adaptive Cards").
type Action struct {
	Verb string         `json:"verb,omitzero"`
	ID   string         `json:"id,omitzero"`
	Data jsontext.Value `json:"data,omitzero"`
	// Refresh: nobody clicked; a client wants the card as it is for its user.
	Refresh bool `json:"-"`
	// Card is the message with the card.
	Card activity.ID `json:"-"`
}

// Answer is an answer to an [Action]. Make it with [ShowCard], [ShowText] or [Fail].
type Answer struct {
	Status int            `json:"statusCode"`
	Type   string         `json:"type"`
	Value  jsontext.Value `json:"value,omitzero"`
}

// The types of answers.
const (
	answerCard  = "application/vnd.microsoft.card.adaptive"
	answerText  = "application/vnd.microsoft.activity.message"
	answerError = "application/vnd.microsoft.error"
)

// ShowCard replaces the card, for the person who asked alone. Update the message to change it for all.
func ShowCard(card jsontext.Value) Answer { return Answer{http.StatusOK, answerCard, card} }

// ShowText shows a text for a moment, and leaves the card as it is.
func ShowText(text string) Answer {
	raw, err := json.Marshal(text)
	if err != nil {
		return Fail(http.StatusInternalServerError, "BadText", "the answer is no UTF-8")
	}
	return Answer{http.StatusOK, answerText, raw}
}

// Fail says that it did not work: 400 for what was asked wrongly, 500 for what went wrong here.
func Fail(status int, code, message string) Answer {
	raw, err := json.Marshal(map[string]string{"code": code, "message": message}, json.Deterministic(true))
	if err != nil {
		raw = jsontext.Value(`{"code":"Error","message":""}`)
	}
	return Answer{status, answerError, raw}
}

// Action handles what was done on cards with a verb, in any letter case; an empty verb is every one that no other route takes
// before it. The same action may come twice: a verb with the data says what is to be, not what is to be added. An error of the
// handler is the turn's, and Teams says that something went wrong; with [Fail] it says what.
func (r Routes) Action(verb string, h func(ctx context.Context, t *headsup.Turn, a Action) (Answer, error)) {
	r.Mux.When(func(t *headsup.Turn) bool {
		a, ok := ActionOf(t.Activity())
		return ok && (verb == "" || strings.EqualFold(verb, a.Verb))
	}, func(ctx context.Context, t *headsup.Turn) error {
		a, _ := ActionOf(t.Activity())
		answer, err := h(ctx, t, a)
		if err != nil {
			return err
		}
		// The HTTP answer is 200 whenever the bot's code ran; what came of it is in the body.
		t.Respond(headsup.InvokeResponse{Body: answer})
		return nil
	})
}

// ActionOf returns what somebody did on a card, if that is what an activity is.
func ActionOf(a *activity.Activity) (Action, bool) {
	if a.Type != activity.TypeInvoke || a.Name != InvokeAction {
		return Action{}, false
	}
	var value struct {
		Action  Action `json:"action"`
		Trigger string `json:"trigger"`
	}
	if json.Unmarshal(a.Value, &value) != nil {
		return Action{}, false
	}
	value.Action.Refresh, value.Action.Card = strings.EqualFold(value.Trigger, "automatic"), a.ReplyToID
	return value.Action, true
}

// Task is a dialog that Teams shows beside a conversation ("Dialogs", which were called task modules). Make it with
// [CardTask], [PageTask] or [EndTask].
type Task struct {
	kind string
	body any
}

// TaskSize is how large a dialog is: "small", "medium" or "large", or a number of pixels.
type TaskSize struct{ Width, Height any }

// CardTask shows an Adaptive Card.
func CardTask(title string, size TaskSize, card jsontext.Value) Task {
	return Task{"continue", map[string]any{
		"title": title, "width": size.Width, "height": size.Height, "card": map[string]any{"contentType": answerCard, "content": card},
	}}
}

// PageTask shows a page, whose host has to be among the manifest's validDomains.
func PageTask(title string, size TaskSize, url string) Task {
	return Task{"continue", map[string]any{"title": title, "width": size.Width, "height": size.Height, "url": url}}
}

// EndTask closes the dialog, with a text or without one.
func EndTask(text string) Task { return Task{"message", text} }

// Tasks handles dialogs: fetch says what to show first, and submit what to show then. Both are told what the card or page has
// given ("data").
func (r Routes) Tasks(fetch, submit func(ctx context.Context, t *headsup.Turn, data jsontext.Value) (Task, error)) {
	for name, h := range map[string]func(context.Context, *headsup.Turn, jsontext.Value) (Task, error){InvokeTaskFetch: fetch, InvokeTaskSubmit: submit} {
		r.Mux.Invoke(func(ctx context.Context, t *headsup.Turn) error {
			var value struct {
				Data jsontext.Value `json:"data"`
			}
			if err := json.Unmarshal(t.Activity().Value, &value); err != nil {
				t.Respond(headsup.InvokeResponse{Status: http.StatusBadRequest})
				return fmt.Errorf("teams: %s: %w", t.Activity().Name, err)
			}
			task, err := h(ctx, t, value.Data)
			if err != nil {
				return err
			}
			if task.kind == "message" && task.body == "" {
				t.Respond(headsup.InvokeResponse{})
				return nil
			}
			t.Respond(headsup.InvokeResponse{Body: map[string]any{"task": map[string]any{"type": task.kind, "value": task.body}}})
			return nil
		}, name)
	}
}

// Query is what somebody looks for in a message extension ("Search based message extensions").
type Query struct {
	Command string
	Text    string
	Skip    int
	Count   int
}

// Result is something that was found: Content is shown in the message when it is chosen, Title and Text in the list.
type Result struct {
	Title, Text string
	Content     jsontext.Value // an Adaptive Card
}

// Search handles what is looked for with a command of the manifest.
func (r Routes) Search(command string, h func(ctx context.Context, t *headsup.Turn, q Query) ([]Result, error)) {
	r.Mux.When(func(t *headsup.Turn) bool {
		q, ok := queryOf(t.Activity())
		return ok && q.Command == command
	}, func(ctx context.Context, t *headsup.Turn) error {
		q, _ := queryOf(t.Activity())
		found, err := h(ctx, t, q)
		if err != nil {
			return err
		}
		list := []any{}
		for _, f := range found {
			list = append(list, map[string]any{
				"contentType": answerCard, "content": f.Content,
				"preview": map[string]any{"contentType": "application/vnd.microsoft.card.thumbnail", "content": map[string]string{"title": f.Title, "text": f.Text}},
			})
		}
		t.Respond(headsup.InvokeResponse{Body: map[string]any{
			"composeExtension": map[string]any{"type": "result", "attachmentLayout": "list", "attachments": list},
		}})
		return nil
	})
}

func queryOf(a *activity.Activity) (Query, bool) {
	if a.Type != activity.TypeInvoke || a.Name != InvokeQuery {
		return Query{}, false
	}
	var value struct {
		Command    string `json:"commandId"`
		Parameters []struct {
			Value jsontext.Value `json:"value"`
		} `json:"parameters"`
		Options struct {
			Skip  int `json:"skip"`
			Count int `json:"count"`
		} `json:"queryOptions"`
	}
	if json.Unmarshal(a.Value, &value) != nil {
		return Query{}, false
	}
	q := Query{Command: value.Command, Skip: value.Options.Skip, Count: value.Options.Count}
	if len(value.Parameters) > 0 && json.Unmarshal(value.Parameters[0].Value, &q.Text) != nil {
		return Query{}, false
	}
	return q, true
}
