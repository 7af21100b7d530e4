// Command headsup lets a bot speak first: it serves a bot's messaging endpoint, an embedded Direct Line channel and an
// HTTP API for notifications. See "headsup --help".
package main

import (
	"context"
	"os"

	"github.com/headsup-bot/headsup/internal/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
