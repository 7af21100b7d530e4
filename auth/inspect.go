package auth

import "context"

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
		known, err := k.read(ctx)
		p := describe(k, known, err)
		p.Entra = k == v.entra
		all = append(all, p)
	}
	return all
}
