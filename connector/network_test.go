package connector_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/activity"
	"github.com/headsup-bot/headsup/connector"
)

// rawServer hands every connection to serve, in its own goroutine, and counts them.
func rawServer(t *testing.T, serve func(net.Conn)) (address string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String(), connections
}

// readRequest reads a whole request.
func readRequest(r *bufio.Reader) error {
	req, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err
}

func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func TestLostAnswerIsOneReceiptAndUnknown(t *testing.T) {
	t.Parallel()
	var receipts atomic.Int64
	address, connections := rawServer(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for first := true; ; first = false {
			if readRequest(r) != nil {
				return
			}
			receipts.Add(1)
			if !first {
				reset(conn) // on a connection that was good before, where net/http is tempted to repeat
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{\"id\":\"1\"}")
		}
	})
	c := newClient(t, connector.Config{})
	if _, err := send(t, c, "http://"+address); err != nil {
		t.Fatal(err)
	}
	_, err := send(t, c, "http://"+address)
	if e := failure(t, err); e.Class != connector.ClassRetry || !e.MaybeDelivered || e.Status != 0 {
		t.Errorf("got %+v", e)
	}
	if receipts.Load() != 2 || connections.Load() != 1 {
		t.Errorf("%d receipts on %d connections, want 2 on 1", receipts.Load(), connections.Load())
	}
}

func TestClosedInsteadOfAnsweredIsUnknown(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(net.Conn){
		"closed":        func(conn net.Conn) { _ = conn.Close() },
		"reset":         reset,
		"nonsense":      func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.9\r\n") },
		"half a header": func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Le") },
		"endless header": func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 300<<10))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var receipts atomic.Int64
			address, _ := rawServer(t, func(conn net.Conn) {
				if readRequest(bufio.NewReader(conn)) == nil {
					receipts.Add(1)
					end(conn)
				}
			})
			_, err := send(t, newClient(t, connector.Config{}), "http://"+address)
			if e := failure(t, err); e.Class != connector.ClassRetry || !e.MaybeDelivered {
				t.Errorf("got %+v", e)
			}
			if receipts.Load() != 1 {
				t.Errorf("%d receipts", receipts.Load())
			}
		})
	}
}

func TestNothingSentIsNotDelivered(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := l.Addr().String()
	_ = l.Close()
	silent, _ := rawServer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	plain := newService(t, answerWith(200, `{}`))
	untrusted := httptest.NewUnstartedServer(answerWith(200, `{}`))
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about the handshake
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)

	for name, serviceURL := range map[string]string{
		"connection refused":        "http://" + refusing,
		"TLS handshake unanswered":  "https://" + silent,
		"TLS spoken to plain HTTP":  strings.Replace(plain.URL, "http:", "https:", 1),
		"certificate not trusted":   untrusted.URL,
		"name that does not exist":  "https://host.invalid",
		"deadline before the token": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := connector.Config{Timeout: 300 * time.Millisecond, Resolver: resolver(t, nil)}
			if serviceURL == "" {
				serviceURL = plain.URL
				cfg.TokenSource = connector.TokenFunc(func(ctx context.Context, _ connector.TokenRequest) (string, error) {
					<-ctx.Done()
					return "", ctx.Err()
				})
			}
			_, err := send(t, newClient(t, cfg), serviceURL)
			if e := failure(t, err); e.Class != connector.ClassRetry || e.MaybeDelivered || e.Status != 0 {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestDeadlineCoversTheWholeCall(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second // for what is to arrive within it
	drip := func(w http.ResponseWriter, r *http.Request) {
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-ticks.C:
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		check  func(t *testing.T, err error)
	}{
		"no answer": {
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(t *testing.T, err error) {
				t.Helper()
				if e := failure(t, err); e.Class != connector.ClassRetry || !e.MaybeDelivered || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %+v", e)
				}
			},
		},
		"success that drips": {
			drip,
			func(t *testing.T, err error) {
				t.Helper()
				if err != nil {
					t.Error(err)
				}
			},
		},
		"failure that drips": {
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503); drip(w, r) },
			func(t *testing.T, err error) {
				t.Helper()
				if e := failure(t, err); e.Status != 503 || e.Class != connector.ClassRetry || e.MaybeDelivered {
					t.Errorf("got %+v", e)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, test.answer)
			start := time.Now()
			_, err := send(t, newClient(t, connector.Config{Timeout: timeout}), s.URL)
			if elapsed := time.Since(start); elapsed < timeout {
				t.Errorf("took %s", elapsed)
			}
			test.check(t, err)
			s.only(t)
		})
	}
}

func TestCallerCanStopACall(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	s := newService(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := newClient(t, connector.Config{}).SendToConversation(ctx, s.URL, "c", activity.Message("x"))
	if e := failure(t, err); !errors.Is(err, context.Canceled) || !e.MaybeDelivered {
		t.Errorf("got %+v", e)
	}

	_, err = newClient(t, connector.Config{}).SendToConversation(ctx, s.URL, "c", activity.Message("x"))
	if e := failure(t, err); !errors.Is(err, context.Canceled) || e.MaybeDelivered {
		t.Errorf("called when stopped already: %+v", e)
	}
}

func TestEndlessAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 502} {
		var written atomic.Int64
		ended := make(chan struct{})
		s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
			defer close(ended)
			w.WriteHeader(status)
			for chunk := make([]byte, 32<<10); written.Load() < 1<<30; {
				n, err := w.Write(chunk)
				if err != nil {
					return
				}
				written.Add(int64(n))
			}
		})
		sent, err := send(t, newClient(t, connector.Config{}), s.URL)
		if (err == nil) != (status == 200) || sent.ID != "" {
			t.Errorf("%d: %+v, %v", status, sent, err)
		}
		<-ended
		if n := written.Load(); n > 64<<20 {
			t.Errorf("%d bytes were taken", n)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := newService(t, answerWith(200, `{}`))
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{elsewhere.URL, "http://169.254.169.254/", "%zz", ""} {
			s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
				if location != "" {
					w.Header().Set("Location", location)
				}
				w.WriteHeader(status)
			})
			_, err := send(t, newClient(t, connector.Config{TokenSource: &tokens{left: []string{"t"}}}), s.URL)
			if e := failure(t, err); e.Status != status || e.Class != connector.ClassPermanent || e.MaybeDelivered {
				t.Errorf("%d to %q: %+v", status, location, e)
			}
			s.only(t)
		}
	}
	if len(elsewhere.received()) > 0 {
		t.Error("a redirect was followed")
	}
}

// The environment is process-wide, hence not parallel.
func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	proxy := newService(t, answerWith(200, `{}`))
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	server := httptest.NewTLSServer(answerWith(200, `{"id":"1"}`))
	t.Cleanup(server.Close)
	c, err := connector.New(connector.Config{
		RootCAs:   roots(t, server),
		Resolver:  resolver(t, func(string) []string { return []string{"127.0.0.1"} }),
		AllowAddr: func(netip.Addr) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	if _, err := send(t, c, "https://example.com:"+port); err != nil { // a name that the certificate of httptest is for
		t.Error(err)
	}
	if len(proxy.received()) > 0 {
		t.Error("the proxy was used")
	}
}

func roots(t *testing.T, server *httptest.Server) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

func TestNamesThatLeadInsideAreBlocked(t *testing.T) {
	t.Parallel()
	var lookups atomic.Int64
	canary := newService(t, answerWith(200, `{}`))
	_, port, _ := net.SplitHostPort(canary.Listener.Addr().String())
	addresses := map[string][]string{
		"private.example":  {"10.0.0.1"},
		"metadata.example": {"169.254.169.254"},
		"local.example":    {"127.0.0.1"},
		"localv6.example":  {"::1"},
		"both.example":     {"192.168.1.1", "fd00:ec2::254"},
		"mapped.example":   {"::ffff:127.0.0.1"},
		"zero.example":     {"0.0.0.0"},
	}
	r := resolver(t, func(name string) []string {
		if name == "rebinding.example" { // another inside every time
			return [][]string{{"127.0.0.1", "::1"}, {"10.0.0.1", "fd00::1"}, {"169.254.169.254", "fe80::1"}}[lookups.Add(1)%3]
		}
		return addresses[name]
	})
	for _, development := range []bool{false, true} {
		c, err := connector.New(connector.Config{Resolver: r, AllowLoopback: development, TokenSource: &tokens{left: []string{"t"}}, AllowHost: func(string) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"rebinding.example", "rebinding.example", "rebinding.example", "10.0.0.1", "[fd00:ec2::254]", "[::ffff:10.0.0.1]", "168.63.129.16"}
		for name := range addresses {
			names = append(names, name)
		}
		if !development {
			names = append(names, "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]")
		}
		for _, name := range names {
			_, err := send(t, c, "https://"+name+":"+port)
			if e := failure(t, err); !errors.Is(err, connector.ErrAddressBlocked) || e.Class != connector.ClassPermanent || e.MaybeDelivered {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if lookups.Load() == 0 || len(canary.received()) > 0 {
		t.Errorf("%d lookups, %d requests at the canary", lookups.Load(), len(canary.received()))
	}
}

func TestLocalhostMustBeLocal(t *testing.T) {
	t.Parallel()
	// The system may resolve localhost from a file. Where it asks this resolver, the answer is not believed.
	c := newClient(t, connector.Config{Resolver: resolver(t, func(string) []string { return []string{"10.0.0.1"} }), Timeout: time.Second})
	_, err := send(t, c, "http://localhost:1")
	if e := failure(t, err); e.MaybeDelivered {
		t.Errorf("got %+v", e)
	}
}

func TestPublicAddr(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "52.113.194.132": true, "100.63.255.255": true, "100.128.0.0": true,
		"172.15.255.255": true, "172.32.0.0": true, "192.0.1.0": true, "198.17.255.255": true, "198.20.0.0": true, "223.255.255.255": true,
		"168.63.129.15": true, "2603:1030:a::1": true, "2a00:1450:4001::1": true, "2606:4700::1": true,
		"::ffff:8.8.8.8": true, "64:ff9b::808:808": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "10.255.255.255": false, "100.64.0.1": false, "100.100.100.200": false,
		"127.0.0.1": false, "127.255.255.255": false, "168.63.129.16": false, "169.254.169.254": false, "172.16.0.1": false,
		"172.31.255.255": false, "192.0.0.192": false, "192.0.2.1": false, "192.88.99.1": false, "192.168.0.1": false,
		"198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false,
		"239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,

		"::": false, "::1": false, "::10.0.0.1": false, "::8.8.8.8": false, "::ffff:169.254.169.254": false, "::ffff:10.0.0.1": false,
		"64:ff9b::a9fe:a9fe": false, "64:ff9b::a00:1": false, "64:ff9b:1::808:808": false, "100::1": false,
		"2001::1": false, "2001:2::1": false, "2001:db8::1": false, "2002:a9fe:a9fe::1": false, "2002:808:808::1": false, "3fff::1": false,
		"5f00::1": false, "fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false,
		"ff02::1": false, "2606:4700::1%eth0": false,
	} {
		if got := connector.PublicAddr(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	if connector.PublicAddr(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// resolver returns a resolver that asks a name server of this test. A nil answer means that no name exists.
func resolver(t *testing.T, addresses func(name string) []string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := answerQuery(buf[:n], addresses); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// answerQuery answers one DNS query (RFC 1035, section 4) for an address.
func answerQuery(query []byte, addresses func(string) []string) []byte {
	const header, typeA, typeAAAA = 12, 1, 28
	var labels []string
	i := header
	for i < len(query) && query[i] != 0 {
		n := int(query[i])
		if i+1+n > len(query) {
			return nil
		}
		labels = append(labels, string(query[i+1:i+1+n]))
		i += 1 + n
	}
	if i+5 > len(query) {
		return nil
	}
	question := query[header : i+5]
	kind := int(question[len(question)-4])<<8 | int(question[len(question)-3])

	var records []byte
	count, known := 0, false
	if addresses != nil {
		for _, text := range addresses(strings.Join(labels, ".")) {
			known = true
			addr := netip.MustParseAddr(text)
			if addr.Is4() != (kind == typeA) || addr.Is6() != (kind == typeAAAA) {
				continue
			}
			records = append(records, 0xc0, header, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(addr.BitLen()/8))
			records = append(records, addr.AsSlice()...)
			count++
		}
	}
	code := byte(0)
	if !known {
		code = 3 // no such name
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, byte(count), 0, 0, 0, 0}, question...)
	return append(reply, records...)
}

func TestServiceURLsAreChecked(t *testing.T) {
	t.Parallel()
	s := newService(t, answerWith(200, `{}`))
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	everyHost := func(string) bool { return true }
	production, err := connector.New(connector.Config{AllowHost: everyHost})
	if err != nil {
		t.Fatal(err)
	}
	development := newClient(t, connector.Config{AllowHost: everyHost})

	for _, serviceURL := range []string{
		"", "x", "/", "https:", "https://", "https:///x", "//smba.trafficmanager.net", "smba.trafficmanager.net", "https:smba.trafficmanager.net",
		"http://smba.trafficmanager.net", "HTTP://smba.trafficmanager.net", "file:///etc/passwd", "gopher://x.example", "ftp://x.example", "unix:/x",
		"data:,x", "ws://x.example",
		"https://user@x.example", "https://user:pw@x.example", "https://smba.trafficmanager.net@evil.example", "https://smba.trafficmanager.net:443@evil.example",
		"https://x.example?y", "https://x.example?", "https://x.example/#y", "https://x.example#", `https://x.example\@evil.example`, `https:\\x.example`,
		"https://x.example\n", "https://x.example\t/", " https://x.example", "https://x .example", "https://x.example/a b", "https://x。example",
		"https://bücher.example", "https://x.example.", "https://x..example", "https://.example", "https://x.example%2fy", "https://x.example/%2e%2e/", "https://x.example/a%2fb",
		"https://x.example/../y", "https://x.example/./y", "https://x.example/y/..", "https://x.example:", "https://x.example:0", "https://x.example:65536", "https://x.example:99999999999",
		"https://x.example:-1", "https://2130706433", "https://0x7f000001", "https://0177.0.0.1", "https://127.1", "https://0", "https://1.2.3.4.5",
		"https://[fe80::1%25eth0]", "https://[::1", "https://x.example:443:443",
		"http://2130706433:" + port, "http://127.1:" + port, "http://0.0.0.0:" + port, "http://[::]:" + port, "http://localhost.:" + port,
		"http://localhost.example:" + port, "http://10.0.0.1:" + port, "http://127.0.0.1.example:" + port,
	} {
		for _, c := range []*connector.Client{production, development} {
			_, err := send(t, c, serviceURL)
			if refused, ok := errors.AsType[*connector.ArgumentError](err); !ok || refused.Argument != "service url" {
				t.Errorf("%q: %v", serviceURL, err)
			} else if e := failure(t, err); e.Class != connector.ClassPermanent || e.MaybeDelivered {
				t.Errorf("%q: %+v", serviceURL, e)
			}
		}
	}
	for _, serviceURL := range []string{s.URL, "http://localhost:" + port, "http://LOCALHOST:" + port + "/", s.URL + "/some/path/", "http://[::ffff:127.0.0.1]:" + port} {
		if _, err := send(t, development, serviceURL); err != nil {
			t.Errorf("%q: %v", serviceURL, err)
		}
		_, err := send(t, production, serviceURL)
		if _, ok := errors.AsType[*connector.ArgumentError](err); !ok {
			t.Errorf("%q in production: %v", serviceURL, err)
		}
	}
}

func TestTokensGoToListedHostsOnly(t *testing.T) {
	t.Parallel()
	asked := 0
	c, err := connector.New(connector.Config{
		TokenSource: connector.TokenFunc(func(context.Context, connector.TokenRequest) (string, error) {
			asked++
			return "", errors.New("asked")
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{
		"evil.example", "smba.trafficmanager.net.evil.example", "evil.trafficmanager.net", "xsmba.trafficmanager.net", "x.blob.core.windows.net",
		"smba.trafficmanager.net:8443", "evil.botframework.com", "botframework.com", "x.directline.botframework.com", "botframework.com.evil.example",
		"directline-botframework.com", "localhost", "127.0.0.1",
	} {
		_, err := send(t, c, "https://"+host)
		if e := failure(t, err); !errors.Is(err, connector.ErrHostNotAllowed) || e.Class != connector.ClassPermanent {
			t.Errorf("%s: %v", host, err)
		}
	}
	if asked > 0 {
		t.Error("a token was asked for")
	}
	good := []string{
		"smba.trafficmanager.net", "SMBA.trafficmanager.net:443", "smba.infra.gcc.teams.microsoft.com", "smba.infra.gov.teams.microsoft.us",
		"directline.botframework.com", "europe.directline.botframework.com", "webchat.botframework.com", "slack.botframework.com", "directline.botframework.azure.us",
	}
	for _, host := range good {
		_, err := send(t, c, "https://"+host+"/teams/")
		if e := failure(t, err); e.Class != connector.ClassRetry {
			t.Errorf("%s: %v", host, err)
		}
	}
	if asked != len(good) {
		t.Errorf("%d tokens were asked for, want %d", asked, len(good))
	}
}

func TestListOfHostsIsTheOperators(t *testing.T) {
	t.Parallel()
	var asked []string
	c, err := connector.New(connector.Config{AllowHost: func(host string) bool { asked = append(asked, host); return false }})
	if err != nil {
		t.Fatal(err)
	}
	for _, serviceURL := range []string{"https://Connector.Example:443/x", "https://connector.example:8443", "https://[2001:DB8::1]:443"} {
		if _, err := send(t, c, serviceURL); !errors.Is(err, connector.ErrHostNotAllowed) {
			t.Errorf("%s: %v", serviceURL, err)
		}
	}
	if got := strings.Join(asked, " "); got != "connector.example connector.example:8443 [2001:db8::1]" {
		t.Errorf("asked about %s", got)
	}
}
