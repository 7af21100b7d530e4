package directline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
)

const (
	// readLimit is the largest message that a client may send; all that it has to send is empty ones.
	readLimit = 256 << 10
	// noise is how many messages and pings a client may send in a minute.
	noise = 600
	// frameSize is where a frame is full, in bytes; one activity always fits.
	frameSize = 128 << 10
	// storePause is the wait before a store that failed is asked again.
	storePause = time.Second
)

// streamURL is where a client opens its stream, once and within a minute, to get what comes after a number.
func (c *Channel) streamURL(who claims, after int64) string {
	base := c.publicURL()
	if u, err := url.Parse(base); err == nil && u.Scheme == "https" {
		u.Scheme = "wss"
		base = u.String()
	} else if err == nil {
		u.Scheme = "ws"
		base = u.String()
	}
	query := url.Values{"watermark": {strconv.FormatInt(after, 10)}, "t": {c.grantStream(who)}}
	return fmt.Sprintf("%s/v3/directline/conversations/%s/stream?%s", base, who.Conversation, query.Encode())
}

// stream is the WebSocket that carries activities to a client. Browsers cannot send an Authorization header with it, so
// the URL carries a credential, and the origin is checked.
func (c *Channel) stream(w http.ResponseWriter, r *http.Request) error {
	id := activity.ConversationID(r.PathValue("id"))
	who, err := c.check(forStream, audienceStream, r.URL.Query().Get("t"))
	switch {
	case err != nil:
		return tokenError(err)
	case who.Conversation != id:
		return errOtherConversation
	case !wantsSocket(r):
		w.Header().Set("Upgrade", "websocket")
		return &apiError{http.StatusUpgradeRequired, "BadArgument", "a stream is opened as a WebSocket"}
	case !c.knownOrigin(r.Header.Get("Origin")):
		return &apiError{http.StatusForbidden, "BadArgument", "this origin may not open streams"}
	}
	if err := c.begin(); err != nil {
		return err
	}
	defer c.work.Done()
	number, err := c.takeStream(r.Context(), who)
	if err != nil {
		return err
	}
	ctx, cut := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cut()
	s := newSocket(id, who.Session, cut)
	s.user, s.number = who.User, number
	c.hub.attach(s) // before the client knows that it is connected, so that its next socket comes after this one
	defer c.hub.detach(s)
	messages := &meter{now: c.cfg.Now}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the origin was checked above, against the public URL and not the Host header
		OnPingReceived:     func(context.Context, []byte) bool { return messages.count() },
	})
	if err != nil {
		return nil // Accept has answered
	}
	conn.SetReadLimit(readLimit)
	var helpers sync.WaitGroup
	helpers.Go(func() { listen(ctx, conn, s, messages) })
	helpers.Go(func() { c.keepAlive(ctx, conn, s) })
	why := c.pump(ctx, conn, s, watermark(r.URL.Query().Get("watermark")))
	_ = conn.Close(why.code, why.reason)
	cut()
	helpers.Wait()
	return nil
}

// wantsSocket reports whether a request asks for a WebSocket. Others, such as a link that is looked at, must not use up
// the URL (RFC 6455, section 4.2.1).
func wantsSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoAtLeast(1, 1) && hasToken(r.Header, "Connection", "upgrade") &&
		hasToken(r.Header, "Upgrade", "websocket") && r.Header.Get("Sec-WebSocket-Version") == "13" &&
		r.Header.Get("Sec-WebSocket-Key") != ""
}

func hasToken(h http.Header, name, token string) bool {
	for _, value := range h.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// catchUp reports whether the conversation has ended or is gone, and closes the socket if the channel has: all sockets may have been
// told just before this one was among them.
func (c *Channel) catchUp(ctx context.Context, s *socket) (ended bool, err error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		s.end(closing)
	}
	conv, err := c.conversation(ctx, s.conversation)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return conv.Ended, err
}

// pump sends everything after a number, and goes on with what is new, until there is a reason to stop.
func (c *Channel) pump(ctx context.Context, conn *websocket.Conn, s *socket, after int64) ending {
	send := func(frame []byte) error { return c.write(ctx, conn, frame) }
	caughtUp, over, began := false, false, false
	for {
		shown, ended := c.hub.take(s)
		var err error
		var pause <-chan time.Time
		if !caughtUp {
			over, err = c.catchUp(ctx, s)
			caughtUp = err == nil
		}
		if err == nil {
			after, err = c.flush(ctx, s, after, send)
		}
		if _, failed := errors.AsType[writeError](err); failed {
			return lost
		}
		if err != nil {
			c.cfg.Logger.ErrorContext(ctx, "history not readable",
				"conversation_id", string(s.conversation), "error", err.Error())
			pause = time.After(storePause)
		} else if ended || over {
			return finished
		}
		if c.hub.reached(s, after); !began && err == nil {
			began = true
			c.again(context.WithoutCancel(ctx), s.conversation, after)
		}
		for _, p := range shown {
			if p.at != 0 && p.at < after {
				continue // something was said since: the typing is over
			}
			if send(p.frame) != nil {
				return lost
			}
		}
		select {
		case <-s.wake:
		case <-pause:
		case why := <-s.stop:
			return why
		case <-ctx.Done():
			return lost
		}
	}
}

// writeError: the client did not take a frame.
type writeError struct{ error }

// flush sends the history after a number and returns the number of the last activity that was sent.
func (c *Channel) flush(ctx context.Context, s *socket, after int64, send func([]byte) error) (int64, error) {
	for {
		page, err := c.cfg.Store.History(ctx, s.conversation, after, historyPage)
		if err != nil {
			return after, fmt.Errorf("read the history: %w", err)
		}
		full := len(page) == historyPage
		for len(page) > 0 {
			select {
			case why := <-s.stop:
				s.end(why) // pump wants to see it, too
				return after, nil
			default:
			}
			n := fitting(page, frameSize)
			last := page[n-1].Seq
			if err := send(set(s.conversation, page[:n], strconv.FormatInt(last, 10))); err != nil {
				return after, writeError{err}
			}
			after, page = last, page[n:]
		}
		if !full {
			return after, nil
		}
	}
}

// fitting is how many activities of a page fit into a size; at least one.
func fitting(page []Stored, size int) int {
	for i := range page {
		if size -= len(page[i].Body); size < 0 {
			return max(i, 1)
		}
	}
	return len(page)
}

// set is an activity set as JSON: activities with their ids, and the watermark after them.
func set(id activity.ConversationID, page []Stored, watermark string) []byte {
	size := 64
	for i := range page {
		size += len(page[i].Body) + 64
	}
	out := append(make([]byte, 0, size), `{"activities":[`...)
	for i, stored := range page {
		if i > 0 {
			out = append(out, ',')
		}
		// A body is an object with at least a type, so that a member can be put in front.
		out = append(out, `{"id":"`...)
		out = append(out, activityID(id, cmp.Or(stored.Again, stored.Seq))...)
		out = append(out, `",`...)
		out = append(out, rooted(id, stored)[1:]...)
	}
	out = append(out, `],"watermark":"`...)
	out = append(out, watermark...)
	return append(out, `"}`...)
}

// showTyping shows something to those who are connected, except for one session. Nobody finds it later.
func (c *Channel) showTyping(id activity.ConversationID, a *activity.Activity, except string) error {
	shown := a.Clone()
	shown.ID = passingID(id)
	frame, err := json.Marshal(struct {
		Activities []*activity.Activity `json:"activities"`
	}{[]*activity.Activity{shown}})
	if err != nil {
		return badArgument("%s", err)
	}
	if len(frame) > maxCharacters {
		return errTooLarge
	}
	c.hub.show(id, frame, except)
	return nil
}

// write sends a frame. A client that does not take it in time is disconnected.
func (c *Channel) write(ctx context.Context, conn *websocket.Conn, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.WriteTimeout)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, frame)
}

// keepAlive sends signs of life: an empty frame, which clients of Direct Line know, and a ping, which tells whether
// anybody is there. It also lets the socket look for what a lost wake-up would have told.
func (c *Channel) keepAlive(ctx context.Context, conn *websocket.Conn, s *socket) {
	ticker := time.NewTicker(c.cfg.KeepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if c.write(ctx, conn, nil) != nil || c.ping(ctx, conn) != nil {
			s.end(lost)
			return
		}
		s.rouse()
	}
}

func (c *Channel) ping(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.WriteTimeout)
	defer cancel()
	return conn.Ping(ctx)
}

// listen reads what the client sends, which means nothing, so that the connection sees pongs and its end.
func listen(ctx context.Context, conn *websocket.Conn, s *socket, messages *meter) {
	for {
		_, r, err := conn.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			s.end(lost)
			return
		}
		if !messages.count() {
			s.end(noisy)
		}
	}
}

// meter counts what a client sends. The zero value needs now.
type meter struct {
	now func() time.Time

	mu     sync.Mutex
	minute time.Time // guarded by mu
	seen   int       // guarded by mu
}

// count counts one and reports whether that is still acceptable.
func (m *meter) count() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.now(); now.Sub(m.minute) > time.Minute {
		m.minute, m.seen = now, 0
	}
	m.seen++
	return m.seen <= noise
}
