// Package email is a channel to people by e-mail: what a bot says goes out over SMTP, one recipient to a mail, and what they
// answer comes in by a webhook.
//
// A [Channel] implements headsup.Channel for conversations of the channel "email", whose id is the person's address. It needs
// a mail server that takes mail for it ([Config]), and reads that server's answers as [Verdicts] tells. [Parse] makes an address
// what it is known by. [Channel.Inbound] is the webhook: answers become messages to the bot, and bounces are told.
package email
