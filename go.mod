module github.com/headsup-bot/headsup

go 1.26

require github.com/go-json-experiment/json v0.0.0-20260820222146-c27c302e5fc3

require github.com/coder/websocket v1.8.15

require go.uber.org/goleak v1.3.0
