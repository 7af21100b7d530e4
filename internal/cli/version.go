package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type version struct {
	JSON bool `name:"json" help:"Print JSON, with what the program was built from."`
}

// Help shows examples.
func (version) Help() string {
	return `Examples:

    headsup version
    headsup version --json`
}

// Run prints the version.
func (c version) Run(s streams) error {
	if !c.JSON {
		_, err := fmt.Fprintln(s.out, "headsup", buildVersion())
		return err
	}
	about := struct {
		Version  string `json:"version"`
		Revision string `json:"revision,omitempty"`
		Modified bool   `json:"modified,omitzero"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{Version: buildVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				about.Revision = setting.Value
			case "vcs.modified":
				about.Modified = setting.Value == "true"
			}
		}
	}
	return printJSON(s.out, about)
}

func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
