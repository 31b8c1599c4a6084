package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/quic-go/quic-go/http3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/postern/postern/host/listener"
)

// What a round of the protocols' benches sends, by the size of the body.
var protocolRounds = []struct {
	path     string
	requests int
}{{"/1k", 8000}, {"/100k", 1600}}

const (
	protocolWorkers = 32
	protocolConns   = 4    // of HTTP/2 and HTTP/3, which the workers share
	idleConns       = 1000 // of each kind
	latencyRounds   = 400
	bulkBytes       = 10 << 30
)

// protocolRoles are the servers to compare with. They do not return.
var protocolRoles = map[string]func(){
	"door":      serveBareDoor,
	"stream":    func() { announce(http.HandlerFunc(streamTwice)) },
	"websocket": func() { announce(http.HandlerFunc(echoMessages)) },
	"bulk":      func() { announce(http.HandlerFunc(moveBulk)) },
	"grpc":      serveInterop,
}

// serveBareDoor is net/http, clear and with TLS, and quic-go, with no more than a handler.
func serveBareDoor() {
	bodies := map[string][]byte{"/1k": bytes.Repeat([]byte("x"), 1<<10), "/100k": bytes.Repeat([]byte("x"), 100<<10)}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(bodies[r.URL.Path]) })
	cert, err := listener.SelfSigned("localhost", "127.0.0.1")
	if err != nil {
		panic(err)
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	udp, err := net.ListenPacket("udp", secure.Addr().String())
	if err != nil {
		panic(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}}
	h3 := &http3.Server{Handler: handler, TLSConfig: http3.ConfigureTLSConfig(conf.Clone())}
	go func() { panic(h3.Serve(udp)) }()
	tlsServer := &http.Server{Handler: handler, TLSConfig: conf}
	go func() { panic(tlsServer.ServeTLS(secure, "", "")) }()
	fmt.Printf("https https://%s\n", secure.Addr())
	announce(handler)
}

// announce serves on a free port and prints it.
func announce(handler http.Handler) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	fmt.Printf("http http://%s\n", ln.Addr())
	panic((&http.Server{Handler: handler, Protocols: protocols}).Serve(ln))
}

func streamTwice(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "first\n")
	w.(http.Flusher).Flush()
	time.Sleep(time.Millisecond)
	_, _ = io.WriteString(w, "second\n")
}

func echoMessages(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// moveBulk takes a body and tells its length, or gives one of bulkBytes.
func moveBulk(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, n)
		return
	}
	_, _ = io.CopyN(w, zeros{}, bulkBytes)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func serveInterop() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(s, interop.NewTestServer())
	fmt.Printf("http http://%s\n", ln.Addr())
	panic(s.Serve(ln))
}

// benchProtocols compares the gateway with bare servers, protocol by protocol.
func benchProtocols(t *testing.T, binary string) {
	dir := protocolProject(t)
	start := func(t *testing.T) (postern, bare *peer) {
		postern = startPeer(t, nil, binary, "serve", dir, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log=false",
			"--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
		return postern, startPeer(t, []string{benchRole + "=door"}, os.Args[0])
	}
	t.Run("requests", func(t *testing.T) {
		postern, bare := start(t)
		for _, kind := range protocolKinds {
			benchRequestsPerSecond(t, kind, postern, bare)
		}
	})
	t.Run("idle", func(t *testing.T) {
		for _, kind := range protocolKinds {
			postern, bare := start(t)
			a, b := idleMemory(t, kind, postern), idleMemory(t, kind, bare)
			t.Logf("an idle connection, %s: %.1f KiB; bare %.1f KiB", kind.name, a, b)
			postern.stop()
			bare.stop()
		}
	})
	t.Run("websocket", func(t *testing.T) {
		postern, _ := start(t)
		t.Logf("an idle WebSocket, with its connection to the upstream: %.1f KiB", idleWebSockets(t, postern))
	})
	t.Run("first byte", func(t *testing.T) { postern, _ := start(t); benchFirstByte(t, dir, postern) })
	t.Run("bulk", func(t *testing.T) { postern, _ := start(t); benchBulk(t, postern) })
	t.Run("grpc", func(t *testing.T) { postern, _ := start(t); benchUnary(t, dir, postern) })
}

// protocolProject writes a project whose upstreams are the roles, and its certificate.
func protocolProject(t *testing.T) string {
	dir := t.TempDir()
	address := func(role string) string {
		return startPeer(t, []string{benchRole + "=" + role}, os.Args[0]).addrs["http"]
	}
	stream, ws, unary, bulk := address("stream"), address("websocket"), address("grpc"), address("bulk")
	cert, err := listener.SelfSigned("localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"cert.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})),
		"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		"grpc":     unary,
		"stream":   stream,
		"postern.yaml": "apis:\n  bench:\n    routes:\n" +
			"      GET /1k: {integration: {mock: {body: " + strings.Repeat("x", 1<<10) + "}}}\n" +
			"      GET /100k: {integration: {mock: {body: " + strings.Repeat("x", 100<<10) + "}}}\n" +
			"      GET /stream: {streaming: true, integration: {http: \"http://" + stream + "/\"}}\n" +
			"      ANY /bulk: {streaming: true, timeout: 10m, integration: {http: \"http://" + bulk + "/\"}}\n" +
			"      GET /ws: {integration: {http: \"http://" + ws + "/\"}}\n" +
			"      POST /{service}/{method}: {integration: {upstream: grpc}}\n" +
			"upstreams:\n  grpc: {targets: [\"h2c://" + unary + "\"]}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A protocolKind is a version of HTTP, clear or not, as a client speaks it.
type protocolKind struct {
	name   string
	scheme string
	conns  int // how many connections the workers share
	client func() http.RoundTripper
}

var protocolKinds = []protocolKind{
	{"HTTP/1.1", "http", protocolWorkers, tcpClient((*http.Protocols).SetHTTP1)},
	{"HTTP/1.1 over TLS", "https", protocolWorkers, tcpClient((*http.Protocols).SetHTTP1)},
	{"HTTP/2, clear", "http", protocolConns, tcpClient((*http.Protocols).SetUnencryptedHTTP2)},
	{"HTTP/2 over TLS", "https", protocolConns, tcpClient((*http.Protocols).SetHTTP2)},
	{"HTTP/3", "https", protocolConns, func() http.RoundTripper {
		return &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the certificate was made for this run
	}},
}

func tcpClient(set func(*http.Protocols, bool)) func() http.RoundTripper {
	return func() http.RoundTripper {
		protocols := new(http.Protocols)
		set(protocols, true)
		return &http.Transport{Protocols: protocols, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	}
}

// benchRequestsPerSecond prints how many requests one second of CPU answers, the median of the rounds.
func benchRequestsPerSecond(t *testing.T, kind protocolKind, postern, bare *peer) {
	for _, round := range protocolRounds {
		var rates [2][]float64
		for i, p := range []*peer{postern, bare} {
			clients := make([]http.RoundTripper, kind.conns)
			for c := range clients {
				clients[c] = kind.client()
			}
			for n := range benchRounds {
				before := p.cpu(t)
				sendAll(t, clients, kind.scheme+"://"+p.addrs[kind.scheme]+round.path, round.requests)
				if n > 0 { // the first one warms up
					rates[i] = append(rates[i], float64(round.requests)/(p.cpu(t)-before).Seconds())
				}
			}
			for _, c := range clients {
				closeClient(c)
			}
			slices.Sort(rates[i])
		}
		a, b := rates[0][len(rates[0])/2], rates[1][len(rates[1])/2]
		t.Logf("%s, %s: %.0f requests per second of CPU; bare %.0f: ratio %.2f", kind.name, round.path[1:], a, b, a/b)
	}
}

func closeClient(c http.RoundTripper) {
	if closer, ok := c.(io.Closer); ok {
		_ = closer.Close()
	} else if t, ok := c.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// sendAll sends n requests from the workers, each on its share of the clients.
func sendAll(t *testing.T, clients []http.RoundTripper, url string, n int) {
	t.Helper()
	var group sync.WaitGroup
	errs := make(chan error, protocolWorkers)
	for w := range protocolWorkers {
		group.Go(func() {
			client := &http.Client{Transport: clients[w%len(clients)]}
			for range n / protocolWorkers {
				if err := get(client, url); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// idleMemory is what a connection costs that has carried one request and waits for the next, in KiB.
func idleMemory(t *testing.T, kind protocolKind, p *peer) float64 {
	url := kind.scheme + "://" + p.addrs[kind.scheme] + "/1k"
	warm := kind.client()
	defer closeClient(warm)
	if err := get(&http.Client{Transport: warm}, url); err != nil {
		t.Fatal(err)
	}
	before := p.rss(t)
	for range idleConns {
		client := kind.client()
		defer closeClient(client)
		if err := get(&http.Client{Transport: client}, url); err != nil {
			t.Fatal(err)
		}
	}
	return (p.rss(t) - before) * 1024 / idleConns
}

func idleWebSockets(t *testing.T, p *peer) float64 {
	before := p.rss(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range idleConns {
		conn, _, err := websocket.Dial(ctx, "ws://"+p.addrs["http"]+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
	}
	return (p.rss(t) - before) * 1024 / idleConns
}

// median runs the two in turn and returns the median time of each.
func median(t *testing.T, a, b func() error) (time.Duration, time.Duration) {
	var times [2][]time.Duration
	for range latencyRounds {
		for i, run := range []func() error{a, b} {
			started := time.Now()
			if err := run(); err != nil {
				t.Fatal(err)
			}
			times[i] = append(times[i], time.Since(started))
		}
	}
	slices.Sort(times[0])
	slices.Sort(times[1])
	return times[0][latencyRounds/2], times[1][latencyRounds/2]
}

func benchFirstByte(t *testing.T, dir string, p *peer) {
	direct, err := os.ReadFile(filepath.Join(dir, "stream"))
	if err != nil {
		t.Fatal(err)
	}
	first := func(url string) func() error {
		client := &http.Client{Transport: tcpClient((*http.Protocols).SetHTTP1)()}
		return func() error {
			resp, err := client.Get(url)
			if err != nil {
				return err
			}
			_, err = io.ReadFull(resp.Body, make([]byte, 6))
			go func() { _, _ = io.Copy(io.Discard, resp.Body); _ = resp.Body.Close() }()
			return err
		}
	}
	a, b := median(t, first("http://"+p.addrs["http"]+"/stream"), first("http://"+string(direct)+"/"))
	t.Logf("first byte of a streamed response: %v; direct %v: %v more, ratio %.2f", a, b, a-b, float64(a)/float64(b))
}

func benchUnary(t *testing.T, dir string, p *peer) {
	direct, err := os.ReadFile(filepath.Join(dir, "grpc"))
	if err != nil {
		t.Fatal(err)
	}
	call := func(target string) func() error {
		conn, err := grpc.NewClient("passthrough:///"+target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		client := testgrpc.NewTestServiceClient(conn)
		return func() error {
			_, err := client.UnaryCall(context.Background(), &testgrpc.SimpleRequest{ResponseSize: 100})
			return err
		}
	}
	before := p.cpu(t)
	a, b := median(t, call(p.addrs["http"]), call(string(direct)))
	t.Logf("a unary gRPC call: %v; direct %v: %v more, ratio %.2f; %v of CPU a call", a, b, a-b, float64(a)/float64(b), ((p.cpu(t) - before) / latencyRounds).Round(time.Microsecond))
}

// benchBulk moves 10 GiB each way and prints the most memory that the gateway ever held.
func benchBulk(t *testing.T, p *peer) {
	url := "http://" + p.addrs["http"] + "/bulk"
	before, started := p.peak(t), time.Now()
	resp, err := http.Post(url, "application/octet-stream", io.LimitReader(zeros{}, bulkBytes))
	if err != nil {
		t.Fatal(err)
	}
	counted, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || string(counted) != fmt.Sprint(bulkBytes) {
		t.Fatalf("the upstream got %q bytes: %v", counted, err)
	}
	up := time.Since(started)
	if resp, err = http.Get(url); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if err != nil || n != bulkBytes {
		t.Fatalf("the client got %d bytes: %v", n, err)
	}
	t.Logf("10 GiB to an upstream in %v, and 10 GiB from it in %v: %.0f MiB resident at most, %.0f before",
		up.Round(time.Millisecond), (time.Since(started) - up).Round(time.Millisecond), p.peak(t), before)
}
