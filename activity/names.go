package activity

// Type says what an activity is. Types are compared exactly, with case (A2011); a type that is not listed here is legal
// and a bot ignores it (A2014).
type Type string

// The activity types of the protocol. The last three never travel: they exist inside an SDK's process.
const (
	TypeMessage               Type = "message"
	TypeConversationUpdate    Type = "conversationUpdate"
	TypeContactRelationUpdate Type = "contactRelationUpdate"
	TypeInstallationUpdate    Type = "installationUpdate"
	TypeEvent                 Type = "event"
	TypeInvoke                Type = "invoke"
	TypeTyping                Type = "typing"
	TypeEndOfConversation     Type = "endOfConversation"
	TypeMessageUpdate         Type = "messageUpdate"
	TypeMessageDelete         Type = "messageDelete"
	TypeMessageReaction       Type = "messageReaction"
	TypeSuggestion            Type = "suggestion"
	TypeTrace                 Type = "trace"
	TypeHandoff               Type = "handoff"
	TypeCommand               Type = "command"
	TypeCommandResult         Type = "commandResult"
	TypeDeleteUserData        Type = "deleteUserData"
	TypePing                  Type = "ping"
	TypeInvokeResponse        Type = "invokeResponse"
	TypeDelay                 Type = "delay"
)

// ChannelID names a channel. Channel ids are compared exactly, with case (A2021), and are lower case by convention.
type ChannelID string

// The channels that Microsoft's documents and SDKs name.
const (
	ChannelAgents           ChannelID = "agents"
	ChannelA2A              ChannelID = "a2a"
	ChannelAlexa            ChannelID = "alexa"
	ChannelConsole          ChannelID = "console"
	ChannelCortana          ChannelID = "cortana"
	ChannelDirectLine       ChannelID = "directline"
	ChannelDirectLineSpeech ChannelID = "directlinespeech"
	ChannelEmail            ChannelID = "email"
	ChannelEmulator         ChannelID = "emulator"
	ChannelFacebook         ChannelID = "facebook"
	ChannelGroupMe          ChannelID = "groupme"
	ChannelKik              ChannelID = "kik"
	ChannelLine             ChannelID = "line"
	ChannelM365Extensions   ChannelID = "m365extensions"
	ChannelMCP              ChannelID = "mcp"
	ChannelOmnichannel      ChannelID = "omnichannel"
	ChannelOutlook          ChannelID = "outlook"
	ChannelPVAStudio        ChannelID = "pva-studio"
	ChannelSkype            ChannelID = "skype"
	ChannelSkypeForBusiness ChannelID = "skypeforbusiness"
	ChannelSlack            ChannelID = "slack"
	ChannelSMS              ChannelID = "sms"
	ChannelTeams            ChannelID = "msteams"
	ChannelTelegram         ChannelID = "telegram"
	ChannelTelephony        ChannelID = "telephony"
	ChannelTest             ChannelID = "test"
	ChannelTwilioSMS        ChannelID = "twilio-sms"
	ChannelWebChat          ChannelID = "webchat"
)

// ID is the id that a channel gave an activity. It is opaque and compared exactly.
type ID string

// ConversationID is the id of a conversation on its channel. It need not be unique without the channel and the bot: two
// numbers of a bot that text with one person share it on SMS.
type ConversationID string

// AccountID is the id of a user or a bot on a channel. Two different ids may belong to one person (A7510).
type AccountID string

// TenantID is the id of an organization in Microsoft Entra.
type TenantID string

// Role says what kind of party an account is.
type Role string

// The roles of accounts. RoleAgent is the newer name of RoleBot.
const (
	RoleUser               Role = "user"
	RoleBot                Role = "bot"
	RoleAgent              Role = "agent"
	RoleSkill              Role = "skill"
	RoleConnectorUser      Role = "connectoruser"
	RoleAgenticInstance    Role = "agenticInstance"
	RoleAgenticAppInstance Role = "agenticAppInstance"
	RoleAgenticUser        Role = "agenticUser"
)

// ConversationType is Teams' word for the kind of a conversation.
type ConversationType string

// The conversation types of Teams.
const (
	ConversationPersonal  ConversationType = "personal"
	ConversationGroupChat ConversationType = "groupChat"
	ConversationChannel   ConversationType = "channel"
)

// DeliveryMode says how the answers to an activity travel. An unknown mode means the same as DeliveryNormal (A3111).
type DeliveryMode string

// The delivery modes. DeliveryNotification is deprecated and means normal.
const (
	DeliveryNormal        DeliveryMode = "normal"
	DeliveryNotification  DeliveryMode = "notification"
	DeliveryExpectReplies DeliveryMode = "expectReplies"
	DeliveryEphemeral     DeliveryMode = "ephemeral"
	DeliveryStream        DeliveryMode = "stream"
)

// TextFormat is the markup of a message's text. Absent means plain (A3012).
type TextFormat string

// The text formats.
const (
	TextPlain    TextFormat = "plain"
	TextMarkdown TextFormat = "markdown"
	TextXML      TextFormat = "xml"
)

// InputHint says whether the bot waits for an answer. An unknown hint means InputAccepting (A3042).
type InputHint string

// The input hints.
const (
	InputAccepting InputHint = "acceptingInput"
	InputExpecting InputHint = "expectingInput"
	InputIgnoring  InputHint = "ignoringInput"
)

// Importance ranks a message. An unknown importance means ImportanceNormal (A3101).
type Importance string

// The levels of importance.
const (
	ImportanceLow    Importance = "low"
	ImportanceNormal Importance = "normal"
	ImportanceHigh   Importance = "high"
)

// AttachmentLayout arranges several attachments. Absent means LayoutList (A3061).
type AttachmentLayout string

// The attachment layouts.
const (
	LayoutList     AttachmentLayout = "list"
	LayoutCarousel AttachmentLayout = "carousel"
)

// ActionType says what pressing a button does.
type ActionType string

// The types of card actions. ActionInvoke is Teams' own, ActionPayment is deprecated.
const (
	ActionOpenURL      ActionType = "openUrl"
	ActionIMBack       ActionType = "imBack"
	ActionPostBack     ActionType = "postBack"
	ActionMessageBack  ActionType = "messageBack"
	ActionPlayAudio    ActionType = "playAudio"
	ActionPlayVideo    ActionType = "playVideo"
	ActionShowImage    ActionType = "showImage"
	ActionDownloadFile ActionType = "downloadFile"
	ActionSignIn       ActionType = "signin"
	ActionCall         ActionType = "call"
	ActionOpenApp      ActionType = "openApp"
	ActionInvoke       ActionType = "invoke"
	ActionPayment      ActionType = "payment"
)

// UpdateAction is what a contactRelationUpdate or an installationUpdate reports.
type UpdateAction string

// The update actions. The two upgrades are sent by Teams only.
const (
	UpdateAdd           UpdateAction = "add"
	UpdateRemove        UpdateAction = "remove"
	UpdateAddUpgrade    UpdateAction = "add-upgrade"
	UpdateRemoveUpgrade UpdateAction = "remove-upgrade"
)

// EndCode says why a conversation ended.
type EndCode string

// The codes of endOfConversation. The Agents SDK renamed two of them and added the last.
const (
	EndUnknown                   EndCode = "unknown"
	EndCompletedSuccessfully     EndCode = "completedSuccessfully"
	EndUserCancelled             EndCode = "userCancelled"
	EndBotTimedOut               EndCode = "botTimedOut"
	EndBotIssuedInvalidMessage   EndCode = "botIssuedInvalidMessage"
	EndChannelFailed             EndCode = "channelFailed"
	EndTimedOut                  EndCode = "timedOut"
	EndAgentIssuedInvalidMessage EndCode = "agentIssuedInvalidMessage"
	EndError                     EndCode = "error"
)

// ReactionType is a channel's word for a reaction; the constants are those of Teams and of the SDKs.
type ReactionType string

// Reactions in common use.
const (
	ReactionLike      ReactionType = "like"
	ReactionHeart     ReactionType = "heart"
	ReactionLaugh     ReactionType = "laugh"
	ReactionSurprised ReactionType = "surprised"
	ReactionSad       ReactionType = "sad"
	ReactionAngry     ReactionType = "angry"
	ReactionPlusOne   ReactionType = "plusOne"
)

// SemanticState is the progress of a semantic action; a channel sends SemanticStart only (A7760).
type SemanticState string

// The states of a semantic action.
const (
	SemanticStart    SemanticState = "start"
	SemanticContinue SemanticState = "continue"
	SemanticDone     SemanticState = "done"
)

// Names of events and invokes that the protocol or Microsoft's SDKs reserve.
const (
	EventContinueConversation = "ContinueConversation" // made in process by Reference.Continuation
	EventCreateConversation   = "CreateConversation"   // made in process after a conversation was created
	EventTokensResponse       = "tokens/response"
	EventReadReceipt          = "application/vnd.microsoft.readReceipt"
	EventMeetingStart         = "application/vnd.microsoft.meetingStart"
	EventMeetingEnd           = "application/vnd.microsoft.meetingEnd"
	EventMeetingJoin          = "application/vnd.microsoft.meetingParticipantJoin"
	EventMeetingLeave         = "application/vnd.microsoft.meetingParticipantLeave"

	InvokeAdaptiveCardAction  = "adaptiveCard/action"
	InvokeSearch              = "application/search"
	InvokeSignInVerifyState   = "signin/verifyState"
	InvokeSignInTokenExchange = "signin/tokenExchange"
	InvokeSignInFailure       = "signin/failure"
	InvokeTaskFetch           = "task/fetch"
	InvokeTaskSubmit          = "task/submit"
)
