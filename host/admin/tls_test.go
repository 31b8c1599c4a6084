package admin

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// secure serves the fixture's API over TLS, and has its requests sent there.
func (f *fixture) secure(http2 bool) *http.Client {
	f.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.Config = HTTPServer(f.server, f.server.log)
	web.EnableHTTP2 = http2
	web.StartTLS()
	f.Cleanup(web.Close)
	f.url = web.URL
	return web.Client()
}

// overTLS runs a test over both versions of HTTP.
func overTLS(t *testing.T, test func(t *testing.T, f *fixture, client *http.Client)) {
	for name, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			client := f.secure(two)
			resp, err := client.Get(f.url + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.TLS == nil || resp.TLS.Version < tls.VersionTLS12 || resp.ProtoMajor == 2 != two {
				t.Fatalf("%s over %+v", resp.Proto, resp.TLS)
			}
			test(t, f, client)
		})
	}
}

// call sends a request over TLS.
func (f *fixture) call(ctx context.Context, client *http.Client, method, path string, body io.Reader, header ...string) *http.Response {
	f.Helper()
	req, err := http.NewRequestWithContext(ctx, method, f.url+path, body)
	if err != nil {
		f.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+f.token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestTLS(t *testing.T) {
	overTLS(t, func(t *testing.T, f *fixture, client *http.Client) {
		ctx := t.Context()
		for what, want := range map[string]int{"GET /v1/whoami": 200, "HEAD /v1/whoami": 200, "OPTIONS /v1/whoami": 405, "GET /v1//apis": 404, "GET /v1/apis/a%2Fb": 400} {
			method, path, _ := strings.Cut(what, " ")
			if resp := f.call(ctx, client, method, path, nil); resp.StatusCode != want {
				t.Errorf("%s: %s", what, resp.Status)
			}
		}
		if resp := f.call(ctx, client, "GET", "/v1/whoami", nil, "Authorization", "Bearer x"); resp.StatusCode != 401 {
			t.Errorf("a wrong token: %s", resp.Status)
		}
		resp := f.call(ctx, client, "POST", "/v1/functions/greet/versions", strings.NewReader(numbered(1)), "Content-Type", TypeJavaScript, "Accept", TypeNDJSON)
		var last ProgressLine
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			last = ProgressLine{}
			if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
				t.Fatal(err)
			}
		}
		if resp.StatusCode != 200 || last.Result == nil {
			t.Errorf("%s %+v", resp.Status, last)
		}
		if resp := f.call(ctx, client, "PUT", "/v1/secrets/a", strings.NewReader(strings.Repeat("x", maxSecret+1))); resp.StatusCode != 413 {
			t.Errorf("too large: %s", resp.Status)
		}
	})
}

// TestSlowBodiesOverTLS: the deadlines that move with a body are a connection's in HTTP/1.1, and a stream's in HTTP/2.
func TestSlowBodiesOverTLS(t *testing.T) {
	t.Parallel()
	overTLS(t, func(t *testing.T, f *fixture, client *http.Client) {
		f.server.pace = pace{grace: 2 * time.Second, rate: 1 << 20}
		body, pipe := io.Pipe()
		defer pipe.Close()
		go func() { _, _ = io.WriteString(pipe, "exports.") }() // and no more
		resp := f.call(t.Context(), client, "POST", "/v1/functions/greet/versions", body, "Content-Type", TypeJavaScript)
		var p Problem
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != 408 || host.KindOf(&p) != host.Timeout {
			t.Errorf("%v: %s %+v", err, resp.Status, p)
		}
		if resp := f.call(t.Context(), client, "GET", "/v1/whoami", nil); resp.StatusCode != 200 {
			t.Errorf("the next request: %s", resp.Status)
		}
	})
}

func TestFollowersOverTLSLeave(t *testing.T) {
	overTLS(t, func(t *testing.T, f *fixture, client *http.Client) {
		f.server.delays.heartbeat = 10 * time.Millisecond
		ctx, leave := context.WithCancel(t.Context())
		lines := bufio.NewScanner(f.call(ctx, client, "GET", "/v1/logs?follow=true", nil).Body)
		for _, want := range []string{"Follow:true", ""} {
			if !lines.Scan() || !strings.Contains(lines.Text(), want) {
				t.Errorf("%q, %v", lines.Text(), lines.Err())
			}
		}
		leave()
		f.wantFree(f.lingering, maxLingering)
	})
}
