package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/server"
)

// serveData is a server as headsup serve runs it.
func serveData(ctx context.Context, dir string, o options) error {
	likeTheBinary()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	written, err := o.profiled()
	if err != nil {
		return err
	}
	defer written()
	s, err := server.New(ctx, server.Config{Listen: "127.0.0.1:0", DataDir: dir, Database: o.database})
	if err != nil {
		return err
	}
	fmt.Println(s.URL())
	return s.Run(ctx)
}

// serverProcess is a server in a process of its own, whose book has conversations at the sink.
type serverProcess struct {
	url    string
	client *http.Client
	known  int
	pid    int
	stop   func()
}

func startServer(ctx context.Context, o options, s *sinkProcess, conversations int) (*serverProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := o.place(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{"-serve", p.dir, "-database", p.database}
	if o.profile != "" {
		args = append(args, "-cpuprofile", o.profile+".server")
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	h := &serverProcess{
		url:    strings.TrimSpace(url),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
		known:  conversations,
		pid:    cmd.Process.Pid,
		stop: func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
			p.remove()
		},
	}
	if err := h.meet(ctx, s); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

// meet has the server put conversations into its book: something is said there, and cancelled.
func (h *serverProcess) meet(ctx context.Context, s *sinkProcess) error {
	const atOnce = 500
	return each(8, (h.known+atOnce-1)/atOnce, func(page int) error {
		var all []api.NotificationRequest
		for i := page * atOnce; i < min(h.known, (page+1)*atOnce); i++ {
			ref := fmt.Sprintf(`{"channelId":"test","serviceUrl":%q,"conversation":{"id":"c%d"},"user":{"id":"u%d"},"bot":{"id":"bot"}}`, s.url, i, i)
			all = append(all, api.NotificationRequest{To: api.Target{Reference: []byte(ref)}, Text: "x", In: "40000h"})
		}
		return h.notifyAll(ctx, all)
	})
}

func (h *serverProcess) to(i int) api.Target {
	return api.Target{Conversation: fmt.Sprint("c", i%h.known)}
}

func (h *serverProcess) notify(ctx context.Context, n api.NotificationRequest) error {
	return h.post(ctx, "/v1/notifications", n)
}

func (h *serverProcess) notifyAll(ctx context.Context, all []api.NotificationRequest) error {
	return h.post(ctx, "/v1/notifications/batch", struct {
		Notifications []api.NotificationRequest `json:"notifications"`
	}{all})
}

func (h *serverProcess) post(ctx context.Context, path string, what any) error {
	body, err := json.Marshal(what, jsontext.AllowDuplicateNames(true))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("the server answered %s: %.500s", resp.Status, answer)
	}
	return err
}

// accepts measures how many notifications a server accepts that are delivered later.
func accepts(ctx context.Context, o options) error {
	const clients, atOnce = 64, 200
	s, err := startSink(ctx, false)
	if err != nil {
		return err
	}
	defer s.stop()
	h, err := startServer(ctx, o, s, 10_000)
	if err != nil {
		return err
	}
	defer h.stop()
	fmt.Printf("  %d clients, texts of %d bytes, one or %d in a request; synced before the answer, delivered later\n", clients, len(text(0)), atOnce)
	count := o.counting(func() []int { return []int{h.pid} })
	rates := make([][]float64, 3)
	for range o.pairs {
		for k, m := range []struct {
			n, each int // requests, and notifications in each
			send    func(i int) error
		}{
			{o.deliveries, 1, func(i int) error { return s.post(ctx, text(i)) }},
			{o.deliveries, 1, func(i int) error {
				return h.notify(ctx, api.NotificationRequest{To: h.to(i), Text: text(i), In: "40000h"})
			}},
			{2 * o.deliveries / atOnce, atOnce, func(i int) error {
				all := make([]api.NotificationRequest, atOnce)
				for k := range all {
					all[k] = api.NotificationRequest{To: h.to(i*atOnce + k), Text: text(i), In: "40000h"}
				}
				return h.notifyAll(ctx, all)
			}},
		} {
			counted, err := count(m.n * m.each)
			if err != nil {
				return err
			}
			start, used, usedThere := time.Now(), processorTime(), databaseTime(h.pid)
			if err := each(clients, m.n, m.send); err != nil {
				return err
			}
			n, took := m.n*m.each, time.Since(start)
			rates[k] = append(rates[k], float64(n)/took.Seconds())
			if k > 0 {
				fmt.Printf("  %6d in a request: %6.0f/s (%v of processor time each%s; %v in the clients)\n", m.each, float64(n)/took.Seconds(),
					perEach(databaseTime(h.pid)-usedThere, n), counted(), perEach(processorTime()-used, n))
			}
		}
	}
	bare, one, many := rates[0], rates[1], rates[2]
	against := make([]float64, len(one))
	for i := range one {
		against[i] = one[i] / bare[i]
	}
	fmt.Printf("  one in a request %.0f/s, %.2f of bare posts to the sink (%.0f/s)\n  %d in a request %.0f/s\n", median(one), median(against),
		median(bare), atOnce, median(many))
	return nil
}

func perEach(d time.Duration, n int) time.Duration {
	return (d / time.Duration(n)).Round(100 * time.Nanosecond)
}
