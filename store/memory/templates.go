package memory

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/template"
)

// templatesOf are the versions of a name that were not deleted, newest first. The store's lock is held.
func (s *Store) templatesOf(appID string, tenant activity.TenantID, name string) (found []*template.Version) {
	for _, v := range slices.Backward(s.templates) {
		if v.AppID == appID && v.Tenant == tenant && v.Name == name && !v.Deleted {
			found = append(found, v)
		}
	}
	return found
}

func copyTemplate(v template.Version) template.Version {
	v.Source = v.Source.Clone()
	return v
}

// PutTemplate implements [template.Store].
func (s *Store) PutTemplate(_ context.Context, v template.Version, most int) (template.Version, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	earlier := s.templatesOf(v.AppID, v.Tenant, v.Name)
	if len(earlier) > 0 && bytes.Equal(earlier[0].Source, v.Source) {
		return copyTemplate(*earlier[0]), false, nil
	}
	have, last := 0, 0
	for _, other := range s.templates {
		if other.AppID != v.AppID || other.Tenant != v.Tenant {
			continue
		}
		if other.EndedAt.IsZero() {
			have++
		}
		if other.Name == v.Name {
			last = max(last, other.Number)
		}
	}
	if len(earlier) > 0 {
		earlier[0].EndedAt = v.CreatedAt
	} else if have >= most {
		return template.Version{}, false, template.ErrTooMany
	}
	v.Number, v.EndedAt, v.Deleted = last+1, time.Time{}, false
	s.templates = append(s.templates, new(copyTemplate(v)))
	return v, true, nil
}

// Template implements [template.Store].
func (s *Store) Template(
	_ context.Context, appID string, tenant activity.TenantID, name string, number int,
) (template.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.templatesOf(appID, tenant, name) {
		if number == 0 || v.Number == number {
			return copyTemplate(*v), nil
		}
	}
	return template.Version{}, template.ErrNotFound
}

// TemplateByID implements [template.Store].
func (s *Store) TemplateByID(_ context.Context, appID string, id template.ID) (template.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.templates {
		if v.ID == id && v.AppID == appID {
			return copyTemplate(*v), nil
		}
	}
	return template.Version{}, template.ErrNotFound
}

// Templates implements [template.Store].
func (s *Store) Templates(
	_ context.Context, appID string, tenant activity.TenantID, before template.ID, limit int,
) (found []template.Version, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.templates {
		if v.AppID == appID && v.Tenant == tenant && v.EndedAt.IsZero() && (before == 0 || v.ID < before) {
			found = append(found, copyTemplate(*v))
		}
	}
	slices.SortFunc(found, func(a, b template.Version) int { return int(max(-1, min(1, b.ID-a.ID))) })
	return found[:min(limit, len(found))], nil
}

// TemplateVersions implements [template.Store].
func (s *Store) TemplateVersions(
	_ context.Context, appID string, tenant activity.TenantID, name string, before, limit int,
) (found []template.Version, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.templatesOf(appID, tenant, name)
	if len(all) == 0 {
		return nil, template.ErrNotFound
	}
	for _, v := range all {
		if (before == 0 || v.Number < before) && len(found) < limit {
			found = append(found, copyTemplate(*v))
		}
	}
	return found, nil
}

// DeleteTemplate implements [template.Store].
func (s *Store) DeleteTemplate(_ context.Context, appID string, tenant activity.TenantID, name string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.templatesOf(appID, tenant, name)
	if len(all) == 0 {
		return template.ErrNotFound
	}
	for _, v := range all {
		v.Deleted, v.EndedAt = true, at
	}
	return nil
}

// PurgeTemplates implements [template.Store].
func (s *Store) PurgeTemplates(_ context.Context, appID string, before time.Time, limit int) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.queue.messages {
		if m.CreatedAt.Before(before) {
			before = m.CreatedAt
		}
	}
	s.templates = slices.DeleteFunc(s.templates, func(v *template.Version) bool {
		gone := n < limit && v.AppID == appID && v.Deleted && v.EndedAt.Before(before)
		if gone {
			n++
		}
		return gone
	})
	return n, nil
}
