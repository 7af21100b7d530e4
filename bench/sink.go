package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

// stampPrefix starts a text that carries the time of its sending, in nanoseconds.
const stampPrefix = "stamp "

// slowAnswer is how long the slow sink takes, as channels on the Internet do.
const slowAnswer = 100 * time.Millisecond

// serveSink answers every post, at once or as a slow channel, and remembers how long stamped ones took. It ends when its
// standard input does.
func serveSink(slow bool) error {
	var count atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/", func(w http.ResponseWriter, r *http.Request) {
		at := time.Now().UnixNano()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if _, rest, ok := bytes.Cut(body, []byte(stampPrefix)); ok {
			digits, _, _ := bytes.Cut(rest, []byte(" "))
			if sent, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
				mu.Lock()
				took = append(took, time.Duration(at-sent))
				mu.Unlock()
			}
		}
		if slow {
			time.Sleep(slowAnswer)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":"%d"}`, count.Add(1))
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, count.Load()) })
	mux.HandleFunc("GET /used", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, int64(processorTime())) })
	mux.HandleFunc("GET /latencies", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		ns := make([]int64, len(took))
		for i, d := range took {
			ns[i] = int64(d)
		}
		_ = json.MarshalWrite(w, ns)
	})
	mux.HandleFunc("POST /reset", func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		took = nil
		count.Store(0)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux} //nolint:gosec // a bench on loopback
	if slow {
		cert, pem, err := certificate()
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 250} // as most have it
		fmt.Println(base64.StdEncoding.EncodeToString(pem))
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if slow {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

// certificate makes one for this machine, which signs itself.
func certificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// sinkProcess is the sink as the bench sees it.
type sinkProcess struct {
	url    string
	client *http.Client
	roots  *x509.CertPool // nil for a plain one
	pem    []byte         // its certificate
	stop   func()
}

func startSink(ctx context.Context, slow bool) (*sinkProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-sink", fmt.Sprint("-slow=", slow))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines, scheme := bufio.NewReader(out), "http://"
	var pem []byte
	if slow {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("the sink did not start: %w", err)
		}
		if pem, err = base64.StdEncoding.DecodeString(strings.TrimSpace(line)); err != nil {
			return nil, err
		}
		scheme = "https://"
	}
	addr, err := lines.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the sink did not start: %w", err)
	}
	s := sinkAt(scheme+strings.TrimSpace(addr), pem)
	s.stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	return s, nil
}

// sinkAt is a sink that runs already; pem is its certificate, if it has one.
func sinkAt(url string, pem []byte) *sinkProcess {
	transport := &http.Transport{MaxIdleConnsPerHost: 256, MaxConnsPerHost: 256}
	s := &sinkProcess{url: url, pem: pem, client: &http.Client{Transport: transport}}
	if pem != nil {
		s.roots = x509.NewCertPool()
		s.roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig, transport.ForceAttemptHTTP2 = &tls.Config{RootCAs: s.roots}, true
	}
	return s
}

func (s *sinkProcess) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the sink answered %s", resp.Status)
	}
	return answer, err
}

// post is what the baseline does: one activity, as a client without anything else would send it.
func (s *sinkProcess) post(ctx context.Context, text string) error {
	body := `{"type":"message","channelId":"test","serviceUrl":"` + s.url + `","from":{"id":"bot"},"recipient":{"id":"user"},` +
		`"conversation":{"id":"conversation"},"text":"` + text + `"}`
	_, err := s.call(ctx, http.MethodPost, "/v3/conversations/conversation/activities", []byte(body))
	return err
}

func (s *sinkProcess) reset(ctx context.Context) error {
	_, err := s.call(ctx, http.MethodPost, "/reset", nil)
	return err
}

// await returns when the sink has counted n posts since its reset.
func (s *sinkProcess) await(ctx context.Context, n int) error {
	for {
		if got, err := s.number(ctx, "/count"); err != nil || got >= int64(n) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// number asks the sink for a number.
func (s *sinkProcess) number(ctx context.Context, path string) (int64, error) {
	answer, err := s.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(answer), 10, 64)
}

func (s *sinkProcess) latencies(ctx context.Context) ([]time.Duration, error) {
	answer, err := s.call(ctx, http.MethodGet, "/latencies", nil)
	if err != nil {
		return nil, err
	}
	var ns []int64
	if err := json.Unmarshal(answer, &ns); err != nil {
		return nil, err
	}
	took := make([]time.Duration, len(ns))
	for i, n := range ns {
		took[i] = time.Duration(n)
	}
	return took, nil
}
