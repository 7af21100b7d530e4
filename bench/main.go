// Command bench measures how fast Headsup is, and beside every figure something that it can be held against, in the same
// run: machines are shared and noisy, so that times alone say little. What counts is the median of the ratios of
// interleaved pairs.
//
//	go run ./bench                 the main ones, in about ten minutes
//	go run ./bench -run drain,peers
//	go run ./bench -database temporary -run drain,deliver
//	go run ./bench -list
//
// The sink, which stands for the channel, is a process of its own on the same machine, and each measurement runs in a
// process of its own, so that what memory it takes is its own, too.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/headsup-bot/headsup/internal/headroom"
)

// options are the conditions of a run.
type options struct {
	deliveries, conversations, pairs, singles int
	connections, slots                        int
	pending, waiting, inFlight                int
	person                                    int
	references                                int
	profile                                   string
	database                                  string // the URL of a PostgreSQL; empty for SQLite
	server                                    int    // its process id, if that is known
	instructions                              bool   // are counted
}

// A measurement has a name, one line that says what it measures, and prints what it finds.
type measurement struct {
	name, what string
	main       bool // one of those that are run when none is named
	run        func(context.Context, options) error
}

var measurements = []measurement{
	{"drain", "deliveries/s from a backlog, as a ratio to Go's HTTP client alone", true, backlog},
	{"deliver", "deliveries/s while accepting, as a ratio to Go's HTTP client alone", true, whileAccepting},
	{"single", "one notification at a time: from the HTTP call, and from a library call, to the sink", true, singles},
	{"held", "from the end of a dialog to the sink having what was held for it", true, heldOnes},
	{"accept", "accepts/s over HTTP, one and many in a request", true, accepts},
	{"expand", "deliveries/s made of messages to everybody", true, expansion},
	{"channel", "deliveries/s to a channel that answers after 100 ms, over TLS and HTTP/2, and the memory it takes", true, slowChannel},
	{"timers", "how late timers fire: idle, with many pending, and when very many are due at once", true, timers},
	{"waiting", "drain rate with few and with very many rows waiting", true, crowded},
	{"pinned", "deliveries/s while accepting, before and while somebody else's transaction stays open in PostgreSQL", false, pinned},
	{"book", "the reference book with a million entries: look-ups by each key, what noting adds to a turn, walks, memory, disk", false, references},
	{"large", "a notification to very many: how long a look and a cancellation take, and the memory", false, large},
	{"erase", "somebody who was told very much: how long an export and an erasure take, and what others wait meanwhile", false, erase},
	{"turns", "turns/s of a bot with state, as ratios to a handler without any and to the classic SDK's echo bot", true, turns},
	{"peers", "the same with the official JavaScript SDK, in a loop over its references", true, peers},
}

func main() {
	var o options
	only := flag.String("run", "", "measure only these, by name, separated by commas")
	list := flag.Bool("list", false, "list what can be measured")
	flag.IntVar(&o.deliveries, "n", 20_000, "deliveries per measurement; a drain has at least one for each conversation")
	flag.IntVar(&o.conversations, "conversations", 100_000, "conversations in the book")
	flag.IntVar(&o.pairs, "pairs", 5, "pairs that a median is taken of")
	flag.IntVar(&o.singles, "singles", 500, "single notifications, and single timers")
	flag.IntVar(&o.connections, "connections", 128, "connections to the sink, of the HTTP client alone and of the engine")
	flag.IntVar(&o.slots, "slots", 256, "slots of the engine, as it has by itself; the slow channel has -in-flight")
	flag.IntVar(&o.pending, "pending", 1_000_000, "pending timers")
	flag.IntVar(&o.waiting, "waiting", 1_000_000, "the most rows that wait; 5000000 takes some minutes more, and 3 GB of disk")
	flag.IntVar(&o.references, "references", 1_000_000, "references in the book that is measured by itself")
	flag.IntVar(&o.inFlight, "in-flight", 4_000, "attempts at once on the slow channel")
	flag.IntVar(&o.person, "person", 100_000, "deliveries to the person who is erased")
	flag.StringVar(&o.profile, "cpuprofile", "", "write CPU profiles of what is measured to this file, with a number after it")
	flag.BoolVar(&o.instructions, "instructions", false, "count instructions in drain, deliver and accept (on Linux, where the machine lets us: as root, or with a low kernel.perf_event_paranoid)")
	flag.StringVar(&o.database, "database", "", "measure PostgreSQL: the URL of one whose role may make databases, or \"temporary\" to start one")
	flag.IntVar(&o.server, "server", 0, "the process id of the database (used by the bench itself)")
	sink := flag.Bool("sink", false, "be the sink (used by the bench itself)")
	slow := flag.Bool("slow", false, "with -sink: answer after 100 ms, over TLS and HTTP/2")
	post := flag.String("post", "", "post to the sink at this URL (used by the bench itself)")
	roots := flag.String("roots", "", "with -post: its certificate, PEM in base64")
	serve := flag.String("serve", "", "be a server on this data directory, and on the database (used by the bench itself)")
	child := flag.Bool("child", false, "measure in this process (used by the bench itself)")
	flag.Parse()
	ctx := context.Background()
	var err error
	switch {
	case *sink:
		err = serveSink(*slow)
	case *post != "":
		err = postThere(ctx, o, *post, *roots)
	case *serve != "":
		err = serveData(ctx, *serve, o)
	case *list:
		for _, m := range measurements {
			fmt.Printf("%-10s%s\n", m.name, m.what)
		}
	case *child:
		err = measure(ctx, *only, o)
	default:
		err = runAll(ctx, *only, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// runAll has each measurement made by a process of its own, with this one's arguments.
func runAll(ctx context.Context, only string, o options) error {
	names := strings.Split(only, ",")
	if only == "" {
		names = nil
		for _, m := range measurements {
			if m.main {
				names = append(names, m.name)
			}
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append(os.Args[1:len(os.Args):len(os.Args)], "-child")
	if o.database == temporary {
		url, pid, stop, err := startDatabase()
		if err != nil {
			return err
		}
		defer stop()
		args = append(args, "-database", url, "-server", fmt.Sprint(pid))
	}
	fmt.Printf("%s, %d CPUs, %s\n\n", runtime.Version(), runtime.NumCPU(), time.Now().Format(time.DateOnly))
	for _, name := range names {
		cmd := exec.CommandContext(ctx, self, append(args[:len(args):len(args)], "-run", name)...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		start := time.Now()
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("  (%s took %.0f s)\n\n", name, time.Since(start).Seconds())
	}
	return nil
}

func measure(ctx context.Context, name string, o options) error {
	likeTheBinary()
	for _, m := range measurements {
		if m.name == name {
			fmt.Printf("%s: %s\n", m.name, m.what)
			return m.run(ctx, o)
		}
	}
	return errors.New("nothing is called that; see -list")
}

// likeTheBinary sets what headsup serve sets for itself.
func likeTheBinary() {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	headroom.Keep()
}

var profiles int

// profiled writes a CPU profile until stop is called, if one was asked for.
func (o options) profiled() (stop func(), err error) {
	if o.profile == "" {
		return func() {}, nil
	}
	profiles++
	f, err := os.Create(fmt.Sprintf("%s.%d", o.profile, profiles))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

func median[T cmp.Ordered](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))].Round(10 * time.Microsecond)
}
