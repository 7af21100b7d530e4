package chaos_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/client"
)

// people are in as many conversations, and each does one thing at a time: so many deliveries can be in flight.
const people = 40

// TestKillStorm kills the server again and again while clients ask for notifications, cancel, edit and recall them (F01 to
// F06). Invariants I1 to I5, I10 and I12.
func TestKillStorm(t *testing.T) {
	t.Parallel()
	ch, server := channel(t, "--delay", "2ms"), newNode(t)
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	for kill := range kills {
		if kill%2 == 0 { // at the others it may have accepted nothing since it was started
			l.more(40)
		}
		time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		server.kill()
		server.start()
	}
	close(stop)
	wait()
	patience := 3*time.Minute + time.Duration(kills)*300*time.Millisecond // there is the more to look at
	v := l.judge(patience, kills*people)
	if v.accepted < kills*20 {
		t.Errorf("only %d were accepted: the test proves little", v.accepted)
	}
	t.Logf("%d kills", kills)
}

// TestPoison kills the server whenever a certain message comes to the channel, as one does that crashes whoever handles it
// (F38): the server gives it up as unknown after a few attempts, and everybody else is told.
func TestPoison(t *testing.T) {
	t.Parallel()
	ch, server := channel(t), newNode(t)
	server.start()
	l := newLoad(t, ch, 10, server)
	l.plain = true
	l.introduce()
	set(t, ch, fakechannel.Rule{Text: "poison", Do: fakechannel.HangAfter})
	status, answer := l.post(t.Context(), "/v1/notifications", `{"to":{"conversation":"c0"},"text":"poison"}`)
	if status != 202 {
		t.Fatalf("status %d: %s", status, answer)
	}
	id := idOf(t, answer)
	c, err := client.New(client.Config{BaseURL: server.url(), HTTPClient: l.http})
	if err != nil {
		t.Fatal(err)
	}
	deaths := 0
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		all, err := ch.Conversations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tries := 0
		for _, c := range all {
			tries += c.Tries["poison"]
		}
		if tries > deaths {
			server.kill()
			server.start()
			deaths = tries
			for i := 1; i < 10; i++ { // the others, meanwhile
				l.one(t.Context(), int64(deaths*100+i))
			}
		}
		n, err := c.Notification(t.Context(), id)
		if err == nil && client.Settled(n.State) {
			if d := n.Deliveries[0]; d.State != "unknown" || d.Reason != "poison" || d.Attempts != deaths {
				t.Errorf("after %d deaths it is %+v", deaths, d)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %d deaths it is %+v, %v", deaths, n, err)
		}
	}
	if deaths < 3 || deaths > 10 {
		t.Errorf("it took %d deaths", deaths)
	}
	await(t, ch, 1+9*deaths)
	t.Logf("%d deaths, %d others were told", deaths, 9*deaths)
}
