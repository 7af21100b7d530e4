package chaos_test

import (
	"math/rand/v2"
	"testing"
	"time"
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
	for range kills {
		time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		server.kill()
		server.start()
	}
	close(stop)
	wait()
	v := l.judge(2*time.Minute, kills*people)
	if v.accepted < kills*20 {
		t.Errorf("only %d were accepted: the test proves little", v.accepted)
	}
	t.Logf("%d kills", kills)
}
