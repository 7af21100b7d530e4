package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/api"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/internal/access"
	"github.com/headsup-bot/headsup/proactive"
)

type personsRequest struct {
	Paging

	Channel string `query:"channel" maxLength:"64" doc:"Only people on this channel." example:"msteams"`
	Tenant  string `query:"tenant" maxLength:"255" doc:"Only people in this tenant of their channel."`
}

type personsAnswer struct {
	Body api.People
}

// PersonName names somebody in a path.
type PersonName struct {
	ID string `path:"id" maxLength:"64" doc:"The id of the person's entry in the reference book."`
}

type mergeRequest struct {
	PersonName

	Body api.MergeRequest
}

type splitRequest struct {
	PersonName

	Body api.SplitRequest
}

type humanAnswer struct {
	Body api.Human
}

// persons registers who is in the reference book, and who of them is one human.
func (s *service) persons(a huma.API) {
	tags := []string{"people"}
	register(s, a, huma.Operation{
		OperationID: "list-people", Method: http.MethodGet, Path: "/v1/people",
		Summary: "See who the bot knows",
		Description: "Lists the people of the reference book, a page at a time: somebody for each channel and tenant. Those who " +
			"are one human have merged set; see get-person. To find somebody by a key there is find-person.",
		Tags: tags, Security: needs(access.Manage),
		Errors: []int{422, 503},
	}, s.listPeople)
	register(s, a, huma.Operation{
		OperationID: "get-person", Method: http.MethodGet, Path: "/v1/people/{id}",
		Summary:     "See one person",
		Description: "Returns somebody of the reference book, and those who were merged with them.",
		Tags:        tags, Security: needs(access.Manage),
		Errors: []int{404, 422, 503},
	}, s.getPerson)
	register(s, a, huma.Operation{
		OperationID: "merge-people", Method: http.MethodPost, Path: "/v1/people/{id}/merge",
		Summary: "Say that several people are one human",
		Description: "Makes people on several channels one human: whoever is looked up, exported or erased by a key of one of them " +
			"is all of them, and what is said to them by object id, e-mail address, user principal name or your own id goes to the latest " +
			"conversation with any of them. It may be repeated, and split-person takes it back.",
		Tags: tags, Security: needs(access.Manage), MaxBodyBytes: maxBody,
		Errors: []int{400, 404, 409, 413, 415, 422, 503},
	}, s.mergePeople)
	register(s, a, huma.Operation{
		OperationID: "split-person", Method: http.MethodPost, Path: "/v1/people/{id}/split",
		Summary:     "Take back a merge",
		Description: "Takes somebody out of the human that they were merged into, with those who are named: they are one human of their own, and those who are left stay one. Nothing else changes.",
		Tags:        tags, Security: needs(access.Manage), MaxBodyBytes: maxBody,
		Errors: []int{400, 404, 413, 415, 422, 503},
	}, s.splitPerson)
}

func (s *service) listPeople(ctx context.Context, r *personsRequest) (*personsAnswer, error) {
	f := book.PeopleFilter{Channel: activity.ChannelID(r.Channel), Tenant: activity.TenantID(r.Tenant)}
	found, next, err := page(ctx, s, listPeople, r.Paging, func(after int64, limit int) ([]book.Person, error) {
		return s.engine(ctx).ListPeople(ctx, f, book.PersonRow(after), limit)
	}, func(p book.Person) int64 { return int64(p.Row) })
	if err != nil {
		return nil, err
	}
	return &personsAnswer{Body: api.People{People: each(found, renderPerson), NextCursor: next}}, nil
}

func (s *service) human(ctx context.Context, people []book.Person, err error) (*humanAnswer, error) {
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &humanAnswer{Body: api.Human{People: each(people, renderPerson)}}, nil
}

func (s *service) getPerson(ctx context.Context, r *PersonName) (*humanAnswer, error) {
	people, err := s.engine(ctx).Human(ctx, r.ID)
	return s.human(ctx, people, err)
}

func (s *service) mergePeople(ctx context.Context, r *mergeRequest) (*humanAnswer, error) {
	note(ctx, "with", r.Body.With)
	people, err := s.engine(ctx).Merge(ctx, append([]string{r.ID}, r.Body.With...)...)
	return s.human(ctx, people, err)
}

func (s *service) splitPerson(ctx context.Context, r *splitRequest) (*humanAnswer, error) {
	note(ctx, "with", r.Body.With)
	people, err := s.engine(ctx).Split(ctx, append([]string{r.ID}, r.Body.With...)...)
	return s.human(ctx, people, err)
}

func renderPerson(p book.Person) api.KnownPerson {
	return api.KnownPerson{
		ID: proactive.PersonID(p.Row), Channel: string(p.Channel), Tenant: string(p.Tenant), User: string(p.ID), Name: p.Name,
		ObjectID: p.ObjectID, UPN: p.UPN, Email: p.Email, ExternalID: p.ExternalID, TimeZone: p.TimeZone, Locale: p.Locale,
		Country: p.Country, Merged: p.Human != 0,
	}
}
