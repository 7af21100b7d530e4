package storetest

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/template"
)

func (s suite) templates(t *testing.T) {
	s.promise(t, "VersionsFollowEachOther", templateVersions)
	s.promise(t, "TheSameSourceMakesNoVersion", templateAgain)
	s.promise(t, "NamesAreOfAnAppAndTenant", templatesOfTenants)
	s.promise(t, "CurrentOnesAreListed", templatesAreListed)
	s.promise(t, "DeletedOnesAreFoundByIDOnly", templateDeleted)
	s.promise(t, "ThereAreOnlySoMany", templatesAreBounded)
	s.promise(t, "OfManyAtOnceNoneIsLost", templatesAtOnce)
	s.promise(t, "PurgedWhenNothingCanNeedThem", templatesPurged)
}

func (e *env) template(name, source string, at time.Time) template.Version {
	return template.Version{ID: template.ID(e.nextID()), AppID: app, Name: name, Source: []byte(source), CreatedAt: at}
}

func (e *env) puts(v template.Version) template.Version {
	e.Helper()
	kept, made, err := e.PutTemplate(e.ctx, v, 100)
	e.ok(err)
	if !made {
		e.Fatalf("%s was made before", v.Name)
	}
	return kept
}

func templateVersions(e *env) {
	want := e.template("deal", `{"a":1}`, e.start)
	first := e.puts(want)
	want.Number = 1
	equal(e.T, "made", first, want)
	second := e.puts(e.template("deal", `{"a":2}`, e.at(time.Hour)))
	first.EndedAt = e.at(time.Hour)
	if second.Number != 2 {
		e.Errorf("it is version %d", second.Number)
	}
	for number, want := range []template.Version{second, first, second} {
		got, err := e.Template(e.ctx, app, "", "deal", number)
		e.ok(err)
		equal(e.T, "version", got, want)
	}
	got, err := e.TemplateByID(e.ctx, app, first.ID)
	e.ok(err)
	equal(e.T, "by id", got, first)
	for _, page := range []struct {
		before, limit int
		want          []template.Version
	}{{0, 10, []template.Version{second, first}}, {0, 1, []template.Version{second}}, {2, 10, []template.Version{first}}, {1, 10, nil}} {
		got, err := e.TemplateVersions(e.ctx, app, "", "deal", page.before, page.limit)
		e.ok(err)
		equal(e.T, "versions", got, page.want)
	}
	for _, number := range []int{3, -1} {
		_, err = e.Template(e.ctx, app, "", "deal", number)
		e.is(err, template.ErrNotFound)
	}
	_, err = e.TemplateVersions(e.ctx, app, "", "other", 0, 10)
	e.is(err, template.ErrNotFound)
	_, err = e.TemplateByID(e.ctx, "other", first.ID)
	e.is(err, template.ErrNotFound)
}

func templateAgain(e *env) {
	first := e.puts(e.template("deal", `{"a":1}`, e.start))
	again, made, err := e.PutTemplate(e.ctx, e.template("deal", `{"a":1}`, e.at(time.Hour)), 100)
	if e.ok(err); made {
		e.Error("it was made again")
	}
	equal(e.T, "kept", again, first)
	e.puts(e.template("deal", `{"a":2}`, e.at(time.Hour)))
	if back := e.puts(e.template("deal", `{"a":1}`, e.at(2*time.Hour))); back.Number != 3 {
		e.Errorf("what was said before is version %d", back.Number)
	}
}

func templatesOfTenants(e *env) {
	for _, in := range []activity.TenantID{"", hers, theirs} {
		v := e.template("deal", strconv.Quote(string(in)), e.start)
		v.Tenant = in
		equal(e.T, "number", e.puts(v).Number, 1)
	}
	other := e.template("deal", "{}", e.start)
	other.AppID = "other"
	e.puts(other)
	for _, in := range []activity.TenantID{"", hers, theirs} {
		got, err := e.Template(e.ctx, app, in, "deal", 0)
		e.ok(err)
		equal(e.T, "source", string(got.Source), strconv.Quote(string(in)))
		all, err := e.Templates(e.ctx, app, in, 0, 10)
		e.ok(err)
		equal(e.T, "all", all, []template.Version{got})
	}
	e.ok(e.DeleteTemplate(e.ctx, app, hers, "deal", e.at(time.Hour)))
	_, err := e.Template(e.ctx, app, hers, "deal", 0)
	e.is(err, template.ErrNotFound)
	_, err = e.Template(e.ctx, app, "", "deal", 0)
	e.ok(err)
}

func templatesAreListed(e *env) {
	a := e.puts(e.template("a", "1", e.start))
	b := e.puts(e.template("b", "1", e.start))
	c := e.puts(e.template("a", "2", e.at(time.Hour)))
	for _, page := range []struct {
		before template.ID
		limit  int
		want   []template.Version
	}{{0, 10, []template.Version{c, b}}, {0, 1, []template.Version{c}}, {c.ID, 10, []template.Version{b}}, {a.ID, 10, nil}} {
		got, err := e.Templates(e.ctx, app, "", page.before, page.limit)
		e.ok(err)
		equal(e.T, "templates", got, page.want)
	}
}

func templateDeleted(e *env) {
	first := e.puts(e.template("deal", "1", e.start))
	second := e.puts(e.template("deal", "2", e.at(time.Hour)))
	e.ok(e.DeleteTemplate(e.ctx, app, "", "deal", e.at(2*time.Hour)))
	e.is(e.DeleteTemplate(e.ctx, app, "", "deal", e.at(2*time.Hour)), template.ErrNotFound)
	for number := range 3 {
		_, err := e.Template(e.ctx, app, "", "deal", number)
		e.is(err, template.ErrNotFound)
	}
	_, err := e.TemplateVersions(e.ctx, app, "", "deal", 0, 10)
	e.is(err, template.ErrNotFound)
	for _, v := range []template.Version{first, second} {
		got, err := e.TemplateByID(e.ctx, app, v.ID)
		e.ok(err)
		v.Deleted, v.EndedAt = true, e.at(2*time.Hour)
		equal(e.T, "deleted", got, v)
	}
	anew := e.puts(e.template("deal", "2", e.at(3*time.Hour)))
	if anew.Number != 3 {
		e.Errorf("after a deletion it goes on with %d", anew.Number)
	}
	all, err := e.TemplateVersions(e.ctx, app, "", "deal", 0, 10)
	e.ok(err)
	equal(e.T, "versions", all, []template.Version{anew})
}

func templatesAreBounded(e *env) {
	e.puts(e.template("a", "1", e.start))
	_, _, err := e.PutTemplate(e.ctx, e.template("b", "1", e.start), 1)
	e.is(err, template.ErrTooMany)
	_, made, err := e.PutTemplate(e.ctx, e.template("a", "2", e.start), 1)
	if e.ok(err); !made {
		e.Error("a new version of what there is was not made")
	}
	e.ok(e.DeleteTemplate(e.ctx, app, "", "a", e.at(time.Hour)))
	_, _, err = e.PutTemplate(e.ctx, e.template("b", "1", e.start), 1)
	e.ok(err)
}

func templatesAtOnce(e *env) {
	var made atomic.Int32
	versions := make([]template.Version, 20)
	for i := range versions {
		versions[i] = e.template("deal", strconv.Itoa(i), e.start)
	}
	together(len(versions), func(i int) {
		if _, fresh, err := e.PutTemplate(e.ctx, versions[i], 100); err == nil && fresh {
			made.Add(1)
		}
	})
	all, err := e.TemplateVersions(e.ctx, app, "", "deal", 0, 100)
	e.ok(err)
	if made.Load() != 20 || len(all) != 20 || all[0].Number != 20 {
		e.Errorf("%d were made, and %d are there", made.Load(), len(all))
	}
	for i, v := range all {
		if v.EndedAt.IsZero() != (i == 0) {
			e.Errorf("version %d ended at %v", v.Number, v.EndedAt)
		}
	}
}

func templatesPurged(e *env) {
	deleted := e.puts(e.template("old", "1", e.start))
	live := e.puts(e.template("live", "1", e.start))
	e.puts(e.template("live", "2", e.start))
	said := due(e.message(e.meet("a")), e.at(time.Minute))
	said.Message.CreatedAt, said.At = e.at(time.Minute), e.at(time.Minute)
	e.accept(said)
	e.ok(e.DeleteTemplate(e.ctx, app, "", "old", e.at(time.Hour)))
	purges := func(before time.Time, want int) {
		e.Helper()
		n, err := e.PurgeTemplates(e.ctx, app, before, 10)
		e.ok(err)
		equal(e.T, "purged", n, want)
	}
	purges(e.at(2*time.Hour), 0) // a message is older than the deletion
	a := e.claimsOnly(10, e.at(2*time.Hour), said)[0]
	e.ends(outcomeOf(a, e.at(2*time.Hour)))
	_, err := e.Purge(e.ctx, e.over(0, 3*time.Hour))
	e.ok(err)
	purges(e.at(time.Hour), 0)
	purges(e.at(2*time.Hour), 1)
	_, err = e.TemplateByID(e.ctx, app, deleted.ID)
	e.is(err, template.ErrNotFound)
	_, err = e.TemplateByID(e.ctx, app, live.ID)
	e.ok(err)
}
