package teams

import (
	"errors"
	"fmt"
	"html"
	"strings"

	"github.com/headsup-bot/headsup/activity"
)

// Mention adds somebody to what a message says: it replaces each place of the text that is "@" and the name in braces, such as
// @{Nadia}, by the name as Teams has it, and adds the entity that makes it one. Without such a place the name is put before the
// text. The id is that of the channel (29:…) or, as Teams allows it, the object id or user principal name.
func Mention(a *activity.Activity, who activity.ChannelAccount) error {
	if who.ID == "" || who.Name == "" {
		return errors.New("teams: mention: an id and a name are needed")
	}
	named := "<at>" + html.EscapeString(who.Name) + "</at>"
	entity, err := activity.Mention{Mentioned: activity.ChannelAccount{ID: who.ID, Name: who.Name}, Text: named}.Entity()
	if err != nil {
		return fmt.Errorf("teams: mention: %w", err)
	}
	place := "@{" + who.Name + "}"
	if strings.Contains(a.Text, place) {
		a.Text = strings.ReplaceAll(a.Text, place, named)
	} else {
		a.Text = strings.TrimSpace(named + " " + a.Text)
	}
	a.Entities = append(a.Entities, entity)
	return nil
}

// Mentioned are those whom a message names, without the bot itself.
func Mentioned(a *activity.Activity) (people []activity.ChannelAccount) {
	for _, e := range a.Entities {
		m, ok := e.Mention()
		if ok && m.Mentioned.ID != "" && (a.Recipient == nil || m.Mentioned.ID != a.Recipient.ID) {
			people = append(people, m.Mentioned)
		}
	}
	return people
}

// Said is a message's text without the mention of the bot, which messages in channels and groups begin with, and without space
// around it.
func Said(a *activity.Activity) string {
	if a.Recipient == nil {
		return strings.TrimSpace(a.Text)
	}
	return strings.TrimSpace(a.TextWithoutMention(a.Recipient.ID))
}
