package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one field of [Serve].
type setting struct {
	path        string // tls.cert_file
	help        string
	placeholder string
	preset      string // the default
	enum        []string
	bare        string // what it is when it is given without a value; empty where it must have one
	secret      bool
	value       reflect.Value
}

func (s setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.path) }

func (s setting) env() string {
	return "HEADSUP_" + strings.ToUpper(strings.ReplaceAll(s.path, ".", "_"))
}

// settings lists the fields of c, in order, with places to set them.
func settings(c *Serve) []setting { return walk(reflect.ValueOf(c).Elem(), "") }

func walk(v reflect.Value, prefix string) []setting {
	var all []setting
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("name")
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		path := prefix + strings.ReplaceAll(name, "-", "_")
		if f.Type.Kind() == reflect.Map {
			continue // its names are the file's
		}
		if _, group := f.Tag.Lookup("embed"); group {
			all = append(all, walk(v.Field(i), path+".")...)
			continue
		}
		s := setting{
			path: path, help: f.Tag.Get("help"), placeholder: f.Tag.Get("placeholder"), preset: f.Tag.Get("default"),
			bare: f.Tag.Get("bare"), secret: f.Type == reflect.TypeFor[Secret](), value: v.Field(i),
		}
		if words := f.Tag.Get("enum"); words != "" {
			s.enum = strings.Split(words, ",")
		}
		if s.value.Kind() == reflect.Bool {
			s.bare = "true"
		}
		all = append(all, s)
	}
	return all
}

// set reads a text as the setting's type.
func (s setting) set(text string) error {
	if s.bare != "" && s.enum != nil { // by itself it is a word of those below, or off
		switch strings.ToLower(text) {
		case "true", "yes", "1":
			text = s.bare
		case "false", "no", "0", "":
			text = s.preset
		}
	}
	if s.enum != nil && !slices.Contains(s.enum, text) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(s.enum, ", "))
	}
	switch p := s.value.Addr().Interface().(type) {
	case *string:
		*p = text
	case *Secret:
		*p = Secret{text}
	case *bool:
		switch strings.ToLower(text) {
		case "true", "yes", "1":
			*p = true
		case "false", "no", "0", "":
			*p = false
		default:
			return fmt.Errorf("%q is neither true nor false", text)
		}
	case *float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		*p = n
	case *int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 10s or 1m30s", text)
		}
		*p = d
	case *[]string:
		*p = nil
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*p = append(*p, part)
			}
		}
	default:
		panic(fmt.Sprintf("config: %s has a type that nobody reads: %T", s.path, p)) // a test sets every field
	}
	return nil
}

// text is the value as it could be given.
func (s setting) text() string {
	switch v := s.value.Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}
