package js_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

func TestEveryExportForm(t *testing.T) {
	const sole = "authorize map_request map_response handle"
	for name, c := range map[string]struct {
		file, code string
		entries    string
		call       string
	}{
		"ES module, handler":            {"a.js", "export const handler = async (e) => ({got: e.n})", sole, "handle"},
		"TypeScript":                    {"a.ts", "interface E { n: number }\nexport const handler = async (e: E): Promise<object> => ({got: e.n})", sole, "handle"},
		"authorize":                     {"a.js", "export function authorize(e) { return {got: e.n} }", "authorize", "authorize"},
		"authorize by handler":          {"a.js", "export const handler = (e) => ({got: e.n})", sole, "authorize"},
		"handle":                        {"a.js", "export function handle(e) { return {got: e.n} }", "handle", "handle"},
		"default function":              {"a.js", "export default async function (e) { return {got: e.n} }", sole, "handle"},
		"default object":                {"a.js", "export default { handle(e) { return {got: this.x + e.n - 1} }, x: 1 }", "handle", "handle"},
		"CommonJS exports":              {"a.js", "exports.handler = (e) => ({got: e.n})", sole, "handle"},
		"CommonJS module.exports":       {"a.cjs", "module.exports = { authorize: (e) => ({got: e.n}), handler: (e) => ({got: e.n}) }", "authorize handle", "handle"},
		"CommonJS function":             {"a.js", "module.exports = (e) => ({got: e.n})", sole, "handle"},
		"CommonJS, sole export of many": {"a.js", "exports.helper = 1; exports.handler = (e) => ({got: e.n})", sole, "handle"},
		"a helper called fetch":         {"a.js", "export const fetch = () => 1\nexport const handler = (e) => ({got: e.n})", sole, "handle"},
		"callback":                      {"a.js", "exports.handler = (e, context, callback) => { setTimeout(() => callback(null, {got: e.n}), 1) }", sole, "handle"},
		"several":                       {"a.js", "export function authorize(e) {}\nexport function handle(e) { return {got: e.n} }", "authorize handle", "handle"},
		"a class with static method":    {"a.js", "export default class { static handle(e) { return {got: e.n} } }", "handle", "handle"},
	} {
		t.Run(name, func(t *testing.T) {
			m := compile(t, c.file, c.code)
			if diff := cmp.Diff(strings.Fields(c.entries), m.Info().Entries); diff != "" {
				t.Error(diff)
			}
			for _, isolation := range []host.Isolation{host.IsolationFresh, host.IsolationPooled} {
				p := open(t, c.file, c.code, func(cfg *host.PluginConfig) { cfg.Isolation = isolation })
				for range 2 {
					r, err := call(p, c.call, `{"n": 1}`, nil, nil)
					if err != nil {
						t.Fatal(err)
					}
					same(t, r.meta, `{"got": 1}`)
				}
			}
		})
	}
}

func TestNothingUsable(t *testing.T) {
	for _, code := range []string{"export const x = 1", "console.log(1)", "export default {}", "export const handler = 1"} {
		_, err := newRuntime(t).Compile(context.Background(), source(t, "a.js", code))
		if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "must export a function") {
			t.Errorf("%s: %v", code, err)
		}
	}
	p := open(t, "a.js", "export function authorize() {}")
	if _, err := call(p, "handle", "{}", nil, nil); !errors.Is(err, host.Unsupported) {
		t.Error(err)
	}
}

func TestFunctionBody(t *testing.T) {
	code := "export const handler = (e) => [typeof e.body, e.body === undefined ? '-' : e.body, e.isBase64Encoded]"
	p := open(t, "a.js", code)
	for name, c := range map[string]struct{ meta, body, want string }{
		"text":          {`{"version": "2.0"}`, "hello ü", `["string", "hello ü", false]`},
		"binary":        {`{"version": "2.0"}`, "\xff\x00", `["string", "/wA=", true]`},
		"by its type":   {`{"version": "2.0", "headers": {"content-type": "image/png"}}`, "abc", `["string", "YWJj", true]`},
		"JSON":          {`{"headers": {"Content-Type": "application/problem+json; charset=utf-8"}}`, "{}", `["string", "{}", false]`},
		"empty in 2.0":  {`{"version": "2.0"}`, "", `["undefined", "-", false]`},
		"empty in 1.0":  {`{"version": "1.0"}`, "", `["object", null, false]`},
		"none":          {`{"a": 1}`, "none", `["undefined", "-", null]`},
		"bodies inside": {`{"body": "x"}`, "none", `["string", "x", null]`},
	} {
		t.Run(name, func(t *testing.T) {
			b := body(c.body)
			if c.body == "none" {
				b = nil
			}
			r, err := call(p, "handle", c.meta, b, nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, r.meta, c.want)
		})
	}
}

// A body that breaks off is the reader's error, with its kind.
func TestBodyBreaksOff(t *testing.T) {
	p := open(t, "a.js", "export const handler = (e) => e.body")
	broken := io.NopCloser(iotest.ErrReader(&host.Error{Op: "read", Kind: host.TooLarge}))
	if _, err := call(p, "handle", "{}", broken, nil); !errors.Is(err, host.TooLarge) {
		t.Error(err)
	}
}

func TestFunctionResults(t *testing.T) {
	for code, want := range map[string]result{
		"undefined":                      {meta: "null"},
		"'text'":                         {meta: `"text"`},
		"({statusCode: 201, body: 'x'})": {meta: `{"statusCode":201,"body":"x"}`},
		"({statusCode: 200, body: new Uint8Array([104, 105])})":                      {meta: `{"statusCode":200}`, body: "hi", has: true},
		"({body: new Uint8Array([1, 104, 105]).buffer.slice(1)})":                    {meta: `{}`, body: "hi", has: true},
		"({body: new Uint8Array([1, 104, 105]).subarray(1), isBase64Encoded: true})": {meta: `{}`, body: "hi", has: true},
		"({body: Buffer.from('aGk=', 'base64')})":                                    {meta: `{}`, body: "hi", has: true},
		"({then(ok) { ok({a: 1}) }})":                                                {meta: `{"a":1}`},
		"Promise.resolve(5)":                                                         {meta: "5"},
		"[1n === 1n, -0, NaN]":                                                       {meta: "[true,0,null]"},
	} {
		r, err := call(open(t, "a.js", "export const handle = () => "+code), "handle", "{}", nil, nil)
		if err != nil {
			t.Errorf("%s: %v", code, err)
		} else if diff := cmp.Diff(want, r, cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("%s: %s", code, diff)
		}
	}
}

func TestContext(t *testing.T) {
	code := `export const authorize = (event, context) => {
	  const { config } = context
	  return { config, id: /^[0-9a-f]{8}-[0-9a-f]{4}-4/.test(context.awsRequestId), name: context.functionName, left: context.getRemainingTimeInMillis() > 1000,
	    secret: context.secrets.KEY, none: typeof context.secrets.OTHER, env: process.env.TABLE, keys: Object.keys(process.env), shown: JSON.stringify(context).includes('hidden') }
	}`
	p := open(t, "a.js", code, pooled, func(c *host.PluginConfig) {
		c.Config = []byte(`{"issuer": "acme"}`)
		c.Env = map[string]string{"TABLE": "orders"}
		c.Secrets = []host.Secret{{Name: "KEY"}}
	})
	for range 2 {
		r, err := call(p, "authorize", "{}", nil, &effects{secrets: map[string]string{"KEY": "hidden", "OTHER": "no"}})
		if err != nil {
			t.Fatal(err)
		}
		same(t, r.meta, `{"config": {"issuer": "acme"}, "id": true, "name": "test", "left": true, "secret": "hidden", "none": "undefined", "env": "orders", "keys": ["TABLE"], "shown": false}`)
	}
}

func TestFunctionContext(t *testing.T) {
	tells := `({name: c.functionName, version: c.functionVersion, arn: c.invokedFunctionArn, id: c.awsRequestId, client: c.clientContext})`
	event := `{"version":"2.0","rawPath":"/","headers":{"host":"a"},"requestContext":{"http":{"method":"GET","path":"/"},"domainName":"a"}}`
	whole := &host.FunctionContext{Name: "greet", Version: "7", ARN: "arn:postern:lambda:local:000000000000:function:greet:live",
		RequestID: "r-1", Client: []byte(`{"custom": {"a": [1]}}`)}
	for name, code := range map[string]string{
		"handler":        `export const handler = (e, c) => ` + tells,
		"fetch":          `export default {fetch: (r, env, c) => Response.json(` + tells + `)}`,
		"callback style": `export const handler = (e, c, done) => { done(null, ` + tells + `) }`,
	} {
		p := open(t, "a.js", code, pooled)
		for _, c := range []struct {
			told *host.FunctionContext
			want string
		}{
			{whole, `{"name":"greet","version":"7","arn":"arn:postern:lambda:local:000000000000:function:greet:live","id":"r-1","client":{"custom":{"a":[1]}}}`},
			{&host.FunctionContext{Name: "greet", Version: "$LATEST", ARN: "a", RequestID: "r-2"}, `{"name":"greet","version":"$LATEST","arn":"a","id":"r-2"}`},
		} {
			out, err := p.Call(t.Context(), "handle", host.Event{Meta: []byte(event), Function: c.told}, &effects{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := string(out.Meta)
			if out.Body != nil {
				body, err := io.ReadAll(out.Body)
				if err != nil {
					t.Fatal(err)
				}
				got = string(body)
			}
			if got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
		if _, err := p.Call(t.Context(), "handle", host.Event{Meta: []byte(event), Function: &host.FunctionContext{Client: []byte(`{`)}}, &effects{}); err == nil {
			t.Errorf("%s: a client context that is no JSON", name)
		}
	}
}

func TestFetchHandler(t *testing.T) {
	code := `export default {
	  async fetch(request, env, ctx) {
	    ctx.waitUntil(new Promise((done) => setTimeout(() => { console.log('later'); done() }, 1)))
	    const h = new Headers({'x-got': JSON.stringify([request.method, request.url, request.headers.get('cookie'), await request.text(), env.TABLE, env.KEY])})
	    h.append('set-cookie', 'a=1')
	    h.append('set-cookie', 'b=2')
	    return new Response(new Uint8Array([0, 255]), { status: 201, headers: h })
	  }
	}`
	fx := &effects{secrets: map[string]string{"KEY": "s"}}
	p := open(t, "a.ts", code, func(c *host.PluginConfig) {
		c.Env = map[string]string{"TABLE": "orders"}
		c.Secrets = []host.Secret{{Name: "KEY"}}
	})
	r, err := call(p, "handle", `{"version": "2.0", "rawPath": "/a/b", "rawQueryString": "x=1", "cookies": ["c=1", "d=2"], "headers": {"host": "api.example.com"},
		"requestContext": {"domainName": "other", "http": {"method": "POST"}}}`, body("hello"), fx)
	if err != nil {
		t.Fatal(err)
	}
	same(t, r.meta, `{"statusCode": 201, "cookies": ["a=1", "b=2"], "headers": {"x-got": "[\"POST\",\"https://api.example.com/a/b?x=1\",\"c=1; d=2\",\"hello\",\"orders\",\"s\"]"}}`)
	if r.body != "\x00\xff" {
		t.Errorf("body %q", r.body)
	}
	fx.await(t, "INFO later")
	r, err = call(p, "handle", `{"version": "1.0", "path": "/v1", "httpMethod": "GET", "multiValueQueryStringParameters": {"a": ["1", "2 3"]}, "multiValueHeaders": {"Cookie": ["x=y"]}, "requestContext": {"domainName": "d.example"}}`, body(""), fx)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.meta, `https://d.example/v1?a=1&a=2+3`) || !strings.Contains(r.meta, "x=y") {
		t.Error(r.meta)
	}
	if _, err := call(open(t, "b.js", "export default { fetch: () => 'text' }"), "handle", `{"httpMethod": "GET", "path": "/"}`, nil, nil); !strings.Contains(guest(t, err).Message, "must return a Response") {
		t.Error(err)
	}
}

// A router may be a proxy that has a function for every name that is asked for; only what it says that it has counts.
func TestProxyAsDefaultExport(t *testing.T) {
	code := `export default { __proto__: new Proxy({}, { get: () => () => 'a route' }), fetch: (request) => new Response(request.url) }`
	if diff := cmp.Diff([]string{"handle"}, compile(t, "a.js", code).Info().Entries); diff != "" {
		t.Error(diff)
	}
	r, err := call(open(t, "a.js", code), "handle", `{"rawPath": "/x", "requestContext": {"domainName": "d", "http": {"method": "GET"}}}`, nil, nil)
	if err != nil || r.body != "https://d/x" {
		t.Error(r, err)
	}
}

func TestMapping(t *testing.T) {
	code := `export function map_request(input, context, stageVariables) {
	  context.requestOverride.header['x-id'] = input.params('id')
	  context.requestOverride.querystring.n = [7, 'x']
	  context.requestOverride.path.p = context.requestId
	  context.responseOverride.status = 202
	  return { name: input.path('$.user.name'), second: input.path("$['items'][1]"), last: input.path('$.items[-1]'), none: input.path('$.no.where') === undefined,
	    inherited: typeof input.path('$.constructor'), raw: input.body.length, all: input.params(), env: stageVariables.stage, header: input.params('x-lower'), config: context.config.a, n: input.json().items.length }
	}
	export const map_response = async (input) => input.response.status + ':' + input.body.toUpperCase()`
	p := open(t, "a.ts", "// @ts-nocheck\n"+code, pooled, func(c *host.PluginConfig) { c.Config = []byte(`{"a": 1}`) })
	r, err := call(p, "map_request", `{"params": {"path": {"id": "p"}, "querystring": {"id": "q", "z": "1"}, "header": {"X-Lower": "h"}}, "context": {"requestId": "r-1"}, "stageVariables": {"stage": "dev"}}`,
		body(`{"user": {"name": "Ann"}, "items": [1, 2, 3]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, r.meta, `{"requestOverride": {"header": {"x-id": "p"}, "querystring": {"n": ["7", "x"]}, "path": {"p": "r-1"}}, "responseOverride": {"header": {}, "status": 202}, "contentType": "application/json"}`)
	same(t, r.body, `{"name": "Ann", "second": 2, "last": 3, "none": true, "inherited": "undefined", "raw": 45, "all": {"path": {"id": "p"}, "querystring": {"id": "q", "z": "1"}, "header": {"X-Lower": "h"}}, "env": "dev", "header": "h", "config": 1, "n": 3}`)
	r, err = call(p, "map_response", `{"response": {"status": 200}}`, body("ok"), nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, r.meta, `{"requestOverride": {"header": {}, "querystring": {}, "path": {}}, "responseOverride": {"header": {}}, "contentType": ""}`)
	if r.body != "200:OK" {
		t.Errorf("body %q", r.body)
	}
	for returned, want := range map[string]string{"undefined": "", "null": "", "new Uint8Array([104, 105])": "hi", "''": ""} {
		r, err := call(open(t, "a.js", "export const map_request = () => "+returned), "map_request", "{}", body("x"), nil)
		if err != nil || r.body != want || !r.has {
			t.Errorf("%s: %v %+v", returned, err, r)
		}
	}
	for _, bad := range []string{"input.path('$..a')", "input.path('$.a[*]')", "input.path('a')", "input.path('$.a[?(@.b)]')", "input.path('$.a[x]')"} {
		_, err := call(open(t, "a.js", "export const map_request = (input) => "+bad), "map_request", "{}", body("{}"), nil)
		if g := guest(t, err); !strings.Contains(g.Message, "path") || g.Pos.File != "a.js" {
			t.Errorf("%s: %+v", bad, g)
		}
	}
}
