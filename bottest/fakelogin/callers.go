package fakelogin

import "github.com/headsup-bot/headsup/auth"

// Caller is somebody with a token of Microsoft Entra, and what a bot makes of it.
type Caller struct {
	// Name begins with the row of docs/security.md, if it is an attack.
	Name string
	// Entra is what the bot is told of those it lets in.
	Entra auth.Entra
	// Authorization is the header of that name.
	Authorization []string
	// Kind and App are who it is. Empty for one that is refused with Status.
	Kind   auth.Kind
	App    string
	Status int
}

// framework is a tenant of the Bot Framework itself.
const framework = "d6d49420-f39b-4df7-a1dc-d59a935871db"

// Callers are those with tokens of Entra, rows J25 and J43 to J48. The bot lets in [Agent], which is written in upper case, and
// the Emulator, or any agent; both of the tenant of f.
func (f *Forger) Callers() []Caller {
	all := auth.Entra{Emulator: true, Callers: []string{"7E57AB1E-0000-4000-8000-00000000A9E7"}, Tenants: []string{f.Tenant}}
	anybody := auth.Entra{Callers: []string{"*"}, Tenants: []string{f.Tenant}}
	v1 := func(tid string, changes map[string]any) map[string]any {
		return with(map[string]any{"iss": "https://sts.windows.net/" + tid + "/", "tid": tid, "ver": "1.0", "azp": nil, "appid": Agent}, changes)
	}
	v2 := func(changes map[string]any) []string { return Bearer(f.Entra.Sign(f.EntraClaims(changes))) }
	with := func(k *Key, kid string, claims map[string]any) []string {
		return Bearer(k.SignWith(f.Header(map[string]any{"kid": kid}), claims))
	}
	return []Caller{
		{"agent", all, v2(nil), auth.KindAgent, Agent, 0},
		{"agent, version 1.0", all, v2(v1(f.Tenant, nil)), auth.KindAgent, Agent, 0},
		{"any agent", anybody, v2(map[string]any{"azp": "someone"}), auth.KindAgent, "someone", 0},
		{"emulator", all, v2(v1(framework, map[string]any{"appid": f.AppID})), auth.KindEmulator, f.AppID, 0},
		{"emulator of the bot's tenant", all, v2(map[string]any{"azp": f.AppID}), auth.KindEmulator, f.AppID, 0},
		{"J25 a channel's key for Entra", all, Bearer(f.Channel.Sign(f.EntraClaims(nil))), "", "", 401},
		{"J25 the same with Entra's kid", all, with(f.Channel, f.Entra.ID, f.EntraClaims(nil)), "", "", 401},
		{"J25 Entra's key for a channel", all, with(f.Entra, f.Channel.ID, f.Claims(nil)), "", "", 401},
		{"J26 another audience", all, v2(map[string]any{"aud": Agent}), "", "", 401},
		{"J28 our own, sent back", all, v2(map[string]any{"aud": "https://api.botframework.com", "azp": f.AppID}), "", "", 401},
		{"J31 expired", all, v2(map[string]any{"exp": 1}), "", "", 401},
		{"J43 no emulator", anybody, v2(map[string]any{"azp": f.AppID}), "", "", 403},
		{"J44 no version", all, v2(map[string]any{"ver": nil}), "", "", 401},
		{"J44 version 3.0", all, v2(map[string]any{"ver": "3.0"}), "", "", 401},
		{"J44 versions crossed", all, v2(map[string]any{"ver": "1.0", "appid": Agent}), "", "", 401},
		{"J44 no appid", all, v2(v1(f.Tenant, map[string]any{"appid": nil, "azp": Agent})), "", "", 401},
		{"J44 no azp", all, v2(map[string]any{"azp": nil, "appid": Agent}), "", "", 401},
		{"J44 another bot", all, v2(v1(framework, nil)), "", "", 403},
		{"J45 another tid", all, v2(map[string]any{"tid": framework}), "", "", 401},
		{"J45 no tid", all, v2(map[string]any{"tid": nil}), "", "", 401},
		{"J45 blank tid", all, v2(map[string]any{"tid": " "}), "", "", 401},
		{"J45 a stranger's tenant", all, v2(map[string]any{"iss": "https://login.microsoftonline.com/evil/v2.0", "tid": "evil"}), "", "", 401},
		{"J45 a placeholder", all, v2(map[string]any{"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}), "", "", 401},
		{"J47 anonymous", anybody, v2(map[string]any{"azp": "AnonymousSkill"}), "", "", 401},
		{"J48 not on the list", all, v2(map[string]any{"azp": "someone"}), "", "", 403},
	}
}
