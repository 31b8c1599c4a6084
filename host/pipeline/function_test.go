package pipeline_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/server/servertest"
)

const functions = `
apis:
	main:
		routes:
			ANY /one/{id}: {integration: {function: tell, payloadFormatVersion: "1.0"}}
			ANY /two/{id}: {integration: {function: tell}}
			ANY /answer: {integration: {function: answer}}
			ANY /answer-one: {integration: {function: answer, payloadFormatVersion: "1.0"}}
			ANY /fetch: {integration: {function: fetch}}
			ANY /echo: {request: {maxBody: 1MiB}, integration: {function: echo}}
			ANY /digest: {integration: {function: digest}}
			ANY /small: {request: {maxBody: 5B}, integration: {function: digest}}
			ANY /small-wasm: {request: {maxBody: 5B}, integration: {function: echo}}
			GET /mock: {integration: {mock: {status: 203, headers: {X-Mock: a}, body: mocked}}}
			GET /empty: {integration: {mock: {status: 204}}}
functions:
	tell: {plugin: ./tell.js}
	answer: {plugin: ./answer.js, maxResult: 1000B}
	fetch: {plugin: ./fetch.js}
	echo: {plugin: ./echo.wasm}
	digest: {plugin: ./digest.js}
`

var functionFiles = map[string]string{
	"tell.js": `export const handler = (e) => ({statusCode: 200, body: JSON.stringify({version: e.version, body: e.body === undefined ? "-" : e.body,
		base64: e.isBase64Encoded, id: e.pathParameters.id, query: e.queryStringParameters, all: e.multiValueQueryStringParameters,
		cookies: e.cookies, x: e.headers["x-a"] ?? e.headers["X-A"], method: e.httpMethod ?? e.requestContext.http.method})})`,
	"answer.js": `export const handler = (e) => {
		switch (e.queryStringParameters.as) {
		case "text": return "plain text";
		case "object": return {a: 1};
		case "nothing": return;
		case "cookies": return {statusCode: 201, cookies: ["a=1", "b=2"], headers: {"x-n": 5}, body: "done"};
		case "multi": return {statusCode: 200, multiValueHeaders: {"Set-Cookie": ["a=1", "b=2"]}, body: "done"};
		case "bytes": return {statusCode: 200, body: "AP8B", isBase64Encoded: true, headers: {"content-type": "image/png"}};
		case "status": return {statusCode: 42};
		case "body": return {statusCode: 200, body: {a: 1}};
		case "header": return {statusCode: 200, headers: {"bad name": "x"}};
		case "split": return {statusCode: 200, headers: {"x-a": "b\r\nx-injected: 1"}};
		case "long": return "x".repeat(1001);
		}
	}`,
	"fetch.js": `export default { fetch: async (r) => new Response(r.method + " " + new URL(r.url).pathname + " " + await r.text(), {status: 207, headers: {"x-kind": "fetch"}}) }`,
	"digest.js": `export const handler = async (e) => [...new Uint8Array(await crypto.subtle.digest("SHA-256",
		e.isBase64Encoded ? Uint8Array.fromBase64?.(e.body) ?? Uint8Array.from(atob(e.body), (c) => c.charCodeAt(0)) : new TextEncoder().encode(e.body)))].map((b) => b.toString(16).padStart(2, "0")).join("")`,
}

func startFunctions(t *testing.T) *servertest.Gateway {
	t.Helper()
	files := map[string]string{"echo.wasm": servertest.Guest(t, "echo.wasm")}
	for name, content := range functionFiles {
		files[name] = content
	}
	return servertest.Start(t, project(functions, files))
}

func TestFunctionEvents(t *testing.T) {
	g := startFunctions(t)
	for name, c := range map[string]struct {
		method, path, body string
		fields             []string
		want               string
	}{
		"2.0": {"GET", "/two/7?b=2&a=1&b=3", "", []string{"X-A: x", "Cookie: c=1; d=2"},
			`{"version":"2.0","body":"-","base64":false,"id":"7","query":{"a":"1","b":"2,3"},"cookies":["c=1","d=2"],"x":"x","method":"GET"}`},
		"1.0": {"GET", "/one/7?b=2&a=1&b=3", "", []string{"X-A: x"},
			`{"version":"1.0","body":null,"base64":false,"id":"7","query":{"a":"1","b":"3"},"all":{"a":["1"],"b":["2","3"]},"x":"x","method":"GET"}`},
		"2.0 with text":   {"POST", "/two/7", "hello", nil, `{"version":"2.0","body":"hello","base64":false,"id":"7","method":"POST"}`},
		"1.0 with text":   {"POST", "/one/7", "hello", nil, `{"version":"1.0","body":"hello","base64":false,"id":"7","query":null,"all":null,"method":"POST"}`},
		"2.0 with bytes":  {"PUT", "/two/7", "\x00\xff\x01", nil, `{"version":"2.0","body":"AP8B","base64":true,"id":"7","method":"PUT"}`},
		"escaped in path": {"GET", "/two/a%20b%2Fc", "", nil, `{"version":"2.0","body":"-","base64":false,"id":"a b/c","method":"GET"}`},
	} {
		t.Run(name, func(t *testing.T) {
			reply := g.Do(t, c.method, c.path, c.body, c.fields...)
			expect(t, g, reply, 200, c.want, "")
			if reply.Length != int64(len(c.want)) {
				t.Errorf("Content-Length %d", reply.Length)
			}
		})
	}
}

func TestFunctionResults(t *testing.T) {
	g := startFunctions(t)
	type header = map[string][]string
	for name, c := range map[string]struct {
		path        string
		status      int
		want, cause string
		header      header
	}{
		"text":                 {"/answer?as=text", 200, "plain text", "", header{"Content-Type": {"application/json"}, "Content-Length": {"10"}}},
		"object":               {"/answer?as=object", 200, `{"a":1}`, "", header{"Content-Type": {"application/json"}}},
		"nothing":              {"/answer?as=nothing", 200, "", "", header{"Content-Length": {"0"}, "Content-Type": nil}},
		"cookies":              {"/answer?as=cookies", 201, "done", "", header{"Set-Cookie": {"a=1", "b=2"}, "X-N": {"5"}}},
		"bytes":                {"/answer?as=bytes", 200, "\x00\xff\x01", "", header{"Content-Type": {"image/png"}, "Content-Length": {"3"}}},
		"1.0, many values":     {"/answer-one?as=multi", 200, "done", "", header{"Set-Cookie": {"a=1", "b=2"}}},
		"1.0, text":            {"/answer-one?as=text", 500, internal, "function result", nil},
		"1.0, nothing":         {"/answer-one?as=nothing", 500, internal, "the result is null", nil},
		"1.0, cookies of 2.0":  {"/answer-one?as=cookies", 500, internal, "format 1.0 has no cookies", nil},
		"status out of range":  {"/answer?as=status", 500, internal, "statusCode 42 is not between 200 and 599", nil},
		"body that is no text": {"/answer?as=body", 500, internal, "body is not a string", nil},
		"name of no header":    {"/answer?as=header", 500, internal, "bad name", nil},
		"value that splits":    {"/answer?as=split", 500, internal, "x-a", nil},
		"over maxResult":       {"/answer?as=long", 500, internal, "limit passed: maxResult 1000 bytes (postern.yaml:", nil},
		"fetch handler":        {"/fetch", 207, "GET /fetch ", "", header{"X-Kind": {"fetch"}}},
		"mock":                 {"/mock", 203, "mocked", "", header{"X-Mock": {"a"}, "Content-Length": {"6"}}},
		"mock without a body":  {"/empty", 204, "", "", header{"Content-Length": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			reply := g.Get(t, c.path)
			expect(t, g, reply, c.status, c.want, c.cause)
			for name, want := range c.header {
				if diff := cmp.Diff(want, reply.Header.Values(name)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
			if strings.Contains(fmt.Sprint(reply.Header), "Injected") {
				t.Errorf("a header was split: %v", reply.Header)
			}
			expect(t, g, g.Get(t, "/answer?as=text"), 200, "plain text", "")
		})
	}
}

func TestFunctionBodies(t *testing.T) {
	g := startFunctions(t)
	big := strings.Repeat("0123456789abcdef", 1<<15) + "\xff" // more than any buffer, and no text
	if reply := g.Do(t, "POST", "/echo", big); reply.Body != big || reply.Err != nil {
		t.Errorf("a Wasm guest echoed %d of %d bytes, %v", len(reply.Body), len(big), reply.Err)
	}
	reply := g.Do(t, "POST", "/echo", "short")
	expect(t, g, reply, 200, "short", "")
	if reply.Length != 5 {
		t.Errorf("a result that was all there has Content-Length %d", reply.Length)
	}
	expect(t, g, g.Do(t, "POST", "/digest", big), 200, fmt.Sprintf("%x", sha256.Sum256([]byte(big))), "")

	for _, path := range []string{"/small", "/small-wasm"} {
		const cause = "it is over maxBody, 5 bytes (postern.yaml:"
		expect(t, g, g.Do(t, "POST", path, "123456"), 413, tooLarge, cause)
		// In chunks, the length is not known before.
		reply, err := g.Send(t.Context(), "POST", path, struct{ *strings.Reader }{strings.NewReader("123456")})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, g, reply, 413, tooLarge, cause)
		reply, err = g.Send(t.Context(), "POST", path, struct{ *strings.Reader }{strings.NewReader("12345")})
		if err != nil || reply.Status != 200 {
			t.Errorf("five bytes in chunks: %+v %v", reply, err)
		}
	}
}
