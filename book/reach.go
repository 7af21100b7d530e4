package book

import (
	"slices"
	"time"
)

// Reach says whether a conversation can be written to.
type Reach string

const (
	ReachActive Reach = "active"
	// ReachUninstalled: the bot is not there any more. It ends when the bot is installed again, or something is said to it
	// that happened later.
	ReachUninstalled Reach = "uninstalled"
	// ReachBlocked: somebody there does not want to hear of the bot. It ends with whatever is said to it.
	ReachBlocked Reach = "blocked"
	// ReachProspective: there is no such conversation yet, only somebody whom the bot has not met; see [Prospect].
	ReachProspective Reach = "prospective"
	// ReachUnreachable: nothing can be said there for a while. It ends as ReachUninstalled does, or when its time is over.
	ReachUnreachable Reach = "unreachable"
)

// Causes that events have told.
const (
	CauseInstalled      = "installed"
	CauseUninstalled    = "uninstalled"
	CauseBotRemoved     = "bot_removed"
	CauseContactRemoved = "contact_removed"
	CauseUpgrading      = "upgrading"
	CauseTeamArchived   = "team_archived"
	CauseTeamUnarchived = "team_unarchived"
	CauseTeamDeleted    = "team_deleted"
	CauseTeamGone       = "team_hard_deleted"
	CauseTeamRestored   = "team_restored"
	CauseRoomDeleted    = "channel_deleted"
	CauseRoomRestored   = "channel_restored"
	// CauseRecreated: the channel did not have it any more, and has made it again. It is no event's.
	CauseRecreated = "recreated"
	// CauseEnded: the conversation is over.
	CauseEnded = "ended"
	// CauseTimeOver: it was unreachable until then.
	CauseTimeOver = "time_over"
)

// Standing is a reach with its cause, since when it is so, and until when; see [Conversation].
type Standing struct {
	Reach Reach
	Cause string
	At    time.Time
	Until time.Time
}

// Struck is what standing a conversation has after one was noted for it. One that is as it was stays so since then.
func (c Conversation) Struck(s Standing) Standing {
	if c.Reach == s.Reach && !c.ReachAt.IsZero() {
		s.At = c.ReachAt
	}
	return s
}

// Lifts is what standing a conversation has after a sighting. Whatever is said ends that it cannot be reached, but
// what happened before the event that has told so; an installation begins anew.
func (s Sighting) Lifts(c Conversation) Standing {
	now := Standing{c.Reach, c.Cause, c.ReachAt, c.Until}
	said := s.Said()
	switch {
	case s.Prospect.Reach != "" && (c.Reach == "" || c.Reach == ReachProspective):
		now = s.Prospect
	case c.Reach == "": // a new one
		now = Standing{Reach: ReachActive, At: said}
		if s.Installed {
			now.Cause = CauseInstalled
		}
	case said.Before(c.ReachAt) && ordered(c.Cause): // by the channel's clock, both
	case s.Recreated:
		now = Standing{Reach: ReachActive, Cause: CauseRecreated, At: said}
	case s.Installed:
		now = Standing{Reach: ReachActive, Cause: CauseInstalled, At: said}
	case c.Reach != ReachActive:
		now = Standing{Reach: ReachActive, At: said}
	}
	return now
}

// ordered reports whether events have told a cause, so that their order counts.
func ordered(cause string) bool { return slices.Contains(eventCauses, cause) }

var eventCauses = []string{
	CauseInstalled, CauseUninstalled, CauseBotRemoved, CauseContactRemoved, CauseUpgrading, CauseTeamArchived,
	CauseTeamUnarchived, CauseTeamDeleted, CauseTeamGone, CauseTeamRestored, CauseRoomDeleted, CauseRoomRestored,
	CauseEnded,
}

// EventCauses lists the causes that events tell. All others are answers of channels, or the operator's.
func EventCauses() []string { return slices.Clone(eventCauses) }

// Forbidden reports whether a conversation cannot be written to because the channel has said so in answer to an attempt.
func (c Conversation) Forbidden() bool {
	return c.Reach != ReachActive && c.Reach != ReachProspective && !ordered(c.Cause)
}

// Reachable reports whether a conversation can be written to at a time: it is active, or was unreachable only until then.
func (c Conversation) Reachable(now time.Time) bool {
	return c.Reach == ReachActive || c.Reach == ReachUnreachable && !c.Until.IsZero() && !c.Until.After(now)
}
