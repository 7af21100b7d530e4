module github.com/headsup-bot/headsup

go 1.26

// What npm installs for the pages is no part of the module, whatever it holds.
ignore ./web/node_modules
