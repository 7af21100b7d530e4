package teams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/pace"
)

// BatchID names what Teams was asked to send in bulk.
type BatchID string

// MostInBatch is how many people or channels one batch may name.
const MostInBatch = 100

// ErrBatchSize: a batch names nobody, or more than [MostInBatch].
var ErrBatchSize = fmt.Errorf("teams: a batch is for 1 to %d people or channels", MostInBatch)

// batch is the body of a request. Teams finds the bot by the token.
type batch struct {
	Members  []member           `json:"members,omitzero"`
	Team     string             `json:"teamId,omitzero"`
	Tenant   activity.TenantID  `json:"tenantId"`
	Activity *activity.Activity `json:"activity"`
}

type member struct {
	ID string `json:"id"`
}

// SendToUsers has Teams send a message to each of some people, by their ids on the channel or object ids. Batches are for
// what must be said fast and need neither be changed nor taken back: they tell no ids, and what was sent is in no notification.
// The reference is that of any conversation in the tenant.
func (c *Client) SendToUsers(ctx context.Context, ref activity.Reference, people []activity.AccountID, a *activity.Activity) (BatchID, error) {
	return c.sendBatch(ctx, ref, "users", batch{Members: membersOf(people), Activity: a}, true)
}

// SendToChannels has Teams post a message in each of some channels.
func (c *Client) SendToChannels(ctx context.Context, ref activity.Reference, channels []activity.ConversationID, a *activity.Activity) (BatchID, error) {
	return c.sendBatch(ctx, ref, "channels", batch{Members: membersOf(channels), Activity: a}, true)
}

// SendToTeam has Teams send a message to everybody in a team, each by themselves.
func (c *Client) SendToTeam(ctx context.Context, ref activity.Reference, team string, a *activity.Activity) (BatchID, error) {
	if team == "" {
		return "", errors.New("teams: batch: no team is named")
	}
	return c.sendBatch(ctx, ref, "team", batch{Team: team, Activity: a}, false)
}

// SendToTenant has Teams send a message to everybody in the tenant who has the app.
func (c *Client) SendToTenant(ctx context.Context, ref activity.Reference, a *activity.Activity) (BatchID, error) {
	return c.sendBatch(ctx, ref, "tenant", batch{Activity: a}, false)
}

func membersOf[ID ~string](ids []ID) []member {
	all := make([]member, len(ids))
	for i, id := range ids {
		all[i].ID = string(id)
	}
	return all
}

// sendBatch is not repeated: nobody could tell whether the first was taken.
func (c *Client) sendBatch(ctx context.Context, ref activity.Reference, to string, b batch, named bool) (id BatchID, err error) {
	if named && (len(b.Members) == 0 || len(b.Members) > MostInBatch) {
		return "", ErrBatchSize
	}
	b.Tenant = ref.Conversation.TenantID
	if b.Tenant == "" || b.Activity == nil {
		return "", errors.New("teams: batch: a tenant in the reference and a message are needed")
	}
	permit, err := c.cfg.Limits.Wait(ctx, headsup.RouteOf(headsup.KeyOf(c.cfg.AppID, ref), ref.ServiceURL), "", pace.Delivery)
	if err != nil {
		return "", fmt.Errorf("teams: batch: %w", err)
	}
	var answer jsontext.Value
	err = c.cfg.Connector.Call(ctx, connector.Call{
		Op: "send batch", Method: http.MethodPost, ServiceURL: ref.ServiceURL, Path: "/v3/batch/conversation/" + to + "/", Body: &b,
	}, &answer)
	permit.Done(time.Now())
	if err == nil {
		id, err = readBatchID(answer)
	}
	if err != nil {
		return "", fmt.Errorf("teams: batch: %w", err)
	}
	return id, nil
}

// readBatchID reads an answer: the id as JSON, or in an object.
func readBatchID(answer jsontext.Value) (id BatchID, err error) {
	if answer.Kind() == jsontext.KindBeginObject {
		var object struct {
			ID BatchID `json:"operationId"`
		}
		err = json.Unmarshal(answer, &object)
		id = object.ID
	} else {
		err = json.Unmarshal(answer, &id)
	}
	if err == nil && id == "" {
		err = errors.New("the answer has no id")
	}
	return id, err
}

// BatchState is how far a batch has come.
type BatchState struct {
	// State is Teams's word, such as "Ongoing" or "Completed".
	State string `json:"state"`
	// Statuses counts those to whom it was sent, or not, by status of HTTP.
	Statuses map[string]int `json:"statusMap"`
	// RetryAfter is when to ask again, if Teams says so.
	RetryAfter time.Time `json:"retryAfter,omitzero"`
	// Total is to how many it goes.
	Total int `json:"totalEntriesCount"`
}

// Batch tells how far a batch has come.
func (c *Client) Batch(ctx context.Context, ref activity.Reference, id BatchID) (s BatchState, err error) {
	err = c.ask(ctx, ref, askBatch+string(id), func(ctx context.Context, serviceURL string) error {
		return c.cfg.Connector.Call(ctx, batchCall("get batch", http.MethodGet, serviceURL, "/v3/batch/conversation/{batch id}", id), &s)
	})
	if err != nil {
		return s, fmt.Errorf("teams: batch: %w", err)
	}
	return s, nil
}

// askBatch is what is asked, for the windows that it has.
const askBatch = "batch "

func batchCall(op, method, serviceURL, path string, id BatchID) connector.Call {
	return connector.Call{Op: op, Method: method, ServiceURL: serviceURL, Path: path, IDs: []string{string(id)}}
}

// BatchFailure is somebody whom a batch has not reached.
type BatchFailure struct {
	// ID is that of the person or channel.
	ID    string `json:"entryId"`
	Error string `json:"error"`
}

// BatchFailures lists whom a batch has not reached, page by page as they are needed.
func (c *Client) BatchFailures(ctx context.Context, ref activity.Reference, id BatchID) iter.Seq2[BatchFailure, error] {
	return func(yield func(BatchFailure, error) bool) {
		for token, first := "", true; first || token != ""; first = false {
			var page struct {
				Token    string         `json:"continuationToken"`
				Failures []BatchFailure `json:"failedEntryResponses"`
				Entries  []BatchFailure `json:"failedEntries"` // as some services write it
			}
			err := c.ask(ctx, ref, askBatch+string(id), func(ctx context.Context, serviceURL string) error {
				call := batchCall("list failures of batch", http.MethodGet, serviceURL, "/v3/batch/conversation/failedentries/{batch id}", id)
				if token != "" {
					call.Query = url.Values{"continuationToken": {token}}
				}
				return c.cfg.Connector.Call(ctx, call, &page)
			})
			if err == nil && token != "" && page.Token == token {
				err = errors.New("the same page is told again and again")
			}
			if err != nil {
				yield(BatchFailure{}, fmt.Errorf("teams: batch: %w", err))
				return
			}
			for _, f := range append(page.Failures, page.Entries...) {
				if !yield(f, nil) {
					return
				}
			}
			token = page.Token
		}
	}
}

// CancelBatch ends a batch; what was sent stays.
func (c *Client) CancelBatch(ctx context.Context, ref activity.Reference, id BatchID) error {
	err := c.ask(ctx, ref, askBatch+string(id), func(ctx context.Context, serviceURL string) error {
		return c.cfg.Connector.Call(ctx, batchCall("cancel batch", http.MethodDelete, serviceURL, "/v3/batch/conversation/{batch id}", id), nil)
	})
	if err != nil {
		return fmt.Errorf("teams: batch: %w", err)
	}
	return nil
}
