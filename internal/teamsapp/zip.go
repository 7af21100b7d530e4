package teamsapp

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"io"
	"path"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// mostPackage bounds what is read of a package and of each file in it.
const mostPackage = 10 << 20

// Package is a manifest with its icons, which are PNG.
type Package struct {
	Manifest       Manifest
	Color, Outline []byte
}

// Check says what is wrong with a package; nil for nothing.
func (p Package) Check() []Problem {
	found := p.Manifest.Check()
	if reason := iconProblem(p.Color, colorSize); reason != "" {
		found = append(found, Problem{"icons.color", reason})
	}
	reason := iconProblem(p.Outline, outlineSize)
	if reason == "" {
		reason = outlineProblem(p.Outline)
	}
	if reason != "" {
		found = append(found, Problem{"icons.outline", reason})
	}
	return found
}

// iconProblem says why a file is no icon of a size; empty if it is.
func iconProblem(file []byte, size int) string {
	cfg, err := png.DecodeConfig(bytes.NewReader(file))
	switch {
	case err != nil:
		return "is no PNG"
	case cfg.Width != size || cfg.Height != size:
		return fmt.Sprintf("is %d × %d pixels; it must be %d × %d", cfg.Width, cfg.Height, size, size)
	}
	if _, err := png.Decode(bytes.NewReader(file)); err != nil {
		return "is no whole PNG"
	}
	return ""
}

// outlineProblem says why an icon is no outline, which is white on nothing.
func outlineProblem(file []byte) string {
	picture, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return "is no PNG"
	}
	empty := false
	for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y++ {
		for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x++ {
			r, g, b, a := picture.At(x, y).RGBA()
			if a == 0 {
				empty = true
			} else if r != a || g != a || b != a {
				return "has other colors than white"
			}
		}
	}
	if !empty {
		return "has no transparent ground"
	}
	return ""
}

// Write writes a package as a zip, whatever Check says of it. The same package is the same bytes.
func (p Package) Write(w io.Writer) error {
	manifest, err := json.Marshal(p.Manifest, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	z := zip.NewWriter(w)
	for _, file := range []struct {
		name    string
		content []byte
	}{{manifestFile, append(manifest, '\n')}, {p.Manifest.Icons.Color, p.Color}, {p.Manifest.Icons.Outline, p.Outline}} {
		out, err := z.Create(file.name)
		if err != nil {
			return fmt.Errorf("write %s: %w", file.name, err)
		}
		if _, err := out.Write(file.content); err != nil {
			return fmt.Errorf("write %s: %w", file.name, err)
		}
	}
	return z.Close()
}

// Read reads a package. The problem is why it cannot be read as one.
func Read(content []byte) (Package, error) {
	if len(content) > mostPackage {
		return Package{}, Problem{"package", fmt.Sprintf("is larger than %d bytes", mostPackage)}
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return Package{}, Problem{"package", "is no zip"}
	}
	raw, err := file(z, manifestFile)
	if err != nil {
		for _, f := range z.File {
			if f.Name != manifestFile && strings.EqualFold(path.Base(f.Name), manifestFile) {
				return Package{}, Problem{manifestFile, fmt.Sprintf("is %s; it must be at the top of the zip, in lower case", f.Name)}
			}
		}
		return Package{}, err
	}
	var p Package
	if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\ufeff")), &p.Manifest); err != nil {
		return Package{}, Problem{manifestFile, err.Error()}
	}
	var errs []error
	for name, into := range map[string]*[]byte{p.Manifest.Icons.Color: &p.Color, p.Manifest.Icons.Outline: &p.Outline} {
		if *into, err = file(z, name); err != nil && name != "" {
			errs = append(errs, err)
		}
	}
	return p, errors.Join(errs...)
}

// file is a file of a zip.
func file(z *zip.Reader, name string) ([]byte, error) {
	f, err := z.Open(name)
	if err != nil {
		return nil, Problem{name, "is not in the zip"}
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, mostPackage+1))
	switch {
	case err != nil:
		return nil, Problem{name, err.Error()}
	case len(content) > mostPackage:
		return nil, Problem{name, fmt.Sprintf("is larger than %d bytes", mostPackage)}
	}
	return content, nil
}
