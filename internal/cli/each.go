package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/client"
)

// Limits of a batch, which are those of the API with room for what is around the notifications.
const (
	maxBatch      = 1000
	maxBatchBytes = 7 << 20
	maxLine       = 1 << 20 // bytes
)

// lines sends a notification for every line of a file.
type lines struct {
	send   *send
	base   api.NotificationRequest // what lines do not say themselves
	key    string
	server *client.Client
	streams
}

// line is one notification of a file.
type line struct {
	number int
	size   int
	item   api.BatchItem
}

// lineResult is what became of a line, for programs.
type lineResult struct {
	Line int `json:"line"`
	api.BatchItemResult
}

// sendEach sends what a file has, batch by batch, and tells what was refused.
func (c *send) sendEach(ctx context.Context, s streams) error {
	if c.Wait != nil && *c.Wait {
		return usageError{errors.New("--wait: is for one message; with --each, \"headsup notifications list\" tells the rest")}
	}
	base, err := c.base(s.in)
	if err != nil {
		return usageError{err}
	}
	in, total, err := c.openLines(s.in, base)
	if err != nil {
		return usageError{err}
	}
	defer in.Close()
	server, err := c.client()
	if err != nil {
		return err
	}
	l := lines{send: c, base: base, key: c.Key, server: server, streams: s}
	if l.key == "" {
		l.key = "each-" + rand.Text()
	}
	return l.run(ctx, in, total)
}

// base is what the flags and the text say, for lines that say less. Standard input may be the file.
func (c *send) base(in io.Reader) (api.NotificationRequest, error) {
	text := c.Text
	if c.Each == "-" && (text != nil && *text == "-" || c.Card == "-" || c.Notice == "-" || c.Activity == "-") {
		return api.NotificationRequest{}, errors.New("--each: standard input cannot be both the lines and what they say")
	}
	return c.request(in, text == nil)
}

// openLines opens the file. One that can be read twice is: a mistake in it is told before anything is sent, and total is
// the number of its notifications; otherwise that is 0.
func (c *send) openLines(stdin io.Reader, base api.NotificationRequest) (in io.ReadCloser, total int, err error) {
	if c.Each == "-" {
		return io.NopCloser(stdin), 0, nil
	}
	f, err := os.Open(c.Each)
	if err != nil {
		return nil, 0, fmt.Errorf("--each: %w", err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return f, 0, err
	}
	checked := lines{base: base}
	err = checked.read(f, func(line) error { total++; return nil })
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, fmt.Errorf("--each: %s: %w", c.Each, err)
	}
	return f, total, nil
}

// run sends the lines of a file.
func (l lines) run(ctx context.Context, in io.Reader, total int) error {
	bar := newProgress(l.err, "accepted")
	defer bar.clear()
	var batch []line
	accepted, refused, size, last := 0, 0, 0, 0
	flush := func() error {
		results, err := l.submit(ctx, batch)
		for i, r := range results {
			if r.Problem == nil {
				accepted++
			} else {
				refused++
				bar.clear()
			}
			if err := l.tell(batch[i], r); err != nil {
				return err
			}
			last = batch[i].number
		}
		batch, size = batch[:0], 0
		bar.show(accepted, refused, total)
		return err
	}
	err := l.read(in, func(next line) error {
		many := next.item.To.Everyone || next.item.To.Tag != ""
		if len(batch) == maxBatch || size+next.size > maxBatchBytes || many && len(batch) > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, next), size+next.size
		if many { // which may be more deliveries than a batch takes
			return flush()
		}
		return nil
	})
	if wrong, ok := errors.AsType[lineError](err); ok { // what comes before it is right
		if err = flush(); err == nil {
			err = wrong
		}
	} else if err == nil && len(batch) > 0 {
		err = flush()
	}
	bar.clear()
	switch {
	case err != nil:
		return fmt.Errorf("--each: after line %d: %w; %d accepted; --key %s goes on and says nothing twice", last, err, accepted, l.key)
	case refused > 0:
		return fmt.Errorf("accepted %d of %s, %d refused", accepted, count(accepted+refused, "notification"), refused)
	case l.send.JSON:
		return nil
	}
	_, err = fmt.Fprintf(l.out, "accepted %s\n", count(accepted, "notification"))
	return err
}

// submit has the server accept a batch.
func (l lines) submit(ctx context.Context, batch []line) ([]api.BatchItemResult, error) {
	if len(batch) == 1 { // which may be for more conversations than a batch takes
		return l.single(ctx, batch[0].item)
	}
	items := make([]api.BatchItem, len(batch))
	for i := range batch {
		items[i] = batch[i].item
	}
	out, err := l.server.CreateNotifications(ctx, items)
	if err != nil {
		return nil, l.send.explain(err)
	}
	return out.Results, nil
}

func (l lines) single(ctx context.Context, item api.BatchItem) ([]api.BatchItemResult, error) {
	n, err := l.server.CreateNotification(ctx, item.NotificationRequest, client.IdempotencyKey(item.IdempotencyKey))
	if e, ok := errors.AsType[*client.Error](err); ok && refusesLine(e.Problem.Status) {
		return []api.BatchItemResult{{Problem: &e.Problem}}, nil
	}
	if err != nil {
		return nil, l.send.explain(err)
	}
	return []api.BatchItemResult{{ID: n.ID, State: n.State}}, nil
}

// refusesLine reports whether an answer is about the line, and not about everything or everybody who asks.
func refusesLine(status int) bool {
	return status == http.StatusUnprocessableEntity || status == http.StatusConflict || status == http.StatusRequestEntityTooLarge
}

// tell says what became of a line: everything to programs, only what was refused to people.
func (l lines) tell(of line, r api.BatchItemResult) error {
	if l.send.JSON {
		if err := json.MarshalWrite(l.out, lineResult{of.number, r}); err != nil {
			return err
		}
		_, err := io.WriteString(l.out, "\n")
		return err
	}
	if r.Problem == nil {
		return nil
	}
	complain(l.err, fmt.Errorf("line %d: %s", of.number, inFile(*r.Problem)))
	return nil
}

// inFile is a problem's sentence with the names that a line has for fields.
func inFile(p api.Problem) string {
	if p.Code != api.CodeInvalidField || len(p.Errors) == 0 {
		return p.Detail
	}
	_, field, found := strings.Cut(p.Errors[0].Field, "].")
	if !found {
		field = strings.TrimPrefix(p.Errors[0].Field, "body.")
	}
	return field + ": " + p.Errors[0].Message
}

// lineError is a line that cannot be read.
type lineError struct {
	error
}

// read goes over the notifications in a file.
func (l lines) read(in io.Reader, each func(line) error) error {
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, maxLine)
	number := 0
	for scan.Scan() {
		number++
		text := bytes.TrimSpace(scan.Bytes())
		if number == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff")) // as some editors begin a file
		}
		if len(text) == 0 {
			continue
		}
		item, err := l.item(number, text)
		if err != nil {
			return lineError{fmt.Errorf("line %d: %w", number, err)}
		}
		if err := each(line{number, len(text), item}); err != nil {
			return err
		}
	}
	if err := scan.Err(); errors.Is(err, bufio.ErrTooLong) {
		return lineError{fmt.Errorf("line %d: is longer than %d bytes", number+1, maxLine)}
	} else if err != nil {
		return err
	}
	return nil
}

// item reads a line: a notification as JSON, or only the id of a person. What it does not say is as the flags say.
func (l lines) item(number int, text []byte) (item api.BatchItem, err error) {
	if text[0] == '{' {
		if err := written(text, &item); err != nil {
			return item, err
		}
	} else {
		item.To.User = string(text)
	}
	r := &item.NotificationRequest
	if saysNothing(r) {
		r.Text, r.Markdown, r.Activity, r.Card, r.Notice = l.base.Text, l.base.Markdown, l.base.Activity, l.base.Card, l.base.Notice
		r.Template = l.base.Template
		if r.Summary == "" {
			r.Summary = l.base.Summary
		}
		if saysNothing(r) {
			return item, errors.New("nothing to say: give the text in the line, or for all after the flags")
		}
	}
	if r.At == nil && r.In == "" {
		r.At, r.In = l.base.At, l.base.In
	}
	for _, d := range []struct{ to, from *string }{
		{&r.Topic, &l.base.Topic}, {&r.CollapseKey, &l.base.CollapseKey}, {&r.Lane, &l.base.Lane}, {&r.Locale, &l.base.Locale}, {&r.Conversation, &l.base.Conversation},
	} {
		if *d.to == "" {
			*d.to = *d.from
		}
	}
	if r.Manners == (api.Manners{}) {
		r.Manners = l.base.Manners
	}
	if r.Fallback == nil {
		r.Fallback = l.base.Fallback
	}
	if item.IdempotencyKey == "" {
		item.IdempotencyKey = fmt.Sprintf("%s:%d", l.key, number)
	}
	return item, nil
}

func saysNothing(r *api.NotificationRequest) bool {
	return r.Text == "" && r.Markdown == "" && r.Activity == nil && r.Card == nil && r.Notice == nil && r.Template == nil
}
