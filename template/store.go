package template

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/internal/ident"
)

// Errors of stores.
var (
	// ErrNotFound: there is no such template, or no such version of it.
	ErrNotFound = errors.New("template: there is no such template")
	// ErrTooMany: there are as many templates as there may be.
	ErrTooMany = errors.New("template: there are as many templates as there may be")
)

// MaxTemplates is how many templates an app and tenant may have, and MaxVersions of how many versions of each one is told.
const (
	MaxTemplates = 10_000
	MaxVersions  = 1000
)

// ID names one version of one template, for good.
type ID int64

// String is the id as text, "tpl_" and 13 letters and digits.
func (id ID) String() string { return ident.Text("tpl", int64(id)) }

// IDOf reads what String wrote.
func IDOf(text string) (ID, error) {
	n, err := ident.Parse("tpl", text)
	return ID(n), err
}

// Version is one version of a template. It never changes, but for when it ended.
type Version struct {
	ID     ID
	AppID  string
	Tenant activity.TenantID // empty for none
	Name   string
	// Number counts the versions of a name from 1, those of an earlier template of that name too, as long as they are kept.
	Number int
	// Source is a [Source] as JSON.
	Source    jsontext.Value
	CreatedAt time.Time
	// EndedAt is when another version took its place, or the template was deleted; zero for the current one.
	EndedAt time.Time
	// Deleted: the template was deleted. Only [Store.TemplateByID] finds it.
	Deleted bool
}

// Store keeps templates. Names are unique for an app and tenant; one tenant's are not another's.
type Store interface {
	// PutTemplate makes v the current version of its name, with the next number, and returns it; made is false when the
	// current one has the same source, which is returned then. most is how many names there may be: [ErrTooMany].
	PutTemplate(ctx context.Context, v Version, most int) (kept Version, made bool, err error)
	// Template returns a version of a name, the current one for number 0. [ErrNotFound].
	Template(ctx context.Context, appID string, tenant activity.TenantID, name string, number int) (Version, error)
	// TemplateByID returns a version, be it current or not, and its template deleted or not. [ErrNotFound].
	TemplateByID(ctx context.Context, appID string, id ID) (Version, error)
	// Templates lists the current versions, newest first, those before an id (0 is no bound), at most limit.
	Templates(ctx context.Context, appID string, tenant activity.TenantID, before ID, limit int) ([]Version, error)
	// TemplateVersions lists the versions of a name, newest first, those before a number (0 is no bound), at most limit.
	// [ErrNotFound].
	TemplateVersions(ctx context.Context, appID string, tenant activity.TenantID, name string, before, limit int) ([]Version, error)
	// DeleteTemplate deletes a template with all its versions, which what was accepted with them goes on with. [ErrNotFound].
	DeleteTemplate(ctx context.Context, appID string, tenant activity.TenantID, name string, at time.Time) error
	// PurgeTemplates removes versions of deleted templates that ended before a time and before the oldest message that is
	// kept was accepted: nothing can be said with them any more. At most limit; it returns how many.
	PurgeTemplates(ctx context.Context, appID string, before time.Time, limit int) (int, error)
}
