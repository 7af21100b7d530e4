package httpapi

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/internal/access"
)

type topicsAnswer struct {
	Body api.Topics
}

func (s *service) topics(a huma.API) {
	register(s, a, huma.Operation{
		OperationID: "list-topics", Method: http.MethodGet, Path: "/v1/topics",
		Summary: "See what goes for topics",
		Description: "Lists the topics of which the server's configuration says something, and what goes for their notifications that do not " +
			"say so themselves. A notification shows what applies to it.",
		Tags:     []string{"topics"},
		Security: needs(access.Read),
		Errors:   []int{422},
	}, s.listTopics)
}

func (s *service) listTopics(ctx context.Context, _ *struct{}) (*topicsAnswer, error) {
	all := s.engine(ctx).Topics()
	out := api.Topics{Topics: make([]api.Topic, 0, len(all))}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t := all[name]
		topic := api.Topic{
			Topic: name, Manners: mannersOf(t.Policy), Urgent: t.Urgent, Mandatory: t.Mandatory, Title: t.Title, Description: t.Description,
			Default: api.TopicOn,
		}
		if t.Off {
			topic.Default = api.TopicOff
		}
		for _, f := range t.Fallback {
			if f.To == nil || access.FromContext(ctx).Tenant == "" { // whose addresses these are is no tenant's business
				topic.Fallback = append(topic.Fallback, wayAsked(f))
			}
		}
		out.Topics = append(out.Topics, topic)
	}
	return &topicsAnswer{Body: out}, nil
}
