package travel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/proactive"
)

// usual is what a night costs when nobody says otherwise, and worth is how much less it has to cost, in percent, before
// people are told.
const (
	usual = 100
	worth = 20
)

// Price is news of a hotel: what a night in a city costs now.
type Price struct {
	City string `json:"city"`
	Was  int64  `json:"was"` // zero means 100
	Now  int64  `json:"now"`
}

// off is by how much the price has fallen, in percent.
func (p Price) off() int64 { return (p.Was - p.Now) * 100 / p.Was }

func (p Price) text() string {
	return fmt.Sprintf("News from %s: a night costs %d now instead of %d.", p.City, p.Now, p.Was)
}

func (p Price) validate() error {
	switch {
	case strings.TrimSpace(p.City) == "" || len(p.City) > 100:
		return errors.New("city: is empty or too long")
	case p.Was < 1 || p.Was > 1_000_000:
		return errors.New("was: is no price")
	case p.Now < 0 || p.Now > 1_000_000:
		return errors.New("now: is no price")
	}
	return nil
}

// newsTag begins the tag that says what a person wants done with news.
const newsTag = "news-"

func tagOf(p headsup.PolicyName) string { return newsTag + string(p) }

// policyOf is what tags say about news.
func policyOf(tags []string) headsup.PolicyName {
	for _, tag := range tags {
		if name, ok := strings.CutPrefix(tag, newsTag); ok {
			return headsup.PolicyName(name)
		}
	}
	return unasked
}

// tags are those of a conversation.
func (b *Bot) tags(ctx context.Context, key headsup.ConversationKey) ([]string, error) {
	c, err := b.engine.ConversationOn(ctx, key.Channel, key.Conversation)
	if err != nil {
		return nil, err
	}
	details, err := b.engine.Details(ctx, c)
	return slices.Clone(details[c.Row].Tags), err
}

// deal is what interrupts a booking: it asks one question, and then the booking goes on.
var (
	taken = dialog.Confirm("taken")

	deal = dialog.NewWaterfall("deal",
		func(_ context.Context, s *dialog.Step[Price, dialog.None]) (dialog.Action, error) {
			return taken.Ask(s.Data.text() + " Shall I keep a room for you?"), nil
		},
		func(ctx context.Context, s *dialog.Step[Price, dialog.None]) (dialog.Action, error) {
			text := "Then not."
			if taken.Answer(s) {
				text = "I keep a room in " + s.Data.City + " until tomorrow."
			}
			return s.End(dialog.None{}), say(ctx, s.Turn, text)
		})
)

// offer lets the person play the hotel.
func (b *Bot) offer(ctx context.Context, t *headsup.Turn, args string) error {
	words := strings.Fields(args)
	if len(words) < 2 {
		return say(ctx, t, `Say for example "offer Las Vegas 80".`)
	}
	last := len(words) - 1
	now, err := strconv.ParseInt(words[last], 10, 64)
	p := Price{City: strings.Join(words[:last], " "), Was: usual, Now: now}
	if err == nil {
		err = p.validate()
	}
	if err != nil {
		return say(ctx, t, `The price has to be a number, as in "offer Las Vegas 80".`)
	}
	told, err := b.tell(ctx, p, string(t.Activity().ID), t.Key())
	if err != nil {
		return err
	}
	if told == 0 {
		return say(ctx, t, fmt.Sprintf("Nobody was told: it has to be %d %% less than %d, and somebody else has to be here.", worth, p.Was))
	}
	people := "people"
	if told == 1 {
		people = "person"
	}
	return say(ctx, t, fmt.Sprintf("It is told to %d %s.", told, people))
}

// tell notifies everybody but one conversation of a price that has fallen far enough, and returns how many. The same event
// is told once.
func (b *Bot) tell(ctx context.Context, p Price, event string, but headsup.ConversationKey) (told int, err error) {
	if p.off() < worth {
		return 0, nil
	}
	for after := book.Row(0); ; {
		page, err := b.engine.Conversations(ctx, book.Filter{Reach: book.ReachActive}, after, proactive.MaxBatch)
		if err != nil || len(page) == 0 {
			return told, err
		}
		after = page[len(page)-1].Row
		page = slices.DeleteFunc(page, func(c book.Conversation) bool { return c.Key == but })
		details, err := b.engine.Details(ctx, page...)
		if err != nil {
			return told, err
		}
		all := make([]headsup.Notification, len(page))
		for i, c := range page {
			all[i] = news(p, c.Reference, policyOf(details[c.Row].Tags))
			if event != "" {
				all[i].Key = fmt.Sprintf("price %s %d", event, c.Row)
			}
		}
		results, err := b.engine.NotifyAll(ctx, all)
		if err != nil {
			return told, err
		}
		for _, r := range results {
			if r.Err != nil {
				return told, r.Err
			}
			told++
		}
	}
}

// news is what one conversation is told. One that lets itself be interrupted is asked; others are told.
func news(p Price, to activity.Reference, policy headsup.PolicyName) headsup.Notification {
	n := headsup.Notification{To: headsup.ToConversation(to), Topic: "prices", Policy: headsup.Policy{Name: policy}}
	if policy != headsup.PolicyInterrupt {
		n.Text = p.text()
		return n
	}
	n.Policy.With = deal.ID()
	n.Value, _ = json.Marshal(p) // two numbers and a text
	return n
}

// maxBody bounds what a hotel posts, in bytes.
const maxBody = 4 << 10

// Outside is the door for hotels' programs: POST /prices takes a [Price] as JSON, and answers with how many are told. An
// Idempotency-Key header makes it safe to post again.
func (b *Bot) Outside() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /prices", b.prices)
	return mux
}

func (b *Bot) prices(w http.ResponseWriter, r *http.Request) {
	p := Price{Was: usual}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &p, json.RejectUnknownMembers(true))
	}
	if err == nil {
		err = p.validate()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	told, err := b.tell(r.Context(), p, r.Header.Get("Idempotency-Key"), headsup.ConversationKey{})
	if err != nil {
		http.Error(w, "the news cannot be told now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, map[string]int{"told": told})
}
