package cli

import (
	"context"
	"strings"

	"github.com/headsup-bot/headsup/api"
)

type topicCommands struct {
	List listTopics `cmd:"" help:"List the topics that the server's configuration says something of."`
}

type listTopics struct {
	remote
}

// Help shows examples.
func (listTopics) Help() string {
	return `Examples:

    headsup topics list
    headsup topics list --json | jq -r 'select(.urgent).topic'

It shows what goes for notifications that do not say so themselves. Topics are set in the server's configuration file. With
--json, every topic is one line.`
}

// Run lists topics.
func (c listTopics) Run(ctx context.Context, s streams) error {
	server, err := c.client()
	if err != nil {
		return err
	}
	return lister[api.Topic]{
		head: []any{"TOPIC", "URGENT", "TERMS", "DEFAULT", "MANDATORY", "FALLBACK", "TITLE"},
		page: func(string, int) ([]api.Topic, string, error) {
			found, err := server.Topics(ctx)
			if err != nil {
				return nil, "", c.explain(err)
			}
			return found, "", nil
		},
		cells: func(t api.Topic) []any {
			yes := func(is bool) string {
				if is {
					return "yes"
				}
				return ""
			}
			ways := make([]string, 0, len(t.Fallback))
			for _, f := range t.Fallback {
				where := f.Channel
				if f.To != nil {
					where = strings.Trim(string(f.To.Address), `"`)
				}
				ways = append(ways, where)
			}
			return []any{
				t.Topic, yes(t.Urgent), strings.TrimPrefix(mannersText(t.Manners), "; "), t.Default, yes(t.Mandatory), strings.Join(ways, ", "), t.Title,
			}
		},
	}.print(s, listing{Limit: maxTopics}, c.JSON)
}

// maxTopics is more than a configuration file can hold.
const maxTopics = 1 << 20
