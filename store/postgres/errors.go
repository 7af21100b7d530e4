package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Errors of the store.
var (
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("postgres: the store is closed")

	// ErrUnavailable: the database cannot be reached, or takes no writes just now. Nothing happened.
	ErrUnavailable = errors.New("postgres: the database is not available")

	// ErrUnknownCommit: the connection broke while a transaction was being committed, and the database did not come back
	// in time to say whether it was. Trying the same again with the same ids and keys does no harm.
	ErrUnknownCommit = errors.New("postgres: the database has not said whether it committed")

	// ErrNewer: the database was written by a newer version.
	ErrNewer = errors.New("the database was written by a newer version of this program")
)

// Codes of errors (PostgreSQL documentation, appendix A).
const (
	codeNotSupported         = "0A000"
	codeUniqueViolation      = "23505"
	codeReadOnly             = "25006"
	codeSerializationFailure = "40001"
	codeDeadlock             = "40P01"
	codeDiskFull             = "53100"
	codeTooManyConnections   = "53300"
	codeLockNotAvailable     = "55P03"
	codeQueryCanceled        = "57014"
)

// codeOf is the code of a server's error; empty for another one.
func codeOf(err error) string {
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}

// away reports whether the server has refused because of its own state: it is full, shutting down, starting up, a
// standby, or something is locked for too long.
func away(err error) bool {
	switch code := codeOf(err); code {
	case "":
		return false
	case codeReadOnly, codeDiskFull, codeTooManyConnections, codeLockNotAvailable:
		return true
	default:
		return code[:2] == "08" || code[:2] == "57" // connection exceptions, operator intervention
	}
}

// again reports whether a transaction that the server has ended so may go well the next time.
func again(err error) bool {
	switch codeOf(err) {
	case codeSerializationFailure, codeDeadlock:
		return true
	case codeNotSupported: // a prepared statement's columns have changed with the schema; pgx prepares it anew
		return strings.Contains(err.Error(), "cached plan")
	}
	return false
}

// explain is an error as callers see it: the ways in which a database can be away are ErrUnavailable. Refusals of the
// domain stay as they are.
func explain(err error) error {
	switch {
	case err == nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrUnavailable):
		return err
	case away(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case codeOf(err) != "":
		return fmt.Errorf("postgres: %w", err)
	}
	return err
}

// unreachable is for an error of a connection that could not be had, or that has broken.
func (s *Store) unreachable(ctx context.Context, err error) error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
