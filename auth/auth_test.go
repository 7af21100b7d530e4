package auth_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/auth"
)

func TestDevelopmentLetsInWhatHasNoOtherScheme(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		headers []string
		in      bool
	}{
		"nothing":      {nil, true},
		"a token":      {[]string{"Bearer a.b.c"}, true},
		"lower case":   {[]string{"bearer a.b.c"}, true},
		"basic":        {[]string{"Basic eDp5"}, false},
		"no scheme":    {[]string{"a.b.c"}, false},
		"no token":     {[]string{"Bearer "}, false},
		"two tokens":   {[]string{"Bearer a b"}, false},
		"two headers":  {[]string{"Bearer a", "Bearer b"}, false},
		"empty header": {[]string{""}, false},
	}
	for name, c := range cases {
		id, err := auth.Development{}.Verify(t.Context(), c.headers, &activity.Activity{})
		if c.in {
			if err != nil || id.Kind != auth.KindDevelopment {
				t.Errorf("%s: %+v, %v", name, id, err)
			}
			continue
		}
		refused, ok := errors.AsType[*auth.Error](err)
		if !ok || refused.Status != http.StatusUnauthorized || id.Verified() {
			t.Errorf("%s: %+v, %v; want a 401", name, id, err)
		}
	}
}
