package template

import (
	"errors"

	"golang.org/x/text/language"
)

// canonical reads a language tag.
func canonical(name string) (language.Tag, error) {
	if name == "" || len(name) > 64 {
		return language.Und, errors.New("is not a language such as en or pt-BR (BCP 47)")
	}
	tag, err := language.Parse(name)
	if err != nil || tag == language.Und {
		return language.Und, errors.New("is not a language such as en or pt-BR (BCP 47)")
	}
	return tag, nil
}

// LanguageOf is the language that a recipient with a locale is spoken to in: that one, or the nearest of its parents that
// there is something in (CLDR, "Parent Locales": en-GB, en-001, en), or the default.
func (t *Template) LanguageOf(locale string) string {
	tag, err := canonical(locale)
	for err == nil && tag != language.Und {
		if t.contents[tag.String()] != nil {
			return tag.String()
		}
		tag = tag.Parent()
	}
	return t.fallback
}

// formatTag is how numbers and dates are written: as in the recipient's region, if they speak the content's language.
func formatTag(content language.Tag, locale string) language.Tag {
	theirs, err := canonical(locale)
	if err != nil {
		return content
	}
	own, _ := content.Base()
	if base, _ := theirs.Base(); base != own {
		return content
	}
	return theirs
}
