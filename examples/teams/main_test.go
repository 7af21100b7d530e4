package main_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/faketeams"
)

// TestClassicSampleInTeams: a team gets the bot, somebody mentions it, somebody joins.
func TestClassicSampleInTeams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "teams")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	bot := exec.CommandContext(t.Context(), binary, "-listen", addr, "-data", filepath.Join(dir, "data"), "-later", "200ms")
	bot.Stderr = os.Stderr
	if err := bot.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bot.Process.Kill(); _ = bot.Wait() })

	world, err := faketeams.New(faketeams.Config{Messages: "http://" + addr + "/api/messages", Unsigned: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	nadia := world.AddPerson(faketeams.Person{Name: "Nadia Berg"})
	ben := world.AddPerson(faketeams.Person{Name: "Ben Okri"})
	ops := world.AddTeam("Operations", nadia.ObjectID)
	ready(t, "http://"+addr+"/")

	if err := world.Install(t.Context(), string(ops.ID), nadia.ObjectID); err != nil {
		t.Fatal(err)
	}
	said(t, world, ops.ID, "Hello! Nadia Berg has brought me. I speak up in General.")
	thread, err := world.Say(t.Context(), nadia.ObjectID, ops.ID, "<at>Lantern</at> water the plants")
	if err != nil {
		t.Fatal(err)
	}
	said(t, world, thread, "You said: water the plants")
	if err := world.Join(t.Context(), string(ops.ID), ben.ObjectID); err != nil {
		t.Fatal(err)
	}
	said(t, world, ops.ID, "<at>Ben Okri</at> welcome to the team!")
	if err := world.Upgrade(t.Context(), string(ops.ID)); err != nil {
		t.Fatal(err)
	}
	if n := len(texts(world, ops.ID, "has brought me")); n != 1 {
		t.Errorf("it has introduced itself %d times", n)
	}
}

// ready waits until the bot answers.
func ready(t *testing.T, url string) {
	t.Helper()
	give, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(give, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		if give.Err() != nil {
			t.Fatal("the bot does not answer")
		}
	}
}

// texts is what the bot has said that has a text in it, in a conversation or a thread of it.
func texts(world *faketeams.Teams, in activity.ConversationID, text string) (all []string) {
	for _, p := range world.Posts(in) {
		if p.Bot && strings.Contains(string(p.Activity), text) {
			all = append(all, string(p.Activity))
		}
	}
	return all
}

// said waits for the bot to say a text.
func said(t *testing.T, world *faketeams.Teams, in activity.ConversationID, text string) {
	t.Helper()
	give, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for version := 0; len(texts(world, in, text)) == 0; {
		if version = world.Await(give, version); give.Err() != nil {
			t.Fatalf("in %s the bot has not said %q but %v", in, text, texts(world, in, ""))
		}
	}
}
