//go:build !unix

package main

import "errors"

func startDatabase() (url string, pid int, stop func(), err error) {
	return "", 0, nil, errors.New("a temporary database can be started on Unix only")
}
