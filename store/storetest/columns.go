package storetest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Columns is how a test looks into the tables of a driver.
type Columns struct {
	// List names every column that holds texts or bytes, as table.column.
	List []string
	// Holds reports whether a column has a text in some row.
	Holds func(column, text string) bool
}

// personal are the columns that may tell of a person. What they hold must be erased with the person.
var personal = words(`
	conversations.conversation_id conversations.reference conversations.user_id conversations.locale conversations.time_zone
	conversations.busy turns.busy conversations.preferences people.preferences
	people.user_id people.name people.aad_object_id people.upn people.email people.external_id people.time_zone people.locale
	people.country
	tags.tag forgotten.conversation_id forgotten.user_id state.path state.value inbound.activity_id inbound.body
	messages.idem_key messages.body messages.value messages.collapse_key messages.target
	deliveries.history finished.history finished.activity_id sends.activity_id unanswered.activity_id
	receipts.person receipts.detail
	jobs.name jobs.conversation_id jobs.reference jobs.value jobs.started_once jobs.completed_once jobs.progress_text
	schedules.name schedules.idem_key schedule_templates.template
	dl_conversations.conversation_id dl_conversations.name dl_conversations.user_id dl_conversations.user dl_conversations.account
	dl_members.user_id dl_members.account dl_activities.key dl_activities.body
	dl_attachments.id dl_attachments.conversation_id dl_attachments.name dl_attachments.content_type dl_attachments.data`)

// elsewhere are personal columns that [Seed] does not fill, with the reason.
var elsewhere = map[string]string{
	"deliveries.activity_id":     "only while an attempt is under way; goes with the row",
	"events.data":                "in the other of the two tables on this driver, or in this one later",
	"events_fresh.data":          "until an event has its id",
	"erasures.entries":           "only while an erasure goes on; then it is NULL",
	"pauses.scope":               "of conversations that a channel limits; tests of the drivers fill it",
	"usages.scope":               "of conversations that a channel limits; tests of the drivers fill it",
	"dl_streams.conversation_id": "goes with the conversation of the embedded channel",
}

// impersonal are columns that tell of nobody, with the reason.
var impersonal = map[string]string{
	"api_keys":        "the operator's own keys",
	"webhooks":        "the operator's own receivers",
	"templates":       "what is said of data; the data stands with the messages",
	"settings":        "made up by the installation",
	"routes":          "an app, a channel, a tenant and a host",
	"shares":          "parts of the nodes in what an app and a tenant may call",
	"usages.used":     "times",
	"pauses":          "why a channel wants a pause, and which node tries it",
	"event_readers":   "an app",
	"job_numbers":     "an app",
	"schedule_counts": "an app",
	"told":            "how much people were told of late, by numbers that stand for nobody once they are gone",
	"spreads":         "to whom a broadcast goes: tags, kinds and channels; the engine never spreads to one person",
	"nodes":           "the operator's machines",
	"audit":           "acts and keyed hashes of whom they concern",
	"audit_ends":      "hashes",

	"conversations.lease_owner": "a process", "conversations.kind": "a word", "conversations.url_source": "a word",
	"conversations.reach": "a word", "conversations.reach_cause": "a word of the channel's", "conversations.service_url": "a channel's address",
	"conversations.team_id": "a team", "conversations.team_name": "a team", "conversations.team_group": "a team",
	"conversations.room_id": "a team's channel", "conversations.room_name": "a team's channel", "conversations.meeting_id": "a meeting",
	"inbound.conversation": "a hash of the conversation's key; goes with the answers", "messages.fingerprint": "a hash; goes with the message",
	"messages.topic": "the operator's word", "messages.handler": "a name in the bot's code", "messages.policy": "what to do when somebody is busy",
	"messages.fallback": "channels and times",
	"messages.trace":    "ids of a trace", "deliveries.reason": "a word", "finished.reason": "a word",
	"schedules.fingerprint": "a hash; goes with the schedule", "schedules.rule": "when", "schedules.missed": "a word",
	"schedule_clocks.zone": "a zone that a schedule goes by", "occurrences.zone": "a zone that a schedule goes by",
	"schedule_clocks.taken_by": "a node", "occurrences.result": "a word", "occurrences.reason": "a word", "webhook_posts.attempts": "what a receiver's server answered; goes with the event",
	"erasures.progress": "numbers", "dl_conversations.kind": "a word", "dl_streams.credential": "made up; goes with the conversation",
	"dl_streams.session": "made up; goes with the conversation",
}

// Mark is in everything that [Personal] has a store keep of somebody.
const Mark = "zx7kq0mark"

// Personal checks that nothing personal can be forgotten: every column that may hold it is known here to be erased or to
// tell of nobody, [Seed] fills those that are erased, and nothing of a person who was erased is in any.
func Personal(t *testing.T, s Store, c Columns) {
	t.Helper()
	const mark = Mark
	somebody := Seed(t, s, mark)
	for _, column := range c.List {
		table, name, _ := strings.Cut(column, ".")
		switch {
		case slices.Contains([]string{"app_id", "tenant_id", "channel_id", "bot_id"}, name) && impersonal[table] == "":
		case impersonal[column] != "" || elsewhere[column] != "":
		case slices.Contains(personal, column):
			if !c.Holds(column, mark) {
				t.Errorf("%s should be filled by Seed", column)
			}
		case impersonal[table] != "":
		default:
			t.Errorf("%s is new: is it erased with the person whom it tells of, or does it tell of nobody?", column)
		}
	}
	Erase(t, s, somebody.Who)
	for _, column := range c.List {
		if c.Holds(column, mark) {
			t.Errorf("%s still tells of who was erased", column)
		}
	}
	for _, column := range slices.Concat(personal, slices.Collect(maps.Keys(elsewhere))) {
		if impersonal[column] != "" {
			t.Errorf("%s is in two lists", column)
		}
	}
}

func words(text string) []string { return strings.Fields(text) }
