package teamsapp_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/headsup-bot/headsup/internal/teamsapp"
)

const botID = "5c1f3a60-7e42-4b0d-9a75-d2f1c8e6b394"

func good(t *testing.T) teamsapp.Package {
	t.Helper()
	colored, outline, err := teamsapp.DrawIcons("#4F6BED")
	if err != nil {
		t.Fatal(err)
	}
	app := teamsapp.App{
		ID: botID, BotID: botID, Version: "1.0.0", Name: "Heads up", FullName: "Heads up", Description: "Tells you.", FullDescription: "Tells you.",
		Developer: "Example", Website: "https://example.com", Privacy: "https://example.com/privacy", Terms: "https://example.com/terms",
		Accent: "#4F6BED", Scopes: []string{"personal", "team", "groupChat"}, Domains: []string{"bot.example.com"},
		Resource: "api://bot.example.com/" + botID, Permissions: []string{"ChatMessageReadReceipt.Read.Chat"},
		Commands: []teamsapp.Command{{Title: "status", Description: "Say how it stands"}},
	}
	return teamsapp.Package{Manifest: app.Manifest(), Color: colored, Outline: outline}
}

func picture(t *testing.T, size int, c color.Color) []byte {
	t.Helper()
	p := image.NewNRGBA(image.Rect(0, 0, size, size))
	for i := range size * size {
		p.Set(i%size, i/size, c)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPackageIsWrittenAndRead(t *testing.T) {
	t.Parallel()
	p := good(t)
	if found := p.Check(); len(found) > 0 {
		t.Fatalf("%v", found)
	}
	var first, second bytes.Buffer
	if err := errors.Join(p.Write(&first), p.Write(&second)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same package is different bytes")
	}
	again, err := teamsapp.Read(first.Bytes())
	if err != nil || len(again.Check()) > 0 {
		t.Fatalf("%v %v", err, again.Check())
	}
	if again.Manifest.Bots[0].ID != botID || again.Manifest.WebApplication.ID != botID || again.Manifest.DefaultInstallScope != "personal" {
		t.Errorf("%+v", again.Manifest)
	}
}

// TestManifestRules: each rule of the schema, by the member that breaks it.
func TestManifestRules(t *testing.T) {
	t.Parallel()
	for field, breaks := range map[string][]func(m *teamsapp.Manifest){
		"manifestVersion": {func(m *teamsapp.Manifest) { m.Manifest = "2" }},
		"version": {
			func(m *teamsapp.Manifest) { m.Version = "1.0" }, func(m *teamsapp.Manifest) { m.Version = "01.0.0" },
			func(m *teamsapp.Manifest) { m.Version = "" },
		},
		"id": {
			func(m *teamsapp.Manifest) { m.ID = "" }, func(m *teamsapp.Manifest) { m.ID = "x" },
			func(m *teamsapp.Manifest) { m.ID = "00000000-0000-0000-0000-000000000000" },
		},
		"developer.name":          {func(m *teamsapp.Manifest) { m.Developer.Name = strings.Repeat("x", 33) }},
		"developer.websiteUrl":    {func(m *teamsapp.Manifest) { m.Developer.Website = "http://example.com" }},
		"developer.privacyUrl":    {func(m *teamsapp.Manifest) { m.Developer.Privacy = "" }},
		"developer.termsOfUseUrl": {func(m *teamsapp.Manifest) { m.Developer.Terms = "https://" + strings.Repeat("x", 2048) }},
		"name.short": {
			func(m *teamsapp.Manifest) { m.Name.Short = strings.Repeat("ä", 31) }, func(m *teamsapp.Manifest) { m.Name.Short = " " },
		},
		"name.full":         {func(m *teamsapp.Manifest) { m.Name.Full = strings.Repeat("x", 101) }},
		"description.short": {func(m *teamsapp.Manifest) { m.Description.Short = strings.Repeat("x", 81) }},
		"description.full":  {func(m *teamsapp.Manifest) { m.Description.Full = strings.Repeat("x", 4001) }},
		"accentColor":       {func(m *teamsapp.Manifest) { m.AccentColor = "blue" }},
		"icons.color":       {func(m *teamsapp.Manifest) { m.Icons.Color = "../color.png" }},
		"icons.outline":     {func(m *teamsapp.Manifest) { m.Icons.Outline = "" }},
		"bots":              {func(m *teamsapp.Manifest) { m.Bots = nil }},
		"bots.botId":        {func(m *teamsapp.Manifest) { m.Bots[0].ID, m.WebApplication, m.Authorization = "x", nil, nil }},
		"bots.scopes": {
			func(m *teamsapp.Manifest) { m.Bots[0].Scopes, m.DefaultInstallScope = nil, "" },
			func(m *teamsapp.Manifest) { m.Bots[0].Scopes = append(m.Bots[0].Scopes, "world") },
			func(m *teamsapp.Manifest) { m.Bots[0].Scopes = append(m.Bots[0].Scopes, "team") },
		},
		"bots.commandLists.commands": {func(m *teamsapp.Manifest) {
			for range 10 {
				m.Bots[0].Commands[0].Commands = append(m.Bots[0].Commands[0].Commands, teamsapp.Command{Title: "x", Description: "y"})
			}
		}},
		"bots.commandLists.commands.title":       {func(m *teamsapp.Manifest) { m.Bots[0].Commands[0].Commands[0].Title = strings.Repeat("x", 33) }},
		"bots.commandLists.commands.description": {func(m *teamsapp.Manifest) { m.Bots[0].Commands[0].Commands[0].Description = "" }},
		"bots.commandLists": {func(m *teamsapp.Manifest) {
			l := m.Bots[0].Commands[0]
			m.Bots[0].Commands = []teamsapp.Commands{l, l, l, l}
		}},
		"defaultInstallScope": {func(m *teamsapp.Manifest) { m.DefaultInstallScope = "everywhere" }},
		"validDomains": {
			func(m *teamsapp.Manifest) { m.ValidDomains = []string{"https://bot.example.com"} },
			func(m *teamsapp.Manifest) { m.ValidDomains = []string{"*"} },
			func(m *teamsapp.Manifest) { m.ValidDomains = strings.Fields(strings.Repeat("a.example.com ", 17)) },
		},
		"webApplicationInfo.id":       {func(m *teamsapp.Manifest) { m.WebApplication.ID = "6c1f3a60-7e42-4b0d-9a75-d2f1c8e6b394" }},
		"webApplicationInfo.resource": {func(m *teamsapp.Manifest) { m.WebApplication.Resource = "bot.example.com" }},
		"webApplicationInfo":          {func(m *teamsapp.Manifest) { m.WebApplication = nil }},
		"authorization.permissions.resourceSpecific.type": {func(m *teamsapp.Manifest) {
			m.Authorization.Permissions.Resource[0].Type = "x"
		}},
		"authorization.permissions.resourceSpecific": {func(m *teamsapp.Manifest) {
			for range 16 {
				m.Authorization.Permissions.Resource = append(m.Authorization.Permissions.Resource, teamsapp.Permission{Name: "x", Type: "Application"})
			}
		}},
	} {
		for i, breaks := range breaks {
			m := good(t).Manifest
			breaks(&m)
			if found := m.Check(); len(found) != 1 || found[0].Field != field {
				t.Errorf("%s %d: %v", field, i, found)
			}
		}
	}
}

func TestIconRules(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]struct {
		field string
		spoil func(p *teamsapp.Package)
	}{
		"no PNG":        {"icons.color", func(p *teamsapp.Package) { p.Color = []byte("x") }},
		"cut off":       {"icons.color", func(p *teamsapp.Package) { p.Color = p.Color[:200] }},
		"another size":  {"icons.color", func(p *teamsapp.Package) { p.Color = p.Outline }},
		"a colored one": {"icons.outline", func(p *teamsapp.Package) { p.Outline = picture(t, 32, color.NRGBA{R: 255, A: 255}) }},
		"a full one":    {"icons.outline", func(p *teamsapp.Package) { p.Outline = picture(t, 32, color.White) }},
	} {
		p := good(t)
		wrong.spoil(&p)
		if found := p.Check(); len(found) != 1 || found[0].Field != wrong.field {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// TestPackagesThatAreNone are told apart by what is missing.
func TestPackagesThatAreNone(t *testing.T) {
	t.Parallel()
	zipped := func(files ...string) []byte {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		for i := 0; i < len(files); i += 2 {
			w, err := z.Create(files[i])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, files[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	for want, content := range map[string][]byte{
		"package: is no zip":                   []byte("x"),
		"manifest.json: is not in the zip":     zipped("color.png", "x"),
		"manifest.json: is app/manifest.json;": zipped("app/manifest.json", "{}"),
		"manifest.json: ":                      zipped("manifest.json", "{"),
		"color.png: is not in the zip":         zipped("manifest.json", `{"icons":{"color":"color.png","outline":"o.png"}}`, "o.png", ""),
		"manifest.json: is larger than":        zipped("manifest.json", strings.Repeat(" ", 11<<20)),
	} {
		if _, err := teamsapp.Read(content); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if p, err := teamsapp.Read(zipped("manifest.json", "{}")); err != nil || len(p.Check()) == 0 {
		t.Errorf("an empty manifest: %v", err)
	}
}

// FuzzRead: whatever is in a file, it is read or refused.
func FuzzRead(f *testing.F) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("manifest.json")
	if err != nil {
		f.Fatal(err)
	}
	_, _ = io.WriteString(w, `{"bots":[{}],"icons":{"color":"manifest.json"}}`)
	_ = z.Close()
	f.Add(out.Bytes())
	f.Fuzz(func(_ *testing.T, content []byte) {
		if p, err := teamsapp.Read(content); err == nil {
			p.Check()
		}
	})
}
