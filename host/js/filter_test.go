package js_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

const (
	requestMeta = `{"phase": "request", "request": {"method": "POST", "scheme": "https", "host": "a.example", "path": "/x%2Fy", "query": "a=1",
		"headers": [["Accept", "*/*"], ["X-One", "1"], ["x-one", "2"], ["Content-Length", "5"], ["TE", "trailers"]], "length": -1},
		"context": {"requestId": "r1", "stage": "prod"}, "pathParameters": {"id": "7"}, "stageVariables": {"v": "w"}}`
	responseMeta = `{"phase": "response", "response": {"statusCode": 200, "headers": [["Content-Type", "text/plain"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]], "length": -1},
		"request": {"method": "POST", "scheme": "https", "host": "a.example", "path": "/x", "query": "", "headers": [], "length": -1}, "context": {"requestId": "r1"}}`
)

// halfOf runs one half of a filter alone, and reads its body.
func halfOf(t testing.TB, limit time.Duration, code, entry, meta string, body io.ReadCloser) (result, error) {
	t.Helper()
	return call(open(t, "f.js", code, pooled, timeout(limit)), entry, meta, body, &effects{})
}

func TestFilterRequest(t *testing.T) {
	for code, want := range map[string]struct {
		meta, body string
		has        bool
	}{
		"":                            {"{}", "", false},
		"return request":              {"{}", "", false},
		"return null":                 {"{}", "", false},
		"return new Request(request)": {"{}", "", false},
		"return new Request(request.url, request)":                                                                   {"{}", "", false},
		"request.headers.get('accept'); request.body":                                                                {"{}", "", false},
		"request.headers.set('X-Two', '2')":                                                                          {`{"headers": [["Accept", "*/*"], ["X-One", "1"], ["x-one", "2"], ["X-Two", "2"]]}`, "", false},
		"request.headers.set('x-one', '3')":                                                                          {`{"headers": [["Accept", "*/*"], ["X-One", "3"]]}`, "", false},
		"request.headers.delete('accept')":                                                                           {`{"headers": [["X-One", "1"], ["x-one", "2"]]}`, "", false},
		"return new Request('https://a.example/y?b=2', request)":                                                     {`{"path": "/y", "query": "b=2"}`, "", false},
		"return new Request('https://b.example/x%2Fy?a=1', request)":                                                 {`{"host": "b.example"}`, "", false},
		"return new Request(request, { method: 'PUT' })":                                                             {`{"method": "PUT"}`, "", false},
		"return new Request(request, { body: 'new', headers: { a: 'b' } })":                                          {`{"headers": [["a", "b"], ["content-type", "text/plain;charset=UTF-8"]], "body": true}`, "new", true},
		"return new Request(request, { body: await request.text().then((s) => s + '!'), headers: request.headers })": {`{"headers": [["Accept", "*/*"], ["X-One", "1"], ["x-one", "2"], ["content-type", "text/plain;charset=UTF-8"]], "body": true}`, "hello!", true},
		"return new Request(request.url, { method: 'POST', headers: request.headers })":                              {`{"body": true}`, "", true},
		"if (await request.clone().text() !== 'hello') throw 1":                                                      {`{"body": true}`, "hello", true},
		"return new Request(request, { body: request.body.pipeThrough(new TransformStream()) })":                     {`{"body": true}`, "hello", true},
		"return new Response('no', { status: 403, headers: { a: 'b', 'content-length': '9' } })":                     {`{"response": {"statusCode": 403, "headers": [["a", "b"], ["content-type", "text/plain;charset=UTF-8"]]}}`, "no", true},
		"return new Response(null, { status: 204 })":                                                                 {`{"response": {"statusCode": 204}}`, "", false},
		"return new Response(request.body)":                                                                          {`{"response": {"statusCode": 200}}`, "hello", true},
		"return Response.json([context.requestId, context.stage, context.pathParameters.id, context.stageVariables.v, request.url, request.method])": {
			`{"response": {"statusCode": 200, "headers": [["content-type", "application/json"]]}}`, `["r1","prod","7","w","https://a.example/x%2Fy?a=1","POST"]`, true},
	} {
		t.Run(code, func(t *testing.T) {
			noLeak(t)
			r, err := halfOf(t, 25*time.Second, "export async function filter_request(request, context) {\n"+code+"\n}", "filter_request", requestMeta, body("hello"))
			if err != nil {
				t.Fatal(err)
			}
			same(t, r.meta, want.meta)
			if r.body != want.body || r.has != want.has {
				t.Errorf("body %q %v, not %q %v", r.body, r.has, want.body, want.has)
			}
		})
	}
}

func TestFilterResponse(t *testing.T) {
	for code, want := range map[string]struct {
		meta, body string
		has        bool
	}{
		"": {"{}", "", false},
		"return new Response(response.body, response)":                                                {"{}", "", false},
		"return new Response(response.body, { ...response, headers: response.headers, status: 201 })": {`{"statusCode": 201}`, "", false},
		"response.headers.append('set-cookie', 'c=3')":                                                {`{"headers": [["Content-Type", "text/plain"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["set-cookie", "c=3"]]}`, "", false},
		"return new Response((await response.text()).toUpperCase(), response)":                        {`{"body": true}`, "HELLO", true},
		"return new Response(null, response)":                                                         {`{"body": true}`, "", true},
		"return new Response(response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({ transform(c, x) { x.enqueue(c + '!') } })).pipeThrough(new TextEncoderStream()), response)": {`{"body": true}`, "hello!", true},
		"console.log((await response.clone().text()).length)":                            {`{"body": true}`, "hello", true},
		"response.headers.set('X-Method', context.request.method + context.request.url)": {`{"headers": [["Content-Type", "text/plain"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["X-Method", "POSThttps://a.example/x"]]}`, "", false},
	} {
		t.Run(code, func(t *testing.T) {
			noLeak(t)
			r, err := halfOf(t, 25*time.Second, "export async function filter_response(response, context) {\n"+code+"\n}", "filter_response", responseMeta, body("hello"))
			if err != nil {
				t.Fatal(err)
			}
			same(t, r.meta, want.meta)
			if r.body != want.body || r.has != want.has {
				t.Errorf("body %q %v, not %q %v", r.body, r.has, want.body, want.has)
			}
		})
	}
}

func TestFilterFails(t *testing.T) {
	for code, want := range map[string]string{
		"await request.text()":                               "request.clone()",
		"await request.body.getReader().read()":              "request.clone()",
		"request.body.getReader()":                           "request.clone()",
		"throw new RangeError('no')":                         "no",
		"return 1":                                           "must return a Request, a Response, or nothing",
		"return Response.error()":                            "error response",
		"return new Promise(() => {})":                       "nothing is left to run",
		"return new Promise(() => setInterval(() => {}, 1))": "not done after 1s",
		"for (;;);":                                          "not done after 1s",
	} {
		t.Run(code, func(t *testing.T) {
			noLeak(t)
			if isQuickJS(t) {
				want = strings.Replace(want, "not done after", "timeout of", 1)
			}
			allowed := 25 * time.Second
			if strings.HasSuffix(want, "1s") {
				allowed = time.Second
			}
			_, err := halfOf(t, allowed, "export async function filter_request(request) {\n"+code+"\n}", "filter_request", requestMeta, body("hello"))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, not %q", err, want)
			}
		})
	}
	_, err := halfOf(t, 25*time.Second, "export function filter_response(response) { return response.text().then(() => {}) }", "filter_response", responseMeta, body("hello"))
	if err == nil || !strings.Contains(err.Error(), "response.clone()") {
		t.Error(err)
	}
	if m := compile(t, "f.js", "export function filter_request() {}\nexport const handler = () => {}"); !strings.Contains(strings.Join(m.Info().Entries, " "), "filter_request") ||
		strings.Contains(strings.Join(m.Info().Entries, " "), "filter_response") {
		t.Error(m.Info().Entries)
	}
}

// pin leases an instance for both halves.
func pin(t testing.TB, p host.Plugin) host.Pinned {
	t.Helper()
	pinned, err := p.(host.Pinner).Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pinned.Release)
	return pinned
}

func half(t testing.TB, pinned host.Pinned, entry, meta string, body io.ReadCloser) host.Event {
	t.Helper()
	out, err := pinned.Call(t.Context(), entry, host.Event{Meta: []byte(meta), Body: body}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const bothHalves = `
let seen = 0
const upper = () => new TransformStream({ transform(c, x) { x.enqueue(new TextEncoder().encode(new TextDecoder().decode(c).toUpperCase())) } })
export function filter_request(request, context) {
  context.mine = ++seen
  return new Request(request, { body: request.body.pipeThrough(upper()) })
}
export function filter_response(response, context) {
  return new Response(response.body.pipeThrough(upper()), { headers: { mine: String(context.mine), id: context.requestId, path: new URL(context.request.url).pathname } })
}`

func TestBothHalvesStreamAtOnce(t *testing.T) {
	noLeak(t)
	p := open(t, "f.js", bothHalves, pooled, concurrency(1), timeout(25*time.Second))
	for round := range 2 {
		pinned := pin(t, p)
		in, client := io.Pipe()
		first := half(t, pinned, "filter_request", requestMeta, in)
		back, upstream := io.Pipe()
		second := half(t, pinned, "filter_response", responseMeta, back)
		var head struct{ Headers [][2]string }
		if err := json.Unmarshal(second.Meta, &head); err != nil || head.Headers[0][1] != string(rune('1'+round)) || head.Headers[1][1] != "r1" || head.Headers[2][1] != "/x" {
			t.Errorf("%v %s", err, second.Meta)
		}
		for _, word := range []string{"a", "bc", "def"} { // as an echo over one connection would
			if _, err := io.WriteString(client, word); err != nil {
				t.Fatal(err)
			}
			got := next(t, first.Body)
			if _, err := io.WriteString(upstream, strings.ToLower(got)); err != nil {
				t.Fatal(err)
			}
			if got := next(t, second.Body); got != strings.ToUpper(word) {
				t.Errorf("%q for %q", got, word)
			}
		}
		_, _ = client.Close(), upstream.Close()
		ends(t, first.Body)
		ends(t, second.Body)
		pinned.Release()
		pinned.Release()
	}
}

// slow gives a chunk, waits for longer than the filter's timeout, and gives another.
type slow struct {
	step int
	wait time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	switch s.step++; s.step {
	case 1:
		return copy(p, "one"), nil
	case 2:
		time.Sleep(s.wait)
		return copy(p, "two"), nil
	}
	return 0, io.EOF
}
func (*slow) Close() error { return nil }

func TestWaitingForOthersIsNotTheFilters(t *testing.T) {
	noLeak(t)
	p := open(t, "f.js", bothHalves, pooled, timeout(2*time.Second))
	pinned := pin(t, p)
	first := half(t, pinned, "filter_request", requestMeta, &slow{wait: 2500 * time.Millisecond})
	if b, err := io.ReadAll(first.Body); err != nil || string(b) != "ONETWO" {
		t.Error(string(b), err)
	}
	second := half(t, pinned, "filter_response", responseMeta, &zeros{1 << 20})
	next(t, second.Body)
	time.Sleep(2500 * time.Millisecond)
	if n, err := io.Copy(io.Discard, second.Body); err != nil {
		t.Error(n, err)
	}
}

func TestFilterThatStallsItsBody(t *testing.T) {
	noLeak(t)
	p := open(t, "f.js", `export const filter_response = (response) => new Response(response.body.pipeThrough(new TransformStream({ transform: () => new Promise(() => setInterval(() => {}, 1)) })), response)
	export const filter_request = () => {}`, pooled, timeout(2*time.Second))
	pinned := pin(t, p)
	out := half(t, pinned, "filter_response", responseMeta, body("hello"))
	if _, err := io.ReadAll(out.Body); !errors.Is(err, host.Timeout) {
		t.Error(err)
	}
	if _, err := pinned.Call(t.Context(), "filter_request", host.Event{Meta: []byte(requestMeta)}, &effects{}); !errors.Is(err, host.Internal) && !errors.Is(err, host.Timeout) {
		t.Error(err)
	}
	pinned.Release()
	if r, err := call(p, "filter_request", requestMeta, nil, nil); err != nil || r.meta != "{}" {
		t.Error(r, err)
	}
}

func TestFilterFailsAndGoesOn(t *testing.T) {
	p := open(t, "f.js", "let n = 0\nexport const filter_request = () => { n++; throw new Error('no') }\nexport const filter_response = (r) => { r.headers.set('n', String(n)) }", pooled)
	pinned := pin(t, p)
	if _, err := pinned.Call(t.Context(), "filter_request", host.Event{Meta: []byte(requestMeta)}, &effects{}); !errors.Is(err, host.Internal) {
		t.Error(err)
	}
	if out := half(t, pinned, "filter_response", responseMeta, nil); !strings.Contains(string(out.Meta), `["n","1"]`) {
		t.Error(string(out.Meta))
	}
	if _, err := pinned.Call(t.Context(), "handle", host.Event{}, &effects{}); !errors.Is(err, host.Unsupported) {
		t.Error(err)
	}
}

func TestReleaseEndsWhatRuns(t *testing.T) {
	noLeak(t)
	p := open(t, "f.js", bothHalves, pooled, concurrency(1))
	pinned := pin(t, p)
	in, client := io.Pipe()
	out := half(t, pinned, "filter_request", requestMeta, in)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.(host.Pinner).Pin(ctx); !errors.Is(err, host.Unavailable) {
		t.Errorf("a second instance, of one: %v", err)
	}
	pinned.Release()
	if _, err := io.ReadAll(out.Body); err == nil {
		t.Error("read to the end")
	}
	_ = client.Close()
	pin(t, p).Release() // before any call
	if r, err := call(p, "filter_request", requestMeta, body("x"), nil); err != nil || r.body != "X" {
		t.Error(r, err)
	}
}

func TestFilterBodiesTakeLittleMemory(t *testing.T) {
	noLeak(t)
	const size = 64 << 20
	p := open(t, "f.js", "export const filter_response = (r) => new Response(r.body.pipeThrough(new TransformStream()), r)", pooled)
	before := memory()
	out, err := p.Call(t.Context(), "filter_response", host.Event{Meta: []byte(responseMeta), Body: &zeros{size}}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyN(io.Discard, out.Body, size/2)
	if now, above := memoryAbove(before + 16<<20); err != nil || above {
		t.Errorf("%v; %d MiB in use, %d before", err, now>>20, before>>20)
	}
	rest, err := io.Copy(io.Discard, out.Body)
	if err != nil || n+rest != size {
		t.Error(n+rest, err)
	}
	ends(t, out.Body)
}

func TestFilterOverrunsABuiltIn(t *testing.T) {
	noLeak(t)
	p := open(t, "f.js", "export const filter_request = async (r) => { if (r.method === 'POST') { await new Promise((done) => setTimeout(done, 1)); "+endless+" } }\nexport const filter_response = () => {}", pooled, concurrency(1), timeout(2*time.Second))
	pinned := pin(t, p)
	if _, err := pinned.Call(t.Context(), "filter_request", host.Event{Meta: []byte(requestMeta)}, &effects{}); !errors.Is(err, host.Timeout) {
		t.Error(err)
	}
	if _, err := pinned.Call(t.Context(), "filter_response", host.Event{Meta: []byte(responseMeta)}, &effects{}); !errors.Is(err, host.Internal) {
		t.Error(err)
	}
	pinned.Release()
	if _, err := pinned.Call(t.Context(), "filter_response", host.Event{Meta: []byte(responseMeta)}, &effects{}); !errors.Is(err, host.Internal) {
		t.Error(err)
	}
	if r, err := call(p, "filter_request", strings.Replace(requestMeta, "POST", "GET", 1), nil, nil); err != nil || r.meta != "{}" {
		t.Errorf("the next: %v %v", r, err)
	}
}

// Who keeps an instance may keep it for long, and who waits for it has a plugin's patience, not a request's.
func TestPinWaitsWithinTheTimeout(t *testing.T) {
	t.Parallel() // it mostly waits
	p := open(t, "f.js", bothHalves, pooled, concurrency(1), timeout(2*time.Second))
	pin(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	if _, err := p.(host.Pinner).Pin(ctx); !errors.Is(err, host.Unavailable) || ctx.Err() != nil {
		t.Errorf("%v; the caller's own end: %v", err, ctx.Err())
	}
}
