package connector_test

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

// here returns serviceURL with this test's service in place of its host.
func here(t *testing.T, s *service, serviceURL string) string {
	t.Helper()
	u, err := url.Parse(serviceURL)
	if err != nil {
		t.Fatal(err)
	}
	return s.URL + u.EscapedPath()
}

// below returns the segments behind the path of the service URL.
func below(t *testing.T, got receipt, serviceURL string) []string {
	t.Helper()
	u, err := url.Parse(serviceURL)
	if err != nil {
		t.Fatal(err)
	}
	base := strings.Trim(u.Path, "/")
	if base == "" {
		return got.Segments
	}
	n := strings.Count(base, "/") + 1
	if len(got.Segments) < n || strings.Join(got.Segments[:n], "/") != base {
		t.Fatalf("path %q is not below %q", got.Segments, base)
	}
	return got.Segments[n:]
}

func TestActivitiesGoWhereTheVectorsSay(t *testing.T) {
	t.Parallel()
	type request struct {
		Method   string   `json:"method"`
		Segments []string `json:"segments"`
	}
	type requestCase struct {
		Vector    string  `json:"vector"`
		Proactive request `json:"proactive"`
		Reply     request `json:"reply"`
	}
	cases := readCases[requestCase](t, "testdata/requests.json")
	if len(cases) != 46 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, test := range cases {
		t.Run(test.Vector, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile("../activity/testdata/vectors/" + test.Vector + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var vector struct {
				Input jsontext.Value `json:"input"`
				Reply jsontext.Value `json:"reply"`
			}
			if err := json.Unmarshal(data, &vector); err != nil {
				t.Fatal(err)
			}
			inbound, err := activity.Decode(vector.Input)
			if err != nil {
				t.Fatal(err)
			}
			ref := inbound.Reference()
			client := newClient(t, connector.Config{})

			s := newService(t, answerWith(201, `{"id":"1"}`))
			reply := inbound.Reply("ok")
			if reply.ReplyToID != "" {
				_, err = client.ReplyToActivity(t.Context(), here(t, s, ref.ServiceURL), ref.Conversation.ID, reply.ReplyToID, reply)
			} else {
				_, err = client.SendToConversation(t.Context(), here(t, s, ref.ServiceURL), ref.Conversation.ID, reply)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := s.only(t)
			if segments := below(t, got, ref.ServiceURL); got.Method != test.Reply.Method || !slices.Equal(segments, test.Reply.Segments) {
				t.Errorf("reply went to %s %q, want %q", got.Method, segments, test.Reply.Segments)
			}
			sameJSON(t, "body", got.Body, vector.Reply)

			s = newService(t, answerWith(201, `{"id":"1"}`))
			if _, err := client.SendToConversation(t.Context(), here(t, s, ref.ServiceURL), ref.Conversation.ID, activity.Message("ok")); err != nil {
				t.Fatal(err)
			}
			got = s.only(t)
			if segments := below(t, got, ref.ServiceURL); got.Method != test.Proactive.Method || !slices.Equal(segments, test.Proactive.Segments) {
				t.Errorf("message went to %s %q, want %q", got.Method, segments, test.Proactive.Segments)
			}
		})
	}
}

type operation struct {
	Name       string         `json:"name"`
	Method     string         `json:"method"`
	ServiceURL string         `json:"serviceUrl"`
	Segments   []string       `json:"segments"`
	Query      string         `json:"query"`
	Body       jsontext.Value `json:"body"`
	Success    struct {
		Status []int          `json:"status"`
		Body   jsontext.Value `json:"body"`
	} `json:"success"`
}

// operations make the call of each case of operations.json and return what came of it.
var operations = map[string]func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error){
	"create-teams-1to1":   create,
	"create-teams-thread": create,
	"create-emulator":     create,
	"update-thread-reply": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		a := activityOf(t, o)
		a.ID = "another"
		return c.UpdateActivity(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), activity.ID(o.Segments[4]), a)
	},
	"delete": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return nil, c.DeleteActivity(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), activity.ID(o.Segments[4]))
	},
	"members": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return c.Members(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]))
	},
	"member": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return c.Member(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), activity.AccountID(o.Segments[4]))
	},
	"pagedmembers-first": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return c.PagedMembers(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), 200, "")
	},
	"pagedmembers-next": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return c.PagedMembers(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), 200, "a+b/c==")
	},
	"activity-members": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return c.ActivityMembers(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), activity.ID(o.Segments[4]))
	},
	"history": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return c.SendHistory(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), bodyOf[activity.Transcript](t, o))
	},
	"upload-attachment": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return c.UploadAttachment(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), bodyOf[activity.AttachmentData](t, o))
	},
	"attachment-view": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		_, err := c.AttachmentView(t.Context(), serviceURL, o.Segments[2], o.Segments[4])
		return nil, err
	},
	"reaction-add": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return nil, c.AddReaction(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), activity.ID(o.Segments[4]), activity.ReactionType(o.Segments[6]))
	},
	"targeted-send": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		return c.SendToConversation(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), activityOf(t, o), connector.Targeted())
	},
	"batch-users": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		var id string
		err := c.Call(t.Context(), connector.Call{
			Op: "batch", Method: http.MethodPost, ServiceURL: serviceURL, Path: "/v3/batch/conversation/users/", Body: o.Body,
		}, &id)
		return id, err
	},
	"send-empty-body": func(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
		sent, err := c.SendToConversation(t.Context(), serviceURL, activity.ConversationID(o.Segments[2]), activityOf(t, o))
		if sent.ID != "" {
			t.Errorf("an empty answer gave the id %q", sent.ID)
		}
		return nil, err
	},
}

func create(t *testing.T, c *connector.Client, serviceURL string, o operation) (any, error) {
	return c.CreateConversation(t.Context(), serviceURL, bodyOf[activity.ConversationParameters](t, o))
}

func bodyOf[T any](t *testing.T, o operation) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(o.Body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func activityOf(t *testing.T, o operation) *activity.Activity {
	t.Helper()
	a := bodyOf[activity.Activity](t, o)
	return &a
}

func TestOperationsMakeTheCallsOfTheVectors(t *testing.T) {
	t.Parallel()
	cases := readCases[operation](t, "testdata/operations.json")
	if len(cases) != len(operations) {
		t.Fatalf("%d cases, %d of them known", len(cases), len(operations))
	}
	for _, o := range cases {
		for _, status := range o.Success.Status {
			t.Run(o.Name+"/"+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				call, ok := operations[o.Name]
				if !ok {
					t.Fatal("unknown operation")
				}
				s := newService(t, func(w http.ResponseWriter, r *http.Request) {
					body := string(o.Success.Body)
					if body == "null" || body == `""` || status == http.StatusNoContent {
						body = ""
					}
					answerWith(status, body)(w, r)
				})
				result, err := call(t, newClient(t, connector.Config{}), here(t, s, o.ServiceURL), o)
				if err != nil {
					t.Fatal(err)
				}
				got := s.only(t)
				if segments := below(t, got, o.ServiceURL); got.Method != o.Method || !slices.Equal(segments, o.Segments) {
					t.Errorf("got %s %q, want %s %q", got.Method, segments, o.Method, o.Segments)
				}
				query, err := url.ParseQuery(o.Query)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got.Query, query) {
					t.Errorf("query %v, want %v", got.Query, query)
				}
				if o.Body != nil {
					sameJSON(t, "body", got.Body, o.Body)
				} else if len(got.Body) > 0 || got.Header.Get("Content-Type") != "" {
					t.Errorf("body %s", got.Body)
				}
				if result != nil {
					data, err := json.Marshal(result)
					if err != nil {
						t.Fatal(err)
					}
					sameJSON(t, "result", data, o.Success.Body)
				}
			})
		}
	}
}

func TestErrorsAreClassifiedAsTheVectorsSay(t *testing.T) {
	t.Parallel()
	type errorCase struct {
		Name    string            `json:"name"`
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
		Want    struct {
			Class          connector.Class `json:"class"`
			Code           string          `json:"code"`
			Scope          connector.Scope `json:"scope"`
			Host           string          `json:"host"`
			Message        string          `json:"message"`
			Wait           string          `json:"wait"`
			WaitSeconds    int             `json:"waitSeconds"`
			WaitUntil      time.Time       `json:"waitUntil"`
			MaybeDelivered bool            `json:"maybeDelivered"`
		} `json:"want"`
	}
	for _, test := range readCases[errorCase](t, "testdata/errors.json") {
		t.Run(test.Name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2024, 7, 1, 8, 0, 0, 0, time.UTC)
			s := newService(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", now.Format(http.TimeFormat))
				for name, value := range test.Headers {
					w.Header().Set(name, value)
				}
				answerWith(test.Status, test.Body)(w, r)
			})
			_, err := send(t, newClient(t, connector.Config{}), s.URL)
			got := failure(t, err)
			if got.Status != test.Status || got.Class != test.Want.Class || got.Code != test.Want.Code || got.Host != test.Want.Host {
				t.Errorf("got %+v", got)
			}
			if test.Want.Scope != "" && got.Scope != test.Want.Scope {
				t.Errorf("scope %q, want %q", got.Scope, test.Want.Scope)
			}
			if test.Want.Message != "" && got.Message != test.Want.Message {
				t.Errorf("message %q, want %q", got.Message, test.Want.Message)
			}
			if want := test.Want.MaybeDelivered || test.Want.Class == connector.ClassDoNotRetryPost; got.MaybeDelivered != want {
				t.Errorf("maybe delivered: %v", got.MaybeDelivered)
			}
			var wait time.Duration
			switch {
			case test.Want.WaitSeconds > 0:
				wait = time.Duration(test.Want.WaitSeconds) * time.Second
			case !test.Want.WaitUntil.IsZero():
				wait = test.Want.WaitUntil.Sub(now)
			case test.Want.Wait == "capped":
				wait = time.Hour
			}
			if got.RetryAfter != wait {
				t.Errorf("wait %s, want %s", got.RetryAfter, wait)
			}
			s.only(t)
		})
	}
}

func TestBadIDsReachNoService(t *testing.T) {
	t.Parallel()
	type badID struct {
		ID string `json:"id"`
	}
	cases := readCases[badID](t, "testdata/bad-ids.json")
	cases = append(cases, badID{"a\x7fb"}, badID{"a\u0085b"}, badID{"a\xffb"}, badID{"\t"})
	s := newService(t, answerWith(200, `{}`))
	c := newClient(t, connector.Config{})
	for _, bad := range cases {
		conversation, id := activity.ConversationID(bad.ID), activity.ID(bad.ID)
		for argument, call := range map[string]func() error{
			"conversation id of send": func() error { _, err := sendTo(t, c, s.URL, conversation); return err },
			"conversation id of reply": func() error {
				_, err := c.ReplyToActivity(t.Context(), s.URL, conversation, "1", activity.Message("x"))
				return err
			},
			"activity id of reply": func() error {
				_, err := c.ReplyToActivity(t.Context(), s.URL, "c", id, activity.Message("x"))
				return err
			},
			"activity id of update": func() error {
				_, err := c.UpdateActivity(t.Context(), s.URL, "c", id, activity.Message("x"))
				return err
			},
			"activity id of delete":     func() error { return c.DeleteActivity(t.Context(), s.URL, "c", id) },
			"member id of delete":       func() error { return c.DeleteMember(t.Context(), s.URL, "c", activity.AccountID(bad.ID)) },
			"member id of get":          func() error { _, err := c.Member(t.Context(), s.URL, "c", activity.AccountID(bad.ID)); return err },
			"attachment id of info":     func() error { _, err := c.AttachmentInfo(t.Context(), s.URL, bad.ID); return err },
			"view id of view":           func() error { _, err := c.AttachmentView(t.Context(), s.URL, "a", bad.ID); return err },
			"reaction type of reaction": func() error { return c.DeleteReaction(t.Context(), s.URL, "c", "1", activity.ReactionType(bad.ID)) },
			"conversation id of history": func() error {
				_, err := c.SendHistory(t.Context(), s.URL, conversation, activity.Transcript{})
				return err
			},
			"conversation id of members":   func() error { _, err := c.Members(t.Context(), s.URL, conversation); return err },
			"conversation id of the pages": func() error { _, err := c.PagedMembers(t.Context(), s.URL, conversation, 0, ""); return err },
		} {
			err := call()
			refused, ok := errors.AsType[*connector.ArgumentError](err)
			if name, _, _ := strings.Cut(argument, " of "); !ok || refused.Argument != name {
				t.Errorf("%s %q: %v", argument, bad.ID, err)
			} else if e := failure(t, err); e.Class != connector.ClassPermanent || e.MaybeDelivered || e.Status != 0 {
				t.Errorf("%s %q: %+v", argument, bad.ID, e)
			}
		}
	}
	if _, err := c.ReplyToActivity(t.Context(), s.URL, "c", "History", activity.Message("x")); err == nil {
		t.Error("a reply became an upload of history")
	}
	if n := len(s.received()); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

func sendTo(t *testing.T, c *connector.Client, serviceURL string, conversation activity.ConversationID) (activity.ResourceResponse, error) {
	t.Helper()
	return c.SendToConversation(t.Context(), serviceURL, conversation, activity.Message("x"))
}

func TestNoIDLeavesItsSegment(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"a:1kL-x_Y", "19:abc123@thread.tacv2", "19:abc123@thread.tacv2;messageid=1700000000000", "29:1x-", "B1:T2:C3",
		"Kq3-us|0000004", "b1c|livechat", "+15551230000", "<a@b.example>", "a/b", "19:abc/../x", "a//b", "../..", "...", "a?b=c#d",
		"%2e%2e", "%00", "a b", "a+b", `a\b`, "\u202eabc", "日本", strings.Repeat("x", 10_000), "&=$,;'!*()",
	} {
		s := newService(t, answerWith(200, `{}`))
		c := newClient(t, connector.Config{})
		if _, err := c.ReplyToActivity(t.Context(), s.URL+"/base", activity.ConversationID(id), activity.ID(id), activity.Message("x")); err != nil {
			t.Errorf("%.40q: %v", id, err)
			continue
		}
		got := s.only(t)
		if want := []string{"base", "v3", "conversations", id, "activities", id}; !slices.Equal(got.Segments, want) || len(got.Query) > 0 {
			t.Errorf("%.40q arrived as %.200q, query %v", id, got.Segments, got.Query)
		}
	}
}
