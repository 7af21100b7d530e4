package httpapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
)

// wrong is a request that is refused, and how.
type wrong struct {
	method, path, body string
	header             []string
	status             int
	code, field        string
}

// checkProblems sends each wrong request to an API that was prepared, and looks at it afterwards.
func checkProblems(t *testing.T, prepare func(fixture), cases map[string]wrong, after func(fixture)) {
	t.Helper()
	f := newAPI(t)
	prepare(f)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := f.call(t, c.method, c.path, c.body, c.header...)
			p := decode[api.Problem](t, w)
			if w.Code != c.status || p.Status != c.status || p.Code != c.code {
				t.Fatalf("%d %s, want %d %s: %s", w.Code, p.Code, c.status, c.code, w.Body)
			}
			if w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", w.Header().Get("Content-Type"))
			}
			if c.field != "" && (len(p.Errors) == 0 || p.Errors[0].Field != c.field) {
				t.Errorf("errors %+v, want one of %s", p.Errors, c.field)
			}
		})
	}
	after(f)
	if len(f.channel.Sent()) > 0 {
		t.Error("a refused request made the bot speak")
	}
}

// sees puts a conversation into the book.
func (f fixture) sees(t *testing.T, channel, id string, change func(*book.Sighting)) headsup.ConversationKey {
	t.Helper()
	s := book.Sighting{
		Reference: activity.Reference{
			ChannelID: activity.ChannelID(channel), ServiceURL: "https://secret.example.net", Locale: "de-AT",
			Conversation: activity.ConversationAccount{ID: activity.ConversationID(id), TenantID: "tenant"},
			User:         &activity.ChannelAccount{ID: "ben", Name: "Ben"}, Bot: &activity.ChannelAccount{ID: "b"},
		},
		Kind: book.KindPersonal, Source: book.SourceDev, TimeZone: "Europe/Vienna", At: time.Now(),
	}
	s.Key = headsup.KeyOf("app", s.Reference)
	change(&s)
	if _, err := f.store.Sight(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s.Key
}

func TestConversationIsShownWithoutItsServiceURL(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	const id = "19:a/b@thread.tacv2;messageid=1"
	f.sees(t, "msteams", id, func(*book.Sighting) {})
	w := f.call(t, "GET", "/v1/conversations/"+url.PathEscape(id), "")
	c := decode[api.Conversation](t, w)
	if w.Code != http.StatusOK || c.ID != id || c.Channel != "msteams" || c.Kind != "personal" || c.User == nil || *c.User != (api.User{ID: "ben", Name: "Ben"}) ||
		c.Tenant != "tenant" || c.Locale != "de-AT" || c.TimeZone != "Europe/Vienna" || c.Reach != "active" || c.Cause != "" ||
		c.LastInboundAt != nil || c.CreatedAt.IsZero() || c.UpdatedAt.IsZero() {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	all := f.call(t, "GET", "/v1/conversations", "")
	for _, body := range []string{w.Body.String(), all.Body.String()} {
		if strings.Contains(body, "secret.example.net") {
			t.Errorf("tells the service URL: %s", body)
		}
	}
}

func TestConversationTellsItsReach(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	key := f.sees(t, "test", "group", func(s *book.Sighting) { s.Kind = book.KindGroup })
	if err := f.store.StrikeOut(t.Context(), key, book.Standing{Reach: book.ReachUninstalled, Cause: "removed", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	c := decode[api.Conversation](t, f.call(t, "GET", "/v1/conversations/group", ""))
	if c.Kind != "group" || c.Reach != "uninstalled" || c.Cause != "removed" || c.User != nil {
		t.Errorf("shown as %+v: want no user, since it is nobody's alone", c)
	}
}

func TestNewestConversationOfAnID(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	now := time.Now()
	for i, channel := range []string{"sms", "telegram", "line"} {
		f.sees(t, channel, "+1", func(s *book.Sighting) { s.At = now.Add(time.Duration(i%2) * time.Minute) })
	}
	if c := decode[api.Conversation](t, f.call(t, "GET", "/v1/conversations/+1", "")); c.Channel != "telegram" {
		t.Errorf("channel %q, want the one seen last", c.Channel)
	}
}

func TestConversationsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	f := newAPI(t) // knows c
	for i := range 4 {
		f.sees(t, "test", fmt.Sprint(i), func(*book.Sighting) {})
	}
	var pages []string
	for cursor := ""; ; {
		p := decode[api.Conversations](t, f.call(t, "GET", "/v1/conversations?limit=2&cursor="+cursor, ""))
		var ids []string
		for _, c := range p.Conversations {
			ids = append(ids, c.ID)
		}
		pages = append(pages, fmt.Sprint(ids))
		if cursor = p.NextCursor; cursor == "" || len(pages) > 5 {
			break
		}
	}
	if got := strings.Join(pages, " "); got != "[c 0] [1 2] [3]" {
		t.Errorf("pages %s", got)
	}
	for i := range 60 {
		f.sees(t, "test", fmt.Sprint("more", i), func(*book.Sighting) {})
	}
	if p := decode[api.Conversations](t, f.call(t, "GET", "/v1/conversations", "")); len(p.Conversations) != 50 || p.NextCursor == "" {
		t.Errorf("%d on a page that nobody gave a limit, next %q", len(p.Conversations), p.NextCursor)
	}
}

func TestWrongConversationRequests(t *testing.T) {
	t.Parallel()
	const path = "/v1/conversations"
	f := newAPI(t)
	f.call(t, "POST", "/v1/jobs", `{"to":{"user":"ann"}}`)
	f.call(t, "POST", "/v1/jobs", `{"to":{"user":"ann"}}`)
	ofJobs := decode[api.Jobs](t, f.call(t, "GET", "/v1/jobs?limit=1", "")).NextCursor
	cursor := func(raw string) string { return path + "?cursor=" + base64.RawURLEncoding.EncodeToString([]byte(raw)) }
	refused := func(path string) wrong {
		return wrong{"GET", path, "", nil, 422, api.CodeInvalidField, "query.cursor"}
	}
	if w := f.call(t, "GET", cursor("\x01c\x00\x00\x00\x00\x00\x00\x00\x01"), ""); w.Code != http.StatusOK {
		t.Errorf("a right cursor made by hand: %d %s; the wrong ones prove nothing", w.Code, w.Body)
	}
	checkProblems(t, func(fixture) {}, map[string]wrong{
		"unknown":               {"GET", path + "/x", "", nil, 404, api.CodeNotFound, ""},
		"long id":               {"GET", path + "/" + strings.Repeat("x", 2049), "", nil, 422, api.CodeInvalidField, "path.id"},
		"limit of zero":         {"GET", path + "?limit=0", "", nil, 422, api.CodeInvalidField, "query.limit"},
		"limit too high":        {"GET", path + "?limit=501", "", nil, 422, api.CodeInvalidField, "query.limit"},
		"limit of no number":    {"GET", path + "?limit=all", "", nil, 422, api.CodeInvalidField, "query.limit"},
		"unknown parameter":     {"GET", path + "?page=2", "", nil, 422, api.CodeInvalidField, "query.page"},
		"another method":        {"POST", path, "{}", nil, 405, api.CodeMethodNotAllowed, ""},
		"garbage cursor":        refused(path + "?cursor=garbage"),
		"cursor not base64":     refused(path + "?cursor=%21%21"),
		"cursor with padding":   refused(path + "?cursor=AWMAAAAAAAAAAQ%3D%3D"),
		"cursor with a newline": refused(path + "?cursor=AWMAAAAA%0AAAAAAQ"),
		"long cursor":           refused(path + "?cursor=" + strings.Repeat("A", 65)),
		"another list's cursor": refused(path + "?cursor=" + ofJobs),
		"version of tomorrow":   refused(cursor("\x02c\x00\x00\x00\x00\x00\x00\x00\x01")),
		"cursor too short":      refused(cursor("\x01c\x00\x00\x00\x00\x00\x00\x01")),
		"cursor too long":       refused(cursor("\x01c\x00\x00\x00\x00\x00\x00\x00\x01\x00")),
		"row zero":              refused(cursor("\x01c\x00\x00\x00\x00\x00\x00\x00\x00")),
		"negative row":          refused(cursor("\x01c\xff\xff\xff\xff\xff\xff\xff\xff")),
	}, func(fixture) {})
}

// oddID is an id as channels have them, and worse.
const oddID = "19:abc/../x;messageid=1"

func TestOddIDsAreOneSegment(t *testing.T) {
	t.Parallel()
	for _, id := range []string{oddID, ".", "..", "a/../../v1/jobs", "100%", "%2F", "a b+c", "ü", "?x=1#y", "//"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := newAPI(t)
			f.sees(t, "test", id, func(*book.Sighting) {})
			path := "/v1/conversations/" + strings.ReplaceAll(url.PathEscape(id), ".", "%2E")
			if c := decode[api.Conversation](t, f.call(t, "GET", path, "")); c.ID != id {
				t.Fatalf("found %+v", c)
			}
			if w := f.call(t, "PATCH", path, `{"tags":["t"]}`); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if p := decode[api.Problem](t, f.call(t, "GET", path+"/activities", "")); p.Code != api.CodeNoTranscript {
				t.Errorf("transcript: %+v", p)
			}
			if w := f.call(t, "DELETE", path, ""); w.Code != http.StatusNoContent || w.Body.Len() != 0 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if w := f.call(t, "GET", path, ""); w.Code != http.StatusNotFound {
				t.Errorf("still there: %d", w.Code)
			}
		})
	}
}

func TestConversationIsFiled(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	c := f.update(t, "c", `{"tags":["b","a","b"],"external_id":"4711"}`)
	if fmt.Sprint(c.Tags) != "[a b]" || c.ExternalID != "4711" || c.User.ExternalID != "4711" ||
		fmt.Sprint(c.Members) != "[{ann  4711}]" {
		t.Errorf("filed as %+v", c)
	}
	for _, nothing := range []string{`{}`, `{"tags":null,"external_id":null}`} {
		if c = f.update(t, "c", nothing); len(c.Tags) != 2 || c.ExternalID != "4711" {
			t.Errorf("%s made it %+v", nothing, c)
		}
	}
	if c = f.update(t, "c", `{"add_tags":["c","a"],"remove_tags":["b","nothing"]}`); fmt.Sprint(c.Tags) != "[a c]" || c.ExternalID != "4711" {
		t.Errorf("changed to %+v", c)
	}
	var more []string
	for i := range book.MaxTags - 1 {
		more = append(more, fmt.Sprintf("%q", fmt.Sprint("more ", i)))
	}
	w := f.call(t, "PATCH", "/v1/conversations/c", `{"add_tags":[`+strings.Join(more, ",")+`]}`)
	if p := decode[api.Problem](t, w); w.Code != 422 || p.Code != api.CodeInvalidField || len(p.Errors) != 1 || p.Errors[0].Field != "body.add_tags" {
		t.Errorf("one tag too many: %d %+v", w.Code, p)
	}
	if c = f.update(t, "c", `{"tags":[]}`); len(c.Tags) != 0 || c.ExternalID != "4711" {
		t.Errorf("no tags made it %+v", c)
	}
	if c = f.update(t, "c", `{"external_id":""}`); c.ExternalID != "" {
		t.Errorf("no id made it %+v", c)
	}
	if w := f.call(t, "GET", "/v1/conversations/c", ""); !strings.Contains(w.Body.String(), `"tags":[]`) {
		t.Errorf("no tags are not a list: %s", w.Body)
	}
}

func TestChannelTellsConversationsApart(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.sees(t, "sms", "c", func(s *book.Sighting) { s.At = time.Now().Add(time.Minute) })
	f.update(t, "c?channel=test", `{"tags":["t"]}`)
	for channel, tags := range map[string]int{"test": 1, "sms": 0} {
		if c := decode[api.Conversation](t, f.call(t, "GET", "/v1/conversations/c?channel="+channel, "")); c.Channel != channel || len(c.Tags) != tags {
			t.Errorf("%s: %+v", channel, c)
		}
	}
	if w := f.call(t, "DELETE", "/v1/conversations/c?channel=line", ""); w.Code != http.StatusNotFound {
		t.Errorf("on another channel: %d", w.Code)
	}
}

func TestConversationsAreFiltered(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.sees(t, "sms", "s", func(*book.Sighting) {})
	f.sees(t, "test", "g", func(s *book.Sighting) { s.Kind = book.KindGroup })
	f.update(t, "s", `{"tags":["x & y"],"external_id":"4711"}`)
	for query, want := range map[string]string{
		"": "[c s g]", "kind=group": "[g]", "channel=sms": "[s]", "tag=x+%26+y": "[s]", "user=ben": "[s g]", "user=ann": "[c]",
		"external_id=4711": "[s]", "reach=active": "[c s g]", "reach=blocked": "[]", "kind=personal&channel=test": "[c]",
		"kind=group&tag=none": "[]",
	} {
		var ids []string
		for _, c := range decode[api.Conversations](t, f.call(t, "GET", "/v1/conversations?"+query, "")).Conversations {
			ids = append(ids, c.ID)
			if c.Members != nil {
				t.Errorf("%s: a list shows members", query)
			}
		}
		if got := fmt.Sprint(ids); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestForgettingCancelsWhatWaits(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	n := decode[api.Notification](t, f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"later","in":"1h"}`))
	job := decode[api.Job](t, f.call(t, "POST", "/v1/jobs", `{"to":{"user":"ann"}}`))
	if w := f.call(t, "DELETE", "/v1/conversations/c", ""); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	n = decode[api.Notification](t, f.call(t, "GET", "/v1/notifications/"+n.ID, ""))
	if d := n.Deliveries[0]; n.State != "cancelled" || d.Reason != "forgotten" || d.Conversation != "c" || d.Channel != "test" {
		t.Errorf("became %+v", n)
	}
	w := f.call(t, "POST", fmt.Sprintf("/v1/jobs/%d/complete", job.Number), `{"text":"done"}`)
	if p := decode[api.Problem](t, w); p.Code != api.CodeJobCompleted {
		t.Errorf("a job that nobody is told of: %d %s", w.Code, w.Body)
	}
	if w := f.call(t, "DELETE", "/v1/conversations/c", ""); w.Code != http.StatusNotFound {
		t.Errorf("forgotten twice: %d", w.Code)
	}
	if p := decode[api.Problem](t, f.call(t, "POST", "/v1/notifications", `{"to":{"user":"ann"},"text":"x"}`)); p.Code != api.CodeNoTarget {
		t.Errorf("told after that: %+v", p)
	}
}

func TestTranscriptPageByPage(t *testing.T) {
	t.Parallel()
	f := newAPI(t)
	f.sees(t, "kept", "line", func(*book.Sighting) {})
	f.sees(t, "kept", "unknown there", func(*book.Sighting) {})
	var texts []string
	for cursor := ""; ; {
		p := decode[api.Transcript](t, f.call(t, "GET", "/v1/conversations/line/activities?limit=2&cursor="+cursor, ""))
		for _, a := range p.Activities {
			texts = append(texts, fmt.Sprint(a.Number, string(a.Activity)))
		}
		if cursor = p.NextCursor; cursor == "" || len(texts) > 5 {
			break
		}
	}
	if len(texts) != 5 || texts[4] != `5{"type":"message","text":"5"}` {
		t.Errorf("read %q", texts)
	}
	for _, id := range []string{"c", "unknown%20there"} {
		w := f.call(t, "GET", "/v1/conversations/"+id+"/activities", "")
		if p := decode[api.Problem](t, w); w.Code != http.StatusNotFound || p.Code != api.CodeNoTranscript {
			t.Errorf("%s: %d %+v", id, w.Code, p)
		}
	}
}

func TestWrongConversationUpdates(t *testing.T) {
	t.Parallel()
	const path = "/v1/conversations/c"
	refused := func(body, field string) wrong {
		return wrong{"PATCH", path, body, nil, 422, api.CodeInvalidField, field}
	}
	many := strings.TrimSuffix(strings.Repeat(`"x",`, 51), ",")
	checkProblems(t, func(f fixture) {
		f.sees(t, "test", "group", func(s *book.Sighting) { s.Kind = book.KindGroup })
	}, map[string]wrong{
		"unknown conversation":  {"PATCH", "/v1/conversations/x", `{"tags":["t"]}`, nil, 404, api.CodeNotFound, ""},
		"group's external id":   {"PATCH", "/v1/conversations/group", `{"tags":["t"],"external_id":"x"}`, nil, 422, api.CodeInvalidField, "body.external_id"},
		"no body":               {"PATCH", path, ``, nil, 400, api.CodeBadRequest, ""},
		"by a form":             {"PATCH", path, `tags=x`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, api.CodeUnsupported, ""},
		"tag of a number":       refused(`{"tags":[7]}`, "body.tags[0]"),
		"empty tag":             refused(`{"tags":[""]}`, "body.tags"),
		"long tag":              refused(`{"tags":["`+strings.Repeat("x", 65)+`"]}`, "body.tags"),
		"many tags":             refused(`{"tags":[`+many+`]}`, "body.tags"),
		"empty tag to add":      refused(`{"add_tags":[""]}`, "body.add_tags"),
		"long tag to remove":    refused(`{"remove_tags":["`+strings.Repeat("x", 65)+`"]}`, "body.remove_tags"),
		"control in a tag":      refused(`{"tags":["a\nb"]}`, "body.tags"),
		"NUL in the id":         refused(`{"external_id":"a\u0000"}`, "body.external_id"),
		"unknown reach":         {"GET", "/v1/conversations?reach=maybe", "", nil, 422, api.CodeInvalidField, "query.reach"},
		"transcript of nothing": {"GET", "/v1/conversations/x/activities", "", nil, 404, api.CodeNotFound, ""},
		"much transcript":       {"GET", path + "/activities?limit=101", "", nil, 422, api.CodeInvalidField, "query.limit"},
		"forgetting nothing":    {"DELETE", "/v1/conversations/x", "", nil, 404, api.CodeNotFound, ""},
	}, func(f fixture) {
		for _, c := range decode[api.Conversations](t, f.call(t, "GET", "/v1/conversations", "")).Conversations {
			if len(c.Tags) > 0 || c.ExternalID != "" {
				t.Errorf("a refused request left %+v", c)
			}
		}
	})
}
