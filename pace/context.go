package pace

import "context"

type contextKey struct{}

// WithPermit returns a context for the calls of a delivery. The first of them uses the permit that was taken for it,
// which may be nil; those that follow take permits of their own, as deliveries.
func WithPermit(ctx context.Context, p *Permit) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// PermitOf finds the permit that a context was given, and tells what kind of call it is for: a [Delivery] with
// [WithPermit], a [Reply] without.
func PermitOf(ctx context.Context) (*Permit, Kind) {
	p, delivery := ctx.Value(contextKey{}).(*Permit)
	if delivery {
		return p, Delivery
	}
	return nil, Reply
}
