// Package web holds the pages that the binary serves: the start page and the playground.
//
// The pages are TypeScript, built by Vite into dist and embedded from there. A checkout that never built them holds
// only dist/README.md: the program still compiles and runs, and [Built] tells the server to explain instead.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the built pages as they lie below the site's root: index.html, playground/index.html, assets/…
// and so on. What is missing there was not built.
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: " + err.Error()) // only an invalid name, and "dist" is valid
	}
	return sub
}

// Built reports whether files holds the pages, not just the placeholder of a fresh checkout. The files may come from
// [Files] or from a folder that an operator named.
func Built(files fs.FS) bool {
	info, err := fs.Stat(files, "playground/index.html")
	return err == nil && info.Mode().IsRegular()
}
