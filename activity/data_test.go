package activity_test

import (
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/activity"
)

// TestDataThatCannotBeReadIsRefused (B11): the content of an attachment, where it is in the URI itself.
func TestDataThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for uri, good := range map[string]bool{
		"data:image/png;base64,iVBORw0KGgo=":            true,
		"data:image/png;base64,iVBORw0KGgo":             true, // browsers take it
		"DATA:image/png;charset=x;BASE64,iVBO Rw0K Ggo": true,
		"data:;base64,":                        true,
		"data:,hello%20world":                  true,
		"data:text/plain,%zz":                  true, // text, as it is
		"data:image/png;base64,aGk%3D":         true,
		"https://example.com/;base64,!":        true,
		"data:image/png;base64,iVBORw0KGgo==!": false,
		"data:image/png;base64,====":           false,
		"data:image/png;base64,a":              false,
		"data:image/png;base64,%zz":            false,
		"data:image/png;base64,<script>":       false,
		"data:image/png;base64":                false,
		"data:":                                false,
	} {
		for _, member := range []string{"contentUrl", "thumbnailUrl"} {
			_, err := activity.Decode([]byte(`{"type":"message","attachments":[{"contentType":"x/y"},{"contentType":"image/png","` + member + `":"` + uri + `"}]}`))
			if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "/attachments/1/"+member) {
				t.Errorf("%s %q: %v", member, uri, err)
			}
		}
	}
}
