package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headsup-bot/headsup"
)

// equal fails the test if got differs from want in what a store must keep: times are compared as instants, JSON without
// its white space, and an empty slice is like none.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := difference("", reflect.ValueOf(got), reflect.ValueOf(want)); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

var (
	timeType = reflect.TypeFor[time.Time]()
	jsonType = reflect.TypeFor[jsontext.Value]()
	// Leases belong to whoever has got them: the tests of turns look at them.
	leaseType = reflect.TypeFor[headsup.Lease]()
)

// difference describes the first difference, or is empty.
func difference(path string, got, want reflect.Value) string {
	differ := func() string {
		return fmt.Sprintf("%s is %v, want %v", path, show(got), show(want))
	}
	if got.IsValid() != want.IsValid() || got.IsValid() && got.Type() != want.Type() {
		return differ()
	}
	if !got.IsValid() {
		return ""
	}
	switch got.Type() {
	case leaseType:
		return ""
	case timeType:
		if !got.Interface().(time.Time).Equal(want.Interface().(time.Time)) {
			return differ()
		}
		return ""
	case jsonType:
		if compact(got) != compact(want) {
			return differ()
		}
		return ""
	}
	switch got.Kind() {
	case reflect.Struct:
		for i := range got.NumField() {
			if d := difference(path+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i)); d != "" {
				return d
			}
		}
	case reflect.Slice:
		if got.Len() != want.Len() {
			return differ()
		}
		for i := range got.Len() {
			if d := difference(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i)); d != "" {
				return d
			}
		}
	case reflect.Map:
		if got.Len() != want.Len() {
			return differ()
		}
		for _, k := range want.MapKeys() {
			if d := difference(fmt.Sprintf("%s[%v]", path, k), got.MapIndex(k), want.MapIndex(k)); d != "" {
				return d
			}
		}
	case reflect.Pointer:
		if got.IsNil() != want.IsNil() {
			return differ()
		}
		if !got.IsNil() {
			return difference(path, got.Elem(), want.Elem())
		}
	default:
		if !got.Equal(want) {
			return differ()
		}
	}
	return ""
}

func compact(v reflect.Value) string {
	raw := jsontext.Value(v.Bytes()).Clone()
	if len(raw) == 0 {
		return ""
	}
	if err := raw.Compact(); err != nil {
		return fmt.Sprintf("%s (%v)", raw, err)
	}
	return string(raw)
}

func show(v reflect.Value) string {
	switch {
	case !v.IsValid():
		return "missing"
	case v.Type() == jsonType:
		return string(v.Bytes())
	case v.Kind() == reflect.String:
		return fmt.Sprintf("%q", v.String())
	}
	return fmt.Sprintf("%+v", v.Interface())
}
