package jetstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/jetstream"
)

// TestTheServerGoesAndComes: a watch tells what happened meanwhile, a queue goes on, and a call in between fails at once.
func TestTheServerGoesAndComes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	port := freePorts(t, 1)[0]
	o := func() *server.Options {
		return &server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true}
	}
	srv := start(t, o())
	url := address(srv, "nats", "")
	s, other := open(t, jetstream.Options{URL: url}), open(t, jetstream.Options{URL: url})
	a := put(t, other.Store(), "w/a", "1", 0)
	b := put(t, other.Store(), "w/b", "1", 0)
	put(t, other.Store(), "w/c", "1", 0)
	told := watching(t, s.Store(), "w")
	expect(t, told, "w/a=1", "w/b=1", "w/c=1", "synced")

	stop(srv)
	eventually(t, func() bool {
		err := s.Health(t.Context())
		return err != nil && strings.Contains(err.Error(), "since")
	})
	wantKind(t, s.Health(t.Context()), host.Unavailable, "since")
	_, err := s.Store().Get(t.Context(), "w/a")
	wantKind(t, err, host.Unavailable, "no connection")
	_, err = s.Store().Put(t.Context(), "w/a", nil, a)
	wantKind(t, err, host.Unavailable, "no connection")

	srv = start(t, o())
	eventually(t, func() bool { return s.Health(t.Context()) == nil && other.Health(t.Context()) == nil })
	put(t, other.Store(), "w/a", "2", a)
	got := map[string]bool{}
	for m := ""; !got["w/a=2"] || m != "synced" && !got["synced"]; got[m] = true {
		m = next(t, told)
	}
	if got["w/b=1"] || got["w/c=1"] {
		t.Errorf("what did not change was told again: %v", got)
	}

	// Written and deleted while the watcher alone is away: the server is there again before it asks.
	stop(srv)
	start(t, o())
	eventually(t, func() bool { return other.Health(t.Context()) == nil })
	if err := other.Store().Delete(t.Context(), "w/b", b); err != nil {
		t.Fatal(err)
	}
	put(t, other.Store(), "w/d", "1", 0)
	got = map[string]bool{}
	for !got["-w/b"] || !got["w/d=1"] || !got["synced"] {
		got[next(t, told)] = true
	}
}

// gate lets clients in or not, and counts them.
type gate struct{ open, asked atomic.Int32 }

func (g *gate) Check(server.ClientAuthentication) bool {
	g.asked.Add(1)
	return g.open.Load() != 0
}

// TestRefusedForAWhile: a server that refuses the host again and again, as while its accounts are mended, gets it back afterwards.
func TestRefusedForAWhile(t *testing.T) {
	t.Parallel()
	g := &gate{}
	g.open.Store(1)
	o := &server.Options{Host: "127.0.0.1", Port: freePorts(t, 1)[0], JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		CustomClientAuthentication: g}
	srv := start(t, o)
	s := open(t, jetstream.Options{URL: address(srv, "nats", "")})
	stop(srv)
	g.open.Store(0)
	asked := g.asked.Load()
	start(t, o.Clone())
	eventually(t, func() bool { return g.asked.Load() >= asked+4 })
	g.open.Store(1)
	eventually(t, func() bool { return s.Health(t.Context()) == nil })
}

// TestALostAnswer: a content whose last message was written, and the answer lost, is there and whole.
func TestALostAnswer(t *testing.T) {
	t.Parallel()
	srv := external(t, nil)
	s := open(t, jetstream.Options{URL: "nats://" + forgetful(t, srv.Addr().String(), "HPUB $O.postern_blobs.M.", `"OBJ_postern_blobs"`)})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	data := content(1<<20, 1)
	_, err := s.Blobs().Save(ctx, bytes.NewReader(data))
	wantKind(t, err, host.Timeout)
	if got, err := load(t, s.Blobs(), digest(data)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// forgetful stands before a server, and swallows the first packet with answer that comes after one with request. It returns its address.
func forgetful(t *testing.T, to, request, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var asked, done atomic.Bool
	pass := func(to io.WriteCloser, from io.Reader, swallow func(packet string) bool) {
		defer to.Close()
		for packet := make([]byte, 1<<20); ; {
			n, err := from.Read(packet)
			if err != nil {
				return
			}
			if !swallow(string(packet[:n])) {
				_, _ = to.Write(packet[:n])
			}
		}
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			go pass(server, client, func(p string) bool {
				asked.Store(asked.Load() || strings.Contains(p, request))
				return false
			})
			go pass(client, server, func(p string) bool {
				return asked.Load() && strings.Contains(p, answer) && done.CompareAndSwap(false, true)
			})
		}
	}()
	return l.Addr().String()
}

// TestTheBucketIsGone: a watch tells the deletion of documents of which no marker is left.
func TestTheBucketIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	port := freePorts(t, 1)[0]
	o := func(dir string) *server.Options {
		return &server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true}
	}
	srv := start(t, o(dir))
	s := open(t, jetstream.Options{URL: address(srv, "nats", "")})
	put(t, s.Store(), "w/a", "1", 0)
	told := watching(t, s.Store(), "w")
	expect(t, told, "w/a=1", "synced")
	stop(srv)
	srv = start(t, o(t.TempDir())) // an empty one
	put(t, open(t, jetstream.Options{URL: address(srv, "nats", "")}).Store(), "w/b", "2", 0)
	expect(t, told, "w/b=2", "-w/a", "synced")
}

func TestANodeStops(t *testing.T) {
	t.Parallel()
	servers := cluster(t)
	s := open(t, jetstream.Options{URL: clusterURL(servers), Replicas: 3})
	told := watching(t, s.Store(), "")
	expect(t, told, "synced")
	rev := put(t, s.Store(), "state", "0", 0)
	expect(t, told, "state=0")
	data := content(1<<20, 1)
	blob := save(t, s.Blobs(), data)
	stop(servers[0])
	for i := 1; i <= 50; i++ {
		value := fmt.Sprint(i)
		eventually(t, func() bool { // while a leader is elected, writes fail; and one that failed may have been done
			next, err := s.Store().Put(t.Context(), "state", []byte(value), rev)
			if err == nil {
				rev = next
				return true
			}
			if e, getErr := s.Store().Get(t.Context(), "state"); getErr == nil && string(e.Value) == value {
				rev = e.Rev
				return true
			}
			return false
		})
	}
	eventually(t, func() bool {
		got, err := load(t, s.Blobs(), blob.Digest)
		return err == nil && bytes.Equal(got, data)
	})
	for next(t, told) != "state=50" {
	}
	save(t, s.Blobs(), content(1<<20, 2))
}
