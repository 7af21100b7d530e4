package api

import (
	"encoding/json"
	"time"
)

// Notice is a notification in its parts, which each channel is given in the form that it shows best.
type Notice struct {
	What     string         `json:"what" minLength:"1" maxLength:"256" doc:"What happened, in one line." example:"The invoice needs your approval"`
	Text     string         `json:"text,omitempty" maxLength:"8192" doc:"More of it, as plain text; several lines are." example:"It is above the limit of your team."`
	Item     *NoticeItem    `json:"item,omitempty" doc:"What it happened to."`
	Actor    *NoticeActor   `json:"actor,omitempty" doc:"Who did it."`
	When     *time.Time     `json:"when,omitempty" doc:"When it happened. It is shown in the person's own zone." example:"2026-03-04T16:30:00Z"`
	Severity string         `json:"severity,omitempty" enum:"info,default,good,warning,critical" doc:"How bad, or good, it is: shown as a colour and as a word. default, if not given, is neither."`
	Picture  *NoticePicture `json:"picture,omitempty" doc:"Shown with it."`
	Facts    []NoticeFact   `json:"facts,omitempty" maxItems:"20" doc:"Shown as a table."`
	Actions  []NoticeAction `json:"actions,omitempty" maxItems:"5" doc:"What can be done about it: buttons, or links. A way to mute its topic, or to opt out, is offered besides."`
}

// NoticeItem is what a notice is about. One of its members may be missing.
type NoticeItem struct {
	Title string `json:"title,omitempty" maxLength:"256" doc:"What it is called." example:"INV-2041"`
	URL   string `json:"url,omitempty" maxLength:"2048" doc:"Where it is: an http or https URL." example:"https://erp.example.com/invoices/2041"`
}

// NoticeActor is who did it.
type NoticeActor struct {
	Name string `json:"name" minLength:"1" maxLength:"256" doc:"Their name." example:"Ann Example"`
	URL  string `json:"url,omitempty" maxLength:"2048" doc:"Where they are found: an http, https or mailto URL."`
}

// NoticePicture is shown with a notice.
type NoticePicture struct {
	URL string `json:"url" minLength:"1" maxLength:"2048" doc:"Where it is: an https URL." example:"https://erp.example.com/invoices/2041.png"`
	Alt string `json:"alt" minLength:"1" maxLength:"256" doc:"What is on it, for those who do not see it." example:"The first page of the invoice"`
}

// NoticeFact is a line of the table.
type NoticeFact struct {
	Title string `json:"title" minLength:"1" maxLength:"128" example:"Amount"`
	Value string `json:"value" minLength:"1" maxLength:"1024" example:"€ 12,400.00"`
}

// NoticeAction is something that can be done about a notice.
type NoticeAction struct {
	Do    string          `json:"do" enum:"open,do,snooze,mute,opt_out" doc:"What it does: open a page; have the bot, or a webhook for card.action, do something; say the notification again after a while; mute its topic; or opt out of everything."`
	Title string          `json:"title,omitempty" maxLength:"256" doc:"What stands on it. It may be missing for snooze, mute and opt_out, for which there are words in the person's language." example:"Approve"`
	URL   string          `json:"url,omitempty" maxLength:"2048" doc:"For open: an https, http, mailto or tel URL."`
	Name  string          `json:"name,omitempty" maxLength:"128" doc:"For do: what is to be done." example:"approve"`
	Value json.RawMessage `json:"value,omitzero" doc:"For do: with what. Any JSON of up to 2 kB. The person can read it, and not change it."`
	For   string          `json:"for,omitempty" maxLength:"32" pattern:"^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" doc:"For snooze: after how long it is said again, from 1m to 720h. 1h, if not given." example:"2h"`
}
