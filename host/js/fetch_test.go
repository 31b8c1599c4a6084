package js_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// upstream is a server that echoes, redirects, and is slow.
func upstream(t *testing.T) (string, *effects) {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-Auth", r.Header.Get("Authorization"))
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), b)
	})
	mux.HandleFunc("/to/{status}", func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusFound
		_, _ = fmt.Sscan(r.PathValue("status"), &status)
		http.Redirect(w, r, "/echo?from=redirect", status)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("body") {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("short"))
	})
	srv := httptest.NewServer(mux)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		srv.Close()
	})
	return srv.URL, &effects{client: client}
}

func TestFetch(t *testing.T) {
	base, fx := upstream(t)
	other, _ := upstream(t)
	for code, want := range map[string]string{
		`const r = await fetch(u + '/echo?a=1#f', {method: 'POST', body: JSON.stringify({x: 1}), headers: {'content-type': 'application/json'}}); return [r.status, r.ok, r.url === u + '/echo?a=1', r.redirected, r.headers.getSetCookie(), await r.text()]`: `[200, true, true, false, ["a=1", "b=2"], "POST /echo?a=1 application/json {\"x\":1}"]`,
		`return (await fetch(new Request(u + '/echo', {method: 'PUT', body: new Uint8Array([104, 105])}))).text()`:                                                                                                                                            `"PUT /echo  hi"`,
		`return (await fetch(new URL('/echo', u), {method: 'POST', body: new URLSearchParams({a: 'b c'})})).text()`:                                                                                                                                           `"POST /echo application/x-www-form-urlencoded;charset=UTF-8 a=b+c"`,
		`const r = await fetch(u + '/to/302', {method: 'POST', body: 'x', headers: {authorization: 'me'}}); return [r.redirected, r.url.endsWith('/echo?from=redirect'), r.headers.get('x-auth'), await r.text()]`:                                            `[true, true, "me", "GET /echo?from=redirect  "]`,
		`return (await fetch(u + '/to/307', {method: 'POST', body: 'x'})).text()`:                                                                                                                                                                             `"POST /echo?from=redirect text/plain;charset=UTF-8 x"`,
		`const r = await fetch(u + '/to/302', {redirect: 'manual'}); return [r.status, r.headers.get('location')]`:                                                                                                                                            `[302, "/echo?from=redirect"]`,
		`return fetch(u + '/to/302', {redirect: 'error'}).catch((e) => e.name)`:                                                                                                                                                                               `"TypeError"`,
		`return fetch(u + '/round').catch((e) => e.message)`:                                                                                                                                                                                                  `"fetch failed: more than 20 redirects"`,
		`return Promise.all([1, 2, 3].map(async (n) => (await fetch(u + '/echo?' + n)).text()))`:                                                                                                                                                              `["GET /echo?1  ", "GET /echo?2  ", "GET /echo?3  "]`,
		`const c = new AbortController(); setTimeout(() => c.abort(), 5); return fetch(u + '/slow', {signal: c.signal}).catch((e) => e.name)`:                                                                                                                 `"AbortError"`,
		`return fetch(u + '/slow', {signal: AbortSignal.timeout(5)}).catch((e) => e.name)`:                                                                                                                                                                    `"TimeoutError"`,
		`return fetch(u + '/slow', {signal: AbortSignal.abort()}).catch((e) => e.name)`:                                                                                                                                                                       `"AbortError"`,
		`const c = new AbortController(); const r = await fetch(u + '/slow?body', {signal: c.signal}); setTimeout(() => c.abort(), 5); return r.text().catch((e) => e.name)`:                                                                                  `"AbortError"`,
		`return fetch(u + '/cut').then((r) => r.text()).catch((e) => e.name + /EOF/.test(e.message))`:                                                                                                                                                         `"TypeErrortrue"`,
		`return fetch('http://127.0.0.1:1/').catch((e) => e.name)`:                                                                                                                                                                                            `"TypeError"`,
		`return Promise.all(['ftp://x', 'x', 'http://u:p@x/'].map((v) => fetch(v).catch((e) => e.name)))`:                                                                                                                                                     `["TypeError", "TypeError", "TypeError"]`,
		`fetch(u + '/slow'); fetch(u + '/slow?body'); return 'left behind'`:                                                                                                                                                                                   `"left behind"`,
		`const r = await fetch(u + '/slow?body'); await r.body.cancel(); return r.status`:                                                                                                                                                                     `200`,
		`const r = await fetch(u + '/echo'), c = r.clone(); return [await r.text() === await c.text(), r.bodyUsed, c.bodyUsed]`:                                                                                                                               `[true, true, true]`,
		`const r = await fetch(u + '/echo', {method: 'HEAD'}); return [r.status, r.body, await r.text()]`:                                                                                                                                                     `[200, null, ""]`,
		`const r = new Response((await fetch(u + '/echo')).body, {status: 203}); return [r.status, await r.text()]`:                                                                                                                                           `[203, "GET /echo  "]`,
		`return (await fetch(u + '/echo', {headers: {host: 'evil', 'content-length': '5', connection: 'close'}})).status`:                                                                                                                                     `200`,
	} {
		t.Run(code, func(t *testing.T) {
			noLeak(t)
			same(t, eval(t, "const u = '"+base+"', other = '"+other+"'\n"+code, fx), want)
		})
	}
}

func TestFetchKeepsCredentialsAtTheirOrigin(t *testing.T) {
	base, fx := upstream(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, base+"/echo", http.StatusFound) }))
	defer srv.Close()
	same(t, eval(t, "return (await fetch('"+srv.URL+"', {headers: {authorization: 'me'}})).headers.get('x-auth')", fx), `""`)
}

func TestFetchRefused(t *testing.T) {
	same(t, eval(t, "return fetch('http://x/').catch((e) => [e.name, e.message])", nil),
		`["TypeError", "fetch failed: fetch x: not in the egress list; list the origin under egress"]`)
}

func TestFetchEndsWithTheCall(t *testing.T) {
	base, fx := upstream(t)
	noLeak(t)
	p := open(t, "a.js", "export const handle = () => fetch('"+base+"/slow')", timeout(30*time.Millisecond), pooled)
	if _, err := call(p, "handle", "{}", nil, fx); !errors.Is(err, host.Timeout) {
		t.Error(err)
	}
}

func TestConcurrentCalls(t *testing.T) {
	base, fx := upstream(t)
	for _, isolation := range []host.Isolation{host.IsolationFresh, host.IsolationPooled} {
		t.Run(string(isolation), func(t *testing.T) {
			noLeak(t)
			p := open(t, "a.ts", `let running = 0
			export async function handle(e: any) {
			  if (++running > 1) throw new Error('two calls in one instance')
			  const text = await (await fetch(e.u + '/echo?' + e.n)).text()
			  await new Promise((done) => setTimeout(done, 1))
			  running--
			  return text
			}`, func(c *host.PluginConfig) {
				c.Isolation = isolation
				c.Limits.Concurrency = host.Default(4)
			})
			var wg sync.WaitGroup
			for n := range 40 {
				wg.Go(func() {
					r, err := call(p, "handle", fmt.Sprintf(`{"u": %q, "n": %d}`, base, n), nil, fx)
					if want := fmt.Sprintf(`"GET /echo?%d  "`, n); err != nil || r.meta != want {
						t.Error(r, err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestNoInstanceIsFree(t *testing.T) {
	p := open(t, "a.js", "export const handle = () => { console.log('started'); return new Promise((done) => setTimeout(done, 500)) }", func(c *host.PluginConfig) {
		c.Limits.Concurrency = host.Setting[int]{Value: 1, Pos: host.Position{File: "postern.yaml", Line: 3}}
	})
	busy, fx := make(chan error, 1), &effects{}
	go func() {
		_, err := call(p, "handle", "{}", nil, fx)
		busy <- err
	}()
	for started := false; !started; time.Sleep(time.Millisecond) {
		fx.mu.Lock()
		started = len(fx.lines) > 0
		fx.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := p.Call(ctx, "handle", host.Event{Meta: []byte("{}")}, &effects{})
	if !errors.Is(err, host.Unavailable) || !strings.Contains(err.Error(), "all 1 instances were busy (postern.yaml:3)") {
		t.Error(err)
	}
	if err := p.Close(ctx); !errors.Is(err, host.Timeout) {
		t.Errorf("closed while a call runs: %v", err)
	}
	if err := <-busy; err != nil {
		t.Error(err)
	}
	if _, err := call(p, "handle", "{}", nil, nil); !errors.Is(err, host.Unavailable) {
		t.Errorf("called after Close: %v", err)
	}
}

func TestStats(t *testing.T) {
	p := open(t, "a.js", "export const handle = () => new Promise((done) => setTimeout(done, 5))", pooled)
	out, err := p.Call(context.Background(), "handle", host.Event{Meta: []byte("{}")}, &effects{})
	if err != nil || out.Stats.Cold || out.Stats.HostTime <= 0 {
		t.Errorf("%v %+v", err, out.Stats)
	}
	p = open(t, "a.js", "export const handle = () => 1")
	if out, err = p.Call(context.Background(), "handle", host.Event{Meta: []byte("{}")}, &effects{}); err != nil || !out.Stats.Cold {
		t.Errorf("%v %+v", err, out.Stats)
	}
}
