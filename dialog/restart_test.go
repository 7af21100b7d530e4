package dialog_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/bottest"
	"github.com/headsup-bot/headsup/dialog"
	"github.com/headsup-bot/headsup/internal/pgtest"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/state"
	"github.com/headsup-bot/headsup/store/postgres"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// A bot that is killed is a process of its own: this binary, started with a scene in its environment.
const sceneVariable = "HEADSUP_TEST_SCENE"

func TestMain(m *testing.M) {
	if raw := os.Getenv(sceneVariable); raw != "" {
		var s scene
		err := json.Unmarshal([]byte(raw), &s)
		if err == nil {
			err = s.play(context.Background(), os.Stdout)
		}
		fmt.Fprintln(os.Stderr, "the bot has ended:", err)
		os.Exit(1)
	}
	os.Exit(pgtest.Tests(m).Run())
}

// scene is one step of a conversation, which a process lives for.
type scene struct {
	Dir, URL string // of the store
	ID       string // of what is said
	Say      string
	Tell     *telling
	Await    []headsup.NotificationID // which are to be said, besides
}

type telling struct {
	Text   string
	Policy headsup.PolicyName
	With   string
}

// endOfScene is the last line of a scene; behind it is the id of the notification that was accepted.
const endOfScene = "END "

// playStore is what a bot with dialogs needs, on one node.
type playStore interface {
	proactive.Store
	headsup.Turns
	state.Store
	Close() error
}

func (s scene) open(ctx context.Context) (playStore, error) {
	if s.URL != "" {
		return postgres.Open(ctx, postgres.Config{URL: s.URL})
	}
	return sqlite.Open(ctx, sqlite.Config{Dir: s.Dir})
}

// converser is a bot that books and makes surveys, with its engine.
type converser struct {
	engine *proactive.Engine
	bot    *headsup.Bot
}

func newConverser(store playStore, rec *bottest.Recorder) (c converser, err error) {
	set, err := dialog.NewSet(dialog.Config{}, all()...)
	if err != nil {
		return c, err
	}
	if c.engine, err = proactive.New(proactive.Config{AppID: "app", Store: store, Channel: rec}); err != nil {
		return c, err
	}
	if c.bot, err = headsup.New(headsup.Config{
		AppID: "app", Channel: rec, Turns: store, Notifier: c.engine,
		Middleware: []headsup.Middleware{c.engine.Middleware(), state.Middleware(store), c.engine.Replies()},
	}, newMux(set)); err != nil {
		return c, err
	}
	return c, c.engine.Converse(c.bot, set)
}

func annSays(id, text string) *activity.Activity {
	a := activity.Message(text)
	a.ID, a.ChannelID, a.ServiceURL = activity.ID(id), "test", "https://channel.example.net"
	a.From, a.Recipient = &activity.ChannelAccount{ID: "ann"}, &activity.ChannelAccount{ID: "bot"}
	a.Conversation = &activity.ConversationAccount{ID: "chat"}
	return a
}

// play does what the scene says, prints what the bot says to it, and lives until it is killed.
func (s scene) play(ctx context.Context, out *os.File) error {
	store, err := s.open(ctx)
	if err != nil {
		return err
	}
	rec := &bottest.Recorder{}
	c, err := newConverser(store, rec)
	if err != nil {
		return err
	}
	go func() { _ = c.engine.Run(ctx) }()
	var told proactive.Accepted
	if s.Tell != nil {
		n := headsup.Notification{
			To: headsup.ToConversation(annSays("", "").Reference()), Text: s.Tell.Text, Value: jsontext.Value(`{}`),
			Policy: headsup.Policy{Name: s.Tell.Policy, With: s.Tell.With},
		}
		if told, err = c.engine.Notify(ctx, n); err != nil {
			return err
		}
		if s.Tell.Policy != headsup.PolicyWait {
			s.Await = append(s.Await, told.ID)
		}
	}
	if s.Say != "" {
		if _, err := c.bot.Process(ctx, auth.Identity{Kind: auth.KindDevelopment}, annSays(s.ID, s.Say)); err != nil {
			return err
		}
	}
	for _, id := range s.Await {
		if _, err := c.engine.Wait(ctx, id); err != nil {
			return err
		}
	}
	for _, text := range (&bottest.Chat{Recorder: rec}).Replies() {
		_, _ = fmt.Fprintln(out, text)
	}
	_, _ = fmt.Fprintln(out, endOfScene+string(told.ID))
	select {}
}

// run has a process play a scene, kills it, and returns what the bot has said, and which notification was accepted.
func (s scene) run(t *testing.T) (said []string, told headsup.NotificationID) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), sceneVariable+"="+string(raw))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	ended := false
	for !ended && lines.Scan() {
		var id string
		if id, ended = strings.CutPrefix(lines.Text(), endOfScene); ended {
			told = headsup.NotificationID(id)
		} else {
			said = append(said, lines.Text())
		}
	}
	if s.URL != "" {
		awaitNoTurn(t, s.URL)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !ended {
		t.Fatalf("the bot has not come to the end of %s: %s", raw, complaints.String())
	}
	return said, told
}

// awaitNoTurn waits until no turn has its conversation any more: it is given back after the answer, and whoever is killed
// before keeps it for 15 s.
func awaitNoTurn(t *testing.T, url string) {
	t.Helper()
	pgtest.Shared(t).Exec(t, pgtest.Name(url), `DO $$ BEGIN
		WHILE EXISTS (SELECT FROM turns WHERE until > clock_timestamp()) LOOP PERFORM pg_sleep(0.005); END LOOP; END $$`)
}

// TestDialogsOutliveTheProcess: it is killed after every step of a booking that a survey interrupts and for which something
// else waits.
func TestDialogsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(t *testing.T) scene{
		"sqlite":   func(t *testing.T) scene { return scene{Dir: t.TempDir()} },
		"postgres": func(t *testing.T) scene { return scene{URL: pgtest.Shared(t).Database(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, step := where(t), 0
			var waits headsup.NotificationID
			do := func(next scene, want ...string) headsup.NotificationID {
				t.Helper()
				step++
				next.Dir, next.URL, next.ID = at.Dir, at.URL, fmt.Sprint("said-", step)
				said, told := next.run(t)
				if !slices.Equal(said, want) {
					t.Fatalf("step %d (%q): the bot says %q and not %q", step, next.Say, said, want)
				}
				return told
			}
			do(scene{Say: "book"}, "Where to?")
			do(scene{Say: "Rome"}, "How many are you?")
			waits = do(scene{Tell: &telling{"Paris is cheaper.", headsup.PolicyWait, ""}})
			do(scene{Say: "many"}, "A number, please.")
			do(scene{Tell: &telling{"Las Vegas is cheaper.", headsup.PolicyInterrupt, "survey"}},
				"Las Vegas is cheaper.", "How do you like us?")
			do(scene{Say: "fine"}, "How do you like us?")
			do(scene{Tell: &telling{"Oslo is cheaper.", headsup.PolicyInterrupt, ""}},
				"Oslo is cheaper.", "How do you like us?")
			do(scene{Say: "done"}, "Thanks.", "How many are you?")
			do(scene{Say: "2"}, "Rome, is that right? (1) Yes or (2) No")
			do(scene{Say: "yes", Await: []headsup.NotificationID{waits}}, "Booked.", "Paris is cheaper.")
			do(scene{Say: "hello"}, "You said hello")
		})
	}
}

// TestDialogsMoveBetweenNodes: people are heard by one node and then by another, while a third one delivers what
// interrupts.
func TestDialogsMoveBetweenNodes(t *testing.T) {
	t.Parallel()
	url, rec := pgtest.Shared(t).Database(t), &bottest.Recorder{}
	var nodes []converser
	for range 3 {
		store, err := scene{URL: url}.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		c, err := newConverser(store, rec)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, c)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- nodes[2].engine.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	chat, turn := &bottest.Chat{Recorder: rec}, 0
	play := func(script string) {
		t.Helper()
		chat.Bot = nodes[turn%2].bot
		turn++
		chat.Play(t, script)
	}
	tell := func(p headsup.Policy) headsup.NotificationID {
		t.Helper()
		told, err := nodes[turn%2].engine.Notify(ctx, headsup.Notification{
			To: headsup.ToConversation(chat.Reference()), Text: string(p.Name) + ".", Policy: p, Value: jsontext.Value(`{}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		return told.ID
	}
	said := func(id headsup.NotificationID) {
		t.Helper()
		if s, err := nodes[0].engine.Wait(ctx, id); err != nil || s.Counts["delivered"] != 1 {
			t.Fatalf("it is %v: %v", s.Counts, err)
		}
	}
	play("> book\n< Where to?")
	play("> Rome\n< How many are you?")
	waits := tell(headsup.Policy{Name: headsup.PolicyWait})
	said(tell(headsup.Policy{Name: headsup.PolicyInterrupt, With: "survey"}))
	play("< interrupt.\n< How do you like us?\n> fine\n< How do you like us?")
	play("> done\n< Thanks.\n< How many are you?")
	play("> 2\n< Rome, is that right? (1) Yes or (2) No")
	said(tell(headsup.Policy{Name: headsup.PolicyCancel}))
	said(waits)
	play("< cancel.\n< wait.\n> hello\n< You said hello")
}
