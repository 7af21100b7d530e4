package api

// AuthRefresh is what came of fetching the keys by which callers' tokens are checked.
type AuthRefresh struct {
	Sets []AuthKeys `json:"sets" doc:"The sets of keys of this server; none where nobody's tokens are checked."`
}

// AuthKeys are the keys of one issuer of tokens.
type AuthKeys struct {
	Of       string `json:"of" enum:"channels,entra,bots" doc:"Whose tokens they check: channels' at the messaging endpoint; those that Microsoft Entra gave agents or the Emulator; those of bots in other processes."`
	Metadata string `json:"metadata" doc:"Where the issuer says where they are." example:"https://login.botframework.com/v1/.well-known/openidconfiguration"`
	Keys     int    `json:"keys" doc:"How many can be used now."`
	Error    string `json:"error,omitempty" doc:"Why they could not be fetched. Those that were known stay, and it is tried again by itself."`
}
