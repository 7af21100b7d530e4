package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

// maxEvent bounds one line of the stream in bytes: an event with the largest activity that a channel may send.
const maxEvent = 4 << 20

// silence is how long the stream may say nothing before it counts as lost. The server says something every 15 s.
const silence = 45 * time.Second

// Events calls f with every event of these types as it happens, all types if none are given, until ctx ends, f returns an
// error, or the server refuses; it returns that. When the connection is lost it is made again, and goes on after the last
// event: nothing is missed as long as that takes less than ten minutes. after is the id of the last event that was seen
// in an earlier call; empty is now.
func (c *Client) Events(ctx context.Context, types []string, after string, f func(api.Event) error) error {
	for failures := 0; ; {
		before := after
		err := c.follow(ctx, types, &after, f)
		if after != before {
			failures = 0
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, new(lost)):
			return fmt.Errorf("events: %w", err)
		}
		failures++
		wait, _ := retry(err, min(failures, 7))
		if refused, ok := errors.AsType[*Error](err); ok {
			wait = max(wait, refused.RetryAfter)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// lost is an error after which the stream may be taken up again.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

// follow reads one connection's events.
func (c *Client) follow(ctx context.Context, types []string, after *string, f func(api.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	path := "/v1/events"
	if len(types) > 0 {
		path += "?" + url.Values{"types": {strings.Join(types, ",")}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream, application/problem+json")
	c.introduce(req)
	if *after != "" {
		req.Header.Set("Last-Event-ID", *after)
	}
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	resp, err := c.http.Do(req)
	if err != nil {
		return lost{err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		e := problemOf(resp)
		if _, again := retry(e, 1); again {
			return lost{e}
		}
		return e
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	id, data := "", []byte(nil)
	for lines.Scan() {
		watchdog.Reset(silence)
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			id = string(value)
		case "data":
			data = append(data, value...)
		case "":
			if len(lines.Bytes()) > 0 {
				continue // a comment
			}
			if len(data) > 0 {
				var e api.Event
				if err := json.Unmarshal(data, &e); err != nil {
					return fmt.Errorf("%w: %w", errAnswer, err)
				}
				if err := f(e); err != nil {
					return err
				}
			}
			data = data[:0]
			if id != "" {
				*after = id
			}
		}
	}
	if err := lines.Err(); err != nil {
		return lost{err}
	}
	return lost{io.ErrUnexpectedEOF}
}
