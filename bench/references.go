package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/state"
)

const (
	// tenants is among how many tenants the people are, teamSize how many conversations are in one team, and tagged every
	// how manieth has the tag.
	tenants  = 100
	teamSize = 50
	tagged   = 1000
	// lookUps is how many are measured of each key.
	lookUps = 2000
	// captured is how many turns make one measurement.
	captured = 2000
)

// references measures the reference book with very many entries: how long a look-up by each key takes inside the store, what
// it takes of a turn to note what it tells, how fast all are walked through, and memory and disk.
func references(ctx context.Context, o options) error {
	s, err := startSink(ctx, false)
	if err != nil {
		return err
	}
	defer s.stop()
	p, err := newPipeline(ctx, o, s)
	if err != nil {
		return err
	}
	defer p.close()
	b := bookBench{p, o.references}
	start := time.Now()
	if err := b.fill(ctx); err != nil {
		return err
	}
	fmt.Printf("  %d references of people in %d tenants, %s; filled in %.0f s\n", b.n, tenants, p.place.what, time.Since(start).Seconds())
	if err := p.store.Close(); err != nil { // what the filling has left in memory is not the book's
		return err
	}
	debug.FreeOSMemory()
	if p.store, err = p.place.open(ctx); err != nil {
		return err
	}
	if err := p.make(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{b.lookUps, b.scans, b.captures, b.size} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("  memory %s, at most %s, the filling included\n", memory("VmRSS"), memory("VmHWM"))
	return nil
}

type bookBench struct {
	*pipeline

	n int
}

func (b bookBench) tenant(i int) activity.TenantID {
	return activity.TenantID(fmt.Sprintf("5f0f6b0e-2f6a-4c61-9d63-%012d", i%tenants))
}

// reference is that of a person in Teams.
func (b bookBench) reference(i int) activity.Reference {
	return activity.Reference{
		ChannelID: activity.ChannelTeams, ServiceURL: b.sink.url, Locale: "de-CH", Bot: &activity.ChannelAccount{ID: "28:bot", Name: "Lantern"},
		Conversation: activity.ConversationAccount{
			ID: activity.ConversationID(fmt.Sprintf("a:%012d", i)), ConversationType: "personal", TenantID: b.tenant(i),
		},
		User: &activity.ChannelAccount{
			ID: activity.AccountID(fmt.Sprintf("29:%012d", i)), Name: fmt.Sprint("Person ", i), AADObjectID: fmt.Sprintf("b7a1c3e4-6d52-4f19-8e07-%012d", i),
		},
	}
}

func (b bookBench) key(i int) headsup.ConversationKey { return headsup.KeyOf("", b.reference(i)) }

// sighting is what the roster tells of somebody; one of many is in a team.
func (b bookBench) sighting(i int) book.Sighting {
	ref := b.reference(i)
	ref.User.Extra = fmt.Appendf(nil, `{"userPrincipalName":"p%d@example.com","email":"person.%d@example.com"}`, i, i)
	return book.Sighting{
		Key: b.key(i), Reference: ref, Kind: book.KindPersonal, Source: book.SourceConfig, TimeZone: "Europe/Zurich", Country: "CH",
		Place: book.Place{Team: b.team(i)}, At: time.Now(),
	}
}

func (b bookBench) team(i int) string { return fmt.Sprintf("19:%06d@thread.tacv2", i/teamSize) }

// fill puts the references into the book: through the store, or on PostgreSQL, where that would take very long, by statements
// that do the same.
func (b bookBench) fill(ctx context.Context) error {
	through := b.n
	if b.place.database != "" {
		through = min(b.n, 10*tenants)
	}
	if err := each(2*accepters, through, func(i int) error {
		_, err := b.store.Sight(ctx, b.sighting(i))
		return err
	}); err != nil {
		return err
	}
	if through < b.n {
		if err := b.copyRest(ctx, through); err != nil {
			return err
		}
	}
	return each(accepters, b.n/tagged, func(i int) error {
		id := fmt.Sprint("employee-", i*tagged)
		return b.store.Label(ctx, b.key(i*tagged), book.Labels{AddTags: []string{"on-call"}, ExternalID: &id}, time.Now())
	})
}

// copyRest makes the entries from the first one on of those that are there, in parts at once.
func (b bookBench) copyRest(ctx context.Context, from int) error {
	const parts = 4
	if err := each(parts, parts, func(part int) error {
		c, err := pgx.Connect(ctx, b.place.database)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close(ctx) }()
		low, high := from+(b.n-from)*part/parts, from+(b.n-from)*(part+1)/parts
		for _, statement := range fillStatements {
			if _, err := c.Exec(ctx, statement, low, high-1, tenants, teamSize); err != nil {
				return fmt.Errorf("fill: %w", err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	c, err := pgx.Connect(ctx, b.place.database)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	_, err = c.Exec(ctx, "VACUUM ANALYZE")
	return err
}

// fillStatements copy the first entry of each tenant for those with other numbers. The key of a conversation's row of turns is
// the first eight bytes of a hash over the parts of its key, each after its length.
var fillStatements = []string{
	`INSERT INTO conversations (app_id, conversation_id, channel_id, bot_id, tenant_id, kind, service_url, url_source, verified_at,
		reference, user_id, locale, time_zone, reach, reach_cause, reach_at, team_id, seen_at, created_at, updated_at)
	SELECT c.app_id, 'a:' || lpad(i::text, 12, '0'), c.channel_id, c.bot_id, c.tenant_id, c.kind, c.service_url, c.url_source, c.verified_at,
		convert_to(replace(replace(convert_from(c.reference, 'UTF8'), lpad((i % $3)::text, 12, '0') || '"', lpad(i::text, 12, '0') || '"'),
			left(c.tenant_id, 24) || lpad(i::text, 12, '0'), c.tenant_id), 'UTF8'),
		'29:' || lpad(i::text, 12, '0'), c.locale, c.time_zone, c.reach, c.reach_cause, c.reach_at,
		'19:' || lpad((i / $4)::text, 6, '0') || '@thread.tacv2', c.seen_at, c.created_at, c.updated_at
	FROM generate_series($1::int, $2::int) AS i JOIN conversations c
		ON c.app_id = '' AND c.conversation_id = 'a:' || lpad((i % $3)::text, 12, '0')`,
	`INSERT INTO turns (key, conversation, version, route)
	SELECT ('x' || encode(substring(sha256('\x00'::bytea || '\x24' || convert_to(c.tenant_id, 'UTF8') || '\x07' || convert_to(c.channel_id, 'UTF8')
			|| '\x06' || convert_to(c.bot_id, 'UTF8') || '\x0e' || convert_to(c.conversation_id, 'UTF8')) FROM 1 FOR 8), 'hex'))::bit(64)::bigint,
		c.id, 1, t.route
	FROM conversations c JOIN conversations s ON s.app_id = '' AND s.conversation_id = 'a:' || lpad((right(c.conversation_id, 12)::int % $3)::text, 12, '0')
		JOIN turns t ON t.conversation = s.id
	WHERE c.app_id = '' AND c.conversation_id BETWEEN 'a:' || lpad($1::int::text, 12, '0') AND 'a:' || lpad($2::int::text, 12, '0') AND $4::int > 0`,
	`WITH made AS (
		INSERT INTO people (app_id, tenant_id, channel_id, user_id, name, aad_object_id, upn, email, time_zone, locale, country, created_at, updated_at)
		SELECT c.app_id, c.tenant_id, c.channel_id, c.user_id, 'Person ' || n, 'b7a1c3e4-6d52-4f19-8e07-' || right(c.user_id, 12),
			'p' || n || '@example.com', 'person.' || n || '@example.com', c.time_zone, c.locale, 'CH', c.created_at, c.updated_at
		FROM conversations c, LATERAL (SELECT right(c.user_id, 12)::int AS n) x
		WHERE c.app_id = '' AND c.conversation_id BETWEEN 'a:' || lpad($1::int::text, 12, '0') AND 'a:' || lpad($2::int::text, 12, '0')
			AND $3::int + $4::int > 0
		RETURNING id, user_id)
	INSERT INTO members (person, conversation) SELECT m.id, c.id FROM made m
		JOIN conversations c ON c.app_id = '' AND c.conversation_id = 'a:' || right(m.user_id, 12)`,
}

// lookUps measures each key, one look after the other, at places all over the book.
func (b bookBench) lookUps(ctx context.Context) error {
	one := func(found []book.Conversation, err error, n int) error {
		if err == nil && len(found) != n {
			err = fmt.Errorf("%d were found, want %d", len(found), n)
		}
		return err
	}
	of := func(k book.PersonKey) error {
		found, err := b.store.ConversationsOf(ctx, "", k)
		return one(found, err, 1)
	}
	page := func(f book.Filter, n int) error {
		found, err := b.store.Conversations(ctx, "", f, 0, n)
		return one(found, err, n)
	}
	for _, l := range []struct {
		what string
		look func(i int) error
	}{
		{"reference", func(i int) error {
			_, err := b.store.Conversation(ctx, b.key(i))
			return err
		}},
		{"conversation id", func(i int) error {
			found, err := b.store.ConversationsByID(ctx, "", b.key(i).Conversation)
			return one(found, err, 1)
		}},
		{"channel user id", func(i int) error {
			found, err := b.store.ConversationsByUser(ctx, "", b.reference(i).User.ID)
			return one(found, err, 1)
		}},
		{"Entra object id", func(i int) error { return of(book.PersonKey{ObjectID: b.reference(i).User.AADObjectID}) }},
		{"user principal name", func(i int) error { return of(book.PersonKey{UPN: fmt.Sprintf("P%d@Example.com", i)}) }},
		{"e-mail address", func(i int) error { return of(book.PersonKey{Email: fmt.Sprintf("Person.%d@Example.com", i)}) }},
		{"own external id", func(i int) error { return of(book.PersonKey{ExternalID: fmt.Sprint("employee-", i/tagged*tagged)}) }},
		{"tag, the first 10", func(int) error { return page(book.Filter{Tag: "on-call"}, 10) }},
		{"team, the first 10", func(i int) error { return page(book.Filter{Team: b.team(i)}, 10) }},
		{"tenant, the first 10", func(i int) error { return page(book.Filter{Tenant: b.tenant(i)}, 10) }},
	} {
		var took []time.Duration
		for k := range lookUps {
			i := int(uint(k) * 2654435761 % uint(b.n/tagged*tagged))
			start := time.Now()
			if err := l.look(i); err != nil {
				return fmt.Errorf("%s of %d: %w", l.what, i, err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		fmt.Printf("  by %-22s p50 %6.3f ms, p99 %6.3f ms\n", l.what, ms(took[len(took)/2]), ms(took[len(took)*99/100]))
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// scans walks through all that can be reached, as a list does, and counts them, as a message to everybody does.
func (b bookBench) scans(ctx context.Context) error {
	f := book.Filter{Reach: book.ReachActive}
	start, n := time.Now(), 0
	for after := book.Row(0); ; {
		page, err := b.store.Conversations(ctx, "", f, after, 5000)
		if err != nil {
			return err
		}
		n += len(page)
		if len(page) < 5000 {
			break
		}
		after = page[len(page)-1].Row
	}
	took := time.Since(start)
	if n != b.n {
		return fmt.Errorf("%d were walked through", n)
	}
	fmt.Printf("  walked through, whole entries: %.0f rows/s\n", float64(n)/took.Seconds())
	start = time.Now()
	if n, _, err := b.store.Extent(ctx, "", f); err != nil || n != b.n {
		return fmt.Errorf("%d were counted: %w", n, err)
	}
	fmt.Printf("  counted: %.0f rows/s\n", float64(n)/time.Since(start).Seconds())
	return nil
}

// captures measures turns of a bot with state, with and without the book, in turns.
func (b bookBench) captures(ctx context.Context) error {
	with, err := b.bot(b.engine.Middleware(), state.Middleware(b.store))
	if err != nil {
		return err
	}
	without, err := b.bot(state.Middleware(b.store))
	if err != nil {
		return err
	}
	servers := []*httptest.Server{httptest.NewServer(without), httptest.NewServer(with)}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: talkers}}
	said := 0
	run := func(server *httptest.Server) (wall, cpu float64, err error) {
		base := said
		said += captured
		start, used := time.Now(), processorTime()
		err = each(talkers, captured, func(i int) error { return b.say(ctx, client, server.URL, i%chats, base+i) })
		return float64(time.Since(start)), float64(processorTime() - used), err
	}
	var walls, cpus []float64
	for pair := range pairsOfCapture + 1 {
		var wall, cpu [2]float64
		for i, server := range servers {
			if wall[i], cpu[i], err = run(server); err != nil {
				return err
			}
		}
		if pair > 0 { // everything is loaded and connected
			walls, cpus = append(walls, wall[1]/wall[0]), append(cpus, cpu[1]/cpu[0])
		}
	}
	for _, server := range servers {
		server.Close()
	}
	fmt.Printf("  a turn that is noted in the book, beside one that is not: %.3f of its time, %.3f of its processor time (medians of %d)\n",
		median(walls), median(cpus), pairsOfCapture)
	return nil
}

const pairsOfCapture = 5

func (b bookBench) bot(with ...headsup.Middleware) (http.Handler, error) {
	count := state.NewProperty[int](state.Conversation, "count")
	return headsup.New(headsup.Config{
		Verifier: auth.Development{}, Channel: headsup.NewConnectorChannel(b.client), Turns: b.store, Middleware: with,
	}, headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		n, err := count.Load(ctx, t)
		if err != nil {
			return err
		}
		if err := count.Set(ctx, t, n+1); err != nil {
			return err
		}
		_, err = t.Say(ctx, fmt.Sprint(n+1))
		return err
	}))
}

// say says something to a bot as Teams does.
func (b bookBench) say(ctx context.Context, client *http.Client, url string, i, number int) error {
	ref := b.reference(i)
	body := fmt.Appendf(nil, `{"type":"message","id":"%d","timestamp":%q,"channelId":"msteams","serviceUrl":%q,"from":{"id":%q,"name":%q,"aadObjectId":%q},
		"recipient":{"id":"28:bot","name":"Lantern"},"conversation":{"id":%q,"conversationType":"personal","tenantId":%q},"locale":"de-CH",
		"text":%q,"textFormat":"plain","localTimezone":"Europe/Zurich","channelData":{"tenant":{"id":%q}},
		"entities":[{"type":"clientInfo","locale":"de-CH","country":"CH","platform":"Windows","timezone":"Europe/Zurich"}]}`,
		number, time.Now().UTC().Format(time.RFC3339Nano), ref.ServiceURL, ref.User.ID, ref.User.Name, ref.User.AADObjectID, ref.Conversation.ID,
		ref.Conversation.TenantID, text(number), ref.Conversation.TenantID)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("the bot answered %s: %s", resp.Status, answer)
	}
	return err
}

// size tells how much of the disk the book takes.
func (b bookBench) size(ctx context.Context) error {
	var bytes int64
	if b.place.database != "" {
		c, err := pgx.Connect(ctx, b.place.database)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close(ctx) }()
		if err := c.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&bytes); err != nil {
			return err
		}
	} else if err := filepath.WalkDir(b.place.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			bytes += info.Size()
		}
		return err
	}); err != nil {
		return err
	}
	fmt.Printf("  database %d MB, %d bytes for each reference\n", bytes>>20, bytes/int64(b.n))
	return nil
}
