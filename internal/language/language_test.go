package language_test

import (
	"testing"

	"github.com/headsup-bot/headsup/internal/language"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	all := map[string]string{"en": "en", "de": "de", "de-ch": "de-ch", "pt-br": "pt-br"}
	for locale, want := range map[string]string{
		"de": "de", "de-AT": "de", "de_AT": "de", "DE-at": "de", "de-CH": "de-ch", "de_CH-1996": "de-ch", "de-Latn-DE": "de", " de-DE ": "de", "pt": "en",
		"pt_BR": "pt-br", "en-GB": "en", "": "en", "-": "en", "_": "en", "xx-de": "en", "deutsch": "en",
	} {
		if got := language.Lookup(all, locale); got != want {
			t.Errorf("%q is %q, want %q", locale, got, want)
		}
	}
}
