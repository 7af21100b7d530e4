package fakechannel

import "time"

// Windows lets tests choose times of arrival.
type Windows struct{ limits *limits }

func NewWindows(list ...Limit) *Windows {
	ls, err := newLimits(list)
	if err != nil {
		panic(err)
	}
	return &Windows{ls}
}

// Send has a message arrive. It returns how to come back when it is refused.
func (w *Windows) Send(conversation, tenant string, at time.Time) (retryAfter string, refused bool) {
	r := w.limits.arrive(call{op: OpSend, conversation: conversation, tenant: tenant}, at)
	if r == nil {
		return "", false
	}
	return r.retryAfter, true
}
