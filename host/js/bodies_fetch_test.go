package js_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func TestFetchStreams(t *testing.T) {
	mux := http.NewServeMux()
	goOn := make(chan struct{})
	mux.HandleFunc("/parts", func(w http.ResponseWriter, r *http.Request) {
		for _, part := range []string{"one", "two"} {
			_, _ = io.WriteString(w, part)
			w.(http.Flusher).Flush()
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		}
	})
	mux.HandleFunc("/upper", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %s", r.ContentLength, bytes.ToUpper(b))
	})
	mux.HandleFunc("/307", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/upper", http.StatusTemporaryRedirect)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	fx := &effects{client: client}
	for name, code := range map[string]string{
		"as it is":      "fetch(url + '/parts')",
		"a new one":     "fetch(url + '/parts').then((r) => new Response(r.body, r))",
		"through a map": "fetch(url + '/parts').then((r) => new Response(r.body.pipeThrough(new TransformStream())))",
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			p := open(t, "a.js", "const url = '"+srv.URL+"'\nexport default { fetch: () => "+code+" }", timeout(25*time.Second))
			out := answer(t, p, nil, fx)
			for _, part := range []string{"one", "two"} {
				if got := next(t, out.Body); got != part {
					t.Errorf("%q, not %q", got, part)
				}
				goOn <- struct{}{}
			}
			ends(t, out.Body)
		})
	}
	p := open(t, "a.js", "const url = '"+srv.URL+"'\n"+`export default { async fetch(request) {
	  const sent = { made: ReadableStream.from(['a', 'b']).pipeThrough(new TextEncoderStream()), given: request.body }
	  const out = []
	  for (const k of Object.keys(sent)) out.push(await (await fetch(url + '/upper', { method: 'POST', body: sent[k], duplex: 'half' })).text())
	  out.push(await fetch(url + '/307', { method: 'POST', body: ReadableStream.from([new Uint8Array(1)]) }).catch((e) => /stream/.test(e.message)))
	  out.push(await fetch(url + '/upper', { method: 'POST', body: new ReadableStream({ pull() { throw new RangeError() } }) }).catch((e) => e.name))
	  return Response.json(out)
	} }`, timeout(25*time.Second))
	same(t, next(t, answer(t, p, body("given"), fx).Body), `["-1 AB", "-1 GIVEN", true, "TypeError"]`)
}

func TestCallerLeavesAtEveryPoint(t *testing.T) {
	noLeak(t)
	p := open(t, "a.js", `export default { async fetch(request, env, ctx) {
	  const [a, b] = request.body.tee()
	  ctx.waitUntil(b.pipeTo(new WritableStream()).catch(() => {}))
	  const packed = a.pipeThrough(new TransformStream({ async transform(c, x) { await new Promise((done) => setImmediate(done)); x.enqueue(c) } })).pipeThrough(new CompressionStream('gzip'))
	  return new Response(packed.pipeThrough(new DecompressionStream('gzip')))
	} }`, pooled, concurrency(4), timeout(2*time.Second))
	const size = 256 << 10
	for point := range 60 {
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		in := &leaving{zeros: zeros{size}, after: point * size / 50, leave: func() {
			cancel()
			close(left)
		}}
		out, err := p.Call(ctx, "handle", host.Event{Meta: []byte(post), Body: in}, &effects{})
		if err == nil {
			_, err = io.Copy(io.Discard, out.Body)
			_ = out.Body.Close()
		}
		if point < 50 {
			<-left
		}
		if err != nil && !errors.Is(err, host.Unavailable) {
			t.Errorf("at %d: %v", point, err)
		}
		cancel()
	}
	if out := answer(t, p, &zeros{size}, &effects{}); true {
		if n, err := io.Copy(io.Discard, out.Body); n != size || err != nil {
			t.Error(n, err)
		}
		_ = out.Body.Close()
	}
}

// leaving is a client that leaves when so many bytes were read of it.
type leaving struct {
	zeros
	after int
	leave func()
}

func (l *leaving) Read(p []byte) (int, error) {
	n, err := l.zeros.Read(p[:min(len(p), 8<<10)])
	if l.after -= n; l.after <= 0 && l.leave != nil && err == nil {
		l.leave()
		l.leave = nil
	}
	return n, err
}
