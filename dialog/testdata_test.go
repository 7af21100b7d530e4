package dialog_test

import "embed"

//go:embed testdata/dialog-state.json
var testdata embed.FS
