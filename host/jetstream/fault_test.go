package jetstream_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

func refused(t *testing.T, o jetstream.Options, kind host.Kind, texts ...string) {
	t.Helper()
	s, err := jetstream.Open(t.Context(), o)
	if err == nil {
		_ = s.Close()
		t.Fatal("opened")
	}
	wantKind(t, err, kind, texts...)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for text, o := range map[string]jetstream.Options{
		"not both":        {Dir: "x", URL: "nats://x"},
		"no URL":          {Credentials: "x"},
		"external NATS":   {Replicas: 3},
		"1 to 5":          {URL: "nats://x", Replicas: 6},
		"its key file":    {URL: "nats://x", Cert: "x"},
		"NKey seed file":  {URL: "nats://x", Credentials: "x", NKey: "y"},
		"1 to 64 letters": {Prefix: "a.b"},
	} {
		refused(t, o, host.Invalid, text)
	}
}

func TestExternalRefusals(t *testing.T) {
	t.Parallel()
	t.Run("password", func(t *testing.T) {
		srv := external(t, func(o *server.Options) { o.Username, o.Password = "postern", "right" })
		refused(t, jetstream.Options{URL: address(srv, "nats", "postern:wrong")}, host.Unauthenticated, "check the user")
		refused(t, jetstream.Options{URL: address(srv, "nats", "")}, host.Unauthenticated, "check the user")
	})
	t.Run("TLS", func(t *testing.T) {
		p := certificates(t)
		srv := external(t, func(o *server.Options) { o.TLSConfig, o.TLS = p.server, true })
		refused(t, jetstream.Options{URL: address(srv, "tls", ""), CA: certificates(t).ca}, host.Unauthenticated, "not trusted")
		refused(t, jetstream.Options{URL: address(srv, "nats", "")}, host.Unauthenticated, "not trusted")
		refused(t, jetstream.Options{URL: address(srv, "tls", ""), CA: filepath.Join(t.TempDir(), "none")}, host.Invalid, "none")
		clear := external(t, nil)
		refused(t, jetstream.Options{URL: address(clear, "tls", ""), CA: p.ca}, host.Invalid, "TLS")
	})
	t.Run("nobody there", func(t *testing.T) {
		port := freePorts(t, 1)[0]
		refused(t, jetstream.Options{URL: fmt.Sprintf("nats://me:secret@127.0.0.1:%d", port)}, host.Unavailable, "is it running")
	})
	t.Run("no JetStream", func(t *testing.T) {
		srv := external(t, func(o *server.Options) { o.JetStream = false })
		refused(t, jetstream.Options{URL: address(srv, "nats", "")}, host.Unsupported, "enable JetStream")
	})
	t.Run("small messages", func(t *testing.T) {
		srv := external(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
		refused(t, jetstream.Options{URL: address(srv, "nats", "")}, host.Unsupported, "set max_payload")
	})
	t.Run("one server, three replicas", func(t *testing.T) {
		srv := external(t, nil)
		refused(t, jetstream.Options{URL: address(srv, "nats", ""), Replicas: 3}, host.Unsupported, "replicas")
	})
	t.Run("no space", func(t *testing.T) {
		srv := external(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
		s := open(t, jetstream.Options{URL: address(srv, "nats", "")})
		blob := save(t, s.Blobs(), content(512<<10, 1))
		var err error
		for i := 0; err == nil && i < 20; i++ {
			_, err = s.Store().Put(t.Context(), host.Key(fmt.Sprint("doc/", i)), content(100<<10, byte(i)), 0)
		}
		wantKind(t, err, host.Unavailable, "full")
		_, err = s.Blobs().Save(t.Context(), strings.NewReader("x"))
		wantKind(t, err, host.Unavailable, "full")
		if err := s.Blobs().Delete(t.Context(), blob.Digest, time.Time{}); err != nil {
			t.Fatal(err)
		}
		put(t, s.Store(), "again", "x", 0)
	})
}

// TestAnOldServer has a listener say what a server of 2022 says first.
func TestAnOldServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, `INFO {"server_id":"X","version":"2.9.25","max_payload":1048576,"headers":true,"jetstream":true}`+"\r\n")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if lines.Text() == "PING" {
				_, _ = io.WriteString(conn, "PONG\r\n")
			}
		}
	}()
	refused(t, jetstream.Options{URL: "nats://" + l.Addr().String()}, host.Unsupported, "version 2.9.25", "2.10.0 or newer")
}

func TestClientCertificateAndNKey(t *testing.T) {
	t.Parallel()
	p := certificates(t)
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := user.PublicKey()
	seed, _ := user.Seed()
	file := filepath.Join(t.TempDir(), "user.nk")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	srv := external(t, func(o *server.Options) {
		o.TLSConfig, o.TLS, o.TLSVerify = p.server, true, true
		o.TLSConfig.ClientAuth = 4 // tls.RequireAndVerifyClientCert
		o.Nkeys = []*server.NkeyUser{{Nkey: public}}
	})
	o := jetstream.Options{URL: address(srv, "tls", ""), CA: p.ca, Cert: p.cert, Key: p.key, NKey: file}
	put(t, open(t, o).Store(), "a", "1", 0)
	without := o
	without.NKey = ""
	refused(t, without, host.Unauthenticated)
	without = o
	without.Cert, without.Key = "", ""
	refused(t, without, host.Unavailable, "check")
}

func TestASlowWatcher(t *testing.T) {
	s := open(t, jetstream.Options{})
	value := strings.Repeat("x", 256<<10)
	put(t, s.Store(), "w/0", value, 0)
	var before, after runtime.MemStats
	held := false
	for c, err := range s.Store().Watch(t.Context(), "w") {
		if err != nil {
			t.Fatal(err)
		}
		if c.Synced && !held {
			held = true
			e, _ := s.Store().Get(t.Context(), "w/0")
			runtime.GC()
			runtime.ReadMemStats(&before)
			for range 400 { // 100 MiB, of which the store keeps one
				e.Rev = put(t, s.Store(), "w/0", value, e.Rev)
			}
			put(t, s.Store(), "w/end", "", 0)
			time.Sleep(100 * time.Millisecond) // what comes, comes
			runtime.GC()
			runtime.ReadMemStats(&after)
			if after.HeapAlloc > before.HeapAlloc+48<<20 {
				t.Errorf("a watcher that does not read holds %d MiB", (after.HeapAlloc-before.HeapAlloc)>>20)
			}
		}
		if c.Key == "w/end" {
			return
		}
	}
	t.Error("the watch has ended")
}

func TestClose(t *testing.T) {
	t.Parallel()
	s := open(t, jetstream.Options{})
	told := watching(t, s.Store(), "")
	expect(t, told, "synced")
	q, err := s.Queue(t.Context(), "q", jetstream.QueueBounds{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- q.Consume(t.Context(), 1, nil) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantKind(t, next(t, done), host.Unavailable)
	if got := next(t, told); !strings.Contains(got, "closed") {
		t.Error(got)
	}
	_, err = s.Store().Get(t.Context(), "a")
	wantKind(t, err, host.Unavailable)
	_, err = s.Blobs().Save(t.Context(), strings.NewReader("x"))
	wantKind(t, err, host.Unavailable)
	wantKind(t, s.Health(t.Context()), host.Unavailable)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoPortAndNoFiles(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s, err := jetstream.Open(t.Context(), jetstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("a kill would leave: %v", left)
	}
	put(t, s.Store(), "a", "1", 0)
	if runtime.GOOS == "linux" {
		out, err := exec.Command("sh", "-c", fmt.Sprintf("ls -l /proc/%d/fd", os.Getpid())).Output()
		if err != nil {
			t.Fatal(err)
		}
		listening, _ := os.ReadFile("/proc/net/tcp")
		for _, l := range strings.Split(string(listening), "\n") {
			f := strings.Fields(l)
			if len(f) > 9 && f[3] == "0A" && strings.Contains(string(out), "socket:["+f[9]+"]") {
				t.Errorf("the process listens: %s", l)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
