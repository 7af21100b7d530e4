package sqlite_test

import (
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/store/sqlite"
)

// fill gives everything in v a value of its own that is not zero.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMicro(1_700_000_000_000_000 + int64(*n)).UTC()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("ä", *n))
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), n)
	case v.Kind() == reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, n)
		fill(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case v.Kind() == reflect.Slice:
		v.SetBytes([]byte(fmt.Sprintf(`{"x":%d}`, *n)))
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("a %v cannot be filled", v.Type())
	}
}

func TestCacheKeepsAllOfAConversation(t *testing.T) {
	t.Parallel()
	var full book.Conversation
	n := 0
	fill(t, reflect.ValueOf(&full).Elem(), &n)
	plain := book.Conversation{Reference: activity.Reference{ServiceURL: "https://example.org"}}
	alike := full
	alike.Reference = full.Reference.Clone()
	alike.Reference.ChannelID, alike.Reference.Conversation.ID = full.Key.Channel, full.Key.Conversation
	alike.Reference.Bot.ID, alike.Reference.User.TenantID = full.Key.Bot, full.Key.Tenant
	*alike.Reference.Conversation.IsGroup = false
	for name, c := range map[string]book.Conversation{"full": full, "empty": {}, "plain": plain, "like its key": alike} {
		for _, people := range []map[activity.AccountID]uint64{nil, {"a": 1, "": 1 << 63, "ä": 3}} {
			got, route, known, size := sqlite.Packed(c, 7, people)
			if !reflect.DeepEqual(got, c) {
				t.Errorf("%s came back as %+v, want %+v", name, got, c)
			}
			if route != 7 || !maps.Equal(known, people) {
				t.Errorf("%s came back with route %d and people %v", name, route, known)
			}
			if size > 600 {
				t.Errorf("%s takes %d bytes", name, size)
			}
		}
	}
}
