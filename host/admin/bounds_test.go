package admin

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

// take uses up a bound, and returns how to give it back.
func (f *fixture) take(s *semaphore.Weighted, n int64) (give func()) {
	f.Helper()
	if !s.TryAcquire(n) {
		f.Fatalf("not all %d are free", n)
	}
	return func() { s.Release(n) }
}

// wantFree waits until all of a bound is free again.
func (f *fixture) wantFree(s *semaphore.Weighted, n int64) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	if err := s.Acquire(ctx, n); err != nil {
		f.Fatalf("not all %d are free again", n)
	}
	s.Release(n)
}

// wantBusy expects to be told to come again.
func (f *fixture) wantBusy(method, path string, body any, header ...string) {
	f.Helper()
	if p := f.wantProblem(503, host.Unavailable, method, path, body, header...); p.RetryAfter < 1 {
		f.Errorf("%s %s: not told when to come again: %+v", method, path, p)
	}
}

func TestBodiesAreHeldWithinBounds(t *testing.T) {
	f := start(t)
	const versions = "/v1/functions/greet/versions"
	code := numbered(1)
	sum := sha256.Sum256([]byte(code))
	give := f.take(f.uploads, maxUploads-10)
	f.wantBusy("POST", versions, code, "Content-Type", TypeJavaScript)
	f.wantBusy("POST", "/v1/projects/web/apply", catalog.Input{Bundle: catalog.Bundle{Text: shop}})
	if status, body := f.raw("POST " + versions + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + f.token +
		"\r\nContent-Type: text/javascript\r\nTransfer-Encoding: chunked\r\n\r\n15\r\nexports.handler=()=>1\r\n0\r\n\r\n"); status != 503 {
		t.Errorf("a length that is not announced: %d %s", status, body)
	}
	f.want(201, "PUT", "/v1/blobs/"+hex.EncodeToString(sum[:]), code) // streams
	f.want(200, "PUT", "/v1/secrets/a", "v")
	give()
	f.uploaded("greet", code)
	give = f.take(f.bodies, maxBodies)
	if a := f.want(503, "POST", "/2015-03-31/functions/greet/invocations", "1"); a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	give()
	f.want(200, "POST", "/2015-03-31/functions/greet/invocations", "1")
	f.wantFree(f.uploads, maxUploads)
	f.wantFree(f.bodies, maxBodies)
}

func TestLongWorkTakesTurns(t *testing.T) {
	t.Parallel()
	f := start(t)
	give := f.take(f.turns, maxTurns)
	f.server.delays.turn = 10 * time.Millisecond
	f.wantBusy("POST", "/v1/functions/greet/versions", numbered(1), "Content-Type", TypeJavaScript)
	f.want(200, "GET", "/v1/functions", nil)
	if entries := f.audit("?action=createVersion"); len(entries) != 1 || entries[0].Status != 503 {
		t.Errorf("%+v", entries)
	}
	f.server.delays.turn = patience
	f.server.pace.grace = 2 * time.Second
	time.AfterFunc(3*time.Second, give) // the time for a body begins when it is read
	f.want(201, "POST", "/v1/functions/greet/versions", numbered(1), "Content-Type", TypeJavaScript)
	f.wantFree(f.turns, maxTurns)
}

func TestWaitsAndFollowersAreBounded(t *testing.T) {
	f := start(t)
	give := f.take(f.lingering, maxLingering)
	f.wantBusy("GET", "/v1/logs?follow=true", nil)
	f.want(200, "GET", "/v1/logs", nil)
	f.want(200, "HEAD", "/v1/logs?follow=true", nil)
	in := catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: shop}}
	f.wantBusy("POST", "/v1/projects/web/apply?wait=10s", in)
	f.wantProblem(404, host.NotFound, "GET", "/v1/projects/web", nil)
	give()
	f.want(200, "POST", "/v1/projects/web/apply?wait=10s", in)
	f.wantFree(f.lingering, maxLingering)
}

// follow follows the log on a connection of its own.
func (f *fixture) follow() net.Conn {
	f.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "GET /v1/logs?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+f.token+"\r\n\r\n")
	return conn
}

func TestAQuietLogHasAHeartbeat(t *testing.T) {
	f := start(t)
	f.server.delays.heartbeat = 10 * time.Millisecond
	conn := f.follow()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i, quiet := range []bool{false, true, true} {
		if !lines.Scan() || (lines.Text() == "") != quiet {
			t.Fatalf("line %d: %q, %v", i, lines.Text(), lines.Err())
		}
	}
	_ = conn.Close()
	f.wantFree(f.lingering, maxLingering)
	// The client passes over it.
	n := 0
	for line, err := range f.client().Logs(t.Context(), LogFilter{Follow: true}) {
		if err != nil || line.Message == "" {
			t.Errorf("%+v, %v", line, err)
		}
		if n++; n == 2 {
			break
		}
		f.gate.logs <- LogLine{Level: "info", Message: "one"}
	}
	f.wantFree(f.lingering, maxLingering)
}

func TestAReaderThatNeverReadsIsGivenUp(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.server.delays.write = 100 * time.Millisecond
	f.follow()
	line := LogLine{Level: "info", Message: strings.Repeat("x", 1<<20)}
	for end := time.Now().Add(patience); ; {
		select {
		case f.gate.logs <- line:
			continue
		default: // nobody takes them any more, or not yet
		}
		if f.lingering.TryAcquire(maxLingering) {
			f.lingering.Release(maxLingering)
			return
		}
		if time.Now().After(end) {
			t.Fatal("the reader is still there")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bound := &connections{most: 2}
	web := &http.Server{Handler: http.NotFoundHandler(), ConnState: bound.changed}
	go func() { _ = web.Serve(ln) }()
	defer web.Close()
	answered := func(conn net.Conn) bool {
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	one, two := dial(), dial()
	if !answered(one) || !answered(two) {
		t.Error("one of two is not answered")
	}
	if answered(dial()) {
		t.Error("a third is answered")
	}
	_ = one.Close()
	for end := time.Now().Add(patience); !answered(dial()); {
		if time.Now().After(end) {
			t.Fatal("the place of one that ended is not given away")
		}
	}
}
