package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counter counts the instructions of processes, in user mode and in the kernel (perf_event_open(2)).
type counter struct {
	user, kernel []int // descriptors, one for each thread that they had; those that are made later are counted there
}

// countInstructions begins to count those of processes, threads and processes that they make from now on included.
func countInstructions(processes ...int) (*counter, error) {
	c := &counter{}
	for _, pid := range processes {
		if err := c.count(pid); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *counter) count(pid int) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	switch {
	case errors.Is(err, os.ErrNotExist): // it has ended
		return nil
	case err != nil:
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		for _, mode := range []struct {
			bits uint64
			to   *[]int
		}{{unix.PerfBitExcludeKernel, &c.user}, {unix.PerfBitExcludeUser, &c.kernel}} {
			attr := unix.PerfEventAttr{
				Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_INSTRUCTIONS, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
				Bits: unix.PerfBitInherit | unix.PerfBitExcludeHv | mode.bits,
			}
			fd, err := unix.PerfEventOpen(&attr, id, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			switch {
			case errors.Is(err, unix.ESRCH): // it has ended
			case err != nil:
				return fmt.Errorf("count instructions: %w", err)
			default:
				*mode.to = append(*mode.to, fd)
			}
		}
	}
	return nil
}

// end returns how many there were.
func (c *counter) end() (user, kernel float64) {
	return sum(c.user), sum(c.kernel)
}

func sum(descriptors []int) (all float64) {
	var raw [8]byte
	for _, fd := range descriptors {
		if n, err := unix.Read(fd, raw[:]); err == nil && n == len(raw) {
			all += float64(binary.NativeEndian.Uint64(raw[:]))
		}
		_ = unix.Close(fd)
	}
	return all
}
