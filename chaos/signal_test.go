package chaos_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestTerminationsUnderLoad asks the server to stop again and again while clients ask for notifications (F49): it ends by
// itself, in order and in time, and nothing is said twice.
func TestTerminationsUnderLoad(t *testing.T) {
	t.Parallel()
	ch, server := channel(t, "--delay", "20ms"), newNode(t)
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	for range terminations {
		time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		server.signal(syscall.SIGTERM)
		began := time.Now()
		if err := server.ended(time.Minute); err != nil {
			t.Errorf("after %v: %v; it said %s", time.Since(began), err, server.said)
		}
		server.start()
	}
	close(stop)
	wait()
	l.judge(3*time.Minute, 0)
}

// TestSecondSignalEndsAtOnce (F50): a server that waits for a channel that does not answer ends when it is asked twice, and
// delivers when it is back.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	ch, server := channel(t), newNode(t)
	server.start()
	l := newLoad(t, ch, 4, server)
	l.plain = true
	l.introduce()
	set(t, ch, hangAfter)
	for n := range int64(4) {
		l.one(t.Context(), n+10)
	}
	await(t, ch, 3) // one of them is scheduled
	server.signal(syscall.SIGTERM)
	// The first signal is known to have arrived when no more requests are taken.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if status, _ := l.call(t.Context(), http.MethodGet, "/healthz", ""); status == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it goes on taking requests")
		}
	}
	server.signal(syscall.SIGINT)
	if err := server.ended(time.Minute); err == nil || errors.Is(err, errNotByItself) {
		t.Errorf("ended with %v", err)
	}
	set(t, ch)
	server.start()
	l.judge(3*time.Minute, 4)
}

// TestPausedProcess stops the whole process for longer than leases last, while deliveries are in flight (F43). What was in
// flight may be said twice, nothing else.
func TestPausedProcess(t *testing.T) {
	t.Parallel()
	ch, server := channel(t, "--delay", "20ms"), newNode(t)
	server.start()
	l := newLoad(t, ch, people, server)
	l.introduce()
	stop := make(chan struct{})
	wait := l.run(8, stop)
	time.Sleep(300 * time.Millisecond)
	server.signal(syscall.SIGSTOP)
	time.Sleep(pause)
	server.signal(syscall.SIGCONT)
	time.Sleep(300 * time.Millisecond)
	close(stop)
	wait()
	l.judge(3*time.Minute, people)
}
