package storetest

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/directline"
	"github.com/headsup-bot/headsup/internal/ident"
	"github.com/headsup-bot/headsup/internal/privacy"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
)

// Somebody is a person whose name is in everything that a store keeps of them.
type Somebody struct {
	Name string
	// Who names them.
	Who privacy.Who
}

// Seed makes a store keep something of a person in every place where it may keep anything: each text has the name in it.
func Seed(t *testing.T, s Store, name string) Somebody {
	t.Helper()
	return newEnv(t, s).seed(name)
}

func (e *env) seed(name string) Somebody {
	e.ids.CompareAndSwap(0, ident.New())
	e.wants()
	user := activity.AccountID("user-" + name)
	account := activity.ChannelAccount{
		ID: user, Name: "Name " + name, AADObjectID: "oid-" + name,
		Extra: jsontext.Value(`{"userPrincipalName":"upn-` + name + `@example.com","email":"mail-` + name + `@example.com"}`),
	}
	in := func(id string, kind book.Kind) book.Conversation {
		key := keyOf(id)
		s := book.Sighting{
			Key: key, Kind: kind, Source: book.SourceClaim, VerifiedAt: e.start, At: e.start, TimeZone: "Zone/" + name, Country: "Land " + name,
			Reference: activity.Reference{
				User: account.Clone(), Bot: &activity.ChannelAccount{ID: "bot"}, ChannelID: key.Channel,
				Conversation: activity.ConversationAccount{ID: key.Conversation, TenantID: tenant, Name: "Talk of " + name},
				ServiceURL:   "https://channel.example/", Locale: "de-" + name,
			},
		}
		if kind == book.KindGroup { // where others are, nothing else names them
			s.TimeZone, s.Country, s.Reference.Locale, s.Reference.Conversation.Name = "", "", "", ""
		}
		return e.sight(s)
	}
	c, old, group := in("talk-"+name, book.KindPersonal), in("old-"+name, book.KindPersonal), in("everybody", book.KindGroup)
	e.names(c, "ext-"+name)
	e.tags(c, "tag-"+name)
	e.prefers(c, book.PreferenceChange{Topics: map[string]*bool{"topic-" + name: new(false)}})
	e.seedQueue(c, name)
	e.seedQueue(old, name+"-old")
	e.mark(c, headsup.Busy{By: "by-" + name, Reason: "reason-" + name, Until: e.at(time.Hour)})

	for _, s := range []struct {
		key  headsup.ConversationKey
		path string
	}{
		{c.Key, state.ConversationPath(c.Key)}, {c.Key, state.PrivatePrefix(c.Key) + string(user) + "/"},
		{group.Key, state.PrivatePrefix(group.Key) + string(user) + "/"}, {c.Key, state.UserPath(c.Key.Channel, user)},
	} {
		e.writes(state.Write{Key: state.Key{AppID: app, Tenant: tenant, Path: s.path}, Value: jsontext.Value(`{"likes":"state-` + name + `"}`)})
	}
	job := e.jobIn("talk-" + name)
	job.Once, job.Job.Name, job.Job.Value = "once-"+name, "job-"+name, jsontext.Value(`{"v":"value-`+name+`"}`)
	job.Job.Reference = c.Reference
	running := e.starts(job)
	report := e.progressOf(running, c, "progress-"+name, true, e.start)
	_, err := e.ProgressJob(e.ctx, report)
	e.ok(err)
	_, err = e.CompleteJob(e.ctx, proactive.JobEnd{AppID: app, Number: running.Number, At: e.start, Once: "end-" + name})
	e.ok(err)
	elsewhere := e.jobIn("everybody")
	elsewhere.Job.Reference.User = account.Clone()
	e.starts(elsewhere)

	for _, to := range []string{
		`"user":"user-` + name + `"`, `"external_id":"ext-` + name + `"`, `"conversation":"talk-` + name + `"`,
		`"reference":{"user":{"id":"user-` + name + `"},"conversation":{"id":"x"}}`,
	} {
		s := e.scheduleOf(time.Hour)
		s.Name, s.Key = "schedule-"+name, "key-"+name+to
		s.Template = jsontext.Value(`{"to":{` + to + `},"text":"template-` + name + `"}`)
		e.schedule(s)
	}
	e.seedReceipts(group, user, name)
	e.seedEvents(c, group, account, name)
	e.seedLine(c.Key.Conversation, account, name)
	e.forgets(old)
	_, err = e.LastEvent(e.ctx) // all events have their ids from here on
	e.ok(err)
	return Somebody{name, privacy.Who{AppID: app, User: user}}
}

// seedQueue says things to a conversation that are in every state.
func (e *env) seedQueue(c book.Conversation, name string) {
	say := func(what string) outbox.Submission {
		s := e.message(c)
		s.Message.Key, s.Message.Fingerprint = "idem-"+what+name, []byte("print")
		s.Message.Body = jsontext.Value(`{"type":"message","text":"` + what + name + `"}`)
		s.Message.Value = jsontext.Value(`{"v":"value-` + name + `"}`)
		s.Message.Target = `{"conversation":"` + string(c.Key.Conversation) + `"}`
		s.Message.CollapseKey = "collapse-" + what + name
		return s
	}
	sent := e.accept(say("delivered-"))
	a := e.claimsOnly(1, e.start, sent)[0]
	e.ok(e.RecordSend(e.ctx, outbox.Send{
		Delivery: a.Delivery, Fence: a.Fence, Taken: true, Activity: activity.ID("send-" + name), At: e.start,
	}))
	o := outcomeOf(a, e.start)
	o.Activity, o.Detail = activity.ID("activity-"+name), "detail-"+name
	e.ends(o)
	e.receives(a.Delivery, outbox.ReceiptBounced, "", "bounce-"+name)
	e.receives(a.Delivery, outbox.ReceiptRead, "user-"+activity.AccountID(name), "")
	e.ok(e.ReviseMessage(e.ctx, outbox.Revision{
		Message: sent.Message.ID, Body: jsontext.Value(`{"type":"message","text":"edited-` + name + `"}`), At: e.start, NextID: e.nextDelivery,
	}))
	a = e.claimsOnly(1, e.start, sent)[0]
	e.ends(outcomeOf(a, e.start))
	e.accept(due(say("scheduled-"), e.at(48*time.Hour)))
	held := e.claimsOnly(1, e.start, e.accept(say("retried-")))[0]
	r := retryOf(held, e.start, e.at(time.Hour))
	r.Detail = "detail-" + name
	e.ends(r)
	e.accept(say("behind-"))
}

// toOthers is what stays of a person's seed: what was said to everybody.
var toOthers = map[outbox.State]int64{outbox.StateDelivered: 1}

// seedReceipts has somebody react to what was said to everybody.
func (e *env) seedReceipts(group book.Conversation, user activity.AccountID, name string) {
	to := e.say(group)
	e.ends(outcomeOf(e.claimsOnly(1, e.start, to)[0], e.start))
	e.receives(to.Deliveries[0].ID, outbox.ReceiptReacted, user, "like-"+name)
}

// seedEvents has things happen that others are told of.
func (e *env) seedEvents(c, group book.Conversation, who activity.ChannelAccount, name string) {
	for _, c := range []book.Conversation{c, group} {
		h := heard(c, "heard-"+name, "", e.start)
		h.Message.Channel, h.Message.Conversation = string(c.Key.Channel), string(c.Key.Conversation)
		h.Message.Person.ID, h.Message.Person.Name = string(who.ID), who.Name
		h.Message.Activity = []byte(`{"type":"message","text":"heard-` + name + `"}`)
		l := e.lease(c.Key)
		ops := []headsup.Op{h}
		if c.Row != group.Row {
			ops = append(ops, headsup.RecordAnswer{
				Activity: activity.ID("inbound-" + name), At: e.start,
				Answer: headsup.Answer{Status: 200, Body: []byte(`{"answer":"answer-` + name + `"}`)},
			})
		}
		e.ok(e.Commit(e.ctx, l, ops))
		l.Release()
	}
}

// seedLine fills the embedded channel.
func (e *env) seedLine(id activity.ConversationID, who activity.ChannelAccount, name string) {
	for _, own := range []activity.ConversationID{id, "unmet-" + activity.ConversationID(name)} {
		e.opens(directline.Conversation{ID: own, AppID: app, Kind: directline.KindPersonal, Name: "Line " + name, User: who, CreatedAt: e.start})
		for _, text := range []string{"one-", "two-"} {
			_, _, err := e.Append(e.ctx, own, "key-"+text+name, jsontext.Value(`{"type":"message","text":"`+text+name+`"}`), e.start)
			e.ok(err)
		}
		e.ok(e.SaveAttachment(e.ctx, directline.Attachment{
			ID: "file-" + string(own), Conversation: own, Name: name + ".txt", ContentType: "text/x-" + name, Data: []byte("data " + name), CreatedAt: e.start,
		}))
	}
	group := directline.Conversation{
		ID: "line-group", AppID: app, Kind: directline.KindGroup, User: activity.ChannelAccount{ID: "somebody-else"}, CreatedAt: e.start,
	}
	_, _, err := e.OpenConversation(e.ctx, group)
	e.ok(err)
	_, err = e.AddMembers(e.ctx, group.ID, []activity.ChannelAccount{who})
	e.ok(err)
	e.ok(e.SaveAttachment(e.ctx, directline.Attachment{
		ID: "shown-" + name, Conversation: group.ID, Name: name, Data: []byte("shown " + name), CreatedAt: e.start,
	}))
	for _, body := range []string{
		`{"type":"conversationUpdate","membersAdded":[{"id":"user-` + name + `","name":"Name ` + name + `"},{"id":"other"}]}`,
		`{"type":"message","from":{"id":"user-` + name + `"},"text":"said-` + name + `","attachments":[{"contentUrl":"https://x/v3/directline/attachments/shown-` + name + `"}]}`,
		`{"type":"message","from":{"id":"bot"},"recipient":{"id":"user-` + name + `","name":"Name ` + name + `"},"text":"to all"}`,
	} {
		_, _, err := e.Append(e.ctx, group.ID, "", jsontext.Value(body), e.start)
		e.ok(err)
	}
}
