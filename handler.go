package headsup

import "context"

// Handler is what a bot does with a turn. It is called by one goroutine per turn and never for two turns of the same
// conversation at once; turns of different conversations run side by side. An error, or a panic, fails the turn: what it
// staged is not committed and the channel is told to try again.
type Handler interface {
	HandleTurn(ctx context.Context, t *Turn) error
}

// HandlerFunc makes a function a [Handler].
type HandlerFunc func(ctx context.Context, t *Turn) error

// HandleTurn calls f.
func (f HandlerFunc) HandleTurn(ctx context.Context, t *Turn) error { return f(ctx, t) }

// Middleware wraps a handler with something that every turn needs, proactive turns included. It calls the handler that
// it was given at most once per turn; not calling it ends the turn there.
type Middleware func(Handler) Handler

// chain wraps h so that the first middleware is the outermost.
func chain(h Handler, ms []Middleware) Handler {
	for i := len(ms) - 1; i >= 0; i-- {
		h = ms[i](h)
	}
	return h
}
