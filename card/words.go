package card

import (
	"time"

	"github.com/headsup-bot/headsup/internal/language"
)

// words are what we say ourselves, in one language. %s is a topic, or a time.
type words struct {
	by                            string // before a name
	info, good, warning, critical string // of severities
	open                          string
	mute, muteAny, optOut, snooze string // of buttons
	sayMute, sayStop, smsStop     string // where there are no buttons
	date, clock                   string // layouts of package time
	said                          map[Answer]string
}

// Answer is what a person is told who has pressed a button.
type Answer string

// The answers.
const (
	// AnswerMuted, AnswerOptedOut, AnswerSnoozed and AnswerDone: it is so now.
	AnswerMuted    Answer = "muted"
	AnswerOptedOut Answer = "opted_out"
	AnswerSnoozed  Answer = "snoozed"
	AnswerDone     Answer = "done"
	// AnswerAlready: it was pressed before.
	AnswerAlready Answer = "already"
	// AnswerExpired: it may not be pressed any more.
	AnswerExpired Answer = "expired"
	// AnswerNotYours: it was meant for somebody else.
	AnswerNotYours Answer = "not_yours"
	// AnswerInvalid: it is none of ours.
	AnswerInvalid Answer = "invalid"
	// AnswerMandatory: the topic cannot be muted.
	AnswerMandatory Answer = "mandatory"
	// AnswerFailed: nobody could do it.
	AnswerFailed Answer = "failed"
)

// languages by their primary subtag (BCP 47, 2.2.1).
var languages = map[string]*words{
	"en": {
		by: "by", info: "Information", good: "Good news", warning: "Warning", critical: "Critical", open: "Open",
		mute: "Mute “%s”", muteAny: "Mute this topic", optOut: "Stop these messages", snooze: "Remind me later",
		sayMute: "To mute “%[1]s”, answer: mute %[1]s", sayStop: "To stop these messages, answer: stop", smsStop: "Reply STOP to stop",
		date: "2 Jan 2006", clock: "15:04 MST",
		said: map[Answer]string{
			AnswerMuted: "“%s” is muted.", AnswerOptedOut: "You will not get these messages any more.", AnswerSnoozed: "You will be reminded at %s.",
			AnswerDone: "Done.", AnswerAlready: "That was done before.", AnswerExpired: "This button cannot be used any more.",
			AnswerNotYours: "This button was meant for somebody else.", AnswerInvalid: "This button is not valid.",
			AnswerMandatory: "“%s” cannot be muted.", AnswerFailed: "That did not work.",
		},
	},
	"de": {
		by: "von", info: "Information", good: "Gute Nachricht", warning: "Warnung", critical: "Kritisch", open: "Öffnen",
		mute: "„%s“ stummschalten", muteAny: "Thema stummschalten", optOut: "Keine Nachrichten mehr", snooze: "Später erinnern",
		sayMute: "Um „%[1]s“ stummzuschalten, antworten Sie: mute %[1]s", sayStop: "Um keine Nachrichten mehr zu bekommen, antworten Sie: stop",
		smsStop: "Abmelden mit STOP", date: "02.01.2006", clock: "15:04 MST",
		said: map[Answer]string{
			AnswerMuted: "„%s“ ist stummgeschaltet.", AnswerOptedOut: "Sie bekommen keine solchen Nachrichten mehr.",
			AnswerSnoozed: "Sie werden um %s erinnert.", AnswerDone: "Erledigt.", AnswerAlready: "Das ist schon geschehen.",
			AnswerExpired: "Diese Schaltfläche gilt nicht mehr.", AnswerNotYours: "Diese Schaltfläche war für jemand anderen.",
			AnswerInvalid: "Diese Schaltfläche ist nicht gültig.", AnswerMandatory: "„%s“ kann nicht stummgeschaltet werden.",
			AnswerFailed: "Das hat nicht geklappt.",
		},
	},
	"fr": {
		by: "par", info: "Information", good: "Bonne nouvelle", warning: "Avertissement", critical: "Critique", open: "Ouvrir",
		mute: "Ignorer « %s »", muteAny: "Ignorer ce sujet", optOut: "Ne plus recevoir ces messages", snooze: "Me le rappeler plus tard",
		sayMute: "Pour ignorer « %[1]s », répondez : mute %[1]s", sayStop: "Pour ne plus recevoir ces messages, répondez : stop",
		smsStop: "STOP pour arrêter", date: "02/01/2006", clock: "15:04 MST",
		said: map[Answer]string{
			AnswerMuted: "« %s » est ignoré.", AnswerOptedOut: "Vous ne recevrez plus ces messages.", AnswerSnoozed: "Rappel à %s.",
			AnswerDone: "C’est fait.", AnswerAlready: "C’était déjà fait.", AnswerExpired: "Ce bouton n’est plus valable.",
			AnswerNotYours: "Ce bouton était destiné à quelqu’un d’autre.", AnswerInvalid: "Ce bouton n’est pas valable.",
			AnswerMandatory: "« %s » ne peut pas être ignoré.", AnswerFailed: "Cela n’a pas fonctionné.",
		},
	},
	"es": {
		by: "por", info: "Información", good: "Buenas noticias", warning: "Advertencia", critical: "Crítico", open: "Abrir",
		mute: "Silenciar «%s»", muteAny: "Silenciar este tema", optOut: "No recibir más mensajes", snooze: "Recordármelo más tarde",
		sayMute: "Para silenciar «%[1]s», responda: mute %[1]s", sayStop: "Para no recibir más mensajes, responda: stop",
		smsStop: "STOP para no recibir más", date: "02/01/2006", clock: "15:04 MST",
		said: map[Answer]string{
			AnswerMuted: "«%s» está silenciado.", AnswerOptedOut: "Ya no recibirá estos mensajes.", AnswerSnoozed: "Se le recordará a las %s.",
			AnswerDone: "Hecho.", AnswerAlready: "Ya estaba hecho.", AnswerExpired: "Este botón ya no es válido.",
			AnswerNotYours: "Este botón era para otra persona.", AnswerInvalid: "Este botón no es válido.",
			AnswerMandatory: "«%s» no se puede silenciar.", AnswerFailed: "No ha funcionado.",
		},
	},
	"it": {
		by: "da", info: "Informazione", good: "Buone notizie", warning: "Avviso", critical: "Critico", open: "Apri",
		mute: "Silenzia «%s»", muteAny: "Silenzia questo argomento", optOut: "Non ricevere più messaggi", snooze: "Ricordamelo più tardi",
		sayMute: "Per silenziare «%[1]s», rispondi: mute %[1]s", sayStop: "Per non ricevere più messaggi, rispondi: stop",
		smsStop: "STOP per non riceverne altri", date: "02/01/2006", clock: "15:04 MST",
		said: map[Answer]string{
			AnswerMuted: "«%s» è silenziato.", AnswerOptedOut: "Non riceverai più questi messaggi.", AnswerSnoozed: "Te lo ricorderemo alle %s.",
			AnswerDone: "Fatto.", AnswerAlready: "Era già fatto.", AnswerExpired: "Questo pulsante non è più valido.",
			AnswerNotYours: "Questo pulsante era per un’altra persona.", AnswerInvalid: "Questo pulsante non è valido.",
			AnswerMandatory: "«%s» non si può silenziare.", AnswerFailed: "Non ha funzionato.",
		},
	},
	"nl": {
		by: "door", info: "Ter kennisgeving", good: "Goed nieuws", warning: "Waarschuwing", critical: "Kritiek", open: "Openen",
		mute: "‘%s’ dempen", muteAny: "Dit onderwerp dempen", optOut: "Geen berichten meer", snooze: "Herinner me later",
		sayMute: "Om ‘%[1]s’ te dempen, antwoord: mute %[1]s", sayStop: "Om geen berichten meer te krijgen, antwoord: stop",
		smsStop: "STOP om te stoppen", date: "02-01-2006", clock: "15:04 MST",
		said: map[Answer]string{
			AnswerMuted: "‘%s’ is gedempt.", AnswerOptedOut: "U krijgt deze berichten niet meer.", AnswerSnoozed: "U wordt om %s herinnerd.",
			AnswerDone: "Klaar.", AnswerAlready: "Dat was al gedaan.", AnswerExpired: "Deze knop is niet meer geldig.",
			AnswerNotYours: "Deze knop was voor iemand anders.", AnswerInvalid: "Deze knop is niet geldig.",
			AnswerMandatory: "‘%s’ kan niet worden gedempt.", AnswerFailed: "Dat is niet gelukt.",
		},
	},
	"pt": {
		by: "por", info: "Informação", good: "Boas notícias", warning: "Aviso", critical: "Crítico", open: "Abrir",
		mute: "Silenciar “%s”", muteAny: "Silenciar este tema", optOut: "Parar estas mensagens", snooze: "Lembrar mais tarde",
		sayMute: "Para silenciar “%[1]s”, responda: mute %[1]s", sayStop: "Para parar estas mensagens, responda: stop",
		smsStop: "STOP para parar", date: "02/01/2006", clock: "15:04 MST",
		said: map[Answer]string{
			AnswerMuted: "“%s” foi silenciado.", AnswerOptedOut: "Você não receberá mais estas mensagens.", AnswerSnoozed: "Você será lembrado às %s.",
			AnswerDone: "Feito.", AnswerAlready: "Isso já foi feito.", AnswerExpired: "Este botão não é mais válido.",
			AnswerNotYours: "Este botão era para outra pessoa.", AnswerInvalid: "Este botão não é válido.",
			AnswerMandatory: "“%s” não pode ser silenciado.", AnswerFailed: "Isso não funcionou.",
		},
	},
	"ja": {
		by: "担当:", info: "お知らせ", good: "良いお知らせ", warning: "警告", critical: "重大", open: "開く",
		mute: "「%s」をミュート", muteAny: "このトピックをミュート", optOut: "配信を停止", snooze: "後で通知",
		sayMute: "「%[1]s」をミュートするには「mute %[1]s」と返信してください", sayStop: "配信を停止するには「stop」と返信してください",
		smsStop: "配信停止はSTOPと返信", date: "2006/01/02", clock: "15:04 MST",
		said: map[Answer]string{
			AnswerMuted: "「%s」をミュートしました。", AnswerOptedOut: "今後このメッセージは届きません。", AnswerSnoozed: "%s に再度お知らせします。",
			AnswerDone: "完了しました。", AnswerAlready: "すでに完了しています。", AnswerExpired: "このボタンは使用できなくなりました。",
			AnswerNotYours: "このボタンは別の方のものです。", AnswerInvalid: "このボタンは無効です。",
			AnswerMandatory: "「%s」はミュートできません。", AnswerFailed: "処理できませんでした。",
		},
	},
}

// wordsFor are the words in a language, or in English.
func wordsFor(locale string) *words { return language.Lookup(languages, locale) }

// severity is its icon and word; both are empty for what is neither good nor bad.
func (w *words) severity(s Severity) (icon, word string) {
	switch s {
	case Info:
		return "ℹ️", w.info
	case Good:
		return "✅", w.good
	case Warning:
		return "⚠️", w.warning
	case Critical:
		return "🛑", w.critical
	case Default:
	}
	return "", ""
}

// when writes a time as people do.
func (w *words) when(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format(w.date + " " + w.clock)
}
