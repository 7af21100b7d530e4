//go:build unix && !linux

package pgtest

import "os/exec"

// launch starts a server.
func launch(cmd *exec.Cmd) (*server, error) {
	s := &server{cmd: cmd, ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the server, which [Cluster.remove] ends
		_ = cmd.Wait() // how it ended is in its log
		close(s.ended)
	}()
	return s, nil
}

// children are not known here: those of a server that was killed notice it, and end by themselves.
func children(int) []int { return nil }
