package proactive

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/book"
	"github.com/headsup-bot/headsup/pace"
)

// addressed are the channels of addresses, by the scheme of their URIs.
var addressed = map[string]activity.ChannelID{"mailto": activity.ChannelEmail, "sms": activity.ChannelSMS}

// MaxAddress is the longest address in bytes.
const MaxAddress = 1024

// checkAddress reads a target's address, a URI such as mailto:ann@example.com (RFC 6068) or sms:+15551234567 (RFC 5724) with one
// recipient and nothing else: what is said is not for the URI to tell.
func checkAddress(uri string) (scheme, address string, err error) {
	if len(uri) > MaxAddress {
		return "", "", &FieldError{"to.address", fmt.Sprintf("is longer than %d bytes", MaxAddress)}
	}
	scheme, rest, found := strings.Cut(uri, ":")
	scheme = strings.ToLower(scheme)
	if !found || addressed[scheme] == "" {
		return "", "", &FieldError{"to.address", "is neither mailto: and an e-mail address, nor sms: and a telephone number"}
	}
	if strings.ContainsAny(rest, "?#,;") {
		return "", "", &FieldError{"to.address", "has more in it than one address"}
	}
	address, err = url.PathUnescape(rest)
	if err != nil || address == "" || strings.HasPrefix(address, "//") {
		return "", "", &FieldError{"to.address", "has no address behind the colon"}
	}
	return scheme, address, nil
}

// atAddress is the conversation with an address, which is made if the book does not have it.
func (e *Engine) atAddress(ctx context.Context, to headsup.Target) ([]book.Conversation, error) {
	scheme, address, err := checkAddress(to.Address)
	if err != nil {
		return nil, err
	}
	channel := addressed[scheme]
	place := e.cfg.Addresses[channel]
	if place == nil {
		return nil, &NoTargetError{Rule: pace.FirstContactFree, Channel: channel}
	}
	ref, err := place(address)
	if err != nil {
		return nil, &FieldError{"to.address", err.Error()}
	}
	key := headsup.KeyOf(e.cfg.AppID, ref)
	if s, bound := e.cfg.Store.(tenantStore); bound && key.Tenant != s.tenant {
		return nil, &FieldError{"to.address", "is in no tenant, and a key of a tenant cannot write there"}
	}
	c, err := e.cfg.Store.Conversation(ctx, key)
	if errors.Is(err, book.ErrNotFound) {
		if rule := e.cfg.Profiles.FirstContact(string(channel)); rule != pace.FirstContactFree {
			return nil, &NoTargetError{Rule: rule, Channel: channel}
		}
		now := e.cfg.Now()
		c, err = e.cfg.Store.Sight(ctx, book.Sighting{
			Key: key, Reference: ref, Kind: book.KindPersonal, Source: book.SourceConfig, VerifiedAt: now, At: now,
		})
	}
	return e.first(ctx, to, []book.Conversation{c}, err, anyOf)
}
