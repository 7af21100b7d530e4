package auth

import (
	"context"
	"slices"
)

// Published is what an issuer of tokens publishes.
type Published struct {
	// Metadata is the address of its OpenID metadata, and Issuer the name that it has to have there.
	Metadata, Issuer string
	// Keys is how many keys can be used, and Endorsements the channels that they speak for, each once, in alphabetical order.
	Keys         int
	Endorsements []string
	// Entra says that it is Microsoft Entra, whose keys speak for no channels.
	Entra bool
	// Err is why nothing can be used; nil if something can.
	Err error
}

// Inspect fetches what the issuers publish, beside what the verifier keeps and by the same rules. It is for looking at a
// configuration; callers are let in or refused without it.
func (v *Tokens) Inspect(ctx context.Context) (all []Published) {
	for _, k := range []*keys{v.channel, v.entra} {
		if k == nil {
			continue
		}
		p := Published{Metadata: k.metadata.String(), Issuer: k.issuer, Entra: k == v.entra}
		var known map[string]key
		known, p.Err = k.read(ctx)
		p.Keys = len(known)
		for _, key := range known {
			p.Endorsements = append(p.Endorsements, key.endorsements...)
		}
		slices.Sort(p.Endorsements)
		p.Endorsements = slices.Compact(p.Endorsements)
		all = append(all, p)
	}
	return all
}
