package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"

// misbehaving is a server whose first connection goes wrong and whose others do not.
func misbehaving(t *testing.T, wrong func(c net.Conn, br *bufio.Reader)) string {
	t.Helper()
	return rawServer(t, func(n int, c net.Conn, br *bufio.Reader) {
		if n == 0 {
			wrong(c, br)
			return
		}
		_, _ = io.WriteString(c, fine)
		for { // a connection that is kept
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, fine)
		}
	})
}

// then writes text, and stays until the other side leaves.
func then(text string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, br *bufio.Reader) {
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, br)
	}
}

// thenReset writes text, and resets the connection.
func thenReset(text string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(c, text)
		time.Sleep(10 * time.Millisecond) // a reset overtakes what was not read yet
		_ = c.(*net.TCPConn).SetLinger(0)
	}
}

// forever writes head, and part again and again.
func forever(head, part string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, _ *bufio.Reader) {
		_, err := io.WriteString(c, head)
		for err == nil {
			_, err = io.WriteString(c, part)
		}
	}
}

// Each way to go wrong has its cause, for the head or for the body; leaves nothing behind; and does not spoil the next request.
func TestUpstreamsThatMisbehave(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	const late = time.Second
	for name, tc := range map[string]struct {
		wrong func(net.Conn, *bufio.Reader)
		head  upstream.Cause // "" when there is a response
		body  string
		cut   bool // the body ends in an error
	}{
		"too late":                  {func(c net.Conn, _ *bufio.Reader) { time.Sleep(2 * late); _, _ = io.WriteString(c, fine) }, upstream.CauseHeaderTimeout, "", false},
		"half a head, and no more":  {then("HTTP/1.1 200 OK\r\nContent-Le"), upstream.CauseHeaderTimeout, "", false},
		"answers twice":             {then("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"), "", "one", false},
		"length too short":          {then("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nonetwo"), "", "one", false},
		"length too long":           {thenReset("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none"), "", "one", true},
		"two lengths":               {then("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\none"), upstream.CauseMalformed, "", false},
		"negative length":           {then("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), upstream.CauseMalformed, "", false},
		"length with a sign":        {then("HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\none"), upstream.CauseMalformed, "", false},
		"unknown transfer coding":   {then("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\none"), upstream.CauseMalformed, "", false},
		"a body with 204":           {then("HTTP/1.1 204 No Content\r\n\r\nsurplus"), "", "", false},
		"a body with 304":           {then("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nsurplus"), "", "", false},
		"a chunk's size is none":    {then(chunked + "3\r\none\r\nxyz\r\n"), "", "one", true},
		"a chunk's size is endless": {then(chunked + "3\r\none\r\n" + strings.Repeat("1", 17) + "\r\n"), "", "one", true},
		"a chunk is longer":         {then(chunked + "3\r\nonetwo\r\n0\r\n\r\n"), "", "one", true},
		"a chunk is cut":            {thenReset(chunked + "3\r\none\r\n5\r\ntw"), "", "onetw", true},
		"endless chunk extension":   {forever(chunked+"3\r\none\r\n3;x=", "yyyyyyyyyyyyyyyy"), "", "one", true},
		"endless head":              {forever("HTTP/1.1 200 OK\r\n", "X-More: and more and more and more\r\n"), upstream.CauseHeaderTooLarge, "", false},
		"endless field":             {forever("HTTP/1.1 200 OK\r\nX-More: ", "and more and more and more"), upstream.CauseHeaderTooLarge, "", false},
		"endless status line":       {forever("HTTP/1.1 200 ", "OK and OK and OK"), upstream.CauseHeaderTooLarge, "", false},
		"endless 1xx":               {forever("", "HTTP/1.1 103 Early Hints\r\n\r\n"), upstream.CauseHeaderTooLarge, "", false},
		"endless trailers":          {forever(chunked+"3\r\none\r\n0\r\n", "X-More: and more and more and more\r\n"), "", "one", true},
		"an upgrade unasked":        {then("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), upstream.CauseMalformed, "", false},
		"reset before its head":     {thenReset(""), upstream.CauseClosed, "", false},
		"reset in its head":         {thenReset("HTTP/1.1 200 OK\r\nX-A: b"), upstream.CauseClosed, "", false},
		"reset in its trailers":     {thenReset(chunked + "3\r\none\r\n0\r\nX-A: b"), "", "one", true},
		"a status that is none":     {then("HTTP/1.1 abc OK\r\n\r\n"), upstream.CauseMalformed, "", false},
		"a status of four digits":   {then("HTTP/1.1 2000 OK\r\n\r\n"), upstream.CauseMalformed, "", false},
		"a status beyond the last":  {then("HTTP/1.1 600 What\r\nContent-Length: 3\r\n\r\none"), upstream.CauseMalformed, "", false},
		"a status that is internal": {then("HTTP/1.1 999 Denied\r\nContent-Length: 3\r\n\r\none"), upstream.CauseMalformed, "", false},
		"another protocol":          {then("SSH-2.0-OpenSSH_9.6\r\n"), upstream.CauseMalformed, "", false},
		"HTTP/2 unasked":            {then("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), upstream.CauseMalformed, "", false},
		"a NUL in a field":          {then("HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 3\r\n\r\none"), upstream.CauseMalformed, "", false},
		"a CR in a field":           {then("HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 3\r\n\r\none"), upstream.CauseMalformed, "", false},
		"a space in a name":         {then("HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 3\r\n\r\none"), upstream.CauseMalformed, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPool(t, &host.Upstream{Targets: targets("http://" + misbehaving(t, tc.wrong)), Timeout: host.Default(late)}, upstream.Options{})
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			res, _, err := p.Do(ctx, get(""), "")
			if cause := upstream.CauseOf(err); tc.head != "" && (err == nil || cause != tc.head) || tc.head == "" && err != nil {
				t.Fatalf("%v: %s, not %s", err, cause, tc.head)
			}
			if tc.head == "" {
				body, err := "", error(nil)
				if res.Body != nil {
					var b []byte
					b, err = io.ReadAll(res.Body)
					body = string(b)
					_ = res.Body.Close()
				}
				if body != tc.body || tc.cut != errors.Is(err, host.BadGateway) || tc.cut && upstream.CauseOf(err) != upstream.CauseCutOff {
					t.Errorf("%q, %v", body, err)
				}
			}
			if got, err := ask(t, p, ""); got != "fine" {
				t.Errorf("the next request gets %q, %v", got, err)
			}
		})
	}
}

// What an upstream says beyond its answer is never taken for the answer to the next request, however soon that comes.
func TestSurplusIsNobodysAnswer(t *testing.T) {
	addr := rawServer(t, func(_ int, c net.Conn, br *bufio.Reader) {
		for {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
		}
	})
	log.SetOutput(io.Discard) // where net/http reports each one
	defer log.SetOutput(os.Stderr)
	p := testPool(t, &host.Upstream{Targets: targets("http://" + addr)}, upstream.Options{})
	for range 2000 {
		if got, err := ask(t, p, ""); got != "fine" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// An upstream that reads nothing of a request holds its body up until the deadline, and no longer.
func TestNeverReadsTheRequest(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			<-done
			_ = c.Close()
		}
	}()
	p := testPool(t, &host.Upstream{Targets: targets("http://" + ln.Addr().String())}, upstream.Options{})
	closed := make(chan struct{})
	req := request("POST", "x")
	req.Body, req.Length = closer{io.NopCloser(zeros{}), sync.OnceFunc(func() { close(closed) })}, -1
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := p.Do(ctx, req, ""); !errors.Is(err, host.Timeout) {
		t.Error(err)
	}
	<-closed
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// What asks and answers with few words passes as it is.
func TestConditionsRangesAndHeads(t *testing.T) {
	url := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		http.ServeContent(w, r, "x.txt", time.Unix(1e9, 0), strings.NewReader("0123456789"))
	})
	p := testPool(t, &host.Upstream{Targets: targets(url)}, upstream.Options{})
	for name, tc := range map[string]struct {
		req    *host.Request
		status int
		body   string
		field  string
		value  string
		length int64
	}{
		"range":        {with(get(""), "Range", "bytes=2-4"), 206, "234", "Content-Range", "bytes 2-4/10", 3},
		"no range":     {with(get(""), "Range", "bytes=20-"), 416, "", "Content-Range", "bytes */10", -2},
		"if-range":     {with(with(get(""), "Range", "bytes=2-4"), "If-Range", `"b"`), 200, "0123456789", "Etag", `"a"`, 10},
		"not modified": {with(get(""), "If-None-Match", `"a"`), 304, "", "Etag", `"a"`, 0},
		"precondition": {with(get(""), "If-Match", `"b"`), 412, "", "Etag", `"a"`, 0},
		"HEAD":         {request("HEAD", ""), 200, "", "Content-Length", "10", 10},
	} {
		res, _, err := p.Do(t.Context(), tc.req, "")
		if err != nil {
			t.Fatal(name, err)
		}
		var b []byte
		if res.Body != nil {
			b, _ = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if tc.status == 416 {
			b = nil
		}
		if res.Status != tc.status || string(b) != tc.body || res.Header.Get(tc.field) != tc.value || tc.length != -2 && res.Length != tc.length {
			t.Errorf("%s: %d, %q, length %d, %v", name, res.Status, b, res.Length, res.Header)
		}
	}
}

// A request that expects 100 keeps its body back until it has that, and keeps it for itself where the answer is another one.
func TestExpectContinue(t *testing.T) {
	url := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refused":
			w.WriteHeader(http.StatusExpectationFailed)
			return
		case "/explained":
			http.Error(w, strings.Repeat("who are you? ", 1000), http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	p := testPool(t, &host.Upstream{Targets: targets(url)}, upstream.Options{})
	for path, want := range map[string]int{"/": 200, "/refused": 417, "/explained": 401} {
		read := false
		req := with(request("PUT", "body"), "Expect", "100-continue")
		req.Target = path
		req.Body = reading{req.Body, &read}
		res, _, err := p.Do(t.Context(), req, "")
		if err != nil {
			t.Fatal(err)
		}
		if res.Body != nil {
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Error(path, err)
			}
			_ = res.Body.Close()
		}
		if res.Status != want || read != (want == 200) {
			t.Errorf("%s: %d, body read: %v", path, res.Status, read)
		}
	}
}

type reading struct {
	io.ReadCloser
	read *bool
}

func (r reading) Read(p []byte) (int, error) {
	*r.read = true
	return r.ReadCloser.Read(p)
}

// Hints that come before the answer are dropped, and the answer is not.
func TestEarlyHints(t *testing.T) {
	p := testPool(t, &host.Upstream{Targets: targets("http://" + rawServer(t, says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+fine)))}, upstream.Options{})
	if got, err := ask(t, p, ""); got != "fine" {
		t.Error(got, err)
	}
}
