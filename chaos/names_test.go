package chaos_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/headsup-bot/headsup"
	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/bottest/fakechannel"
	"github.com/headsup-bot/headsup/connector"
	"github.com/headsup-bot/headsup/outbox"
	"github.com/headsup-bot/headsup/proactive"
	"github.com/headsup-bot/headsup/store/memory"
)

// nameServer knows every name under the fake channel's domain as this machine. What it does with a question depends on the
// first label: nx has no such name, servfail fails, slow does not answer, and flap fails at first.
type nameServer struct {
	conn net.PacketConn

	mu      sync.Mutex
	healthy bool           // guarded by mu: all names are as good as any
	asked   map[string]int // guarded by mu
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn, asked: make(map[string]int)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for packet := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if reply := s.answer(packet[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		serving.Wait()
	})
	return s
}

// resolver asks this server and no other.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// recover has every name be as good as any from now on.
func (s *nameServer) recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.healthy = true
}

// code is how a question is answered; ok is false when it is not.
func (s *nameServer) code(name string) (code dnsmessage.RCode, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	label, rest, _ := strings.Cut(name, ".")
	if strings.TrimSuffix(rest, ".") != fakechannel.Domain {
		return dnsmessage.RCodeNameError, true // with a search domain of this machine after it
	}
	s.asked[label]++
	switch {
	case s.healthy:
	case label == "nx":
		return dnsmessage.RCodeNameError, true
	case label == "servfail", label == "flap" && s.asked[label] <= 4:
		return dnsmessage.RCodeServerFailure, true
	case label == "slow":
		return 0, false
	}
	return dnsmessage.RCodeSuccess, true
}

func (s *nameServer) answer(packet []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	code, ok := s.code(q.Name.String())
	if !ok {
		return nil
	}
	m.Response, m.RecursionAvailable, m.RCode, m.Additionals = true, true, code, nil
	if code == dnsmessage.RCodeSuccess && q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr("127.0.0.1").As4()},
		}}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// TestNamesThatAreNotFound has name servers not know a host, fail, not answer, and change their mind (F19): nobody else is
// held up, nothing is given up for it, and everything is said once when the names are back.
func TestNamesThatAreNotFound(t *testing.T) {
	t.Parallel()
	ch, err := fakechannel.New(fakechannel.Config{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ch.Close(); err != nil {
			t.Error(err)
		}
	})
	names := newNameServer(t)
	client, err := connector.New(connector.Config{
		RootCAs: ch.RootCAs(), Resolver: names.resolver(), AllowAddr: netip.Addr.IsLoopback,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	engine, err := proactive.New(proactive.Config{Store: memory.New(), Channel: headsup.NewConnectorChannel(client)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := engine.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer stop()

	_, port, _ := strings.Cut(strings.TrimPrefix(ch.URL(), "https://"), ":")
	ids := make(map[string]headsup.NotificationID)
	notify := func(host, conversation string) {
		a, err := engine.Notify(ctx, headsup.Notification{
			Text: "m " + conversation, OnUnknown: headsup.OnUnknownHold,
			To: headsup.ToConversation(activity.Reference{
				ChannelID: "test", ServiceURL: fmt.Sprintf("https://%s.%s:%s/t", host, fakechannel.Domain, port),
				Bot: &activity.ChannelAccount{ID: "bot"}, Conversation: activity.ConversationAccount{ID: activity.ConversationID(conversation)},
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		ids[conversation] = a.ID
	}
	const each = 10
	bad := []string{"nx", "servfail", "slow", "flap"}
	for i := range each {
		for _, host := range bad {
			notify(host, fmt.Sprintf("%s %d", host, i))
		}
	}
	for i := range 5 * each {
		notify("good", fmt.Sprintf("good %d", i))
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within three minutes; the ledger has %+v", what, ch.Report())
			}
		}
	}
	said := func(n int) func() bool { return func() bool { return ch.Report().Distinct == n } }
	delivery := func(conversation string) outbox.Delivery {
		s, err := engine.Status(ctx, ids[conversation])
		if err != nil {
			t.Fatal(err)
		}
		return s.Deliveries[0]
	}
	eventually("as many as are slow", func() bool { return ch.Report().Distinct >= each })
	if d := delivery("slow 0"); d.State != outbox.StateSending { // which takes 10 s
		t.Errorf("the others waited until what is slow was %s (%s)", d.State, d.Reason)
	}
	eventually("the good ones, and those whose name servers change their mind", said(6*each))
	for _, host := range []string{"nx", "servfail", "slow"} {
		conversation := host + " 0"
		eventually(conversation, func() bool {
			d := delivery(conversation)
			return d.State == outbox.StateReady && d.Reason == "unreachable"
		})
	}
	names.recover()
	eventually("all of them", said(9*each))
	for conversation := range ids {
		eventually(conversation, func() bool { return delivery(conversation).State == outbox.StateDelivered })
	}
	if r := ch.Report(); r.Duplicates != 0 || r.Requests != 9*each {
		t.Errorf("%d duplicates, %d requests for %d messages", r.Duplicates, r.Requests, 9*each)
	}
}
