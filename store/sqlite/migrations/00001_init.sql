-- Times are microseconds since 1970 in UTC, 0 or NULL for none. States and other enumerations are the small integers of
-- codes.go. JSON is kept as BLOB. Empty texts are NULL where they are usual.

-- +goose Up
-- Taken as a whole: what finds the end of each statement takes longer than SQLite does for all of them.
-- +goose StatementBegin

-- One row. What a transaction adds to it, it adds in one statement.
CREATE TABLE counters (
	id           INTEGER PRIMARY KEY CHECK (id = 1),
	next_seq     INTEGER NOT NULL, -- places of deliveries in their lanes
	next_version INTEGER NOT NULL, -- ETags of state documents
	scheduled    INTEGER NOT NULL, -- the others: how many deliveries are in this state
	ready        INTEGER NOT NULL,
	held         INTEGER NOT NULL,
	sending      INTEGER NOT NULL,
	delivered    INTEGER NOT NULL,
	failed       INTEGER NOT NULL,
	unknown      INTEGER NOT NULL,
	expired      INTEGER NOT NULL,
	suppressed   INTEGER NOT NULL,
	cancelled    INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES (1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What channels' limits must remember. scope is JSON. The setting "pace" is a whole limiter as JSON: the store was closed
-- with it, and nothing was called since.
CREATE TABLE pauses (
	scope  TEXT PRIMARY KEY,
	until  INTEGER NOT NULL,
	reason TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE usages (
	scope TEXT PRIMARY KEY,
	used  BLOB    NOT NULL,
	at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usages_at ON usages (at);
INSERT INTO settings VALUES ('pace', '{}');

-- API keys. hash is the SHA-256 of the key's text, which is kept nowhere.
CREATE TABLE api_keys (
	number          INTEGER PRIMARY KEY AUTOINCREMENT,
	id              TEXT    NOT NULL UNIQUE,
	app_id          TEXT    NOT NULL,
	name            TEXT    NOT NULL,
	scopes          TEXT    NOT NULL, -- separated by spaces
	tenant_id       TEXT,             -- that it is bound to
	hash            BLOB    NOT NULL,
	rate_per_minute INTEGER NOT NULL,
	created_by      TEXT,
	created_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	revoked_at      INTEGER NOT NULL,
	last_used_at    INTEGER NOT NULL
) STRICT;

-- What shares a channel's limits: the conversations of an app with one tenant of a channel behind one host. urgent, normal
-- and bulk are about how far the ranks of the deliveries in these lanes have come.
CREATE TABLE routes (
	id         INTEGER PRIMARY KEY,
	app_id     TEXT    NOT NULL,
	channel_id TEXT    NOT NULL,
	tenant_id  TEXT    NOT NULL,
	host       TEXT    NOT NULL,
	urgent     INTEGER NOT NULL DEFAULT 0,
	normal     INTEGER NOT NULL DEFAULT 0,
	bulk       INTEGER NOT NULL DEFAULT 0,
	UNIQUE (app_id, channel_id, tenant_id, host)
) STRICT;

-- The reference book. The row also owns the conversation's turn: lease, busy and the order of what is said.
CREATE TABLE conversations (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	app_id          TEXT    NOT NULL,
	tenant_id       TEXT    NOT NULL,
	channel_id      TEXT    NOT NULL,
	bot_id          TEXT    NOT NULL,
	conversation_id TEXT    NOT NULL,
	kind            TEXT    NOT NULL,
	service_url     TEXT    NOT NULL,
	route           INTEGER NOT NULL, -- of the service URL's host
	url_source      TEXT    NOT NULL,
	verified_at     INTEGER NOT NULL,
	reference       BLOB    NOT NULL,
	user_id         TEXT    NOT NULL,
	locale          TEXT    NOT NULL,
	time_zone       TEXT    NOT NULL,
	reach           TEXT    NOT NULL,
	reach_cause     TEXT    NOT NULL,
	reach_at        INTEGER NOT NULL,
	reach_until     INTEGER NOT NULL DEFAULT 0, -- when it ends by itself that it is unreachable
	team_id         TEXT, -- where in Microsoft Teams it is: the team, its group in Microsoft 365, its channel, or the meeting
	team_name       TEXT,
	team_group      TEXT,
	room_id         TEXT,
	room_name       TEXT,
	meeting_id      TEXT,
	lease_owner     TEXT,
	lease_until     INTEGER NOT NULL DEFAULT 0,
	fence           INTEGER NOT NULL DEFAULT 0,
	busy            TEXT, -- what goes on, as JSON
	preferences     TEXT, -- what somebody wants to be told, as JSON: a copy of the person's, or the conversation's own
	last_inbound_at INTEGER NOT NULL DEFAULT 0,
	next_seq        INTEGER NOT NULL DEFAULT 1,
	seen_at         INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	updated_at      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX conversations_key
	ON conversations (app_id, conversation_id, channel_id, bot_id, tenant_id);
-- For what goes to everyone: counted and walked through without reading the rows.
CREATE INDEX conversations_reach ON conversations (app_id, reach);
CREATE INDEX conversations_tenant ON conversations (tenant_id) WHERE tenant_id <> '';
CREATE INDEX conversations_team ON conversations (team_id) WHERE team_id IS NOT NULL;
CREATE INDEX conversations_until ON conversations (reach_until) WHERE reach_until > 0;

-- Somebody on a channel. aad_object_id, upn and email are in lower case. human is the same for those who were merged into
-- one human. A process has one app, so that the indexes of what is nobody else's need not begin with it.

CREATE TABLE people (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	app_id        TEXT    NOT NULL,
	tenant_id     TEXT    NOT NULL,
	channel_id    TEXT    NOT NULL,
	user_id       TEXT    NOT NULL,
	name          TEXT,
	aad_object_id TEXT,
	upn           TEXT,
	email         TEXT,
	external_id   TEXT,
	time_zone     TEXT,
	locale        TEXT,
	country       TEXT,
	human         INTEGER,
	preferences   TEXT, -- as JSON; the same for all who are one human
	created_at    INTEGER NOT NULL,
	updated_at    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX people_key ON people (app_id, user_id, channel_id, tenant_id);
CREATE INDEX people_external ON people (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX people_object ON people (aad_object_id) WHERE aad_object_id IS NOT NULL;
CREATE INDEX people_upn ON people (upn) WHERE upn IS NOT NULL;
CREATE INDEX people_email ON people (email) WHERE email IS NOT NULL;
CREATE INDEX people_human ON people (human) WHERE human IS NOT NULL;

-- What somebody was told of late, for caps: owner is a person, or, negative, a conversation with nobody in particular.
CREATE TABLE told (
	owner    INTEGER NOT NULL,
	delivery INTEGER NOT NULL,
	topic    TEXT,
	at       INTEGER NOT NULL,
	PRIMARY KEY (owner, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX told_at ON told (at);

CREATE TABLE members (
	person       INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
	conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
	PRIMARY KEY (person, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_conversation ON members (conversation);

CREATE TABLE tags (
	tag          TEXT    NOT NULL,
	conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
	PRIMARY KEY (tag, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_conversation ON tags (conversation, tag);

-- Conversations that were removed from the book, for the deliveries that went there, and whose they were, if one person's.
CREATE TABLE forgotten (
	id              INTEGER PRIMARY KEY,
	app_id          TEXT    NOT NULL,
	tenant_id       TEXT    NOT NULL,
	channel_id      TEXT    NOT NULL,
	bot_id          TEXT    NOT NULL,
	conversation_id TEXT    NOT NULL,
	user_id         TEXT    NOT NULL
) STRICT;
CREATE INDEX forgotten_user ON forgotten (app_id, user_id);

-- Requests to erase a person. entries says who, as JSON, while it is needed; progress, as JSON, how far it has come.
CREATE TABLE erasures (
	id         INTEGER PRIMARY KEY,
	app_id     TEXT    NOT NULL,
	entries    BLOB,
	progress   BLOB    NOT NULL,
	started_at INTEGER NOT NULL,
	silent_at  INTEGER,
	done_at    INTEGER
) STRICT;
CREATE INDEX erasures_open ON erasures (id) WHERE done_at IS NULL;

CREATE TABLE state (
	app_id    TEXT    NOT NULL,
	tenant_id TEXT    NOT NULL,
	path      TEXT    NOT NULL,
	value     BLOB    NOT NULL,
	version   INTEGER NOT NULL,
	PRIMARY KEY (app_id, tenant_id, path)
) STRICT;

-- What inbound activities were answered. A turn may commit in a conversation that is not in the book, so the key is a
-- hash of the conversation's key.
CREATE TABLE inbound (
	conversation BLOB    NOT NULL,
	activity_id  TEXT    NOT NULL,
	status       INTEGER NOT NULL,
	body         BLOB,
	at           INTEGER NOT NULL,
	PRIMARY KEY (conversation, activity_id)
) STRICT;
CREATE INDEX inbound_at ON inbound (at);

CREATE TABLE messages (
	id           INTEGER PRIMARY KEY,
	app_id       TEXT    NOT NULL,
	tenant_id    TEXT,
	idem_key     TEXT,
	fingerprint  BLOB,
	body         BLOB,
	value        BLOB,
	topic        TEXT,
	lane         INTEGER NOT NULL,
	on_unknown   INTEGER NOT NULL,
	window       INTEGER NOT NULL,
	handler      TEXT,    -- runs in a turn to say it; NULL where the body is said
	policy       TEXT,    -- JSON; NULL where it is said whatever goes on
	collapse_key TEXT,
	fallback     TEXT,    -- JSON; NULL where all deliveries are simply made
	target       TEXT,
	expires_at   INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	trace        TEXT,    -- traceparent of what it was accepted under
	alone        INTEGER, -- the only delivery that was asked for; NULL where there are several or none
	edited_at    INTEGER,
	recalled_at  INTEGER,
	not_before   INTEGER, -- while very many deliveries are moved to a later time, or taken back: this time, or never
	recipients   INTEGER  -- to how many conversations it was to be spread; NULL where the deliveries were named
) STRICT;
CREATE UNIQUE INDEX messages_idem_key
	ON messages (app_id, ifnull(tenant_id, ''), idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX messages_fallback ON messages (id) WHERE fallback IS NOT NULL;

-- Messages whose deliveries are being made, page by page.
CREATE TABLE spreads (
	message     INTEGER PRIMARY KEY,
	lane        INTEGER NOT NULL,
	kind        TEXT,    -- the filter, NULL for any
	channel     TEXT,
	reach       TEXT,
	tag         TEXT,
	user_id     TEXT,
	external_id TEXT,
	object_id   TEXT,
	upn         TEXT,
	email       TEXT,
	tenant_id   TEXT,
	team_id     TEXT,
	room_id     TEXT,
	last        INTEGER NOT NULL, -- row of the last conversation that it goes to
	after       INTEGER NOT NULL, -- and of the last that it has come to
	made        INTEGER NOT NULL, -- how many deliveries
	due_at      INTEGER NOT NULL
) STRICT;

-- Changes of messages with very many deliveries, made page by page.
CREATE TABLE sweeps (
	message INTEGER NOT NULL,
	kind    INTEGER NOT NULL, -- 1 cancel, 2 reschedule, 3 edit, 4 recall
	after   INTEGER NOT NULL, -- the last delivery that it has come to
	at      INTEGER NOT NULL, -- when it was asked for
	due_at  INTEGER NOT NULL, -- to when they are rescheduled
	PRIMARY KEY (message, kind)
) STRICT, WITHOUT ROWID;

-- Conversations where a later message with the same collapse key has come before one that is still spreading.
CREATE TABLE outdone (
	message      INTEGER NOT NULL,
	conversation INTEGER NOT NULL,
	PRIMARY KEY (message, conversation)
) STRICT, WITHOUT ROWID;

-- The hot table: deliveries that are not final. seq is the place in the lane, set when a delivery becomes ready; the
-- smallest of a (conversation, lane) is the head. waits says what it waits for: 0 nothing that the clock or a claim
-- could give, 1 to be claimed, 2 for due_at. Only heads and scheduled ones have another waits than 0. Heads of a route and
-- lane are claimed in the order of their ranks, which are given with seq. verb and revises are NULL for what is sent,
-- replayed is NULL for what has had one life. unsure: an attempt may have arrived; of final ones that is what unknown
-- means. lost: so many attempts in a row were lost. collapse is a hash of the message's collapse key.
CREATE TABLE deliveries (
	id           INTEGER PRIMARY KEY,
	message      INTEGER NOT NULL,
	conversation INTEGER NOT NULL,
	lane         INTEGER NOT NULL,
	alone        INTEGER NOT NULL, -- 1: messages.alone is this one, 0 for what revises it
	route        INTEGER NOT NULL, -- the conversation's
	rank         INTEGER NOT NULL,
	seq          INTEGER,
	state        INTEGER NOT NULL,
	waits        INTEGER NOT NULL,
	wanted_at    INTEGER NOT NULL, -- when it was to be delivered at first
	due_at       INTEGER NOT NULL, -- when it could be handed out, if not when it became ready
	lease_until  INTEGER NOT NULL,
	fence        INTEGER NOT NULL,
	claims       INTEGER NOT NULL,
	failures     INTEGER NOT NULL,
	reason       TEXT,
	activity_id  TEXT,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	history      TEXT    NOT NULL, -- one JSON object a line
	verb         INTEGER,
	revises      INTEGER,
	replayed     INTEGER,
	unsure       INTEGER,
	lost         INTEGER,
	collapse     INTEGER
) STRICT;
CREATE INDEX deliveries_claimable ON deliveries (route, lane, rank) WHERE waits = 1;
CREATE INDEX deliveries_timed ON deliveries (due_at) WHERE waits = 2;
CREATE INDEX deliveries_lane ON deliveries (conversation, lane, seq) WHERE seq IS NOT NULL;
CREATE INDEX deliveries_unplaced ON deliveries (conversation) WHERE seq IS NULL;
CREATE INDEX deliveries_message ON deliveries (message) WHERE alone = 0;
CREATE INDEX deliveries_collapse ON deliveries (collapse, conversation) WHERE collapse IS NOT NULL;

-- What others are told of. Rows are written only when somebody wants them, and kept for some days.
CREATE TABLE events (
	id           INTEGER PRIMARY KEY,
	app_id       TEXT    NOT NULL,
	tenant_id    TEXT    NOT NULL, -- where it happened; empty for none
	type         INTEGER NOT NULL,
	at           INTEGER NOT NULL,
	conversation INTEGER NOT NULL, -- 0: none of the book
	data         BLOB    NOT NULL
) STRICT;

-- Deliveries that somebody may answer, kept only while somebody wants to know. followed: a message came after it that
-- answered another one, so only a reply that names it answers it.
CREATE TABLE unanswered (
	delivery     INTEGER PRIMARY KEY,
	conversation INTEGER NOT NULL,
	activity_id  TEXT,
	at           INTEGER NOT NULL,
	followed     INTEGER NOT NULL
) STRICT;
CREATE INDEX unanswered_conversation ON unanswered (conversation);
CREATE INDEX unanswered_at ON unanswered (at);

-- Until when readers of the stream want events of a type.
CREATE TABLE event_readers (
	app_id TEXT    NOT NULL,
	type   INTEGER NOT NULL,
	until  INTEGER NOT NULL,
	PRIMARY KEY (app_id, type)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhooks (
	id            INTEGER PRIMARY KEY,
	app_id        TEXT    NOT NULL,
	tenant_id     TEXT    NOT NULL, -- whose events it is told; empty for all
	url           TEXT    NOT NULL,
	types         BLOB    NOT NULL,
	description   TEXT    NOT NULL,
	secrets       BLOB    NOT NULL,
	created_at    INTEGER NOT NULL,
	disabled      TEXT    NOT NULL, -- why; empty when it is enabled
	disabled_at   INTEGER NOT NULL,
	cursor        INTEGER NOT NULL, -- every event up to it has a post or needs none
	away          INTEGER NOT NULL,
	not_before    INTEGER NOT NULL,
	failing_since INTEGER NOT NULL,
	dropped       INTEGER NOT NULL
) STRICT;

-- Events that were posted to a webhook at least once, or are to be posted again.
CREATE TABLE webhook_posts (
	webhook   INTEGER NOT NULL,
	event     INTEGER NOT NULL,
	delivered INTEGER NOT NULL,
	next_at   INTEGER NOT NULL,
	away      INTEGER NOT NULL, -- the last attempt found nobody there
	tries     INTEGER NOT NULL,
	attempts  BLOB    NOT NULL,
	PRIMARY KEY (webhook, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_posts_due ON webhook_posts (webhook, next_at) WHERE delivered = 0;

-- Deliveries that are final. part counts up with every few thousand rows, so that the index by conversation grows at its
-- end, which costs next to nothing; to find a conversation's rows is to look into each part.
CREATE TABLE finished (
	id           INTEGER PRIMARY KEY,
	part         INTEGER NOT NULL,
	message      INTEGER NOT NULL,
	conversation INTEGER NOT NULL,
	lane         INTEGER NOT NULL,
	alone        INTEGER NOT NULL,
	state        INTEGER NOT NULL,
	fence        INTEGER NOT NULL,
	claims       INTEGER NOT NULL,
	failures     INTEGER NOT NULL,
	reason       TEXT,
	activity_id  TEXT,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	history      TEXT    NOT NULL,
	verb         INTEGER,
	revises      INTEGER,
	replayed     INTEGER
) STRICT;
CREATE INDEX finished_message ON finished (message) WHERE alone = 0;
CREATE INDEX finished_badly ON finished (state) WHERE state <> 5;
CREATE INDEX finished_conversation ON finished (part, conversation);

-- A delivery that runs a handler records each activity that the handler sends, by ordinal.
CREATE TABLE sends (
	delivery    INTEGER NOT NULL,
	ordinal     INTEGER NOT NULL,
	fence       INTEGER NOT NULL,
	taken       INTEGER NOT NULL,
	activity_id TEXT,
	at          INTEGER NOT NULL,
	lead        INTEGER,          -- the delivery that says this one together with others
	place       INTEGER,          -- among these
	PRIMARY KEY (delivery, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX sends_joined ON sends (lead, place) WHERE lead IS NOT NULL;

-- What became of deliveries after they were said. person is empty where nobody tells who it was.
CREATE TABLE receipts (
	delivery     INTEGER NOT NULL,
	kind         INTEGER NOT NULL,
	person       TEXT    NOT NULL,
	detail       TEXT    NOT NULL,
	message      INTEGER NOT NULL,
	conversation INTEGER NOT NULL,
	at           INTEGER NOT NULL,
	PRIMARY KEY (delivery, kind, person, detail)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_message ON receipts (message, kind);
CREATE INDEX receipts_person ON receipts (person) WHERE person <> '';

CREATE TABLE jobs (
	app_id          TEXT    NOT NULL,
	number          INTEGER NOT NULL,
	name            TEXT    NOT NULL,
	tenant_id       TEXT    NOT NULL,
	channel_id      TEXT    NOT NULL,
	bot_id          TEXT    NOT NULL,
	conversation_id TEXT    NOT NULL,
	reference       BLOB    NOT NULL,
	value           BLOB,
	started_once    TEXT,
	completed_once  TEXT,
	started_at      INTEGER NOT NULL,
	completed_at    INTEGER NOT NULL DEFAULT 0,
	message         INTEGER NOT NULL DEFAULT 0,
	progress        INTEGER NOT NULL DEFAULT 0, -- the message that tells it
	progress_text   TEXT,
	progress_percent INTEGER, -- NULL where none was told
	progress_at     INTEGER NOT NULL DEFAULT 0,
	progress_due    INTEGER NOT NULL DEFAULT 0, -- of that message
	PRIMARY KEY (app_id, number)
) STRICT;
CREATE UNIQUE INDEX jobs_started_once
	ON jobs (app_id, conversation_id, channel_id, bot_id, tenant_id, started_once) WHERE started_once IS NOT NULL;

CREATE INDEX jobs_running ON jobs (app_id, conversation_id) WHERE completed_at = 0;

-- The highest number that a job of the app ever had.
CREATE TABLE job_numbers (
	app_id  TEXT PRIMARY KEY,
	highest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Versions of templates. The current one of a name is the one that has not ended.
CREATE TABLE templates (
	id         INTEGER PRIMARY KEY,
	app_id     TEXT    NOT NULL,
	tenant_id  TEXT    NOT NULL, -- whose it is; empty for none
	name       TEXT    NOT NULL,
	number     INTEGER NOT NULL,
	source     BLOB    NOT NULL,
	created_at INTEGER NOT NULL,
	ended_at   INTEGER NOT NULL,
	deleted    INTEGER NOT NULL -- 1: with the template
) STRICT;
CREATE UNIQUE INDEX templates_number ON templates (app_id, tenant_id, name, number);
CREATE UNIQUE INDEX templates_current ON templates (app_id, tenant_id, name) WHERE ended_at = 0;
CREATE INDEX templates_deleted ON templates (ended_at) WHERE deleted = 1;

-- What is told again and again, or at a time on somebody's clock. What it says is in a table of its own, since these rows
-- change with every occurrence.
CREATE TABLE schedules (
	id          INTEGER PRIMARY KEY,
	app_id      TEXT    NOT NULL,
	tenant_id   TEXT    NOT NULL, -- that it is bound to; empty for none
	name        TEXT    NOT NULL,
	idem_key    TEXT,
	fingerprint BLOB,
	rule        BLOB    NOT NULL,
	recipient   INTEGER NOT NULL, -- 1: it goes by its recipients' clocks
	missed      TEXT    NOT NULL,
	grace       INTEGER NOT NULL, -- microseconds
	revision    INTEGER NOT NULL,
	occurrences INTEGER NOT NULL, -- the number of the latest
	paused_at   INTEGER NOT NULL,
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX schedules_key ON schedules (app_id, tenant_id, idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX schedules_tenant ON schedules (tenant_id, id) WHERE tenant_id <> '';
CREATE INDEX schedules_recipient ON schedules (id) WHERE recipient = 1;

CREATE TABLE schedule_templates (
	id       INTEGER PRIMARY KEY,
	template BLOB NOT NULL
) STRICT;

-- How many schedules an app has.
CREATE TABLE schedule_counts (
	app_id TEXT PRIMARY KEY,
	n      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When a schedule is due next, in each zone that it goes by. Only this is kept in the order of time.
CREATE TABLE schedule_clocks (
	schedule INTEGER NOT NULL,
	zone     TEXT    NOT NULL,
	next_at  INTEGER NOT NULL,
	PRIMARY KEY (schedule, zone)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedule_clocks_due ON schedule_clocks (next_at);

CREATE TABLE occurrences (
	schedule INTEGER NOT NULL,
	number   INTEGER NOT NULL,
	zone     TEXT    NOT NULL,
	at       INTEGER NOT NULL,
	result   TEXT    NOT NULL,
	reason   TEXT,
	message  INTEGER NOT NULL,
	fired_at INTEGER NOT NULL,
	others   INTEGER NOT NULL,
	PRIMARY KEY (schedule, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX occurrences_once ON occurrences (schedule, zone, at);

CREATE TABLE dl_conversations (
	number          INTEGER PRIMARY KEY AUTOINCREMENT,
	conversation_id TEXT    NOT NULL UNIQUE,
	app_id          TEXT    NOT NULL,
	kind            TEXT    NOT NULL,
	name            TEXT    NOT NULL,
	user_id         TEXT    NOT NULL,
	user            BLOB    NOT NULL,
	by_bot          INTEGER NOT NULL,
	started         INTEGER NOT NULL,
	ended           INTEGER NOT NULL,
	uninstalled     INTEGER NOT NULL,
	created_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX dl_conversations_opened ON dl_conversations (app_id, created_at);
CREATE INDEX dl_conversations_user ON dl_conversations (app_id, user_id, created_at);

-- Who is in a group or a channel; the user of a personal conversation is in its row.
CREATE TABLE dl_members (
	number       INTEGER PRIMARY KEY AUTOINCREMENT,
	conversation INTEGER NOT NULL,
	user_id      TEXT    NOT NULL,
	account      TEXT    NOT NULL,
	UNIQUE (conversation, user_id)
) STRICT;
CREATE INDEX dl_members_order ON dl_members (conversation);
CREATE INDEX dl_members_user ON dl_members (user_id, conversation);

CREATE TABLE dl_activities (
	conversation INTEGER NOT NULL,
	seq          INTEGER NOT NULL,
	key          TEXT,
	again        INTEGER, -- the seq of the one whose body this has; NULL for one of its own
	body         BLOB    NOT NULL,
	at           INTEGER NOT NULL,
	PRIMARY KEY (conversation, seq)
) STRICT;
CREATE UNIQUE INDEX dl_activities_key ON dl_activities (conversation, key) WHERE key IS NOT NULL;

CREATE TABLE dl_attachments (
	id              TEXT PRIMARY KEY,
	conversation_id TEXT    NOT NULL,
	name            TEXT    NOT NULL,
	content_type    TEXT    NOT NULL,
	data            BLOB,
	created_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX dl_attachments_conversation ON dl_attachments (conversation_id);

-- The audit log: for each app a chain of entries, each sealed with a hash over itself and the entry before. Entries are not
-- changed, and only those go that audit_ends says are cut off: up to foot. (INSERT OR REPLACE deletes without a trigger.)
CREATE TABLE audit (
	app_id TEXT    NOT NULL,
	number INTEGER NOT NULL, -- from 1, without gaps
	at     INTEGER NOT NULL,
	action TEXT    NOT NULL,
	actor  TEXT    NOT NULL,
	origin TEXT    NOT NULL,
	object TEXT    NOT NULL,
	detail TEXT    NOT NULL,
	trace  TEXT    NOT NULL,
	sealed TEXT    NOT NULL,
	prev   BLOB    NOT NULL,
	hash   BLOB    NOT NULL,
	PRIMARY KEY (app_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_ends (
	app_id    TEXT    PRIMARY KEY,
	foot      INTEGER NOT NULL, -- the last entry that was cut off
	foot_hash BLOB    NOT NULL,
	head      INTEGER NOT NULL, -- the newest entry
	head_hash BLOB    NOT NULL,
	head_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'entries of the audit log are not changed'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
WHEN OLD.number > coalesce((SELECT foot FROM audit_ends WHERE app_id = OLD.app_id), 0)
BEGIN SELECT RAISE(ABORT, 'entries of the audit log are not deleted'); END;
CREATE TRIGGER audit_grows BEFORE INSERT ON audit
WHEN NEW.number <= coalesce((SELECT max(number) FROM audit WHERE app_id = NEW.app_id), 0)
BEGIN SELECT RAISE(ABORT, 'the audit log grows at its end'); END;
CREATE TRIGGER audit_ends_advance BEFORE UPDATE ON audit_ends WHEN NEW.foot < OLD.foot OR NEW.head < OLD.head
BEGIN SELECT RAISE(ABORT, 'the audit log does not go back'); END;
CREATE TRIGGER audit_ends_stay BEFORE DELETE ON audit_ends
BEGIN SELECT RAISE(ABORT, 'the audit log does not go back'); END;

-- +goose StatementEnd
