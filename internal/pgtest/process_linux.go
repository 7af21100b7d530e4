package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// launch starts a server that ends with this process, however that ends: the kernel tells it (prctl(2),
// PR_SET_PDEATHSIG). What counts there is the end of the thread that has started it, so the thread waits for it.
func launch(cmd *exec.Cmd) (*server, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT // "immediate"
	s := &server{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() { // ends with the server, which [Cluster.remove] ends
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(s.ended)
		}
	}()
	return s, <-started
}

// children are the processes that a server has started.
func children(parent int) []int {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []int
	for _, entry := range all {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		// proc_pid_stat(5): the name, in parentheses, may hold anything; then the state and the parent.
		_, rest, _ := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')')+1:]), " ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			found = append(found, pid)
		}
	}
	return found
}
