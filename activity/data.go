package activity

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
)

// checkData refuses attachments that carry their content in a data: URI that nobody can read (RFC 2397).
func (a *Activity) checkData() error {
	for i := range a.Attachments {
		at := &a.Attachments[i]
		for name, uri := range map[string]string{"contentUrl": at.ContentURL, "thumbnailUrl": at.ThumbnailURL} {
			if hasScheme(uri, "data:") && !readableData(uri) {
				return &DecodeError{Path: fmt.Sprintf("/attachments/%d/%s", i, name), Reason: "is a data: URI that cannot be read"}
			}
		}
	}
	return nil
}

// readableData reports whether what a data: URI holds can be read, as browsers do it: with white space in the base64, and
// without the padding at its end (WHATWG Infra standard, "forgiving-base64 decode").
func readableData(uri string) bool {
	head, data, found := strings.Cut(uri[len("data:"):], ",")
	if !found {
		return false
	}
	head = strings.TrimRight(head, " ")
	if !strings.EqualFold(head[max(0, len(head)-len(";base64")):], ";base64") {
		return true // text, of which anything goes
	}
	if strings.Contains(data, "%") {
		plain, err := url.PathUnescape(data)
		if err != nil {
			return false
		}
		data = plain
	}
	if strings.ContainsAny(data, " \t\n\r\f") {
		data = strings.Join(strings.Fields(data), "")
	}
	if len(data)%4 == 0 {
		data = strings.TrimSuffix(strings.TrimSuffix(data, "="), "=")
	}
	_, err := base64.RawStdEncoding.Decode(make([]byte, base64.RawStdEncoding.DecodedLen(len(data))), []byte(data))
	return err == nil
}
