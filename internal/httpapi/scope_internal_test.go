package httpapi

import (
	stdjson "encoding/json"
	"slices"
	"testing"

	"github.com/headsup-bot/headsup/api"
)

func TestScopesOfTargets(t *testing.T) {
	t.Parallel()
	raw := stdjson.RawMessage(`{}`)
	for name, c := range map[string]struct {
		to   api.Target
		want []string
	}{
		"nobody":       {api.Target{}, nil},
		"conversation": {api.Target{Conversation: "c"}, nil},
		"user":         {api.Target{User: "u"}, nil},
		"external id":  {api.Target{ExternalID: "x"}, nil},
		"tag":          {api.Target{Tag: "t"}, []string{"broadcast"}},
		"everyone":     {api.Target{Everyone: true}, []string{"broadcast"}},
		"reference":    {api.Target{Reference: raw}, []string{"admin"}},
		"address":      {api.Target{Address: raw}, []string{"admin"}},
		"a mail":       {api.Target{Address: stdjson.RawMessage(`"mailto:ann@example.com"`)}, nil},
		"both":         {api.Target{Address: raw, Everyone: true}, []string{"admin", "broadcast"}},
	} {
		var got []string
		for _, n := range targetNeeds(c.to) {
			got = append(got, string(n.scope))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
