package auth

// Cloud is what differs between Microsoft's clouds ("Authenticate requests from the Bot Connector service to your bot" in
// the Bot Framework's REST documentation, and its counterparts for government and China).
type Cloud struct {
	// Name is what configuration calls it.
	Name string

	// ChannelMetadata is the address of the OpenID metadata about tokens that channels send, and ChannelIssuer who issues
	// them.
	ChannelMetadata, ChannelIssuer string

	// EntraMetadata is the same about tokens that Microsoft Entra issues, for all tenants.
	EntraMetadata string

	// EntraLogin begins the issuers of Entra's tokens of version 2.0, before the tenant's id; those of version 1.0 are the
	// same in all clouds.
	EntraLogin string
}

// The clouds in which there are Azure bots.
var (
	PublicCloud = Cloud{
		Name:            "public",
		ChannelMetadata: "https://login.botframework.com/v1/.well-known/openidconfiguration",
		ChannelIssuer:   "https://api.botframework.com",
		EntraMetadata:   "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
		EntraLogin:      "https://login.microsoftonline.com/",
	}
	GovernmentCloud = Cloud{
		Name:            "usgov",
		ChannelMetadata: "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
		ChannelIssuer:   "https://api.botframework.us",
		EntraMetadata:   "https://login.microsoftonline.us/common/v2.0/.well-known/openid-configuration",
		EntraLogin:      "https://login.microsoftonline.us/",
	}
	ChinaCloud = Cloud{
		Name:            "china",
		ChannelMetadata: "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
		ChannelIssuer:   "https://api.botframework.azure.cn",
		EntraMetadata:   "https://login.partner.microsoftonline.cn/common/v2.0/.well-known/openid-configuration",
		EntraLogin:      "https://login.partner.microsoftonline.cn/",
	}
)

// entraV1 begins the issuers of Entra's tokens of version 1.0.
const entraV1 = "https://sts.windows.net/"

// The tenants of the Bot Framework itself, from which the Emulator and bots that belong to no tenant have their tokens.
var botFrameworkTenants = []string{"d6d49420-f39b-4df7-a1dc-d59a935871db", "f8cdef31-a31e-4b4a-93e4-5f571e91255a"}
