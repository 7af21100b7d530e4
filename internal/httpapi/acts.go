package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/audit"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/proactive"
)

// act says what an operation is in the audit log.
type act struct {
	action audit.Action
	// maybe: it is one only if its handler wants it.
	maybe bool
	// hides: what its path names may be a person's, so the log has a keyed hash of it.
	hides bool
}

// acts are the operations that stand in the audit log, by their ids.
var acts = map[string]act{
	"create-key":                      {action: audit.KeyCreate},
	"revoke-key":                      {action: audit.KeyRevoke},
	"create-webhook":                  {action: audit.WebhookCreate},
	"change-webhook":                  {action: audit.WebhookChange},
	"delete-webhook":                  {action: audit.WebhookDelete},
	"rotate-webhook-secret":           {action: audit.WebhookRotate},
	"replay-webhook":                  {action: audit.WebhookReplay},
	"create-schedule":                 {action: audit.ScheduleCreate},
	"change-schedule":                 {action: audit.ScheduleChange},
	"pause-schedule":                  {action: audit.SchedulePause},
	"resume-schedule":                 {action: audit.ScheduleResume},
	"delete-schedule":                 {action: audit.ScheduleDelete},
	"put-template":                    {action: audit.TemplatePut},
	"delete-template":                 {action: audit.TemplateDelete},
	"create-notification":             {action: audit.BroadcastSend, maybe: true},
	"create-notifications":            {action: audit.BroadcastSend, maybe: true},
	"notify-group":                    {action: audit.BroadcastSend, maybe: true},
	"cancel-notification":             {action: audit.NotificationCancel},
	"recall-notification":             {action: audit.NotificationRecall},
	"edit-notification":               {action: audit.NotificationEdit},
	"reschedule-notification":         {action: audit.NotificationReschedule},
	"replay-delivery":                 {action: audit.DeliveryReplay},
	"replay-deliveries":               {action: audit.DeliveryReplay},
	"settle-delivery":                 {action: audit.DeliverySettle},
	"end-pause":                       {action: audit.PauseEnd},
	"update-conversation":             {action: audit.ConversationChange, hides: true},
	"delete-conversation":             {action: audit.ConversationForget, hides: true},
	"import-references":               {action: audit.ConversationImport},
	"export-person":                   {action: audit.PersonExport},
	"erase-person":                    {action: audit.PersonErase},
	"merge-people":                    {action: audit.PersonMerge},
	"split-person":                    {action: audit.PersonSplit},
	"change-preferences":              {action: audit.PreferencesChange},
	"change-conversation-preferences": {action: audit.PreferencesChange, hides: true},
	"refresh-auth":                    {action: audit.AuthRefresh},
	"get-backup":                      {action: audit.BackupMake},
	"rotate-signing-key":              {action: audit.SigningKeyRotate},
}

// noActs are the operations that could change something and do not stand in the audit log, each with its reason.
var noActs = map[string]string{
	"preview-schedule":    "it changes nothing",
	"create-preview":      "it changes nothing",
	"find-person":         "it changes nothing, and tells no more than the reference book",
	"test-webhook":        "it posts an event that was made up, to an address that is in the log, and changes nothing",
	"note-roster":         "it brings the reference book up to date, as all that a channel tells does",
	"create-job":          "a program says what it does for one person",
	"report-job-progress": "a program says what it does for one person",
	"complete-job":        "a program says what it does for one person",
	"set-busy":            "a bot says, turn after turn, what it is in the middle of",
	"clear-busy":          "a bot says, turn after turn, what it is in the middle of",
}

// Acts returns what operations are in the audit log, by their ids, for those that may stand there.
func Acts() map[string]audit.Action {
	all := make(map[string]audit.Action, len(acts))
	for id, a := range acts {
		all[id] = a.action
	}
	return all
}

// register adds an operation. One that stands in the audit log is written there with what it changes or, where it changes
// nothing in the store, when it was done and before it is answered.
func register[I, O any](s *service, a huma.API, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	what, audited := acts[op.OperationID]
	if !audited {
		huma.Register(a, op, handle)
		return
	}
	huma.Register(a, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, p := s.begin(ctx, what)
		out, err := handle(ctx, in)
		if err != nil {
			return nil, err
		}
		if err := s.cfg.Audit.Finish(ctx, p); err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return out, nil
	})
}

func (s *service) begin(ctx context.Context, what act) (context.Context, *audit.Pending) {
	c := callOf(ctx)
	if what.hides {
		c.object = s.personal(c.object)
	}
	begin := s.cfg.Audit.Begin
	if what.maybe {
		begin = s.cfg.Audit.BeginMaybe
	}
	return begin(ctx, audit.Act{
		Action: what.action, Actor: actorOf(access.FromContext(ctx)), From: textOf(c.from), Object: c.object,
	})
}

// before writes the act at once, for what is done by other means than a change of the store.
func (s *service) before(ctx context.Context) error {
	if err := s.cfg.Audit.Finish(ctx, audit.FromContext(ctx)); err != nil {
		return s.problemOf(ctx, err)
	}
	return nil
}

// call is what the audit log says of a request beside who made it.
type call struct {
	from   netip.Addr
	object string // what its path names
	log    *audit.Log
}

type callKey struct{}

func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(call)
	return c
}

// heard notes from where a request comes and what it is about.
func heard(ctx context.Context, log *audit.Log, keys *access.Keyring, r *http.Request) context.Context {
	return context.WithValue(ctx, callKey{}, call{from: keys.From(r), object: r.PathValue("id"), log: log})
}

func textOf(from netip.Addr) string {
	if !from.IsValid() {
		return ""
	}
	return from.String()
}

// actorOf names a caller in the audit log.
func actorOf(who access.Identity) string {
	switch who.Kind {
	case access.KindKey:
		return audit.KeyActor(who.KeyID)
	case access.KindLocal:
		return audit.Local
	case access.KindDevelopment:
		return audit.Development
	}
	return audit.Nobody
}

// Do has a handler that is no operation of the API do an act: what begins writes it with the first change.
func Do(log *audit.Log, keys *access.Keyring, r *http.Request, a audit.Action, detail audit.Detail) (context.Context, *audit.Pending) {
	return log.Begin(r.Context(), audit.Act{
		Action: a, Actor: actorOf(access.FromContext(r.Context())), From: textOf(keys.From(r)), Detail: detail,
	})
}

// refusedCaller counts a caller who was not let in.
func refusedCaller(log *audit.Log, from netip.Addr, refused *access.Refusal) {
	actor := audit.Nobody
	if refused.Key != "" {
		actor = audit.KeyActor(refused.Key)
	}
	if refused.Limited() {
		log.Refused(audit.RateLimited, refused.Cause, actor, from)
		return
	}
	log.Refused(audit.KeyRefused, refused.Cause, actor, from)
}

// personal names a conversation, which may be one person's, in the audit log.
func (s *service) personal(conversation string) string {
	return s.cfg.Audit.Person("conversation", conversation)
}

// auditTargets notes that a notification goes to more than one person, and wants it in the log.
func auditTargets(ctx context.Context, to ...headsup.Target) {
	p := audit.FromContext(ctx)
	broadcasts := 0
	for _, t := range to {
		if t.Everyone || t.Tag != "" {
			broadcasts++
		}
	}
	if broadcasts == 0 {
		return
	}
	p.Want()
	switch t := to[0]; {
	case len(to) > 1:
		p.Note("broadcasts", broadcasts)
		p.Note("notifications", len(to))
	case t.Everyone:
		p.Note("to", "everyone")
	default:
		p.Note("to", "tag")
		p.Note("tag", t.Tag)
	}
}

// notePeople tells the audit log whom the request is about.
func (s *service) notePeople(ctx context.Context, entries []privacy.Entry) {
	for _, e := range entries {
		audit.FromContext(ctx).Made(s.cfg.Audit.Person("person", string(e.Channel), string(e.Tenant), string(e.User)))
	}
}

// note adds a member to what the audit log says of the request.
func note(ctx context.Context, name string, value any) { audit.FromContext(ctx).Note(name, value) }

// noteGiven notes which members of a body were given, not what they are.
func noteGiven(ctx context.Context, members map[string]bool) {
	var given []string
	for name, is := range members {
		if is {
			given = append(given, name)
		}
	}
	slices.Sort(given)
	note(ctx, "changed", given)
}

// noteURL counts service URLs that nothing is ever sent to.
func noteURL(ctx context.Context, err error) {
	wrong, ok := errors.AsType[*proactive.FieldError](err)
	if ok && strings.HasSuffix(wrong.Field, ".serviceUrl") {
		c := callOf(ctx)
		c.log.Refused(audit.URLRefused, "not_allowed", actorOf(access.FromContext(ctx)), c.from)
	}
}
