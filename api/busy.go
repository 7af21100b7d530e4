package api

import "time"

// Manners say what becomes of a notification where its conversation is busy, and whether it asks for a reply.
type Manners struct {
	Policy      string `json:"policy,omitempty" enum:"adhoc,wait,interrupt,cancel,drop" doc:"What to do where something goes on in the conversation, a dialog or what a bot has flagged as busy. adhoc says it at once; wait holds it until nothing goes on; interrupt puts aside what goes on, says it, and resumes; cancel ends what goes on, and says it; drop does not say it. If not given, that of the topic, or adhoc."`
	MaxWait     string `json:"max_wait,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"With wait: how long it waits at most. 24h, if not given; at most 720h." example:"30m"`
	Then        string `json:"then,omitempty" enum:"adhoc,interrupt,cancel,drop" doc:"With wait: what is done when it has waited that long. adhoc, if not given."`
	With        string `json:"with,omitempty" maxLength:"255" doc:"With interrupt: the dialog or the handler that interrupts. If not given, the notification is said in between." example:"survey"`
	Quiet       string `json:"quiet,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"The conversation also counts as busy until nobody has said anything in it for so long; at most 1h. Not with adhoc." example:"30s"`
	Priority    int    `json:"priority,omitzero" minimum:"-100" maximum:"100" doc:"How pressing it is. What goes on with a smaller priority keeps it from nothing. Not with adhoc."`
	Release     string `json:"release,omitempty" enum:"each,digest" doc:"With wait: how it is said when others of its topic wait with it. each, the default, says one after the other; digest says them as one message, a list of their texts. What is more than a text is said by itself."`
	Expects     string `json:"expects,omitempty" enum:"reply" doc:"reply: the person's next message is the answer. It goes to whoever has asked, and not to the bot's own handler; then what was interrupted goes on."`
	ReplyTo     string `json:"reply_to,omitempty" maxLength:"255" doc:"With expects: the handler that gets the answer. If not given, it is left to webhooks and readers of events, as notification.answered." example:"survey"`
	ReplyWithin string `json:"reply_within,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"With expects: how long an answer is waited for, from the delivery on. 1h, if not given; at most 168h." example:"1h"`
}

// Busy is something that goes on in a conversation.
type Busy struct {
	By       string     `json:"by" doc:"Who says so: flag for what was set over this API or by the bot, dialog for a bot's dialogs, question:… for a notification that asks for a reply." example:"flag"`
	Reason   string     `json:"reason,omitempty" doc:"What goes on, for people." example:"booking"`
	Priority int        `json:"priority,omitzero" doc:"How pressing it is."`
	Since    time.Time  `json:"since" doc:"Since when."`
	Until    *time.Time `json:"until,omitempty" doc:"When it is over at the latest; not given for no end."`
}

// BusyRequest says that a conversation is busy.
type BusyRequest struct {
	Reason    string     `json:"reason,omitempty" maxLength:"255" doc:"What goes on, for people." example:"booking"`
	Priority  int        `json:"priority,omitzero" minimum:"-100" maximum:"100" doc:"How pressing it is: notifications with a greater priority are said all the same."`
	ExpiresIn string     `json:"expires_in,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"After how long it is over, if nobody has taken it back: a number with unit ms, s, m or h, or several. 15m, if neither this nor expires_at is given; at most 24h." example:"10m"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it is over instead."`
}
