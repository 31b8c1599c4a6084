package admin

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
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
	give := f.take(f.uploads.total, maxUploads-10)
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
	give = f.take(f.bodies.total, maxBodies)
	if a := f.want(503, "POST", "/2015-03-31/functions/greet/invocations", "1"); a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	give()
	f.want(200, "POST", "/2015-03-31/functions/greet/invocations", "1")
	f.wantFree(f.uploads.total, maxUploads)
	f.wantFree(f.bodies.total, maxBodies)
}

// What is announced takes nothing from others, and neither do turns for what has not arrived.
func TestSlowUploadsHoldUpNobody(t *testing.T) {
	t.Parallel()
	f := start(t)
	deployer := f.login(access.Deployer)
	for i := range 2 * maxTurns {
		head := fmt.Sprintf("POST /v1/functions/slow%d/versions HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: text/javascript\r\nContent-Length: %d\r\n\r\nexport", i, deployer, maxUpload)
		_, _ = io.WriteString(f.dial(), head)
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		f.uploads.mu.Lock()
		s := f.uploads.shares["token deployer"]
		all := s != nil && s.claims == 2*maxTurns
		f.uploads.mu.Unlock()
		if all {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the uploads have not begun")
		}
	}
	f.server.delays.turn = 10 * time.Millisecond
	f.uploaded("quick", numbered(1))
	f.want(201, "POST", "/v1/functions/quick/versions", numbered(2), "Authorization", deployer, "Content-Type", TypeJavaScript)
}

func TestOneCallerHasHalf(t *testing.T) {
	f := start(t)
	f.server.delays.turn = 10 * time.Millisecond
	busy, other := f.login(access.Deployer), f.login(access.Admin)
	held := []*claim{f.turns.claim("token deployer"), f.uploads.claim("token deployer"), f.bodies.claim("token deployer")}
	for i, n := range []int64{maxTurns / 2, maxUploads / 2, maxBodies / 2} {
		if !held[i].try(n) {
			t.Fatalf("half of %d is not free", i)
		}
	}
	const versions = "/v1/functions/greet/versions"
	for _, c := range held[:2] {
		f.wantBusy("POST", versions, numbered(1), "Content-Type", TypeJavaScript, "Authorization", busy)
		c.end()
	}
	f.want(201, "POST", versions, numbered(1), "Content-Type", TypeJavaScript, "Authorization", busy)
	f.wantBusy("PUT", "/v1/secrets/a", "v", "Authorization", busy)
	f.want(200, "PUT", "/v1/secrets/a", "v", "Authorization", other)
	held[2].end()
	f.want(200, "PUT", "/v1/secrets/a", "v", "Authorization", busy)
	for _, p := range []*pool{f.turns, f.uploads, f.bodies} {
		p.mu.Lock()
		if len(p.shares) != 0 {
			t.Errorf("%d shares are left", len(p.shares))
		}
		p.mu.Unlock()
	}
}

// Bodies that are read to find out who sent them have a room of their own.
func TestUnprovenBodiesAreApart(t *testing.T) {
	f := start(t)
	f.uploaded("talk", talker)
	_, creds := f.sdk(access.Deployer)
	wrong := creds
	wrong.SecretAccessKey = "wrong"
	body := `"` + strings.Repeat("x", maxPayload-2) + `"`
	for range 2 * maxTurns { // more than there is room for, but for their last byte
		req := f.signed(wrong, body, time.Now())
		conn := f.dial()
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n",
			req.URL.Path, req.URL.Host, req.Header.Get("X-Amz-Date"), req.Header.Get("Authorization"), len(body))
		go func() { _, _ = io.WriteString(conn, head+body[:len(body)-1]) }()
	}
	for end := time.Now().Add(patience); f.unproven.total.TryAcquire(maxUnproven - 28<<20); time.Sleep(time.Millisecond) {
		f.unproven.total.Release(maxUnproven - 28<<20)
		if time.Now().After(end) {
			t.Fatal("the bodies are not counted")
		}
	}
	if !f.unproven.total.TryAcquire(maxUnproven / 2) {
		t.Error("one address has more than half")
	} else {
		f.unproven.total.Release(maxUnproven / 2)
	}
	f.want(200, "POST", "/2015-03-31/functions/talk/invocations", `"`+strings.Repeat("x", 5<<20)+`"`)
	f.wantFree(f.bodies.total, maxBodies)
}

func TestUnprovenBodiesAreHurried(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.server.unprovenPace = pace{grace: 2 * time.Second, rate: 1 << 20}
	_, creds := f.sdk(access.Deployer)
	req := f.signed(creds, `"1"`, time.Now())
	status, _ := f.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\nContent-Length: 3\r\n\r\n\"",
		req.URL.Path, req.URL.Host, req.Header.Get("X-Amz-Date"), req.Header.Get("Authorization")))
	if status != 408 {
		t.Errorf("%d", status)
	}
	f.wantFree(f.unproven.total, maxUnproven)
}

// A body that came quickly at first may not rest on that for long.
func TestPaceHasNoCredit(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.server.pace = pace{grace: 2 * time.Second, rate: 1 << 10} // half a MiB would do for some minutes
	status, _ := f.raw("POST /v1/functions/greet/versions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + f.token +
		"\r\nContent-Type: text/javascript\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat(" ", 512<<10))
	if status != 408 {
		t.Errorf("%d", status)
	}
}

func TestLongWorkTakesTurns(t *testing.T) {
	t.Parallel()
	f := start(t)
	give := f.take(f.turns.total, maxTurns)
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
	f.wantFree(f.turns.total, maxTurns)
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

// dial opens a connection, which is closed at the test's end.
func (f *fixture) dial() net.Conn {
	f.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// follow follows the log on a connection of its own.
func (f *fixture) follow() net.Conn {
	f.Helper()
	conn := f.dial()
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
