package doctor

import (
	"regexp"
	"strings"

	"github.com/headsup-bot/headsup/internal/config"
)

// veil takes secrets out of texts. What checks say holds none; this is for what others say, such as an answer that repeats
// what it was sent.
type veil struct{ secrets *strings.Replacer }

const hidden = "[redacted]"

// shortest is the length from which a configured secret is looked for: shorter ones are parts of words.
const shortest = 4

func newVeil(c config.Loaded) veil {
	var pairs []string
	for _, s := range c.Secrets() {
		if text := s.Reveal(); len(text) >= shortest {
			pairs = append(pairs, text, hidden)
		}
	}
	return veil{strings.NewReplacer(pairs...)}
}

// tokenLike are tokens and keys, wherever they come from: JSON Web Tokens, bearer tokens, keys of our API.
var tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]+)*|(?i:bearer) +[A-Za-z0-9._~+/=-]{8,}|hup_[A-Za-z0-9_]{8,}`)

// over returns the text without secrets.
func (v veil) over(text string) string {
	return tokenLike.ReplaceAllString(v.secrets.Replace(text), hidden)
}
