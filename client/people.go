package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/headsup-bot/headsup/api"
)

const people = "/v1/people"

// FindPerson tells whom a key means. Nobody is an [*Error] with [api.CodeNotFound].
func (c *Client) FindPerson(ctx context.Context, k api.PersonKey) ([]api.KnownPerson, error) {
	var out api.KnownPeople
	body, err := json.Marshal(k)
	if err == nil {
		err = c.do(ctx, request{method: http.MethodPost, path: people + "/search", body: body}, &out)
	}
	if err != nil {
		return nil, fmt.Errorf("find a person: %w", err)
	}
	return out.People, nil
}

// ErasePerson begins to erase a person; see the API's documentation. It is not tried again by itself once it may have
// begun: what it has begun goes on anyway, and may have made the key unknown.
func (c *Client) ErasePerson(ctx context.Context, k api.PersonKey) (out api.Erasure, err error) {
	body, err := json.Marshal(k)
	if err == nil {
		err = c.do(ctx, request{method: http.MethodPost, path: people + "/erasures", body: body, once: true}, &out)
	}
	if err != nil {
		return api.Erasure{}, fmt.Errorf("erase a person: %w", err)
	}
	return out, nil
}

// Erasure returns an erasure as it stands.
func (c *Client) Erasure(ctx context.Context, id string) (out api.Erasure, err error) {
	err = c.do(ctx, request{method: http.MethodGet, path: people + "/erasures/" + url.PathEscape(id)}, &out)
	if err != nil {
		return api.Erasure{}, fmt.Errorf("erasure %s: %w", id, err)
	}
	return out, nil
}

// errCutOff: an export has no end.
var errCutOff = errors.New("the export was cut off")

// ExportPerson writes everything that is kept of a person to w, one [api.PersonRecord] a line, and returns how many records
// came. When it returns an error, what it has written is not complete. It is not tried again by itself.
func (c *Client) ExportPerson(ctx context.Context, k api.PersonKey, w io.Writer) (records int, err error) {
	body, err := json.Marshal(k)
	if err != nil {
		return 0, fmt.Errorf("export a person: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+people+"/export", bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("export a person: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/x-ndjson, application/problem+json")
	c.introduce(req)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("export a person: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("export a person: %w", problemOf(resp))
	}
	watchdog := time.AfterFunc(stalled, cancel)
	defer watchdog.Stop()
	if records, err = copyExport(w, alive{resp.Body, watchdog}); err != nil {
		return records, fmt.Errorf("export a person: %w", err)
	}
	return records, nil
}

// copyExport copies lines until the one that says how many there are.
func copyExport(w io.Writer, from io.Reader) (records int, err error) {
	in := bufio.NewReaderSize(from, 64<<10)
	for records = -1; ; records++ { // the first line is none
		line, err := in.ReadBytes('\n')
		if err != nil {
			return max(records, 0), errCutOff
		}
		if _, err := w.Write(line); err != nil {
			return records, err
		}
		if !bytes.HasPrefix(line, []byte(`{"type":"end"`)) {
			continue
		}
		var end struct {
			Data struct {
				Records int `json:"records"`
			} `json:"data"`
		}
		if err := json.Unmarshal(line, &end); err != nil || end.Data.Records != records {
			return records, errCutOff
		}
		return records, nil
	}
}
