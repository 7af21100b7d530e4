package email

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/signed"
)

// ID is the channel's.
const ID activity.ChannelID = "email"

// Channel sends mail. It implements headsup.Channel. Safe for concurrent use.
type Channel struct {
	cfg           Config
	from, replyTo mail.Address
	ids           ids
	secrets       []signed.Secret
	reading       chan struct{} // one for each mail that comes in
	pool          pool
}

// New makes a channel. It calls nobody; [Channel.Check] does.
func New(cfg Config) (*Channel, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("email: config: %w", err)
	}
	c := &Channel{cfg: cfg}
	c.from, c.replyTo = cfg.mailboxes()
	c.ids = ids{secret: cfg.Secret, domain: domainOf(c.from.Address)}
	c.secrets, _ = parseSecrets(cfg.Answers)
	c.reading = make(chan struct{}, inboundAtOnce)
	c.pool = pool{cfg: cfg, slots: make(chan struct{}, cfg.Connections)}
	return c, nil
}

// Takes reports whether a conversation is of this channel; it is the predicate for headsup.Switch.
func (c *Channel) Takes(ch activity.ChannelID, _ activity.ConversationID) bool { return ch == ID }

// Capabilities implements headsup.Channel: what was sent stays as it is.
func (c *Channel) Capabilities(activity.Reference) headsup.Capabilities {
	return headsup.Capabilities{Create: true}
}

// Reference is the conversation with an address, which [Parse] has made.
func (c *Channel) Reference(address string) activity.Reference {
	return activity.Reference{
		ChannelID: ID, ServiceURL: "smtp://" + c.cfg.Server,
		Bot:          &activity.ChannelAccount{ID: activity.AccountID(c.from.Address), Name: c.from.Name, Role: activity.RoleBot},
		User:         account(address, ""),
		Conversation: activity.ConversationAccount{ID: activity.ConversationID(address), ConversationType: activity.ConversationPersonal},
	}
}

// Send implements headsup.Channel. The id is that of the mail, without its angle brackets: it is made from the key, so that a
// mail which is sent twice has the same, and mail programs may know it for the same. What cannot be mailed, such as typing, is
// not, and has no id.
func (c *Channel) Send(ctx context.Context, out headsup.Outgoing) (activity.ResourceResponse, error) {
	if out.Activity == nil {
		return activity.ResourceResponse{}, permanent("bad_argument", errors.New("nothing to send"))
	}
	if !mailed(out.Activity) {
		return activity.ResourceResponse{}, nil
	}
	to, err := Parse(string(out.Reference.Conversation.ID))
	if err != nil {
		return activity.ResourceResponse{}, permanent(ReasonBadAddress, fmt.Errorf("the address %w", err))
	}
	l := c.write(ctx, to, out)
	raw, err := c.compose(l)
	if err != nil {
		return activity.ResourceResponse{}, permanent("bad_message", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if err := c.pool.send(ctx, c.from.Address, to, raw); err != nil {
		return activity.ResourceResponse{}, err
	}
	return activity.ResourceResponse{ID: activity.ID(l.id)}, nil
}

// mailed reports whether an activity is one that a mail can carry. What shows that the bot is at work is not.
func mailed(a *activity.Activity) bool {
	return a.Type == activity.TypeMessage || a.Type == ""
}

// Update implements headsup.Channel: a mail cannot be changed.
func (c *Channel) Update(context.Context, headsup.Outgoing) (activity.ResourceResponse, error) {
	return activity.ResourceResponse{}, unsupported()
}

// Delete implements headsup.Channel: a mail cannot be taken back.
func (c *Channel) Delete(context.Context, activity.Reference, activity.ID) error {
	return unsupported()
}

func unsupported() error {
	return &headsup.SendError{Meaning: headsup.MeaningUnsupported, Reason: "not_supported", Status: http.StatusMethodNotAllowed}
}

// Create implements headsup.Channel: the conversation with the one member that is not the bot, by their address. Nothing is
// sent unless the parameters have an activity.
func (c *Channel) Create(ctx context.Context, cr headsup.Creation) (activity.ConversationResource, error) {
	var members []activity.ChannelAccount
	for _, m := range cr.Parameters.Members {
		if string(m.ID) != c.from.Address {
			members = append(members, m)
		}
	}
	if len(members) != 1 {
		return activity.ConversationResource{}, permanent("bad_argument", errors.New("a mail has one recipient"))
	}
	to, err := Parse(string(members[0].ID))
	if err != nil {
		return activity.ConversationResource{}, permanent(ReasonBadAddress, fmt.Errorf("the address %w", err))
	}
	resource := activity.ConversationResource{ID: activity.ConversationID(to)}
	if cr.Parameters.Activity == nil {
		return resource, nil
	}
	sent, err := c.Send(ctx, headsup.Outgoing{Reference: c.Reference(to), Activity: cr.Parameters.Activity, Key: cr.Key})
	resource.ActivityID = sent.ID
	return resource, err
}

// Check connects to the mail server, shows it the password, tells it who mails are from, and says good-bye: no mail is sent. The
// error is a [*headsup.SendError].
func (c *Channel) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	conn, err := c.pool.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.quit()
	return conn.offer(ctx, c.from.Address)
}

// Close ends the connections that wait for the next mail.
func (c *Channel) Close() { c.pool.close() }

// idleFor is how long a connection waits for the next mail; servers end it after some minutes (RFC 5321, section 4.5.3.2).
const idleFor = 30 * time.Second

func permanent(reason string, err error) *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: reason, Err: err}
}
