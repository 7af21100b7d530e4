package email

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/internal/signed"
)

// Endpoint is who receives what people say; *headsup.Bot is one.
type Endpoint interface {
	Process(ctx context.Context, id auth.Identity, a *activity.Activity) (headsup.Answer, error)
}

// Bounce tells of a mail that did not arrive, some time after the server took it (RFC 3464).
type Bounce struct {
	// Reference is the conversation that it went to, and Mail what [Channel.Send] has returned for it.
	Reference activity.Reference
	Mail      activity.ID
	// Key is the one that the mail was sent under, if it can be told by its id.
	Key string
	// Meaning, Reason and Suspends are as a server would have told at once ([Verdicts]).
	Meaning  headsup.Meaning
	Reason   string
	Suspends bool
	// Words are those of the server that did not take it. They may name the recipient.
	Words string
	At    time.Time
}

// maxInbound is the largest mail that is read, with what is around it.
const maxInbound = 25 << 20

// What has become of a mail that came in.
const (
	// TakenMessage: the bot has heard it.
	TakenMessage = "message"
	// TakenBounce: it told of mail that did not arrive.
	TakenBounce = "bounce"
	// TakenNothing: it tells nothing of mail that the bot has sent.
	TakenNothing = "nothing"
	// TakenAutomatic: nobody has written it, but a program.
	TakenAutomatic = "automatic"
	// TakenStranger: it answers nothing that the bot has sent to whom it is from.
	TakenStranger = "not_an_answer"
	// TakenEmpty: it says nothing beside what it quotes.
	TakenEmpty = "empty"
)

// Inbound is the webhook by which mail comes in: a POST of a whole mail (message/rfc822, or as some providers wrap it), signed as
// the Standard Webhooks specification says, or with the secret as the password of HTTP's Basic authentication. A mail that answers one of the bot's, and is from whom that was sent to, becomes a message to the bot; a
// report that one did not arrive is told to [Config].Bounced; what programs have written, and what answers nothing, is left.
// The answer says which, as {"taken": "message"}. 500 asks for it again later, which does no harm.
func (c *Channel) Inbound(bot Endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := c.vouched(w, r)
		if !ok {
			return
		}
		mail, err := mailIn(r.Header.Get("Content-Type"), body)
		if err != nil {
			status := http.StatusBadRequest
			if errors.Is(err, errType) {
				status = http.StatusUnsupportedMediaType
			}
			refuse(w, status, err.Error())
			return
		}
		in, err := read(mail)
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		taken, err := c.take(r.Context(), bot, in, mail)
		if err != nil {
			c.cfg.Logger.WarnContext(r.Context(), "mail not taken", "error", err.Error())
			refuse(w, http.StatusInternalServerError, "the mail could not be taken; send it again later")
			return
		}
		c.cfg.Logger.DebugContext(r.Context(), "mail came in", "taken", taken)
		w.Header().Set("Content-Type", "application/json")
		_ = json.MarshalWrite(w, map[string]string{"taken": taken})
	})
}

func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
}

// take does what a mail asks for.
func (c *Channel) take(ctx context.Context, bot Endpoint, in inbound, raw []byte) (string, error) {
	if in.report != nil {
		return c.bounced(ctx, in)
	}
	if in.automatic() {
		return TakenAutomatic, nil
	}
	from, err := Parse(in.from.Address)
	if err != nil {
		return TakenStranger, nil
	}
	answered := c.answered(in, from)
	if answered == "" {
		return TakenStranger, nil
	}
	said := unquoted(in.text)
	if said == "" {
		return TakenEmpty, nil
	}
	a := c.message(in, from, answered, said, raw)
	if _, err := bot.Process(ctx, auth.Identity{Kind: auth.KindEmbedded, ServiceURL: a.ServiceURL}, a); err != nil {
		return "", fmt.Errorf("tell the bot: %w", err)
	}
	return TakenMessage, nil
}

// answered is the mail to an address that a mail answers, by what it names last.
func (c *Channel) answered(in inbound, from string) activity.ID {
	for _, id := range in.answers {
		if c.ids.ours(id, from) && !strings.HasPrefix(string(id), threadPrefix) {
			return id
		}
	}
	for _, id := range in.answers {
		if c.ids.ours(id, from) {
			return id
		}
	}
	return ""
}

// message is what somebody said.
func (c *Channel) message(in inbound, from string, answered activity.ID, said string, raw []byte) *activity.Activity {
	ref := c.Reference(from)
	ref.User = account(from, in.from.Name)
	a := activity.Message(said)
	ref.Incoming(a)
	a.TextFormat = activity.TextPlain
	a.ID = in.id
	if a.ID == "" {
		sum := sha256.Sum256(raw)
		a.ID = activity.ID(hex.EncodeToString(sum[:16]))
	}
	if !strings.HasPrefix(string(answered), threadPrefix) {
		a.ReplyToID = answered
	}
	a.Timestamp = activity.TimeOf(c.cfg.Now())
	a.ChannelData, _ = json.Marshal(map[string]string{"subject": in.subject}, json.Deterministic(true)) // texts always encode
	return a
}

// account is a person by their address, as rosters tell people, so that the book knows them by it.
func account(address, name string) *activity.ChannelAccount {
	a := &activity.ChannelAccount{ID: activity.AccountID(address), Name: name, Role: activity.RoleUser}
	a.Extra, _ = json.Marshal(map[string]string{"email": address}) // texts always encode
	return a
}

// bounced tells of a mail that did not arrive.
func (c *Channel) bounced(ctx context.Context, in inbound) (string, error) {
	taken := TakenNothing
	for _, failed := range in.report.failed {
		to := ""
		for _, candidate := range failed.recipients {
			if address, err := Parse(candidate); err == nil && c.ids.ours(in.report.mail, address) {
				to = address
				break
			}
		}
		if to == "" {
			continue
		}
		taken = TakenBounce
		told := judge(StageRecipient, failed.status(), failed.code+" "+failed.words)
		b := Bounce{
			Reference: c.Reference(to), Mail: in.report.mail, Key: keyIn(in.report.mail), Meaning: told.Meaning, Reason: told.Reason, Suspends: told.Suspends,
			Words: failed.words, At: c.cfg.Now(),
		}
		if c.cfg.Bounced == nil {
			continue
		}
		if err := c.cfg.Bounced(ctx, b); err != nil {
			return "", fmt.Errorf("tell of a bounce: %w", err)
		}
	}
	return taken, nil
}

// parseSecrets reads the secrets of the webhook.
func parseSecrets(texts []string) ([]signed.Secret, error) {
	secrets := make([]signed.Secret, 0, len(texts))
	for _, text := range texts {
		s, err := signed.ParseSecret(text)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}
