-- Times are timestamptz, NULL for none. States and other enumerations are the small integers of codes.go. JSON is kept as
-- bytea: what was accepted comes back byte by byte, and no value is refused that a decoder took. Texts that are usually
-- empty are NULL then; those of keys never are.
--
-- Texts are compared by their bytes, whatever the database sorts by.
--
-- turns is the lock of everything that is about one conversation. A transaction that inserts, changes or deletes
-- deliveries of a conversation first locks the row of turns with that conversation (SELECT … FOR NO KEY UPDATE, several in the order of
-- key), and looks at the deliveries in a later statement, whose snapshot then holds all that others have committed about
-- them. So the head of a lane is decided by one transaction at a time, places in a lane are given in the order of the
-- commits, and no two transactions wait for each other. lanes.go has the argument.
--
-- Tables whose rows change often leave room in their pages, so that a change that touches no index stays within its page,
-- and are vacuumed after every hundredth row.

-- +goose Up

-- Every migration begins with this: while it waits for a lock, everybody else waits behind it.
SET LOCAL lock_timeout = '2s';

-- Every transaction that writes leaves a row here: its token tells, when the connection broke during the commit, whether
-- it happened; the other columns are by how much it changed the numbers of deliveries per state. Old rows are added up
-- into the one with token 0.
CREATE TABLE commits (
	token      bigint PRIMARY KEY,
	at         timestamptz NOT NULL DEFAULT statement_timestamp(),
	scheduled  bigint NOT NULL DEFAULT 0,
	ready      bigint NOT NULL DEFAULT 0,
	held       bigint NOT NULL DEFAULT 0,
	sending    bigint NOT NULL DEFAULT 0,
	delivered  bigint NOT NULL DEFAULT 0,
	failed     bigint NOT NULL DEFAULT 0,
	unknown    bigint NOT NULL DEFAULT 0,
	expired    bigint NOT NULL DEFAULT 0,
	suppressed bigint NOT NULL DEFAULT 0,
	cancelled  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.1);
INSERT INTO commits (token) VALUES (0);

-- Places of deliveries in their lanes, ETags of state documents, and fences of leases. They are taken while the row is
-- locked that they belong to, so they grow there in the order of the commits.
CREATE SEQUENCE places;
CREATE SEQUENCE versions;
CREATE SEQUENCE fences;

CREATE TABLE settings (
	name  text COLLATE "C" PRIMARY KEY,
	value text COLLATE "C" NOT NULL
);

-- API keys. hash is the SHA-256 of the key's text, which is kept nowhere.
CREATE TABLE api_keys (
	number          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	id              text COLLATE "C" NOT NULL UNIQUE,
	app_id          text COLLATE "C" NOT NULL,
	name            text COLLATE "C" NOT NULL,
	scopes          text COLLATE "C" NOT NULL, -- separated by spaces
	tenant_id       text COLLATE "C",          -- that it is bound to
	hash            bytea NOT NULL,
	rate_per_minute bigint NOT NULL,
	created_by      text COLLATE "C",
	created_at      timestamptz NOT NULL,
	expires_at      timestamptz,
	revoked_at      timestamptz,
	last_used_at    timestamptz
);

-- What shares a channel's limits: the conversations of an app with one tenant of a channel behind one host. urgent, normal
-- and bulk are about how far the ranks of the deliveries in these lanes have come.
CREATE TABLE routes (
	id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	app_id     text COLLATE "C"   NOT NULL,
	channel_id text COLLATE "C"   NOT NULL,
	tenant_id  text COLLATE "C"   NOT NULL,
	host       text COLLATE "C"   NOT NULL,
	urgent     bigint NOT NULL DEFAULT 0,
	normal     bigint NOT NULL DEFAULT 0,
	bulk       bigint NOT NULL DEFAULT 0,
	UNIQUE (app_id, channel_id, tenant_id, host)
) WITH (fillfactor = 70);

-- What nodes share of channels' limits. scope is JSON. A pause was made by a node, and has a new version with every change;
-- after its end the prober tries the scope, alone until then. nodes is JSON: what part each node has of a scope's windows.
CREATE TABLE pauses (
	scope  text COLLATE "C" PRIMARY KEY,
	until  timestamptz NOT NULL,
	reason text COLLATE "C" NOT NULL,
	trips   integer NOT NULL,
	node    text COLLATE "C" NOT NULL,
	version bigint NOT NULL,
	prober  text COLLATE "C" NOT NULL DEFAULT '',
	probing timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 70);
CREATE TABLE shares (
	scope text COLLATE "C" PRIMARY KEY,
	nodes text COLLATE "C" NOT NULL,
	at    timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

-- When the calls into a conversation were over, at the latest, where a channel limits them. key is the first eight bytes of
-- a hash of the conversation, as the channel knows it.
CREATE TABLE calls (
	key  bigint PRIMARY KEY,
	over timestamptz[] NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);

-- Who has a conversation's turn. key is the first eight bytes of a hash of the conversation's key (see turnKey): two
-- conversations that share it would only wait for each other. A turn may run in a conversation that is not in the book;
-- conversation is the row of the book once it is, and NULL again after it was removed. A turn takes the lease while until is
-- not in the future, by the database's clock, and nothing is being sent in the conversation, and writes a new fence. Rows
-- stay, so that an old holder is always found out.
--
-- A delivery that is being sent has the turn too, until its turn_until, and nothing of that is written here: the row is only
-- locked. It would be written twice for each delivery, and while somebody's transaction is open, whoever looks for a row
-- steps over all its versions since.
CREATE TABLE turns (
	key          bigint PRIMARY KEY,
	conversation bigint,
	fence        bigint NOT NULL DEFAULT 0,
	until        timestamptz NOT NULL DEFAULT '-infinity',
	wanted       timestamptz NOT NULL DEFAULT '-infinity', -- until then a turn waits for it, and no delivery takes it
	-- These are the conversation's, while it is in the book. They are here because it is seldom read and they are often
	-- needed. version grows with every change of the conversation that an attempt to deliver must see, so that what a
	-- process remembers of it can be compared with what is there.
	version         bigint NOT NULL DEFAULT 0,
	last_inbound_at timestamptz,
	route           bigint,
	busy            text COLLATE "C" -- what goes on, as JSON; NULL for nothing
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.1);
CREATE UNIQUE INDEX turns_conversation ON turns (conversation);

-- The reference book. Whoever adds or changes a conversation locks or adds its row of turns first and raises the version
-- there, and whoever removes one takes it out of that row.
CREATE TABLE conversations (
	id              bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	app_id          text COLLATE "C" NOT NULL,
	tenant_id       text COLLATE "C" NOT NULL,
	channel_id      text COLLATE "C" NOT NULL,
	bot_id          text COLLATE "C" NOT NULL,
	conversation_id text COLLATE "C" NOT NULL,
	kind            text COLLATE "C" NOT NULL,
	service_url     text COLLATE "C" NOT NULL,
	url_source      text COLLATE "C" NOT NULL,
	verified_at     timestamptz,
	reference       bytea NOT NULL,
	user_id         text COLLATE "C" NOT NULL,
	locale          text COLLATE "C" NOT NULL,
	time_zone       text COLLATE "C" NOT NULL,
	reach           text COLLATE "C" NOT NULL,
	reach_cause     text COLLATE "C" NOT NULL,
	reach_at        timestamptz,
	reach_until     timestamptz, -- when it ends by itself that it is unreachable
	team_id         text COLLATE "C", -- where in Microsoft Teams it is: the team, its group in Microsoft 365, its channel, or the meeting
	team_name       text COLLATE "C",
	team_group      text COLLATE "C",
	room_id         text COLLATE "C",
	room_name       text COLLATE "C",
	meeting_id      text COLLATE "C",
	preferences     text COLLATE "C", -- what somebody wants to be told, as JSON: a copy of the person's, or the conversation's own
	seen_at         timestamptz NOT NULL,
	created_at      timestamptz NOT NULL,
	updated_at      timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE UNIQUE INDEX conversations_key
	ON conversations (app_id, conversation_id, channel_id, bot_id, tenant_id);

-- For what goes to everyone: counted and walked through without reading the rows.
CREATE INDEX conversations_reach ON conversations (app_id, reach, id);
CREATE INDEX conversations_tenant ON conversations (tenant_id, id) WHERE tenant_id <> '';
CREATE INDEX conversations_team ON conversations (team_id, id) WHERE team_id IS NOT NULL;
CREATE INDEX conversations_until ON conversations (reach_until) WHERE reach_until IS NOT NULL;

-- Somebody on a channel. aad_object_id, upn and email are in lower case. human is the same for those who were merged into
-- one human. A process has one app, so that the indexes of what is nobody else's need not begin with it.

CREATE TABLE people (
	id            bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	app_id        text COLLATE "C" NOT NULL,
	tenant_id     text COLLATE "C" NOT NULL,
	channel_id    text COLLATE "C" NOT NULL,
	user_id       text COLLATE "C" NOT NULL,
	name          text COLLATE "C",
	aad_object_id text COLLATE "C",
	upn           text COLLATE "C",
	email         text COLLATE "C",
	external_id   text COLLATE "C",
	time_zone     text COLLATE "C",
	locale        text COLLATE "C",
	country       text COLLATE "C",
	human         bigint,
	preferences   text COLLATE "C", -- as JSON; the same for all who are one human
	created_at    timestamptz NOT NULL,
	updated_at    timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX people_key ON people (app_id, user_id, channel_id, tenant_id);
CREATE INDEX people_external ON people (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX people_object ON people (aad_object_id) WHERE aad_object_id IS NOT NULL;
CREATE INDEX people_upn ON people (upn) WHERE upn IS NOT NULL;
CREATE INDEX people_email ON people (email) WHERE email IS NOT NULL;
CREATE INDEX people_human ON people (human) WHERE human IS NOT NULL;

-- What somebody was told of late, for caps: owner is a person, or, negative, a conversation with nobody in particular.
CREATE TABLE told (
	owner    bigint NOT NULL,
	delivery bigint NOT NULL,
	topic    text COLLATE "C" NOT NULL,
	at       timestamptz NOT NULL,
	PRIMARY KEY (owner, delivery)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX told_at ON told (at);

CREATE TABLE members (
	person       bigint NOT NULL REFERENCES people ON DELETE CASCADE,
	conversation bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
	PRIMARY KEY (person, conversation)
);
CREATE INDEX members_conversation ON members (conversation);

CREATE TABLE tags (
	tag          text COLLATE "C"   NOT NULL,
	conversation bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
	PRIMARY KEY (tag, conversation)
);
CREATE INDEX tags_conversation ON tags (conversation, tag);

-- Conversations that were removed from the book, for the deliveries that went there, and whose they were, if one person's.
CREATE TABLE forgotten (
	id              bigint PRIMARY KEY,
	app_id          text COLLATE "C" NOT NULL,
	tenant_id       text COLLATE "C" NOT NULL,
	channel_id      text COLLATE "C" NOT NULL,
	bot_id          text COLLATE "C" NOT NULL,
	conversation_id text COLLATE "C" NOT NULL,
	user_id         text COLLATE "C" NOT NULL
);
CREATE INDEX forgotten_user ON forgotten (app_id, user_id);

-- Requests to erase a person. entries says who, as JSON, while it is needed; progress, as JSON, how far it has come.
CREATE TABLE erasures (
	id         bigint PRIMARY KEY,
	app_id     text COLLATE "C" NOT NULL,
	entries    bytea,
	progress   bytea NOT NULL,
	started_at timestamptz NOT NULL,
	silent_at  timestamptz,
	done_at    timestamptz
);
CREATE INDEX erasures_open ON erasures (id) WHERE done_at IS NULL;

CREATE TABLE state (
	app_id    text COLLATE "C"   NOT NULL,
	tenant_id text COLLATE "C"   NOT NULL,
	path      text COLLATE "C"   NOT NULL,
	value     bytea  NOT NULL,
	version   bigint NOT NULL,
	PRIMARY KEY (app_id, tenant_id, path)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);

-- What inbound activities were answered. conversation is the whole hash of the conversation's key.
CREATE TABLE inbound (
	conversation bytea   NOT NULL,
	activity_id  text COLLATE "C"    NOT NULL,
	status       integer NOT NULL,
	body         bytea,
	at           timestamptz NOT NULL,
	PRIMARY KEY (conversation, activity_id)
) WITH (autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX inbound_at ON inbound USING brin (at) WITH (pages_per_range = 16);

CREATE TABLE messages (
	id           bigint PRIMARY KEY,
	app_id       text COLLATE "C" NOT NULL,
	tenant_id    text COLLATE "C" NOT NULL,
	idem_key     text COLLATE "C",
	fingerprint  bytea,
	body         bytea,
	value        bytea,
	topic        text COLLATE "C",
	lane         smallint NOT NULL,
	on_unknown   smallint NOT NULL,
	window_code  smallint NOT NULL,
	handler      text COLLATE "C",
	policy       text COLLATE "C", -- JSON; NULL where it is said whatever goes on
	collapse_key text COLLATE "C",
	fallback     text COLLATE "C", -- JSON; NULL where all deliveries are simply made
	target       text COLLATE "C",
	expires_at   timestamptz,
	created_at   timestamptz NOT NULL,
	trace        text COLLATE "C",   -- traceparent of what it was accepted under
	alone        bigint, -- the only delivery that was asked for; NULL where there are several or none
	edited_at    timestamptz,
	recalled_at  timestamptz,
	not_before   timestamptz, -- while very many deliveries are moved to a later time, or taken back: this time, or never
	recipients   bigint       -- to how many conversations it was to be spread; NULL where the deliveries were named
);
CREATE UNIQUE INDEX messages_idem_key ON messages (app_id, tenant_id, idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX messages_fallback ON messages (id) WHERE fallback IS NOT NULL;

-- Messages whose deliveries are being made, page by page. One to very many is made in several stretches of the book, so
-- that several transactions may work at it.
CREATE TABLE spreads (
	message     bigint NOT NULL,
	stretch     smallint NOT NULL,
	stretches   smallint NOT NULL, -- how many there were at first
	lane        smallint NOT NULL,
	kind        text COLLATE "C", -- the filter, NULL for any
	channel     text COLLATE "C",
	reach       text COLLATE "C",
	tag         text COLLATE "C",
	user_id     text COLLATE "C",
	external_id text COLLATE "C",
	object_id   text COLLATE "C",
	upn         text COLLATE "C",
	email       text COLLATE "C",
	tenant_id   text COLLATE "C",
	team_id     text COLLATE "C",
	room_id     text COLLATE "C",
	before      bigint NOT NULL, -- the stretch begins after this row of the book
	last        bigint NOT NULL, -- row of the last conversation that it goes to
	after       bigint NOT NULL, -- and of the last that it has come to
	made        bigint NOT NULL, -- how many deliveries
	due_at      timestamptz,
	PRIMARY KEY (message, stretch)
) WITH (fillfactor = 70);

-- Changes of messages with very many deliveries, made page by page.
CREATE TABLE sweeps (
	message bigint      NOT NULL,
	kind    smallint    NOT NULL, -- 1 cancel, 2 reschedule, 3 edit, 4 recall
	after   bigint      NOT NULL, -- the last delivery that it has come to
	at      timestamptz NOT NULL, -- when it was asked for
	due_at  timestamptz,          -- to when they are rescheduled
	PRIMARY KEY (message, kind)
) WITH (fillfactor = 70);

-- Conversations where a later message with the same collapse key has come before one that is still spreading.
CREATE TABLE outdone (
	message      bigint NOT NULL,
	conversation bigint NOT NULL,
	PRIMARY KEY (message, conversation)
);

-- The hot table: deliveries that are not final. Heads are handed out by rank, in their lane of their route. seq is the place in the lane, set when a delivery becomes ready; the
-- smallest of a (conversation, lane) is the head. waits says what it waits for: 0 nothing that the clock or a claim
-- could give, 1 to be claimed, 2 for due_at. Only heads and scheduled ones have 1 or 2. One that is being sent keeps what it had, a 1, or a 0 if it was handed out as it
-- was accepted: so no index has a column that a claim changes, and the row is written anew within its page, which has room for that. verb and revises are NULL for what is sent, replayed is NULL for what has had one life. unsure:
-- an attempt may have arrived; of final ones that is what unknown means. lost: so many attempts in a row were lost. collapse
-- is a hash of the message's collapse key.
CREATE TABLE deliveries (
	id           bigint PRIMARY KEY,
	message      bigint NOT NULL,
	conversation bigint NOT NULL,
	seq          bigint,
	route        bigint NOT NULL,
	rank         bigint NOT NULL,
	lane         smallint NOT NULL,
	alone        boolean NOT NULL, -- messages.alone is this one; false for what revises it
	state        smallint NOT NULL,
	waits        smallint NOT NULL,
	wanted_at    timestamptz NOT NULL, -- when it was to be delivered at first
	due_at       timestamptz,          -- when it could be handed out, if not when it became ready
	lease_until  timestamptz,
	turn_until   timestamptz,          -- until then, by the database's clock, it has the conversation's turn while it is being sent
	fence        bigint NOT NULL DEFAULT 0,
	claims       integer NOT NULL DEFAULT 0,
	failures     integer NOT NULL DEFAULT 0,
	verb         smallint,
	lost         smallint,
	replayed     boolean,
	unsure       boolean,
	revises      bigint,
	collapse     bigint,
	created_at   timestamptz NOT NULL,
	updated_at   timestamptz NOT NULL,
	reason       text COLLATE "C",
	activity_id  text COLLATE "C",
	history      text COLLATE "C" NOT NULL -- one JSON object a line
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX deliveries_claimable ON deliveries (route, lane, rank, id) WHERE waits = 1;
CREATE INDEX deliveries_timed ON deliveries (due_at) WHERE waits = 2;
CREATE INDEX deliveries_lane ON deliveries (conversation, lane, seq) WHERE seq IS NOT NULL;
CREATE INDEX deliveries_unplaced ON deliveries (conversation) WHERE seq IS NULL;
CREATE INDEX deliveries_message ON deliveries (message, id) WHERE NOT alone;
CREATE INDEX deliveries_collapse ON deliveries (collapse, conversation) WHERE collapse IS NOT NULL;

-- What was handed out together, to be looked at when the leases run out. Most of it is over by then.
CREATE TABLE handed (
	id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	until      timestamptz NOT NULL,
	deliveries bigint[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX handed_until ON handed (until);

-- Deliveries that are final.
CREATE TABLE finished (
	id           bigint PRIMARY KEY,
	message      bigint NOT NULL,
	conversation bigint NOT NULL,
	fence        bigint NOT NULL,
	lane         smallint NOT NULL,
	alone        boolean NOT NULL,
	state        smallint NOT NULL,
	claims       integer NOT NULL,
	failures     integer NOT NULL,
	verb         smallint,
	replayed     boolean,
	revises      bigint,
	created_at   timestamptz NOT NULL,
	updated_at   timestamptz NOT NULL,
	reason       text COLLATE "C",
	activity_id  text COLLATE "C",
	history      text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX finished_message ON finished (message, id) WHERE NOT alone;
CREATE INDEX finished_badly ON finished (state, id) WHERE state <> 5;
CREATE INDEX finished_updated ON finished USING brin (updated_at) WITH (pages_per_range = 32);
CREATE INDEX finished_conversation ON finished (conversation, id);

-- A delivery that runs a handler records each activity that the handler sends, by ordinal.
CREATE TABLE sends (
	delivery    bigint  NOT NULL,
	ordinal     integer NOT NULL,
	fence       bigint  NOT NULL,
	taken       boolean NOT NULL,
	activity_id text COLLATE "C",
	at          timestamptz NOT NULL,
	lead        bigint,  -- the delivery that says this one together with others
	place       integer, -- among these
	PRIMARY KEY (delivery, ordinal)
);
CREATE INDEX sends_joined ON sends (lead, place) WHERE lead IS NOT NULL;

-- What became of deliveries after they were said. person is empty where nobody tells who it was.
CREATE TABLE receipts (
	delivery     bigint NOT NULL,
	kind         smallint NOT NULL,
	person       text COLLATE "C" NOT NULL,
	detail       text COLLATE "C" NOT NULL,
	message      bigint NOT NULL,
	conversation bigint NOT NULL,
	at           timestamptz NOT NULL,
	PRIMARY KEY (delivery, kind, person, detail)
);
CREATE INDEX receipts_message ON receipts (message, kind);
CREATE INDEX receipts_person ON receipts (person) WHERE person <> '';

-- What others are told of. Rows are written only when somebody wants them, and kept for some days. Ids are given after
-- the commit, in the order in which events can be seen: readers go on after the last one that they know. Until then an
-- event is in events_fresh. last is the last id that was given; the row is locked by whoever gives some.
CREATE TABLE event_ids (
	last bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO event_ids VALUES (0);

CREATE TABLE events_fresh (
	number       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	app_id       text COLLATE "C"     NOT NULL,
	tenant_id    text COLLATE "C"     NOT NULL,
	type         smallint NOT NULL,
	at           timestamptz NOT NULL,
	conversation bigint   NOT NULL,
	data         bytea    NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01);

CREATE TABLE events (
	id           bigint PRIMARY KEY,
	app_id       text COLLATE "C"     NOT NULL,
	tenant_id    text COLLATE "C"     NOT NULL, -- where it happened; empty for none
	type         smallint NOT NULL,
	at           timestamptz NOT NULL,
	conversation bigint   NOT NULL, -- 0: none of the book
	data         bytea    NOT NULL
);

-- Deliveries that somebody may answer, kept only while somebody wants to know. followed: a message came after it that
-- answered another one, so only a reply that names it answers it.
CREATE TABLE unanswered (
	delivery     bigint PRIMARY KEY,
	conversation bigint NOT NULL,
	activity_id  text COLLATE "C",
	at           timestamptz NOT NULL,
	followed     boolean NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX unanswered_conversation ON unanswered (conversation);
CREATE INDEX unanswered_at ON unanswered (at);

-- One row, whose version grows with every change of what is wanted: of event_readers and of webhooks.
CREATE TABLE event_wants (
	version bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO event_wants VALUES (1);

-- Until when readers of the stream want events of a type.
CREATE TABLE event_readers (
	app_id text COLLATE "C"     NOT NULL,
	type   smallint NOT NULL,
	until  timestamptz NOT NULL,
	PRIMARY KEY (app_id, type)
);

CREATE TABLE webhooks (
	id            bigint PRIMARY KEY,
	app_id        text COLLATE "C"  NOT NULL,
	tenant_id     text COLLATE "C"  NOT NULL, -- whose events it is told; empty for all
	url           text COLLATE "C"  NOT NULL,
	types         bytea NOT NULL,
	description   text COLLATE "C"  NOT NULL,
	secrets       bytea NOT NULL,
	created_at    timestamptz NOT NULL,
	disabled      text COLLATE "C"  NOT NULL, -- why; empty when it is enabled
	disabled_at   timestamptz,
	cursor        bigint NOT NULL, -- every event up to it has a post or needs none
	away          bigint NOT NULL,
	not_before    timestamptz,
	failing_since timestamptz,
	dropped       bigint NOT NULL,
	owner         text COLLATE "C"  NOT NULL DEFAULT '', -- the node that posts to it, until then
	owner_until   timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 70);

-- Events that were posted to a webhook at least once, or are to be posted again.
CREATE TABLE webhook_posts (
	webhook   bigint  NOT NULL,
	event     bigint  NOT NULL,
	delivered boolean NOT NULL,
	next_at   timestamptz,
	away      boolean NOT NULL, -- the last attempt found nobody there
	tries     integer NOT NULL,
	attempts  bytea   NOT NULL,
	PRIMARY KEY (webhook, event)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX webhook_posts_due ON webhook_posts (webhook, next_at) WHERE NOT delivered;

CREATE TABLE jobs (
	app_id           text COLLATE "C"   NOT NULL,
	number           bigint NOT NULL,
	name             text COLLATE "C"   NOT NULL,
	tenant_id        text COLLATE "C"   NOT NULL,
	channel_id       text COLLATE "C"   NOT NULL,
	bot_id           text COLLATE "C"   NOT NULL,
	conversation_id  text COLLATE "C"   NOT NULL,
	reference        bytea  NOT NULL,
	value            bytea,
	started_once     text COLLATE "C",
	completed_once   text COLLATE "C",
	started_at       timestamptz NOT NULL,
	completed_at     timestamptz,
	message          bigint NOT NULL DEFAULT 0,
	progress         bigint NOT NULL DEFAULT 0, -- the message that tells it
	progress_text    text COLLATE "C",
	progress_percent integer, -- NULL where none was told
	progress_at      timestamptz,
	progress_due     timestamptz, -- of that message
	PRIMARY KEY (app_id, number)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX jobs_started_once
	ON jobs (app_id, conversation_id, channel_id, bot_id, tenant_id, started_once) WHERE started_once IS NOT NULL;
CREATE INDEX jobs_running ON jobs (app_id, conversation_id) WHERE completed_at IS NULL;

-- The highest number that a job of the app ever had.
CREATE TABLE job_numbers (
	app_id  text COLLATE "C" PRIMARY KEY,
	highest bigint NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE dl_conversations (
	number          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	conversation_id text COLLATE "C"  NOT NULL UNIQUE,
	app_id          text COLLATE "C"  NOT NULL,
	kind            text COLLATE "C"  NOT NULL,
	name            text COLLATE "C"  NOT NULL,
	user_id         text COLLATE "C"  NOT NULL,
	account         bytea NOT NULL,
	by_bot          boolean NOT NULL,
	started         boolean NOT NULL,
	ended           boolean NOT NULL,
	uninstalled     boolean NOT NULL,
	last            bigint NOT NULL DEFAULT 0, -- the number of the last activity; locked by whoever adds the next
	created_at      timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX dl_conversations_opened ON dl_conversations (app_id, created_at);
CREATE INDEX dl_conversations_user ON dl_conversations (app_id, user_id, created_at);

-- Who is in a group or a channel; the user of a personal conversation is in its row.
CREATE TABLE dl_members (
	number       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	conversation bigint NOT NULL,
	user_id      text COLLATE "C"   NOT NULL,
	account      bytea  NOT NULL,
	UNIQUE (conversation, user_id)
);
CREATE INDEX dl_members_user ON dl_members (user_id, conversation);

CREATE TABLE dl_activities (
	conversation bigint NOT NULL,
	seq          bigint NOT NULL,
	key          text COLLATE "C",
	again        bigint, -- the seq of the one whose body this has; NULL for one of its own
	body         bytea  NOT NULL,
	at           timestamptz NOT NULL,
	PRIMARY KEY (conversation, seq)
);
CREATE UNIQUE INDEX dl_activities_key ON dl_activities (conversation, key) WHERE key IS NOT NULL;

CREATE TABLE dl_attachments (
	id              text COLLATE "C" PRIMARY KEY,
	conversation_id text COLLATE "C" NOT NULL,
	name            text COLLATE "C" NOT NULL,
	content_type    text COLLATE "C" NOT NULL,
	data            bytea,
	created_at      timestamptz NOT NULL
);
CREATE INDEX dl_attachments_conversation ON dl_attachments (conversation_id);

-- Streams that clients have opened: each URL once, and of those of a client (session) the last one counts.
CREATE TABLE dl_streams (
	number          bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
	credential      text COLLATE "C"   PRIMARY KEY,
	conversation_id text COLLATE "C"   NOT NULL,
	session         text COLLATE "C"   NOT NULL,
	until           timestamptz NOT NULL
);
CREATE INDEX dl_streams_session ON dl_streams (conversation_id, session, number);
CREATE INDEX dl_streams_until ON dl_streams (until);

-- Versions of templates. The current one of a name is the one that has not ended.
CREATE TABLE templates (
	id         bigint PRIMARY KEY,
	app_id     text COLLATE "C" NOT NULL,
	tenant_id  text COLLATE "C" NOT NULL, -- whose it is; empty for none
	name       text COLLATE "C" NOT NULL,
	number     bigint  NOT NULL,
	source     bytea   NOT NULL,
	created_at timestamptz NOT NULL,
	ended_at   timestamptz,
	deleted    boolean NOT NULL -- with the template
);
CREATE UNIQUE INDEX templates_number ON templates (app_id, tenant_id, name, number);
CREATE UNIQUE INDEX templates_current ON templates (app_id, tenant_id, name) WHERE ended_at IS NULL;
CREATE INDEX templates_deleted ON templates (ended_at) WHERE deleted;

-- What is told again and again, or at a time on somebody's clock. What it says is in a table of its own, since these rows
-- change with every occurrence.
CREATE TABLE schedules (
	id          bigint PRIMARY KEY,
	app_id      text COLLATE "C"    NOT NULL,
	tenant_id   text COLLATE "C"    NOT NULL, -- that it is bound to; empty for none
	name        text COLLATE "C"    NOT NULL,
	idem_key    text COLLATE "C",
	fingerprint bytea,
	rule        bytea   NOT NULL,
	recipient   boolean NOT NULL, -- it goes by its recipients' clocks
	missed      text COLLATE "C"    NOT NULL,
	grace       bigint  NOT NULL, -- nanoseconds
	revision    bigint  NOT NULL,
	occurrences bigint  NOT NULL, -- the number of the latest
	paused_at   timestamptz,
	created_at  timestamptz NOT NULL,
	updated_at  timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE UNIQUE INDEX schedules_key ON schedules (app_id, tenant_id, idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX schedules_tenant ON schedules (tenant_id, id) WHERE tenant_id <> '';
CREATE INDEX schedules_recipient ON schedules (id) WHERE recipient;

CREATE TABLE schedule_templates (
	id       bigint PRIMARY KEY,
	template bytea NOT NULL
);

-- How many schedules an app has.
CREATE TABLE schedule_counts (
	app_id text COLLATE "C" PRIMARY KEY,
	n      bigint NOT NULL
) WITH (fillfactor = 50);

-- When a schedule is due next, in each zone that it goes by. Only this is kept in the order of time. The node that has
-- listed a clock as due has it to itself until then.
CREATE TABLE schedule_clocks (
	schedule    bigint NOT NULL,
	zone        text COLLATE "C"   NOT NULL,
	next_at     timestamptz NOT NULL,
	taken_by    text COLLATE "C"   NOT NULL DEFAULT '',
	taken_until timestamptz NOT NULL DEFAULT '-infinity',
	PRIMARY KEY (schedule, zone)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX schedule_clocks_due ON schedule_clocks (next_at);

CREATE TABLE occurrences (
	schedule bigint NOT NULL,
	number   bigint NOT NULL,
	zone     text COLLATE "C"   NOT NULL,
	at       timestamptz NOT NULL,
	result   text COLLATE "C"   NOT NULL,
	reason   text COLLATE "C",
	message  bigint NOT NULL,
	fired_at timestamptz NOT NULL,
	others   integer NOT NULL,
	PRIMARY KEY (schedule, number)
);
CREATE UNIQUE INDEX occurrences_once ON occurrences (schedule, zone, at);

-- Numbers of nodes, each the owner's until then.
CREATE TABLE nodes (
	number integer PRIMARY KEY,
	owner  text COLLATE "C" NOT NULL DEFAULT '',
	until  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO nodes (number) SELECT generate_series(0, 255);

-- The audit log: for each app a chain of entries, each sealed with a hash over itself and the entry before. Whoever adds to
-- it holds the lock of the app's row of audit_ends, which he takes as the last thing before his commit. Entries are not
-- changed, and only those go that audit_ends says are cut off: up to foot.
CREATE TABLE audit (
	app_id text COLLATE "C" NOT NULL,
	number bigint NOT NULL, -- from 1, without gaps
	at     timestamptz NOT NULL,
	action text COLLATE "C" NOT NULL,
	actor  text COLLATE "C" NOT NULL,
	origin text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	detail text COLLATE "C" NOT NULL,
	trace  text COLLATE "C" NOT NULL,
	sealed text COLLATE "C" NOT NULL,
	prev   bytea NOT NULL,
	hash   bytea NOT NULL,
	PRIMARY KEY (app_id, number)
);
CREATE TABLE audit_ends (
	app_id    text COLLATE "C" PRIMARY KEY,
	foot      bigint NOT NULL DEFAULT 0, -- the last entry that was cut off
	foot_hash bytea NOT NULL DEFAULT '',
	head      bigint NOT NULL DEFAULT 0, -- the newest entry
	head_hash bytea NOT NULL DEFAULT '',
	head_at   timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

-- +goose StatementBegin
CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' AND OLD.number <= (SELECT foot FROM audit_ends WHERE app_id = OLD.app_id) THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION 'entries of the audit log are neither changed nor deleted';
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION audit_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND NEW.foot >= OLD.foot AND NEW.head >= OLD.head THEN
		RETURN NEW;
	END IF;
	RAISE EXCEPTION 'the audit log does not go back';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept();
CREATE TRIGGER audit_ends_stay BEFORE UPDATE OR DELETE ON audit_ends FOR EACH ROW EXECUTE FUNCTION audit_goes_on();
CREATE TRIGGER audit_ends_are_not_emptied BEFORE TRUNCATE ON audit_ends FOR EACH STATEMENT EXECUTE FUNCTION audit_goes_on();
