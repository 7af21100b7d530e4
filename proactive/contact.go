package proactive

import (
	"fmt"
	"strings"
	"time"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/pace"
)

// NoTargetError is an [ErrNoTarget] that says exactly why nobody is told.
type NoTargetError struct {
	// Rule is that of Channel for people who have never written to the bot; empty for somebody who is in the book.
	Rule    pace.FirstContact
	Channel activity.ChannelID
	// Standing is how the latest conversation with somebody who is in the book stands.
	Standing book.Standing
	// Unknown is "team" or "channel" if the book does not know that.
	Unknown string
}

// Code is a stable word for it: target_ with the reach, unknown_ with what the book does not know, or first_contact_ with the rule.
func (e *NoTargetError) Code() string {
	if e.Unknown != "" {
		return "unknown_" + e.Unknown
	}
	if e.Rule != "" {
		return "first_contact_" + string(e.Rule)
	}
	return "target_" + string(e.Standing.Reach)
}

func (e *NoTargetError) Error() string {
	switch e.Unknown {
	case "":
	case unknownTeam:
		return "the bot is in no team with that id, as far as it was told; it is told when its app is installed there"
	default:
		return "the team is known, and nothing was heard of a channel with that id in it"
	}
	switch e.Rule {
	case pace.FirstContactInstalled:
		return fmt.Sprintf("nobody is known by that key, and on %s a bot can write to people only once its app is installed for them", e.Channel)
	case pace.FirstContactRoster:
		return fmt.Sprintf("nobody is known by that key, and on %s a bot can write only to people in a place where it is", e.Channel)
	case pace.FirstContactFree:
		return fmt.Sprintf("nobody is known by that key; %s would let the bot write first, but no such channel is set up here", e.Channel)
	case pace.FirstContactNever:
		return fmt.Sprintf("nobody is known by that key, and on %s people have to write to the bot first", e.Channel)
	}
	text := fmt.Sprintf("the latest conversation with them is %s since %s", e.Standing.Reach, e.Standing.At.UTC().Format(time.RFC3339))
	if e.Standing.Cause != "" {
		text += " (" + e.Standing.Cause + ")"
	}
	if !e.Standing.Until.IsZero() {
		text += ", until " + e.Standing.Until.UTC().Format(time.RFC3339)
	}
	return text
}

// Is makes it an [ErrNoTarget].
func (e *NoTargetError) Is(target error) bool { return target == ErrNoTarget } //nolint:errorlint // what [errors.Is] asks

// stranger is the error for somebody who is not in the book; nil where nothing tells on which channel they would be.
func (e *Engine) stranger(to headsup.Target) error {
	channel := activity.ChannelID("")
	switch {
	case to.ObjectID != "", to.UPN != "", to.Email != "", strings.HasPrefix(string(to.User), teamsUser):
		channel = activity.ChannelTeams // whose people have such keys
	default:
		return nil
	}
	return &NoTargetError{Rule: e.cfg.Profiles.FirstContact(string(channel)), Channel: channel}
}

// teamsUser begins the ids of people in Microsoft Teams.
const teamsUser = "29:"
