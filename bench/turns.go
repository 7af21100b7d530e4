package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/state"
)

const (
	// talkers is how many people talk at once, each in a conversation of their own after the other.
	talkers = 64
	// chats is how many conversations they have.
	chats = 1000
)

// turns measures messages that come over HTTP and are answered through the channel: by a bot that counts them in the
// conversation's state, stored before the answer; by a handler that stores nothing and knows of nothing; and by the classic
// SDK's echo bot with its state in its memory.
func turns(ctx context.Context, o options) error {
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
	bot, err := p.counter()
	if err != nil {
		return err
	}
	ours := httptest.NewServer(bot)
	defer ours.Close()
	bare := httptest.NewServer(echo(p.client))
	defer bare.Close()
	peer, stop, err := startEcho(ctx)
	if err != nil {
		return err
	}
	defer stop()
	t := &talk{sink: s, ref: p.ref, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: talkers}}}
	fmt.Printf("  messages of %d people at a time in %d conversations, each answered through the channel; %s\n", talkers, chats, p.place.what)
	var toBare, toPeer []float64
	for range o.pairs {
		var rates [3]float64
		for i, bot := range []struct {
			url   string
			times int
		}{{ours.URL, o.deliveries}, {bare.URL, o.deliveries}, {peer, o.deliveries / 10}} {
			if rates[i], err = t.perSecond(ctx, bot.url, max(1, bot.times)); err != nil {
				return err
			}
		}
		toBare, toPeer = append(toBare, rates[0]/rates[1]), append(toPeer, rates[0]/rates[2])
		fmt.Printf("  %6.0f turns/s, a bare handler %6.0f/s: %.2f; botbuilder's echo bot with its memory storage %6.0f/s: %.1f times\n",
			rates[0], rates[1], rates[0]/rates[1], rates[2], rates[0]/rates[2])
	}
	fmt.Printf("  median %.2f of a bare handler, %.1f times the echo bot, durable against not\n", median(toBare), median(toPeer))
	return nil
}

// counter is a bot that counts what is said in each conversation.
func (p *pipeline) counter() (http.Handler, error) {
	count := state.NewProperty[int](state.Conversation, "count")
	return headsup.New(headsup.Config{
		Verifier: auth.Development{}, Channel: headsup.NewConnectorChannel(p.client), Turns: p.store,
		Middleware: []headsup.Middleware{p.engine.Middleware(), state.Middleware(p.store)},
	}, headsup.HandlerFunc(func(ctx context.Context, t *headsup.Turn) error {
		n, err := count.Load(ctx, t)
		if err != nil {
			return err
		}
		if err := count.Set(ctx, t, n+1); err != nil {
			return err
		}
		_, err = t.Say(ctx, fmt.Sprintf("%d: %s", n+1, t.Activity().Text))
		return err
	}))
}

// echo answers what is said, and does nothing else.
func echo(c *connector.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var heard activity.Activity
		if err := json.UnmarshalRead(r.Body, &heard); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := &activity.Activity{
			Type: activity.TypeMessage, ChannelID: heard.ChannelID, ServiceURL: heard.ServiceURL, From: heard.Recipient,
			Recipient: heard.From, Conversation: heard.Conversation, ReplyToID: heard.ID, Text: "1: " + heard.Text,
		}
		if _, err := c.ReplyToActivity(r.Context(), heard.ServiceURL, heard.Conversation.ID, heard.ID, answer); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// startEcho starts the official SDK's echo bot and returns where it listens.
func startEcho(ctx context.Context) (url string, stop func(), err error) {
	if _, err := os.Stat(filepath.Join("examples", "bots", "node_modules", "botbuilder")); err != nil {
		return "", nil, fmt.Errorf("the SDK is not installed (npm ci in examples/bots, which make bench does): %w", err)
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join("bench", "peers", "echo.mjs"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	if url, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		stop()
		return "", nil, fmt.Errorf("the echo bot did not start: %w", err)
	}
	return strings.TrimSpace(url), stop, nil
}

// talk is people who talk to bots.
type talk struct {
	sink   *sinkProcess
	ref    func(int) activity.Reference
	client *http.Client
	said   atomic.Int64
}

// perSecond says n messages to the bot at url and checks that all were answered.
func (t *talk) perSecond(ctx context.Context, url string, n int) (float64, error) {
	if err := each(talkers, talkers, func(i int) error { return t.say(ctx, url, i) }); err != nil { // all is loaded and connected
		return 0, err
	}
	if err := t.sink.reset(ctx); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := each(talkers, n, func(i int) error { return t.say(ctx, url, i) }); err != nil {
		return 0, err
	}
	if err := t.sink.await(ctx, n); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

func (t *talk) say(ctx context.Context, url string, i int) error {
	body, err := json.Marshal(said(t.ref(i%chats), fmt.Sprint("m", t.said.Add(1)), text(i)))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(r)
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
