package faketeams

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
)

// How many members a page has: as it is asked for, within bounds, or by itself.
const leastPage, mostPage, usualPage = 50, 500, 200

// members answers for one member, all, or a page.
func (t *Teams) members(r fakechannel.Request) *answer {
	room, _ := t.find(activity.ConversationID(r.Conversation))
	if room == nil || room.gone {
		return notFound()
	}
	if no := t.barred(room, false); no != nil {
		return no
	}
	people := t.roster(room)
	switch r.ID {
	case "":
		return &answer{http.StatusOK, t.accountsOf(people)}
	case fakechannel.PagedID:
		return t.page(r, people)
	}
	for _, p := range people {
		if string(p.ID) == r.ID || p.ObjectID == r.ID || strings.EqualFold(p.UPN, r.ID) {
			return &answer{http.StatusOK, t.account(p)}
		}
	}
	return refuse(http.StatusNotFound, "MemberNotFoundInConversation", "The member is not found in the conversation.")
}

func (t *Teams) page(r fakechannel.Request, people []*person) *answer {
	size := usualPage
	if text := r.Query.Get("pageSize"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return badArgument("pageSize is not a positive number.")
		}
		size = min(max(n, leastPage), mostPage)
	}
	from := 0
	if token := r.Query.Get("continuationToken"); token != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(token, "from-"))
		if err != nil || n < 0 || n > len(people) {
			return badArgument("The continuation token is not one.")
		}
		from = n
	}
	to := min(from+size, len(people))
	body := map[string]any{"members": t.accountsOf(people[from:to])}
	if to < len(people) {
		body["continuationToken"] = "from-" + strconv.Itoa(to)
	}
	return &answer{http.StatusOK, body}
}

func (t *Teams) accountsOf(people []*person) []any {
	all := make([]any, len(people))
	for i, p := range people {
		all[i] = t.account(p)
	}
	return all
}

// account is a person as rosters have them ("Get Teams context for your bot").
func (t *Teams) account(p *person) map[string]any {
	given, family, _ := strings.Cut(p.Name, " ")
	role := "user"
	if p.Guest {
		role = "anonymous"
	}
	return map[string]any{
		"id": p.ID, "name": p.Name, "givenName": given, "surname": family, "objectId": p.ObjectID, "aadObjectId": p.ObjectID,
		"email": p.Mail, "userPrincipalName": p.UPN, "tenantId": t.cfg.Tenant, "userRole": role,
	}
}

// team answers for a team, or for its channels.
func (t *Teams) team(r fakechannel.Request) *answer {
	tm := t.teams[activity.ConversationID(r.Path[1])]
	switch {
	case tm == nil || tm.id != r.Path[1]:
		return notFound()
	case !tm.installed:
		return forbidden("BotNotInConversationRoster", "The bot is not part of the conversation roster.")
	case len(r.Path) == 2:
		return &answer{http.StatusOK, map[string]any{
			"id": tm.id, "name": tm.name, "aadGroupId": tm.group, "tenantId": t.cfg.Tenant, "type": "standard",
			"channelCount": len(tm.living()), "memberCount": len(tm.members),
		}}
	case len(r.Path) == 3 && strings.EqualFold(r.Path[2], "conversations"):
		channels := []any{}
		for _, c := range tm.living() {
			one := map[string]any{"id": c.id, "name": c.name, "type": "standard"}
			if string(c.id) == tm.id {
				one["name"] = nil // the General channel has no name here
			}
			channels = append(channels, one)
		}
		return &answer{http.StatusOK, map[string]any{"conversations": channels}}
	}
	return refuse(http.StatusNotFound, "NotFound", "There is no such operation.")
}

// living are the channels that are not deleted.
func (tm *team) living() []*room {
	return slices.DeleteFunc(slices.Clone(tm.channels), func(c *room) bool { return c.gone })
}
