package directline

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headsup-bot/headsup/activity"
)

const (
	// activityType is the content type of the part that says what the files belong to (bot-docs, "Send an activity to
	// the bot").
	activityType = "application/vnd.microsoft.activity"
	anyType      = "application/octet-stream"
	maxFiles     = 32
)

// file is one uploaded file.
type file struct {
	name, contentType string
	data              []byte
}

// upload takes in files, with a message that they belong to or as a message of their own.
func (c *Channel) upload(w http.ResponseWriter, r *http.Request) error {
	who, conv, err := c.enter(r)
	switch {
	case err != nil:
		return err
	case conv.Ended:
		return ErrEnded
	case r.ContentLength > c.cfg.MaxUpload:
		return errTooLarge
	}
	r.Body = http.MaxBytesReader(w, r.Body, c.cfg.MaxUpload)
	a, files, err := readUpload(r)
	if err != nil {
		return err
	}
	if user := userOf(r.URL.RawQuery); a.From == nil && user != "" {
		a.From = &activity.ChannelAccount{ID: user}
	}
	if err := c.admit(who, conv, a); err != nil { // before anything is kept
		return err
	}
	if err := c.attach(r.Context(), conv.ID, a, files); err != nil {
		return err
	}
	return c.accept(w, r, who, conv, a)
}

// userOf reads the user from the query. The official client does not escape the id, so a plus is a plus.
func userOf(query string) activity.AccountID {
	for pair := range strings.SplitSeq(query, "&") {
		value, ok := strings.CutPrefix(pair, "userId=")
		if !ok {
			continue
		}
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		return activity.AccountID(value)
	}
	return ""
}

// readUpload reads either form of an upload.
func readUpload(r *http.Request) (*activity.Activity, []file, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && strings.HasPrefix(kind, "multipart/") {
		return readParts(multipart.NewReader(r.Body, params["boundary"]))
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil, bodyError(err)
	}
	if len(data) == 0 {
		return nil, nil, badArgument("the upload holds no file")
	}
	_, disposition, err := mime.ParseMediaType("form-data; " + bare(r.Header.Get("Content-Disposition")))
	if err != nil {
		disposition = nil
	}
	f := file{name: fileName(disposition["filename"]), contentType: contentType(r.Header.Get("Content-Type")), data: data}
	return &activity.Activity{Type: activity.TypeMessage}, []file{f}, nil
}

// bare drops the disposition's type, which some clients leave out.
func bare(disposition string) string {
	first, rest, found := strings.Cut(disposition, ";")
	if found && !strings.Contains(first, "=") {
		return strings.TrimSpace(rest)
	}
	return disposition
}

func readParts(parts *multipart.Reader) (*activity.Activity, []file, error) {
	var a *activity.Activity
	var files []file
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, bodyError(err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, nil, bodyError(err)
		}
		kind := contentType(part.Header.Get("Content-Type"))
		switch {
		case kind == activityType || part.FormName() == "activity":
			if a != nil {
				return nil, nil, badArgument("the upload holds two activities")
			}
			if a, err = decode(data); err != nil {
				return nil, nil, err
			}
		case len(files) == maxFiles:
			return nil, nil, badArgument("the upload holds more than %d files", maxFiles)
		default:
			files = append(files, file{name: fileName(part.FileName()), contentType: kind, data: data})
		}
	}
	switch {
	case a == nil && len(files) == 0:
		return nil, nil, badArgument("the upload holds no file")
	case a == nil:
		a = &activity.Activity{Type: activity.TypeMessage}
	}
	return a, files, nil
}

// attach keeps the files and makes them attachments of a. The official client sends files in the order in which it got
// hold of them, so they belong to the attachment of the same name; of two with one name, the first to the first.
func (c *Channel) attach(ctx context.Context, id activity.ConversationID, a *activity.Activity, files []file) error {
	open := make([]bool, len(a.Attachments))
	for i := range a.Attachments {
		open[i] = a.Attachments[i].ContentURL == "" && len(a.Attachments[i].Content) == 0
	}
	for _, f := range files {
		at := -1
		for i := range open {
			if open[i] && fileName(a.Attachments[i].Name) == f.name {
				at = i
				break
			}
		}
		if at < 0 {
			at = len(a.Attachments)
			a.Attachments = append(a.Attachments, activity.Attachment{Name: f.name})
			open = append(open, true)
		}
		open[at] = false
		if kind := a.Attachments[at].ContentType; kind == "" {
			a.Attachments[at].ContentType = f.contentType
		} else if f.contentType == anyType {
			f.contentType = contentType(kind)
		}
		kept, err := c.store(ctx, id, f)
		if err != nil {
			return err
		}
		a.Attachments[at].ContentURL = c.publicURL() + "/v3/directline/attachments/" + kept
	}
	// An attachment that promised a file which did not come is nothing.
	for i := len(a.Attachments) - 1; i >= 0; i-- {
		if open[i] {
			a.Attachments = slices.Delete(a.Attachments, i, i+1)
		}
	}
	return nil
}

// store keeps a file and returns its id, which cannot be guessed: who knows it may have the file, since pages load
// pictures without a token.
func (c *Channel) store(ctx context.Context, id activity.ConversationID, f file) (string, error) {
	kept := rand.Text()
	return kept, c.storeAs(ctx, id, kept, f)
}

func (c *Channel) storeAs(ctx context.Context, id activity.ConversationID, kept string, f file) error {
	err := c.cfg.Store.SaveAttachment(ctx, Attachment{
		ID: kept, Conversation: id, Name: f.name, ContentType: f.contentType, Data: f.data, CreatedAt: c.cfg.Now(),
	})
	if err != nil {
		return fmt.Errorf("keep a file: %w", err)
	}
	return nil
}

// fileName is a name without a path and what cannot be shown.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	for len(name) > 255 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	if name == "" || name == "." || name == ".." {
		return "file"
	}
	return name
}

// contentType is a content type as it may be written into a header.
func contentType(text string) string {
	kind, params, err := mime.ParseMediaType(text)
	if err != nil {
		return anyType
	}
	if text = mime.FormatMediaType(kind, params); text == "" {
		return kind
	}
	return text
}

// thumbnailOf is the id of the small picture of a file.
func thumbnailOf(id string) string { return id + ".thumbnail" }

// attachmentID is the id of a file in a path, and of the view of it that is asked for.
func attachmentID(r *http.Request) (string, bool) {
	id := r.PathValue("id")
	if !isRandomText(id) {
		return "", false
	}
	switch r.PathValue("view") {
	case "", "original":
		return id, true
	case "thumbnail":
		return thumbnailOf(id), true
	}
	return "", false
}

var errNoFile = &apiError{http.StatusNotFound, "AttachmentNotFound", "there is no such attachment"}

// download hands a file out to who knows its id. Somebody uploaded it, so no browser may take it for a page of this
// server: it is for downloading and for tags such as img, and runs nothing.
func (c *Channel) download(w http.ResponseWriter, r *http.Request) error {
	id, ok := attachmentID(r)
	if !ok {
		return errNoFile
	}
	a, err := c.cfg.Store.LoadAttachment(r.Context(), id)
	switch {
	case errors.Is(err, ErrNotFound):
		return errNoFile
	case err != nil:
		return fmt.Errorf("load a file: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", contentType(a.ContentType))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName(a.Name)}))
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Cache-Control", "private, max-age=86400, immutable")
	http.ServeContent(w, r, "", a.CreatedAt, bytes.NewReader(a.Data))
	return nil
}
