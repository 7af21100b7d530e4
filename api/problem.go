package api

// Problem is an error answer (RFC 9457, "Problem Details for HTTP APIs").
type Problem struct {
	Type   string         `json:"type" doc:"Always about:blank; code tells problems apart."`
	Title  string         `json:"title" doc:"The HTTP status in words."`
	Status int            `json:"status" doc:"The HTTP status."`
	Code   string         `json:"code" doc:"A stable word for programs." example:"invalid_field"`
	Detail string         `json:"detail" doc:"One sentence for people."`
	Errors []ProblemField `json:"errors,omitempty" doc:"The fields at fault."`
}

// ProblemField is one field at fault.
type ProblemField struct {
	Field   string `json:"field" doc:"Its path in the request, such as body.to.user." example:"body.text"`
	Message string `json:"message" doc:"What is wrong with it."`
}

// Codes of problems. They do not change. Each has its meaning in [Codes].
const (
	CodeBadRequest        = "bad_request"
	CodeInvalidField      = "invalid_field"
	CodeNoTarget          = "no_target"
	CodeTargetUninstalled = "target_uninstalled"
	CodeTargetBlocked     = "target_blocked"
	CodeTargetUnreachable = "target_unreachable"
	CodeTargetProspective = "target_prospective"
	CodeUnknownTeam       = "unknown_team"
	CodeUnknownChannel    = "unknown_channel"
	CodeContactNever      = "first_contact_never"
	CodeContactRoster     = "first_contact_roster"
	CodeContactInstalled  = "first_contact_installed"
	CodeContactFree       = "first_contact_free"
	CodeNotFound          = "not_found"
	CodeNoTranscript      = "no_transcript"
	CodeNoRoster          = "no_roster"
	CodeChannelRefused    = "channel_refused"
	CodeKeyReused         = "idempotency_key_reused"
	CodeJobCompleted      = "job_completed"
	CodeRecalled          = "recalled"
	CodePurged            = "purged"
	CodeChanging          = "changing"
	CodeWrongState        = "wrong_state"
	CodeTooMany           = "too_many"
	CodeNoBackup          = "no_backup"
	CodeRotationUnderWay  = "rotation_under_way"
	CodeTooLarge          = "too_large"
	CodeUnsupported       = "unsupported_media_type"
	CodeInternal          = "internal"
	CodeUnavailable       = "unavailable"
	CodeNoRoom            = "no_room"
	CodeForbidden         = "forbidden"
	CodeMethodNotAllowed  = "method_not_allowed"
	CodeUnauthorized      = "unauthorized"
	CodeMissingScope      = "missing_scope"
	CodeTenantBound       = "tenant_bound"
	CodeRateLimited       = "rate_limited"
	CodeDevelopmentOnly   = "development_only"
)

// Code is what a problem's code means, and what helps.
type Code struct {
	Code    string
	Status  int
	Meaning string
	Remedy  string
}

// Codes explains every code, in the order of their statuses.
var Codes = []Code{
	{CodeBadRequest, 400, "The request is not what the route reads at all, such as a body that is not JSON.", "Send one JSON object in UTF-8, without repeated members."},
	{CodeUnauthorized, 401, "There is no API key, or it is unknown, revoked or expired.", "Send Authorization: Bearer and the key; make one with headsup key create."},
	{CodeMissingScope, 403, "The key is good, and not for this; detail and errors name the scope that it lacks.", "Use a key with that scope."},
	{CodeTenantBound, 403, "The key is good and has the scope, but is bound to a tenant, and the request is about more than one tenant.", "Use a key that is bound to none."},
	{CodeForbidden, 403, "The server does not talk to whoever asks: another site's page, or a Host that is not the server's.", "Call the server by its own address, from a program or one of its own pages."},
	{CodeNotFound, 404, "There is no such route, or nothing with that id.", "Check the path; percent-encode ids in it."},
	{CodeDevelopmentOnly, 404, "The route is for development, and off where others can reach the server.", "Use the API with a key, or a server that listens on loopback."},
	{CodeNoRoster, 404, "The conversation is known, but its channel does not tell who takes part.", "Only Microsoft Teams has rosters."},
	{CodeNoTranscript, 404, "The conversation is known, but its channel keeps no transcript here.", "Ask the channel; only the embedded Direct Line channel keeps one."},
	{CodeMethodNotAllowed, 405, "The route has other methods; the Allow header names them.", "Use one of those."},
	{CodeKeyReused, 409, "The idempotency key was used before for a request with other content.", "Take a new key for new content, and repeat a request unchanged."},
	{CodeJobCompleted, 409, "The job is completed already.", "Nothing is left to do; start another job for other work."},
	{CodeRecalled, 409, "The notification was recalled: nothing of it is said or changed any more.", "Say it in a new notification."},
	{CodeChanging, 409, "The notification has very many deliveries, which are being cancelled or rescheduled.", "Try again when its changing is not true any more."},
	{CodePurged, 409, "What the notification said is so old that it is kept no longer.", "Say it in a new notification."},
	{CodeWrongState, 409, "The delivery is in a state in which that cannot be done to it.", "Look at its state: what has failed, expired, or was cancelled or suppressed can be replayed, and what is unknown settled, too."},
	{CodeTooMany, 409, "There are as many of these as there may be.", "Delete one that is not needed any more."},
	{CodeRotationUnderWay, 409, "A new signing key was made a while ago and does not sign yet.", "Wait until it does, or have it replaced at once."},
	{CodeNoBackup, 409, "The server keeps its data in a database that is backed up by its own tools.", "Use those, such as pg_dump or continuous archiving."},
	{CodeTooLarge, 413, "The body is larger than the route takes.", "Say less, or link to it."},
	{CodeUnsupported, 415, "The body is not declared as JSON.", "Send Content-Type: application/json."},
	{CodeInvalidField, 422, "A member, parameter or header is missing, unknown, or not what it should be; errors names it.", "Correct the named field."},
	{CodeNoTarget, 422, "Nobody in the reference book answers to the target, or nobody who can be reached.", "Have the person talk to the bot first, or look in the list of conversations."},
	{CodeTargetUninstalled, 422, "The person or conversation is known, and the bot is not there any more.", "Have the bot's app installed again; the detail says since when and why."},
	{CodeTargetBlocked, 422, "The person or conversation is known, and somebody there does not want to hear of the bot.", "It ends when they write to the bot, or with a replay that tries it once more."},
	{CodeTargetProspective, 422, "The conversation is none, but stands for somebody whom the bot has not met.", "Name the person, by object_id, upn or email."},
	{CodeTargetUnreachable, 422, "The person or conversation is known, and nothing can be said there for a while.", "Wait until the time in the detail, or for what it names to be taken back."},
	{CodeUnknownTeam, 422, "The bot is in no team of Microsoft Teams with that id, as far as the reference book knows.", "Give the team's id in Teams, which is that of its General channel and not that of its Microsoft 365 group; have the app installed there."},
	{CodeUnknownChannel, 422, "The team is in the reference book, and no channel of it with that id.", "Check the id. The book knows a channel once something was said or changed there; until then, name its conversation with to.reference."},
	{CodeContactInstalled, 422, "Nobody is known by that key, and the channel lets a bot write only to people who have its app.", "Install the app for the person; they are in the reference book then."},
	{CodeContactRoster, 422, "Nobody is known by that key, and the channel lets a bot write only to people in a place where it is.", "Add the bot to such a place, or have the person write to it."},
	{CodeContactNever, 422, "Nobody is known by that key, and on the channel people have to write to the bot first.", "Have the person write to the bot."},
	{CodeContactFree, 422, "Nobody is known by that key; the channel would let the bot write first, but is not set up.", "Set the channel up, or have the person write to the bot."},
	{CodeRateLimited, 429, "The key is good for fewer requests per minute, or too many wrong keys came from the address.", "Wait for the Retry-After header's time."},
	{CodeInternal, 500, "The server made a mistake.", "Report it with the server's log; repeat the request with its idempotency key."},
	{CodeChannelRefused, 502, "The channel was asked, and has refused or not answered.", "The detail has its status and code; repeat the request where that may pass."},
	{CodeUnavailable, 503, "The server cannot store or read anything at the moment.", "Repeat the request after the Retry-After header's time, with its idempotency key."},
	{CodeNoRoom, 507, "The server's disk is nearly full: it delivers what it has and takes nothing new.", "Make room on the disk; repeat the request after the Retry-After header's time, with its idempotency key."},
}

// Meaning returns what a code means, if it is one of [Codes].
func Meaning(code string) (Code, bool) {
	for _, c := range Codes {
		if c.Code == code {
			return c, true
		}
	}
	return Code{}, false
}
