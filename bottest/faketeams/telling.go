package faketeams

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakegraph"
)

// event is an activity that the bot is to be told, and where it comes from. A nil one is none.
type event struct {
	body       map[string]any
	serviceURL string
}

// activity makes what the bot is told about a conversation, from a person: the first who is in it, if p is nil. t.mu is held.
func (t *Teams) activity(r *room, thread string, p *person, kind activity.Type, more map[string]any) *event {
	now := time.Now().UTC()
	if roster := t.roster(r); p == nil && len(roster) > 0 {
		p = roster[0]
	}
	conversation := map[string]any{"id": r.id, "conversationType": r.kind, "tenantId": t.cfg.Tenant}
	if r.kind != activity.ConversationPersonal {
		conversation["isGroup"] = true
		conversation["name"] = r.name
	}
	if thread != "" {
		conversation["id"] = threadOf(r, thread)
	}
	body := map[string]any{
		"type": kind, "id": "f:" + t.guid(), "timestamp": now.Format("2006-01-02T15:04:05.000Z"), "channelId": activity.ChannelTeams,
		"serviceUrl": t.serviceURL(), "conversation": conversation, "recipient": map[string]any{"id": t.botID(), "name": t.cfg.Name},
		"channelData": t.channelData(r, nil),
	}
	if p != nil {
		body["from"] = map[string]any{"id": p.ID, "name": p.Name, "aadObjectId": p.ObjectID}
		body["locale"], body["localTimezone"] = p.Locale, p.TimeZone
		_, country, _ := strings.Cut(p.Locale, "-")
		body["entities"] = []any{map[string]any{
			"type": "clientInfo", "locale": p.Locale, "country": country, "platform": "Web", "timezone": p.TimeZone,
		}}
	}
	maps.Copy(body, more)
	return &event{body, t.serviceURL()}
}

// channelData is that of a conversation, with more of it.
func (t *Teams) channelData(r *room, more map[string]any) map[string]any {
	data := map[string]any{"tenant": map[string]any{"id": t.cfg.Tenant}}
	if tm := r.team; tm != nil {
		data["team"] = map[string]any{"id": tm.id, "name": tm.name, "aadGroupId": tm.group}
		data["channel"] = map[string]any{"id": r.id, "name": r.name}
	}
	maps.Copy(data, more)
	return data
}

// tell posts activities to the bot, one after the other. It returns the first that the bot does not take.
func (t *Teams) tell(ctx context.Context, events ...*event) error {
	for _, e := range events {
		if err := t.post(ctx, e); err != nil {
			return fmt.Errorf("faketeams: tell the bot of %v: %w", e.body["type"], err)
		}
	}
	return nil
}

// longestAnswer is how much of the bot's answer is read.
const longestAnswer = 1 << 20

func (t *Teams) post(ctx context.Context, e *event) error {
	t.mu.Lock()
	to := t.messages
	t.mu.Unlock()
	if to == "" {
		return nil
	}
	body, err := json.Marshal(e.body, json.Deterministic(true))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if !t.cfg.Unsigned {
		token, err := t.token(e.serviceURL)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := t.cfg.Client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
	if err == nil && resp.StatusCode/100 != 2 {
		err = errors.New("it answers " + resp.Status + ": " + strings.TrimSpace(string(said)))
	}
	return err
}

// token is what the bot is shown: the same one for a while, since a channel does not sign each activity anew either.
func (t *Teams) token(serviceURL string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.tokens[serviceURL]; ok && time.Now().Before(known.until) {
		return known.text, nil
	}
	text, err := t.channel.Token(t.cfg.AppID, serviceURL)
	if err == nil {
		t.tokens[serviceURL] = token{text, time.Now().Add(time.Minute)}
	}
	return text, err
}

// installedByGraph puts the app where Graph has installed it, and tells the bot when its time has come.
func (t *Teams) installedByGraph(i fakegraph.Installed) {
	if i.AppID != catalogID {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	events := t.installed(cmp.Or(i.User, i.Team), "", activity.UpdateAdd)
	if len(events) == 0 || t.cfg.TellDelay < 0 || t.closing.Err() != nil {
		return
	}
	t.telling.Go(func() {
		late := time.NewTimer(t.cfg.TellDelay)
		defer late.Stop()
		select {
		case <-late.C:
		case <-t.closing.Done():
			return
		}
		if err := t.tell(t.closing, events...); err != nil && t.closing.Err() == nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.failed = append(t.failed, err)
		}
	})
}
