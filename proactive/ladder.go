package proactive

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/graph"
	"github.com/headsup-bot/headsup/outbox"
)

// How far the search for a prospect has come: the causes of entries of the book that stand as [book.ReachProspective].
const (
	CauseWanted       = "wanted"        // somebody wants to write to them
	CauseFound        = "found"         // it is known who they are
	CauseNotInstalled = "not_installed" // the channel makes no conversation: they do not have the app
	CauseAppInstalled = "app_installed" // it was installed for them, and the bot waits to be told
	CauseNotTold      = "not_told"      // the bot was not told, and the channel makes no conversation yet
	CauseMet          = "met"           // there is a conversation with them; the entry tells by which address they were found
)

// Reasons of the rungs of [FirstContact], in the history of deliveries.
const (
	RungKnown   = "rung_known"
	RungMoved   = "rung_moved" // before create: there is a newer service URL
	RungFind    = "rung_find"
	RungCreate  = "rung_create"
	RungRefused = "rung_not_installed" // create, where the app is not installed
	RungInstall = "rung_install"
	RungChat    = "rung_chat"
)

// Reasons of deliveries to people who cannot be reached for the first time. [headsup.ReasonNotInstalled] is another: they do not
// have the app, and no rung is left; and so are the reasons of what the channel answers.
const (
	ReasonPersonUnknown     = "person_unknown"           // the tenant has no such person
	ReasonPersonGuest       = "person_is_guest"          // apps cannot be installed for guests
	ReasonAppNotInCatalog   = "app_not_in_catalog"       // the tenant has no such app
	ReasonAppBlocked        = "app_blocked_by_policy"    // a policy of the tenant keeps it from them
	ReasonPermissionMissing = "graph_permission_missing" // the detail names it
	ReasonGraphThrottled    = "graph_throttled"
	ReasonGraphUnreachable  = "graph_unreachable"
	ReasonGraphUnauthorized = "graph_unauthorized" // no token is given, or taken
	ReasonGraphRefused      = "graph_refused"
	ReasonFirstContactOff   = "first_contact_off" // the rungs were taken away after it was accepted
)

// climb is an attempt to reach a prospect.
type climb struct {
	*sender

	at  *outbox.Attempt
	who somebody
	// way is what is allowed.
	way FirstContact
	// removed: they have taken the app away, and it may be installed again.
	removed bool
}

// climbs makes an attempt in a conversation that is not there yet: one rung. Nothing is said.
func (s *sender) climbs(ctx context.Context, at *outbox.Attempt) error {
	c := climb{sender: s, at: at, who: prospectOf(at.Conversation)}
	real, err := c.known(ctx)
	if real != 0 {
		err = c.step(ctx, CauseMet, outbox.Step{Reason: RungKnown, Detail: "there is a conversation with them", To: real})
	}
	if err != nil {
		at.Permit.Cancel()
		return err
	}
	err = c.rung(ctx)
	if failure := headsup.MeaningOf(err); failure != nil && failure.Meaning == headsup.MeaningPermanent {
		if again := c.stands(ctx, CauseWanted); again != nil { // the next delivery begins below
			s.cfg.Logger.WarnContext(ctx, "prospect not noted", "delivery_id", int64(at.Delivery), "error", again.Error())
		}
	}
	return err
}

// known looks for a conversation that there is by now, in which the delivery goes on; 0 if there is none. The error is a refusal
// if nothing can be said there.
func (c *climb) known(ctx context.Context) (book.Row, error) {
	var refusal *headsup.SendError
	for _, k := range []book.PersonKey{{ObjectID: c.who.objectID}, {UPN: c.who.upn}, {Email: c.who.email}} {
		if k == (book.PersonKey{}) {
			continue
		}
		found, err := c.cfg.Store.ConversationsOf(ctx, c.cfg.AppID, k)
		if err != nil {
			return 0, unread(err)
		}
		for _, real := range found {
			key := c.at.Conversation.Key
			if real.Key.Channel != key.Channel || real.Key.Tenant != key.Tenant || real.Reach == book.ReachProspective {
				continue
			}
			if f := c.cfg.FirstContact; real.Reach == book.ReachUninstalled && f != nil && f.Reinstall {
				c.removed = true
				continue
			}
			no := closed(real, c.cfg.Now())
			if no == nil || no.Meaning == headsup.MeaningThrottled {
				return real.Row, nil
			}
			if refusal == nil {
				refusal = no
			}
		}
	}
	if refusal != nil {
		return 0, refusal
	}
	return 0, nil
}

// rung makes the step that is next.
func (c *climb) rung(ctx context.Context) error {
	var refused error
	switch {
	case c.at.Verb != outbox.VerbSend:
		refused = &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonNoActivityID, Err: errors.New("nothing was said to them yet")}
	case c.cfg.FirstContact == nil:
		refused = off()
	}
	if refused != nil {
		c.at.Permit.Cancel()
		return refused
	}
	c.way = *c.cfg.FirstContact
	cause := c.at.Conversation.Cause
	switch {
	case c.who.objectID == "":
		return c.find(ctx)
	case c.removed && cause != CauseAppInstalled && cause != CauseNotTold:
		return c.install(ctx)
	case cause == CauseNotInstalled && c.way.Install:
		return c.install(ctx)
	case cause == CauseNotTold && c.way.Install, cause == CauseAppInstalled && !c.way.Create && c.way.Install:
		return c.chat(ctx)
	case c.way.Create:
		return c.create(ctx, cause == CauseAppInstalled)
	case c.way.Install:
		return c.install(ctx)
	}
	c.at.Permit.Cancel()
	return off()
}

func off() *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonFirstContactOff,
		Err: errors.New("people whom the bot has not met are not looked for any more, or not this way")}
}

// unread is a failure of the store.
func unread(err error) *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningTransient, Reason: "book_unavailable", Err: err}
}

// stands notes how far it has come.
func (c *climb) stands(ctx context.Context, cause string) error {
	e := c.at.Conversation
	ref := e.Reference.Clone()
	ref.User = c.who.account(e.Key.Conversation)
	now := c.cfg.Now()
	if _, err := c.cfg.Store.Sight(ctx, book.Sighting{
		Key: e.Key, Reference: ref, Kind: e.Kind, Source: e.Source, VerifiedAt: e.VerifiedAt, At: now,
		Prospect: book.Standing{Reach: book.ReachProspective, Cause: cause, At: now},
	}); err != nil {
		return unread(err)
	}
	return nil
}

// step notes how far it has come, and ends the attempt.
func (c *climb) step(ctx context.Context, cause string, s outbox.Step) error {
	if err := c.stands(ctx, cause); err != nil {
		return err
	}
	return &s
}

// directory is Microsoft Graph of the prospect's tenant. It is no call of the channel.
func (c *climb) directory() (Directory, error) {
	c.at.Permit.Cancel()
	g, err := c.way.Graph(c.at.Conversation.Key.Tenant)
	if err != nil {
		return nil, &headsup.SendError{Meaning: headsup.MeaningThrottled, Reason: ReasonGraphUnauthorized, Err: err}
	}
	return g, nil
}

// find asks who somebody is.
func (c *climb) find(ctx context.Context) error {
	if !c.way.Find {
		c.at.Permit.Cancel()
		return off()
	}
	g, err := c.directory()
	if err != nil {
		return err
	}
	u, err := g.User(ctx, c.who.name())
	if err != nil {
		return graphFailure(err)
	}
	if u.Guest() {
		return guest()
	}
	c.who.objectID = book.Fold(u.ID)
	if c.who.upn == "" {
		c.who.upn = book.Fold(u.UPN)
	}
	if c.who.email == "" {
		c.who.email = book.Fold(u.Mail)
	}
	return c.step(ctx, CauseFound, outbox.Step{Reason: RungFind, Detail: "Microsoft Graph knows them"})
}

func guest() *headsup.SendError {
	return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonPersonGuest, Err: errors.New("they are a guest of the tenant")}
}

// create asks the channel for the conversation. It may be asked again: it answers with the same one.
func (c *climb) create(ctx context.Context, again bool) error {
	e := c.at.Conversation
	where, err := (*Engine)(c.sender).serviceOf(ctx, e.Key.Tenant)
	if err != nil {
		return unread(err)
	}
	if where.url != e.Reference.ServiceURL && where.verifiedAt.After(e.VerifiedAt) { // and another permit
		c.at.Permit.Cancel()
		c.at.Conversation.Reference.ServiceURL, c.at.Conversation.Source, c.at.Conversation.VerifiedAt = where.url, where.source, where.verifiedAt
		return c.step(ctx, e.Cause, outbox.Step{Reason: RungMoved, Detail: "the tenant is called at another service URL by now"})
	}
	bot := (*Engine)(c.sender).teamsBot()
	asked := headsup.Creation{
		ChannelID: e.Key.Channel, ServiceURL: e.Reference.ServiceURL, Key: keyOf(c.at.Delivery) + ":create",
		Parameters: teamsCreation(&bot, activity.ChannelAccount{ID: activity.AccountID(c.who.objectID), AADObjectID: c.who.objectID}, e.Key.Tenant),
	}
	made, err := c.cfg.Channel.Create(ctx, asked)
	if err != nil {
		return c.notCreated(ctx, headsup.MeaningOf(err), again)
	}
	ref, err := headsup.CreatedReference(asked, made)
	if err != nil {
		return &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: "no_conversation_id", Err: err}
	}
	return c.met(ctx, ref, RungCreate, "the channel has made the conversation")
}

// teamsCreation asks Microsoft Teams for a personal conversation.
func teamsCreation(bot *activity.ChannelAccount, with activity.ChannelAccount, tenant activity.TenantID) activity.ConversationParameters {
	p := activity.ConversationParameters{IsGroup: new(bool), Bot: bot, TenantID: tenant, Members: []activity.ChannelAccount{with}}
	if id, err := jsontext.AppendQuote(nil, tenant); err == nil { // else it is no id, which the channel says
		p.ChannelData = slices.Concat(jsontext.Value(`{"tenant":{"id":`), id, jsontext.Value("}}"))
	}
	return p
}

// notCreated is what follows from a conversation that was not made.
func (c *climb) notCreated(ctx context.Context, failure *headsup.SendError, again bool) error {
	told := *failure
	told.Suspends = false // it is of no conversation
	switch {
	case told.Reason == headsup.ReasonNotInstalled && again && c.way.Install:
		return c.step(ctx, CauseNotTold, outbox.Step{Reason: RungRefused, Detail: "the channel does not know of the installation yet"})
	case told.Reason == headsup.ReasonNotInstalled && c.way.Install:
		return c.step(ctx, CauseNotInstalled, outbox.Step{Reason: RungRefused, Detail: "the app is not installed for them"})
	case told.Meaning == headsup.MeaningUnknown: // nothing was said
		told.Meaning = headsup.MeaningTransient
	}
	return &told
}

// met notes the conversation, where what is to be said goes on.
func (c *climb) met(ctx context.Context, ref activity.Reference, reason, detail string) error {
	key := headsup.KeyOf(c.cfg.AppID, ref)
	known, err := c.cfg.Store.Conversation(ctx, key)
	switch {
	case err == nil && known.Reference.User != nil && known.Reference.User.ID != "": // by another name
		ref.User = known.Reference.User
		ref.User.AADObjectID = c.who.objectID
	case err != nil && !errors.Is(err, book.ErrNotFound):
		return unread(err)
	}
	ref.Conversation.ConversationType = activity.ConversationPersonal
	e := c.at.Conversation
	real, err := c.cfg.Store.Sight(ctx, book.Sighting{
		Key: key, Reference: ref, Kind: book.KindPersonal, Source: e.Source, VerifiedAt: e.VerifiedAt, At: c.cfg.Now(),
	})
	if err != nil {
		return unread(err)
	}
	return c.step(ctx, CauseMet, outbox.Step{Reason: reason, Detail: detail, To: real.Row})
}

// install has Microsoft Graph install the app. It may be asked again: an installation that is there already is good.
func (c *climb) install(ctx context.Context) error {
	g, err := c.directory()
	if err != nil {
		return err
	}
	app, err := c.app(ctx, g)
	if err != nil {
		return graphFailure(err)
	}
	if err := g.Install(ctx, graph.ForUser(c.who.objectID), app); err != nil {
		if errors.Is(err, graph.ErrNoApp) {
			c.catalogs.note(c.at.Conversation.Key.Tenant, "")
		}
		return graphFailure(err)
	}
	rung := outbox.Step{
		Reason: RungInstall, Detail: fmt.Sprintf("the app is installed for them; the bot is told within %v", c.way.Wait.Round(time.Millisecond)), After: c.way.Wait,
	}
	if real, err := c.known(ctx); err == nil && real != 0 { // it was told before Graph has answered
		rung.Detail, rung.After = "the app is installed for them, and the bot was told of it", 0
	}
	return c.step(ctx, CauseAppInstalled, rung)
}

// app is what the tenant's catalog calls the app.
func (c *climb) app(ctx context.Context, g Directory) (string, error) {
	if c.way.Catalog != "" {
		return c.way.Catalog, nil
	}
	tenant := c.at.Conversation.Key.Tenant
	if id := c.catalogs.of(tenant); id != "" {
		return id, nil
	}
	app, err := g.App(ctx, c.way.App)
	if err != nil {
		return "", err
	}
	c.catalogs.note(tenant, app.ID)
	return app.ID, nil
}

// chat asks Microsoft Graph for the conversation that an installation has made.
func (c *climb) chat(ctx context.Context) error {
	g, err := c.directory()
	if err != nil {
		return err
	}
	app, err := c.app(ctx, g)
	if err != nil {
		return graphFailure(err)
	}
	installed, err := g.Installation(ctx, graph.ForUser(c.who.objectID), app)
	if err != nil {
		return graphFailure(err)
	}
	id, err := g.Chat(ctx, c.who.objectID, installed)
	if err != nil {
		return graphFailure(err)
	}
	bot, e := (*Engine)(c.sender).teamsBot(), c.at.Conversation
	return c.met(ctx, activity.Reference{
		ChannelID: e.Key.Channel, ServiceURL: e.Reference.ServiceURL, Bot: &bot,
		User:         &activity.ChannelAccount{ID: activity.AccountID(c.who.objectID), AADObjectID: c.who.objectID},
		Conversation: activity.ConversationAccount{ID: activity.ConversationID(id), TenantID: e.Key.Tenant},
	}, RungChat, "Microsoft Graph knows the conversation")
}

// graphFailure is what a failed call of Microsoft Graph means for a delivery.
func graphFailure(err error) *headsup.SendError {
	f := &headsup.SendError{Meaning: headsup.MeaningPermanent, Reason: ReasonGraphRefused, Err: err}
	call, _ := errors.AsType[*graph.Error](err)
	if call != nil {
		f.Status, f.RetryAfter = call.Status, call.RetryAfter
	}
	switch {
	case errors.Is(err, graph.ErrNoUser):
		f.Reason = ReasonPersonUnknown
	case errors.Is(err, graph.ErrNoApp):
		f.Reason = ReasonAppNotInCatalog
	case errors.Is(err, graph.ErrNotInstalled):
		f.Reason = headsup.ReasonNotInstalled
	case errors.Is(err, graph.ErrPermission):
		f.Reason = ReasonPermissionMissing
	case errors.Is(err, graph.ErrPolicy):
		f.Reason = ReasonAppBlocked
	case errors.Is(err, graph.ErrThrottled):
		f.Meaning, f.Reason = headsup.MeaningThrottled, ReasonGraphThrottled
	case call == nil, call.Status == 401, call.Status == 0 && !errors.As(call.Err, new(*url.Error)):
		f.Meaning, f.Reason = headsup.MeaningThrottled, ReasonGraphUnauthorized
	case call.Status == 0, call.Status >= 500:
		f.Meaning, f.Reason = headsup.MeaningTransient, ReasonGraphUnreachable
	}
	return f
}
