package directline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
)

// readJSON reads a body that says it is JSON. Pages of other origins cannot send such a body without asking first.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &apiError{http.StatusUnsupportedMediaType, "BadArgument", "the content type must be application/json"}
	}
	return readBody(w, r, limit)
}

// notHere refuses what Direct Line has not.
func notHere(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Allow", http.MethodPost)
	return errNotAllowed
}

// talk finds the conversation that the path names.
func (c *Channel) talk(r *http.Request) (Conversation, error) {
	conv, _, err := c.spot(r)
	return conv, err
}

// spot finds the conversation that the path names, and the thread in it.
func (c *Channel) spot(r *http.Request) (conv Conversation, id activity.ConversationID, err error) {
	id = activity.ConversationID(r.PathValue("cid"))
	base, root := split(id)
	conv, err = c.conversation(r.Context(), base)
	if err == nil {
		err = c.checkRoot(r.Context(), base, root)
	}
	return conv, id, err
}

// createConversation opens a conversation for one member.
func (c *Channel) createConversation(w http.ResponseWriter, r *http.Request) error {
	body, err := readJSON(w, r, activity.DefaultBytes)
	if err != nil {
		return err
	}
	var p activity.ConversationParameters
	if err := json.Unmarshal(body, &p); err != nil {
		return &apiError{http.StatusBadRequest, "BadSyntax", "the body is not what it should be"}
	}
	resource, err := c.Create(r.Context(), headsup.Creation{ChannelID: activity.ChannelDirectLine, Parameters: p})
	if err != nil {
		return refusal(err)
	}
	if err := c.tellOpened(r.Context(), p, resource); err != nil {
		return err
	}
	return reply(w, http.StatusCreated, resource)
}

// tellOpened lets the bot's host know where the bot can continue what it has opened.
func (c *Channel) tellOpened(ctx context.Context, p activity.ConversationParameters, r activity.ConversationResource) error {
	if c.cfg.Opened == nil {
		return nil
	}
	conversation := accountOf(r.ID)
	conversation.ID = r.ID
	ref := activity.Reference{
		ChannelID: activity.ChannelDirectLine, ServiceURL: c.publicURL(), Bot: new(c.botAccount()), Conversation: *conversation,
	}
	if kindOf(r.ID) == KindPersonal {
		if user, err := c.onlyMember(p.Members); err == nil {
			ref.User = &user
		}
	}
	if err := c.cfg.Opened(ctx, ref); err != nil {
		return fmt.Errorf("note a conversation: %w", err)
	}
	return nil
}

// refusal is what an error of the channel's own methods means over HTTP.
func refusal(err error) error {
	e, ok := errors.AsType[*headsup.SendError](err)
	switch {
	case ok && e.Meaning == headsup.MeaningUnsupported:
		return errNotAllowed
	case !ok || e.Meaning != headsup.MeaningPermanent || e.Reason != "bad_argument":
		return err // what it wraps is known
	}
	return badArgument("%s", e.Err)
}

// address is the reference of the conversation that a bot's request names.
func address(id activity.ConversationID) activity.Reference {
	return activity.Reference{
		ChannelID: activity.ChannelDirectLine, Conversation: activity.ConversationAccount{ID: id},
	}
}

// botUpdates replaces something that a bot has said.
func (c *Channel) botUpdates(w http.ResponseWriter, r *http.Request) error {
	_, id, err := c.spot(r)
	if err != nil {
		return err
	}
	body, err := readJSON(w, r, activity.DefaultBytes)
	if err != nil {
		return err
	}
	a, err := decode(body)
	if err != nil {
		return err
	}
	a.ID = activity.ID(r.PathValue("aid"))
	resource, err := c.Update(r.Context(), headsup.Outgoing{Reference: address(id), Activity: a})
	if err != nil {
		return refusal(err)
	}
	return reply(w, http.StatusOK, resource)
}

// botDeletes removes something that a bot has said.
func (c *Channel) botDeletes(w http.ResponseWriter, r *http.Request) error {
	_, id, err := c.spot(r)
	if err != nil {
		return err
	}
	if err := c.Delete(r.Context(), address(id), activity.ID(r.PathValue("aid"))); err != nil {
		return refusal(err)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// botSends takes in what a bot says, as a reply or not: both add to the end.
func (c *Channel) botSends(w http.ResponseWriter, r *http.Request) error {
	_, id, err := c.spot(r)
	if err != nil {
		return err
	}
	body, err := readJSON(w, r, activity.DefaultBytes)
	if err != nil {
		return err
	}
	a, err := decode(body)
	if err != nil {
		return err
	}
	if a.ReplyToID == "" {
		a.ReplyToID = activity.ID(r.PathValue("aid"))
	}
	sent, err := c.say(r.Context(), id, "", a)
	if err != nil {
		return err
	}
	if c.cfg.Said != nil && a.Type != activity.TypeTyping {
		c.cfg.Said(id, sent)
	}
	return reply(w, http.StatusOK, activity.ResourceResponse{ID: sent})
}

// botSendsHistory adds a transcript. Who said what, and when, stays as the bot tells it.
func (c *Channel) botSendsHistory(w http.ResponseWriter, r *http.Request) error {
	conv, err := c.talk(r)
	if err != nil {
		return err
	}
	as, err := readTranscript(w, r)
	if err != nil {
		return err
	}
	var last activity.ID
	for _, a := range as {
		if a.Type == activity.TypeTyping || !shown(a.Type) {
			continue
		}
		from, said := a.From, a.Timestamp
		a = c.fromBot(conv.ID, a)
		if from != nil && from.ID != "" {
			a.From = from
		}
		if !said.IsZero() {
			a.Timestamp = said
		}
		seq, err := c.append(r.Context(), conv.ID, "", a)
		if err != nil {
			return err
		}
		last = activityID(conv.ID, seq)
	}
	return reply(w, http.StatusOK, activity.ResourceResponse{ID: last})
}

// readTranscript reads all of a transcript before any of it is used.
func readTranscript(w http.ResponseWriter, r *http.Request) ([]*activity.Activity, error) {
	body, err := readJSON(w, r, 8<<20)
	if err != nil {
		return nil, err
	}
	var transcript struct {
		Activities []jsontext.Value `json:"activities"`
	}
	if err := json.Unmarshal(body, &transcript); err != nil {
		return nil, &apiError{http.StatusBadRequest, "BadSyntax", "the body is not a transcript"}
	}
	as := make([]*activity.Activity, len(transcript.Activities))
	for i, raw := range transcript.Activities {
		if as[i], err = decode(raw); err != nil {
			return nil, err
		}
	}
	return as, nil
}

// listConversations lists the bot's oldest conversations, in one page.
func (c *Channel) listConversations(w http.ResponseWriter, r *http.Request) error {
	const limit = 1000
	convs, err := c.cfg.Store.DirectLineConversations(r.Context(), c.cfg.AppID, "", limit)
	if err != nil {
		return fmt.Errorf("list conversations: %w", err)
	}
	result := activity.ConversationsResult{Conversations: []activity.ConversationMembers{}}
	for _, conv := range convs {
		members := append([]activity.ChannelAccount{c.botAccount()}, conv.people()...)
		result.Conversations = append(result.Conversations, activity.ConversationMembers{ID: conv.ID, Members: members})
	}
	return reply(w, http.StatusOK, result)
}

// members is the bot, who the conversation was opened for, and everybody who has spoken.
func (c *Channel) members(ctx context.Context, conv Conversation) ([]activity.ChannelAccount, error) {
	members := append([]activity.ChannelAccount{c.botAccount()}, conv.people()...)
	if kindOf(conv.ID) != KindPersonal {
		return members, nil
	}
	speakers, err := c.speakers(ctx, conv.ID, math.MaxInt64)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	for _, s := range speakers {
		if s.ID != conv.User.ID {
			members = append(members, s)
		}
	}
	return members, nil
}

func (c *Channel) listMembers(w http.ResponseWriter, r *http.Request) error {
	members, err := c.membersOf(r)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, members)
}

func (c *Channel) pagedMembers(w http.ResponseWriter, r *http.Request) error {
	members, err := c.membersOf(r)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, activity.PagedMembers{Members: members})
}

func (c *Channel) member(w http.ResponseWriter, r *http.Request) error {
	members, err := c.membersOf(r)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.ID == activity.AccountID(r.PathValue("uid")) {
			return reply(w, http.StatusOK, m)
		}
	}
	return &apiError{http.StatusNotFound, "MemberNotFoundInConversation", "there is no such member"}
}

func (c *Channel) membersOf(r *http.Request) ([]activity.ChannelAccount, error) {
	conv, err := c.talk(r)
	if err != nil {
		return nil, err
	}
	return c.members(r.Context(), conv)
}

// botUploads keeps a file that a bot wants to show.
func (c *Channel) botUploads(w http.ResponseWriter, r *http.Request) error {
	conv, err := c.talk(r)
	if err != nil {
		return err
	}
	body, err := readJSON(w, r, c.cfg.MaxUpload/3*4+(64<<10)) // base64 makes four bytes of three
	if err != nil {
		return err
	}
	var data activity.AttachmentData
	if err := json.Unmarshal(body, &data); err != nil {
		return &apiError{http.StatusBadRequest, "BadSyntax", "the body is not what it should be"}
	}
	if len(data.Original) == 0 {
		return &apiError{http.StatusBadRequest, "MissingProperty", "originalBase64 is missing"}
	}
	f := file{name: fileName(data.Name), contentType: contentType(data.Type), data: data.Original}
	id, err := c.store(r.Context(), conv.ID, f)
	if err != nil {
		return err
	}
	if len(data.Thumbnail) > 0 {
		f.data = data.Thumbnail
		if err := c.storeAs(r.Context(), conv.ID, thumbnailOf(id), f); err != nil {
			return err
		}
	}
	return reply(w, http.StatusOK, activity.ResourceResponse{ID: activity.ID(id)})
}

// attachmentInfo tells about a file.
func (c *Channel) attachmentInfo(w http.ResponseWriter, r *http.Request) error {
	id, ok := attachmentID(r)
	if !ok {
		return errNoFile
	}
	var info activity.AttachmentInfo
	for _, view := range []struct{ name, id string }{{"original", id}, {"thumbnail", thumbnailOf(id)}} {
		a, err := c.cfg.Store.LoadAttachment(r.Context(), view.id)
		switch {
		case errors.Is(err, ErrNotFound) && view.id == id:
			return errNoFile
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			return fmt.Errorf("load a file: %w", err)
		}
		if view.id == id {
			info.Name, info.Type = a.Name, a.ContentType
		}
		info.Views = append(info.Views, activity.AttachmentView{ViewID: view.name, Size: int64(len(a.Data))})
	}
	return reply(w, http.StatusOK, info)
}
