// Package sms is a channel to people by text message, over Twilio's REST API.
//
// A [Channel] implements headsup.Channel for conversations of the channel "sms", whose id is the person's number. [Verdicts] is
// how it reads what Twilio answers. [Channel.Inbound] and [Channel.Statuses] are Twilio's webhooks: what people write becomes
// messages to the bot, the words by which they stop and start are told, and so is what became of messages. [Parse] makes a
// number what it is known by.
package sms
