module github.com/headsup-bot/headsup

go 1.26
