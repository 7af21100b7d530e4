package proactive

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/schedule"
	"github.com/headsup-bot/headsup/template"
)

// Bound returns a view of the engine for one tenant of a channel, which must not be empty. It knows the conversations in that
// tenant, their jobs, the notifications that it has accepted itself, with their deliveries, and the schedules that were made
// with it; everybody is everybody in the tenant, for its schedules too. Whatever else there is, it does not find. Idempotency
// and collapse keys are the tenant's own. What it accepts the engine delivers, and its schedules the engine tells; the view
// itself is not run. The view of a view stays bound as it was.
func (e *Engine) Bound(tenant activity.TenantID) *Engine {
	if tenant == "" {
		panic("proactive: an engine is bound to no tenant")
	}
	if _, bound := e.cfg.Store.(tenantStore); bound {
		return e
	}
	cfg := e.cfg
	cfg.Store = tenantStore{in: e.cfg.Store, tenant: tenant}
	if cfg.FirstContact != nil {
		there := *cfg.FirstContact
		there.Tenant, cfg.FirstContact = tenant, &there
	}
	return &Engine{cfg, e.works}
}

// tenantStore is what of a store is one tenant's. It embeds nothing, so that every method which a store gets has to be
// bound here, or refused as in tenantless.go.
type tenantStore struct {
	in     Store
	tenant activity.TenantID
}

var _ Store = tenantStore{}

// message is nil for a message of the tenant.
func (s tenantStore) message(ctx context.Context, id outbox.MessageID) error {
	_, err := s.Message(ctx, id)
	return err
}

// conversation is nil for a conversation of the tenant, be there one or not.
func (s tenantStore) conversation(key headsup.ConversationKey) error {
	if key.Tenant != s.tenant {
		return book.ErrNotFound
	}
	return nil
}

// submission makes a submission the tenant's.
func (s tenantStore) submission(sub outbox.Submission) outbox.Submission {
	sub.Message.Tenant = s.tenant
	if sub.Spread != nil {
		spread := *sub.Spread
		spread.Filter.Tenant = s.tenant
		sub.Spread = &spread
	}
	return sub
}

// SubmitMessage implements [outbox.Store]. The conversations were found by the view.
func (s tenantStore) SubmitMessage(ctx context.Context, sub outbox.Submission, take bool) (outbox.Accepted, error) {
	return s.in.SubmitMessage(ctx, s.submission(sub), take)
}

// SubmitMessages implements [outbox.Store].
func (s tenantStore) SubmitMessages(ctx context.Context, subs []outbox.Submission) ([]outbox.SubmitResult, error) {
	subs = slices.Clone(subs)
	for i := range subs {
		subs[i] = s.submission(subs[i])
	}
	return s.in.SubmitMessages(ctx, subs)
}

// Message implements [outbox.Store].
func (s tenantStore) Message(ctx context.Context, id outbox.MessageID) (outbox.Message, error) {
	m, err := s.in.Message(ctx, id)
	if err == nil && m.Tenant != s.tenant {
		return outbox.Message{}, outbox.ErrNotFound
	}
	return m, err
}

// MessageRecord implements [outbox.Store].
func (s tenantStore) MessageRecord(ctx context.Context, id outbox.MessageID, n int) (outbox.Record, error) {
	r, err := s.in.MessageRecord(ctx, id, n)
	if err == nil && r.Message.Tenant != s.tenant {
		return outbox.Record{}, outbox.ErrNotFound
	}
	return r, err
}

// MessageByKey implements [outbox.Store].
func (s tenantStore) MessageByKey(
	ctx context.Context, appID string, _ activity.TenantID, key string,
) (outbox.MessageID, []byte, error) {
	return s.in.MessageByKey(ctx, appID, s.tenant, key)
}

// ListMessages implements [outbox.Store].
func (s tenantStore) ListMessages(ctx context.Context, f outbox.MessageFilter) (outbox.MessagePage, error) {
	f.Tenant = s.tenant
	return s.in.ListMessages(ctx, f)
}

// CancelMessage implements [outbox.Store].
func (s tenantStore) CancelMessage(ctx context.Context, id outbox.MessageID, at time.Time) error {
	if err := s.message(ctx, id); err != nil {
		return err
	}
	return s.in.CancelMessage(ctx, id, at)
}

// RescheduleMessage implements [outbox.Store].
func (s tenantStore) RescheduleMessage(ctx context.Context, id outbox.MessageID, due, at time.Time) error {
	if err := s.message(ctx, id); err != nil {
		return err
	}
	return s.in.RescheduleMessage(ctx, id, due, at)
}

// ReviseMessage implements [outbox.Store].
func (s tenantStore) ReviseMessage(ctx context.Context, r outbox.Revision) error {
	if err := s.message(ctx, r.Message); err != nil {
		return err
	}
	return s.in.ReviseMessage(ctx, r)
}

// DeliveryRecord implements [outbox.Store].
func (s tenantStore) DeliveryRecord(ctx context.Context, id outbox.DeliveryID) (outbox.Delivery, error) {
	d, err := s.in.DeliveryRecord(ctx, id)
	if err != nil {
		return d, err
	}
	m, err := s.in.Message(ctx, d.Message)
	switch {
	case err == nil && m.Tenant != s.tenant:
		return outbox.Delivery{}, outbox.ErrNoDelivery
	case err != nil:
		return outbox.Delivery{}, err
	}
	return d, nil
}

// ListDeliveries implements [outbox.Store].
func (s tenantStore) ListDeliveries(ctx context.Context, f outbox.DeliveryFilter) (outbox.DeliveryPage, error) {
	f.Tenant = s.tenant
	return s.in.ListDeliveries(ctx, f)
}

// ReplayDelivery implements [outbox.Store].
func (s tenantStore) ReplayDelivery(ctx context.Context, id outbox.DeliveryID, r outbox.Replay) (outbox.Delivery, error) {
	if d, err := s.DeliveryRecord(ctx, id); err != nil {
		return d, err
	}
	return s.in.ReplayDelivery(ctx, id, r)
}

// ReplayDeliveries implements [outbox.Store].
func (s tenantStore) ReplayDeliveries(ctx context.Context, f outbox.DeliveryFilter, r outbox.Replay) (int, error) {
	f.Tenant = s.tenant
	return s.in.ReplayDeliveries(ctx, f, r)
}

// SettleDelivery implements [outbox.Store].
func (s tenantStore) SettleDelivery(
	ctx context.Context, id outbox.DeliveryID, as outbox.Settlement,
) (outbox.Delivery, error) {
	if d, err := s.DeliveryRecord(ctx, id); err != nil {
		return d, err
	}
	return s.in.SettleDelivery(ctx, id, as)
}

// Receive implements [outbox.Receipts].
func (s tenantStore) Receive(ctx context.Context, all []outbox.Receipt) ([]outbox.Receipt, error) {
	ours := make([]outbox.Receipt, 0, len(all))
	for _, r := range all {
		switch _, err := s.DeliveryRecord(ctx, r.Delivery); {
		case err == nil:
			ours = append(ours, r)
		case !errors.Is(err, outbox.ErrNoDelivery):
			return nil, err
		}
	}
	return s.in.Receive(ctx, ours)
}

// SaidIn, ReceiptsOf and CountReceipts implement [outbox.Receipts]. Nobody outside names what they are asked for: it is what
// the view has found.
func (s tenantStore) SaidIn(ctx context.Context, c book.Row, n int) ([]outbox.Said, error) {
	return s.in.SaidIn(ctx, c, n)
}

// ReceiptsOf implements [outbox.Receipts].
func (s tenantStore) ReceiptsOf(ctx context.Context, ids []outbox.DeliveryID, n int) ([]outbox.Receipt, error) {
	return s.in.ReceiptsOf(ctx, ids, n)
}

// CountReceipts implements [outbox.Receipts].
func (s tenantStore) CountReceipts(
	ctx context.Context, ids []outbox.MessageID,
) (map[outbox.MessageID]map[outbox.ReceiptKind]int64, error) {
	return s.in.CountReceipts(ctx, ids)
}

// Mark implements [outbox.Store].
func (s tenantStore) Mark(ctx context.Context, key headsup.ConversationKey, m headsup.Mark) (book.Conversation, error) {
	if err := s.conversation(key); err != nil {
		return book.Conversation{}, err
	}
	return s.in.Mark(ctx, key, m)
}

// Sight implements [book.Store].
func (s tenantStore) Sight(ctx context.Context, sighted book.Sighting) (book.Conversation, error) {
	if err := s.conversation(sighted.Key); err != nil {
		return book.Conversation{}, err
	}
	return s.in.Sight(ctx, sighted)
}

// Conversation implements [book.Store].
func (s tenantStore) Conversation(ctx context.Context, key headsup.ConversationKey) (book.Conversation, error) {
	if err := s.conversation(key); err != nil {
		return book.Conversation{}, err
	}
	return s.in.Conversation(ctx, key)
}

// only leaves out what is not the tenant's.
func (s tenantStore) only(found []book.Conversation, err error) ([]book.Conversation, error) {
	return slices.DeleteFunc(found, func(c book.Conversation) bool { return c.Key.Tenant != s.tenant }), err
}

// LookUpsAtOnce implements [book.Gatherer].
func (s tenantStore) LookUpsAtOnce() int {
	if g, ok := s.in.(book.Gatherer); ok {
		return g.LookUpsAtOnce()
	}
	return 0
}

// ConversationsByID implements [book.Store].
func (s tenantStore) ConversationsByID(
	ctx context.Context, appID string, id activity.ConversationID,
) ([]book.Conversation, error) {
	return s.only(s.in.ConversationsByID(ctx, appID, id))
}

// ConversationsByUser implements [book.Store].
func (s tenantStore) ConversationsByUser(
	ctx context.Context, appID string, user activity.AccountID,
) ([]book.Conversation, error) {
	return s.only(s.in.ConversationsByUser(ctx, appID, user))
}

// ConversationsOf implements [book.Store].
func (s tenantStore) ConversationsOf(ctx context.Context, appID string, k book.PersonKey) ([]book.Conversation, error) {
	return s.only(s.in.ConversationsOf(ctx, appID, k))
}

// Newest implements [book.Store].
func (s tenantStore) Newest(
	ctx context.Context, appID string, channel activity.ChannelID, tenant activity.TenantID, n int,
) ([]book.Conversation, error) {
	if tenant != s.tenant {
		return nil, nil
	}
	return s.in.Newest(ctx, appID, channel, tenant, n)
}

// Conversations implements [book.Store].
func (s tenantStore) Conversations(
	ctx context.Context, appID string, f book.Filter, after book.Row, limit int,
) ([]book.Conversation, error) {
	if f.Tenant != "" && f.Tenant != s.tenant {
		return nil, nil
	}
	f.Tenant = s.tenant
	return s.in.Conversations(ctx, appID, f, after, limit)
}

// Extent implements [book.Store].
func (s tenantStore) Extent(ctx context.Context, appID string, f book.Filter) (n int, last book.Row, err error) {
	f.Tenant = s.tenant
	return s.in.Extent(ctx, appID, f)
}

// Details implements [book.Store]. Nobody outside names rows: these are of conversations that the view has found.
func (s tenantStore) Details(ctx context.Context, rows []book.Row) (map[book.Row]book.Details, error) {
	return s.in.Details(ctx, rows)
}

// Label implements [book.Store].
func (s tenantStore) Label(ctx context.Context, key headsup.ConversationKey, l book.Labels, at time.Time) error {
	if err := s.conversation(key); err != nil {
		return err
	}
	return s.in.Label(ctx, key, l, at)
}

// Forget implements [Forgetter].
func (s tenantStore) Forget(ctx context.Context, key headsup.ConversationKey, at time.Time) error {
	if err := s.conversation(key); err != nil {
		return err
	}
	return s.in.Forget(ctx, key, at)
}

// StartJob implements [JobStore].
func (s tenantStore) StartJob(ctx context.Context, start JobStart) (Job, error) {
	if err := s.conversation(start.Job.Key); err != nil {
		return Job{}, err
	}
	return s.in.StartJob(ctx, start)
}

// CompleteJob implements [JobStore].
func (s tenantStore) CompleteJob(ctx context.Context, end JobEnd) (Job, error) {
	if job, err := s.Job(ctx, end.AppID, end.Number); err != nil {
		return job, err
	}
	if end.Tell != nil {
		end.Tell = new(s.submission(*end.Tell))
	}
	return s.in.CompleteJob(ctx, end)
}

// ProgressJob implements [JobStore].
func (s tenantStore) ProgressJob(ctx context.Context, p JobProgress) (Job, error) {
	if job, err := s.Job(ctx, p.AppID, p.Number); err != nil {
		return job, err
	}
	p.Tell = s.submission(p.Tell)
	return s.in.ProgressJob(ctx, p)
}

// Job implements [JobStore].
func (s tenantStore) Job(ctx context.Context, appID string, n JobNumber) (Job, error) {
	job, err := s.in.Job(ctx, appID, n)
	if err == nil && job.Key.Tenant != s.tenant {
		return Job{}, ErrNoJob
	}
	return job, err
}

// Jobs implements [JobStore].
func (s tenantStore) Jobs(
	ctx context.Context, appID string, _ activity.TenantID, before JobNumber, limit int,
) ([]Job, error) {
	return s.in.Jobs(ctx, appID, s.tenant, before, limit)
}

// CreateSchedule implements [schedule.Store].
func (s tenantStore) CreateSchedule(ctx context.Context, n schedule.Schedule, most int) (schedule.Schedule, bool, error) {
	n.Tenant = s.tenant
	return s.in.CreateSchedule(ctx, n, most)
}

// Schedule implements [schedule.Store].
func (s tenantStore) Schedule(ctx context.Context, appID string, id schedule.ID) (schedule.Schedule, error) {
	found, err := s.in.Schedule(ctx, appID, id)
	if err == nil && found.Tenant != s.tenant {
		return schedule.Schedule{}, schedule.ErrNotFound
	}
	return found, err
}

// Schedules implements [schedule.Store].
func (s tenantStore) Schedules(
	ctx context.Context, appID string, f schedule.Filter, before schedule.ID, limit int,
) ([]schedule.Schedule, error) {
	f.Tenant = s.tenant
	return s.in.Schedules(ctx, appID, f, before, limit)
}

// ChangeSchedule implements [schedule.Store]. Whose a schedule is never changes.
func (s tenantStore) ChangeSchedule(ctx context.Context, n schedule.Schedule) (schedule.Schedule, error) {
	if _, err := s.Schedule(ctx, n.AppID, n.ID); err != nil {
		return schedule.Schedule{}, err
	}
	return s.in.ChangeSchedule(ctx, n)
}

// DeleteSchedule implements [schedule.Store].
func (s tenantStore) DeleteSchedule(ctx context.Context, appID string, id schedule.ID) error {
	if _, err := s.Schedule(ctx, appID, id); err != nil {
		return err
	}
	return s.in.DeleteSchedule(ctx, appID, id)
}

// Occurrences implements [schedule.Store].
func (s tenantStore) Occurrences(
	ctx context.Context, appID string, id schedule.ID, before int64, limit int,
) ([]schedule.Occurrence, error) {
	if _, err := s.Schedule(ctx, appID, id); err != nil {
		return nil, err
	}
	return s.in.Occurrences(ctx, appID, id, before, limit)
}

// RecipientZones implements [schedule.Store].
func (s tenantStore) RecipientZones(ctx context.Context, appID string, _ activity.TenantID, tag string) ([]string, error) {
	return s.in.RecipientZones(ctx, appID, s.tenant, tag)
}

// PutTemplate implements [template.Store].
func (s tenantStore) PutTemplate(ctx context.Context, v template.Version, most int) (template.Version, bool, error) {
	v.Tenant = s.tenant
	return s.in.PutTemplate(ctx, v, most)
}

// Template implements [template.Store].
func (s tenantStore) Template(
	ctx context.Context, appID string, _ activity.TenantID, name string, number int,
) (template.Version, error) {
	return s.in.Template(ctx, appID, s.tenant, name, number)
}

// TemplateByID implements [template.Store].
func (s tenantStore) TemplateByID(ctx context.Context, appID string, id template.ID) (template.Version, error) {
	v, err := s.in.TemplateByID(ctx, appID, id)
	if err == nil && v.Tenant != s.tenant {
		return template.Version{}, template.ErrNotFound
	}
	return v, err
}

// Templates implements [template.Store].
func (s tenantStore) Templates(
	ctx context.Context, appID string, _ activity.TenantID, before template.ID, limit int,
) ([]template.Version, error) {
	return s.in.Templates(ctx, appID, s.tenant, before, limit)
}

// TemplateVersions implements [template.Store].
func (s tenantStore) TemplateVersions(
	ctx context.Context, appID string, _ activity.TenantID, name string, before, limit int,
) ([]template.Version, error) {
	return s.in.TemplateVersions(ctx, appID, s.tenant, name, before, limit)
}

// DeleteTemplate implements [template.Store].
func (s tenantStore) DeleteTemplate(ctx context.Context, appID string, _ activity.TenantID, name string, at time.Time) error {
	return s.in.DeleteTemplate(ctx, appID, s.tenant, name, at)
}
