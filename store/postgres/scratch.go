package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Scratch makes an empty database on the server that a URL leads to, beside the one that it names, for simulations and
// measurements. It returns the new one's URL; drop removes it with all that is in it, once nobody uses it. The role must be
// allowed to make databases. Errors do not tell a password.
func Scratch(ctx context.Context, server string) (database string, drop func(context.Context) error, err error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" && u.RawQuery == "" {
		return "", nil, errors.New("postgres: scratch: the server must be given as postgres://user@host/name")
	}
	name := "headsup_scratch_" + strings.ToLower(rand.Text()[:12])
	if err := statement(ctx, server, "CREATE DATABASE "+name); err != nil {
		return "", nil, fmt.Errorf("postgres: scratch: %w", err)
	}
	there := *u
	there.Path = "/" + name
	return there.String(), func(ctx context.Context) error {
		if err := statement(ctx, server, "DROP DATABASE "+name); err != nil {
			return fmt.Errorf("postgres: scratch: %w", err)
		}
		return nil
	}, nil
}

// statement runs one on a connection of its own.
func statement(ctx context.Context, server, sql string) error {
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, sql)
	return errors.Join(err, c.Close(ctx))
}
