package server

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/internal/httpapi"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
)

// agents serves the routes below /proactive of the Microsoft 365 Agents SDK for .NET (MapAgentProactiveEndpoints), so that a
// program which was written against them needs another address only. What it says goes through the queue: it is stored before
// anything is sent, kept within limits, and tried again; the answer waits for the outcome.
type agents struct {
	engine *proactive.Engine
	bot    *headsup.Bot
	appID  string
	// serviceURL is where conversations are opened on a channel in a tenant; empty where nobody knows.
	serviceURL func(ctx context.Context, channel activity.ChannelID, tenant activity.TenantID) (string, error)
	mayCall    func(serviceURL string) bool
	// acts has what a request changes in the book stand in the audit log.
	acts func(*http.Request) context.Context
	// own is the bot's account on the embedded channel.
	own activity.ChannelAccount
}

// agentsPatience is how long an answer waits for the outcome. What takes longer goes on, and is answered with 202.
const agentsPatience = 20 * time.Second

// maxAgentsBody bounds a body in bytes.
const maxAgentsBody = 512 << 10

// register adds the routes. Who says where something is sent, instead of the book, has to be an admin.
func (a *agents) register(mux *http.ServeMux, door httpapi.Door) {
	for pattern, route := range map[string]struct {
		scope  access.Scope
		handle func(r *http.Request, body []byte) (any, error)
	}{
		"POST /proactive/sendactivity/{conversation}":     {access.Send, a.sendByID},
		"POST /proactive/sendactivity":                    {access.Admin, a.sendByRecord},
		"POST /proactive/continue/{conversation}":         {access.Send, a.continueByID},
		"POST /proactive/continue/{route}/{conversation}": {access.Send, a.continueByID},
		"POST /proactive/continue":                        {access.Admin, a.continueByRecord},
		"POST /proactive/create":                          {access.Admin, a.create},
	} {
		mux.Handle(pattern, door.Require(route.scope, agentsRoute(route.handle)))
	}
}

// agentsError is an answer as the SDK gives it.
type agentsError struct {
	status        int
	code, message string
}

func (e *agentsError) Error() string { return e.message }

// pending is that the outcome is not known yet.
type pending struct{ id headsup.NotificationID }

func agentsRoute(handle func(r *http.Request, body []byte) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := agentsBody(w, r)
		var answer any
		if err == nil {
			answer, err = handle(r, body)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		failed, told := errors.AsType[*agentsError](err)
		wait, waits := answer.(pending)
		switch {
		case told:
			answerAgents(w, failed.status, map[string]any{"error": map[string]string{"code": failed.code, "message": failed.message}})
		case err != nil:
			answerAgents(w, http.StatusServiceUnavailable, map[string]any{"error": map[string]string{"code": "ServiceError", "message": "it could not be stored"}})
		case waits:
			w.Header().Set("Location", "/v1/notifications/"+string(wait.id))
			answerAgents(w, http.StatusAccepted, struct{}{})
		case answer == nil:
			w.WriteHeader(http.StatusOK)
		default:
			answerAgents(w, http.StatusOK, answer)
		}
	})
}

func answerAgents(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, body)
}

// agentsBody reads a body, which is JSON or nothing.
func agentsBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAgentsBody))
	if err != nil {
		return nil, &agentsError{http.StatusRequestEntityTooLarge, "MessageSizeTooBig", "the body is too large"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); len(body) > 0 && (err != nil || kind != "application/json") {
		return nil, &agentsError{http.StatusUnsupportedMediaType, "BadArgument", "the content type must be application/json"}
	}
	return body, nil
}

func badArgument(message string) error {
	return &agentsError{http.StatusBadRequest, "BadArgument", message}
}

// sendByID says an activity in a conversation of the book.
func (a *agents) sendByID(r *http.Request, body []byte) (any, error) {
	said, err := agentsActivity("the body", body)
	if err != nil {
		return nil, err
	}
	return a.say(r.Context(), headsup.Notification{To: headsup.Target{Conversation: activity.ConversationID(r.PathValue("conversation"))}, Activity: said})
}

// sendByRecord says an activity in a conversation that the caller describes.
func (a *agents) sendByRecord(r *http.Request, body []byte) (any, error) {
	var ask struct {
		Conversation jsontext.Value `json:"conversation"`
		Activity     jsontext.Value `json:"activity"`
	}
	if err := json.Unmarshal(body, &ask, json.MatchCaseInsensitiveNames(true)); err != nil || len(ask.Conversation) == 0 || len(ask.Activity) == 0 {
		return nil, badArgument("the body must be a JSON object with a conversation and an activity")
	}
	said, err := agentsActivity("activity", ask.Activity)
	if err != nil {
		return nil, err
	}
	ref, err := a.recorded(a.acts(r), ask.Conversation)
	if err != nil {
		return nil, err
	}
	return a.say(r.Context(), headsup.Notification{To: headsup.ToConversation(ref), Activity: said})
}

// continueByID runs a turn of the bot in a conversation of the book. Its event has the members of the query as value, and which
// route it was, if one was named.
func (a *agents) continueByID(r *http.Request, _ []byte) (any, error) {
	value, err := queryValue(r)
	if err != nil {
		return nil, err
	}
	return a.run(r.Context(), headsup.Notification{
		To: headsup.Target{Conversation: activity.ConversationID(r.PathValue("conversation"))}, Handler: ownHandler, Value: value,
	})
}

// continueByRecord is the same in a conversation that the caller describes.
func (a *agents) continueByRecord(r *http.Request, body []byte) (any, error) {
	value, err := queryValue(r)
	if err != nil {
		return nil, err
	}
	ref, err := a.recorded(a.acts(r), body)
	if err != nil {
		return nil, err
	}
	return a.run(r.Context(), headsup.Notification{To: headsup.ToConversation(ref), Handler: ownHandler, Value: value})
}

// queryValue is what the SDK tells a handler: an object of the query's members.
func queryValue(r *http.Request) (jsontext.Value, error) {
	members := make(map[string]string)
	for name, values := range r.URL.Query() {
		members[name] = values[0]
	}
	if route := r.PathValue("route"); route != "" {
		members["route"] = route
	}
	if len(members) == 0 {
		return nil, nil
	}
	value, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return nil, badArgument("the query is not UTF-8")
	}
	return value, nil
}

func agentsActivity(what string, raw []byte) (*activity.Activity, error) {
	if len(raw) == 0 {
		return nil, badArgument(what + " must be an activity")
	}
	said, err := activity.Decode(raw)
	if err != nil {
		return nil, badArgument(what + ": " + err.Error())
	}
	return said, nil
}

// recorded puts a conversation into the book, unless it is there.
func (a *agents) recorded(ctx context.Context, raw []byte) (activity.Reference, error) {
	found, err := activity.Recognise(raw)
	if err != nil {
		return activity.Reference{}, badArgument("conversation: " + err.Error())
	}
	all, err := a.engine.Import(ctx, []proactive.Import{{Reference: found.Reference, AppID: found.AppID}}, false)
	switch {
	case err != nil:
		return activity.Reference{}, err
	case all[0].Err != nil:
		return activity.Reference{}, badArgument("conversation: " + all[0].Err.Error())
	}
	return all[0].Conversation.Reference, nil
}

// run has the bot say something by itself, and answers with nothing.
func (a *agents) run(ctx context.Context, n headsup.Notification) (any, error) {
	answer, err := a.say(ctx, n)
	if _, waits := answer.(pending); waits || err != nil {
		return answer, err
	}
	return nil, nil
}

// say notifies, and waits for the outcome: the activity's id, or why there is none.
func (a *agents) say(ctx context.Context, n headsup.Notification) (any, error) {
	accepted, err := a.engine.Notify(ctx, n)
	wrong, isWrong := errors.AsType[*proactive.FieldError](err)
	switch {
	case errors.Is(err, proactive.ErrNoTarget):
		return nil, &agentsError{http.StatusNotFound, "ConversationNotFound", "the reference book has no such conversation, or it cannot be written to"}
	case isWrong && wrong.Field == "handler":
		return nil, &agentsError{http.StatusNotFound, "NotFound", "the server hosts no bot that could continue"}
	case isWrong:
		return nil, badArgument(wrong.Error())
	case err != nil:
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, agentsPatience)
	defer cancel()
	s, err := a.engine.Wait(ctx, accepted.ID)
	switch {
	case err != nil:
		return nil, err
	case !s.Settled() || len(s.Deliveries) == 0:
		return pending{accepted.ID}, nil
	}
	d := s.Deliveries[0]
	if d.State == outbox.StateDelivered || d.State == outbox.StateSuppressed && d.Reason == outbox.ReasonNothingSaid {
		return activity.ResourceResponse{ID: d.Activity}, nil
	}
	failed := &agentsError{http.StatusBadGateway, string(d.State), "not delivered: " + d.Reason}
	if last := d.History[len(d.History)-1]; last.Status >= 400 && last.Status != http.StatusUnauthorized {
		failed.status = last.Status // the channel's own; a 401 would be about the caller
	}
	return nil, failed
}

// creation is what the SDK's create route takes.
type creation struct {
	AgentClientID        string                   `json:"agentClientId"`
	ChannelID            activity.ChannelID       `json:"channelId"`
	IsGroup              *bool                    `json:"isGroup"`
	User                 *activity.ChannelAccount `json:"user"`
	TopicName            string                   `json:"topicName"`
	TenantID             activity.TenantID        `json:"tenantId"`
	Activity             jsontext.Value           `json:"activity"`
	TeamsChannelID       string                   `json:"teamsChannelId"`
	ChannelData          jsontext.Value           `json:"channelData"`
	StoreConversation    bool                     `json:"storeConversation"`
	ContinueConversation bool                     `json:"continueConversation"`
}

// create opens a conversation, puts it into the book, and has its first activity said, or the bot go on in it. It answers with
// the SDK's record of reference and claims.
func (a *agents) create(r *http.Request, body []byte) (any, error) {
	var ask creation
	if err := json.Unmarshal(body, &ask, json.MatchCaseInsensitiveNames(true)); err != nil {
		return nil, badArgument("the body must be an object that says what to create: " + err.Error())
	}
	made, first, err := a.creation(r.Context(), ask)
	if err != nil {
		return nil, err
	}
	ref, err := a.bot.Create(a.acts(r), made, headsup.HandlerFunc(func(context.Context, *headsup.Turn) error { return nil }))
	if failed := headsup.MeaningOf(err); failed != nil {
		status := failed.Status
		if status < 400 || status == http.StatusUnauthorized {
			status = http.StatusBadGateway
		}
		return nil, &agentsError{status, failed.Reason, "the conversation was not created: " + failed.Reason}
	}
	for _, n := range a.opening(r, ask, ref, first) {
		if answer, err := a.say(r.Context(), n); err != nil {
			return answer, err
		}
	}
	return map[string]any{"reference": ref, "claims": map[string]string{"aud": a.appID}}, nil
}

// creation says where and with whom.
func (a *agents) creation(ctx context.Context, ask creation) (made headsup.Creation, first *activity.Activity, err error) {
	switch {
	case ask.ChannelID == "":
		return made, nil, badArgument("channelId: is missing")
	case ask.AgentClientID != "" && ask.AgentClientID != a.appID:
		return made, nil, badArgument("agentClientId: is another bot's")
	case ask.TeamsChannelID == "" && (ask.User == nil || ask.User.ID == ""):
		return made, nil, badArgument("user: is missing")
	}
	if len(ask.Activity) > 0 && ask.Activity.Kind() != jsontext.KindNull {
		if first, err = agentsActivity("activity", ask.Activity); err != nil {
			return made, nil, err
		}
	}
	service, err := a.serviceURL(ctx, ask.ChannelID, ask.TenantID)
	switch {
	case err != nil:
		return made, nil, err
	case service == "" || ask.ChannelID != activity.ChannelDirectLine && !a.mayCall(service):
		return made, nil, badArgument("nobody has written from that channel and tenant yet, so it is not known where conversations are opened there")
	}
	p := activity.ConversationParameters{
		IsGroup: ask.IsGroup, Bot: a.account(ask.ChannelID), TopicName: ask.TopicName, TenantID: ask.TenantID, ChannelData: ask.ChannelData,
	}
	if ask.User != nil {
		p.Members = []activity.ChannelAccount{*ask.User}
	}
	if ask.TeamsChannelID != "" { // a thread, which begins with what is said
		if first == nil {
			return made, nil, badArgument("activity: is missing, and a thread begins with it")
		}
		group := true
		p.IsGroup, p.Activity, p.Members = &group, first, nil
		p.ChannelData, err = json.Marshal(map[string]any{"channel": map[string]string{"id": ask.TeamsChannelID}, "tenant": map[string]string{"id": string(ask.TenantID)}})
		first = nil
	} else if len(p.ChannelData) == 0 && ask.TenantID != "" {
		p.ChannelData, err = json.Marshal(map[string]any{"tenant": map[string]string{"id": string(ask.TenantID)}})
	}
	return headsup.Creation{ChannelID: ask.ChannelID, ServiceURL: service, Parameters: p}, first, err
}

// account is the bot on a channel.
func (a *agents) account(channel activity.ChannelID) *activity.ChannelAccount {
	if channel == activity.ChannelDirectLine {
		return new(a.own)
	}
	if channel == activity.ChannelTeams {
		return &activity.ChannelAccount{ID: activity.AccountID("28:" + a.appID)}
	}
	return &activity.ChannelAccount{ID: activity.AccountID(a.appID)}
}

// opening is what is said in a new conversation.
func (a *agents) opening(r *http.Request, ask creation, ref activity.Reference, first *activity.Activity) (all []headsup.Notification) {
	if first != nil {
		all = append(all, headsup.Notification{To: headsup.ToConversation(ref), Activity: first})
	}
	if ask.ContinueConversation {
		value, _ := queryValue(r) // members that are no UTF-8 are nobody's
		all = append(all, headsup.Notification{To: headsup.ToConversation(ref), Handler: ownHandler, Value: value})
	}
	return all
}

// teamsEverywhere is where conversations on Teams are opened in the public cloud when nobody has written from a tenant yet
// ("Send proactive messages").
const teamsEverywhere = "https://smba.trafficmanager.net/teams/"

// serviceURLFor is where the newest conversation of a channel and tenant is, that a channel has vouched for.
func (s *Server) serviceURLFor(ctx context.Context, channel activity.ChannelID, tenant activity.TenantID) (string, error) {
	if channel == activity.ChannelDirectLine {
		return s.url, nil
	}
	url, at := "", time.Time{}
	var after book.Row
	for range 20 { // so many pages at most: it is one of the newest that is wanted, and any of them would do
		page, err := s.engine.Conversations(ctx, book.Filter{Channel: channel, Tenant: tenant}, after, 500)
		if err != nil {
			return "", err
		}
		for _, c := range page {
			if c.UpdatedAt.After(at) && (c.Source == book.SourceClaim || c.Source == book.SourceConfig || s.cfg.Azure.AppID == "") {
				url, at = c.Reference.ServiceURL, c.UpdatedAt
			}
			after = c.Row
		}
		if len(page) < 500 {
			break
		}
	}
	if url == "" && channel == activity.ChannelTeams && s.cfg.Azure.AppID != "" {
		return teamsEverywhere, nil
	}
	return url, nil
}
