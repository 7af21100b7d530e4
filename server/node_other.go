//go:build !unix

package server

import "io"

// nodeName is the name of this node among those that share a database. It has none here.
func nodeName(string) (name string, lock io.Closer, err error) { return "", nil, nil }
