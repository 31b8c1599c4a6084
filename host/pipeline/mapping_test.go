package pipeline_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

const mapped = `
apis:
	main:
		routes:
			POST /by-type:
				request: {mapping: {application/json: ./json.js, text/csv: ./csv.js}}
				integration: {http: "UPSTREAM/in"}
			POST /only-templates:
				request: {mapping: {application/json: ./json.js}}
				integration: {http: "UPSTREAM/in", passthroughBehavior: WHEN_NO_TEMPLATES}
			POST /never:
				request: {mapping: {application/json: ./json.js}}
				integration: {http: "UPSTREAM/in", passthroughBehavior: NEVER}
			POST /default:
				request: {mapping: {$default: ./csv.js}}
				integration: {http: "UPSTREAM/in", method: PUT}
			POST /wasm:
				request: {mapping: {$default: ./echo.wasm}}
				integration: {http: "UPSTREAM/in"}
			POST /overrides/{id}:
				request: {mapping: {$default: ./overrides.js}}
				integration: {http: "UPSTREAM/{id}?fixed=1"}
			POST /small:
				request: {maxBody: 10B, mapping: {$default: ./json.js}}
				integration: {http: "UPSTREAM/in"}
			POST /hostile:
				request: {mapping: {$default: {plugin: ./hostile.js, timeout: 2s, maxResult: 200B}}}
				integration: {http: "UPSTREAM/in"}
			POST /function:
				request: {mapping: {application/json: ./json.js}}
				integration: {function: mirror}
			GET /ok: {integration: {mock: {body: ok}}}
functions: {mirror: {plugin: ./mirror.js}}
`

var mappedFiles = map[string]string{
	"json.js":   `export const map_request = (input) => ({json: input.json()})`,
	"csv.js":    `export const map_request = (input) => "csv:" + input.body.split(",").length`,
	"mirror.js": `export const handler = (e) => ({mirrored: e})`,
	"overrides.js": `export function map_request(input, context) {
		context.requestOverride.header["x-single"] = "new";
		context.requestOverride.header["x-list"] = ["a", "b"];
		context.requestOverride.querystring.q = "new value";
		context.requestOverride.path.id = "in side/b%2f";
		context.responseOverride.header["x-made"] = "by mapping";
		context.responseOverride.status = 202;
		return new Uint8Array([1, 255, 0]);
	}`,
	"hostile.js": `export function map_request(input, context) {
		switch (input.body) {
		case "throw": throw new RangeError("no such order");
		case "much": return "x".repeat(201);
		case "spin": for (;;) {}
		case "header": context.requestOverride.header["bad name"] = "x"; return "";
		case "status": context.responseOverride.status = 99; return "";
		case "recurse": return map_request(input, context);
		}
		return "";
	}`,
}

func startMapped(t *testing.T) *servertest.Gateway {
	t.Helper()
	files := map[string]string{"echo.wasm": servertest.Guest(t, "echo.wasm")}
	for name, content := range mappedFiles {
		files[name] = content
	}
	return servertest.Start(t, project(mapped, files, "UPSTREAM", backend(t, echo)))
}

func TestRequestMapping(t *testing.T) {
	g := startMapped(t)
	for name, c := range map[string]struct {
		path, contentType, body string
		status                  int
		want, cause             string
	}{
		"JSON":                                  {"/by-type", "application/json", `{"a":1}`, 200, `POST /in {"json":{"a":1}}`, ""},
		"JSON, with a parameter":                {"/by-type", "Application/JSON; charset=utf-8", `1`, 200, `POST /in {"json":1}`, ""},
		"no type is JSON":                       {"/by-type", "", `1`, 200, `POST /in {"json":1}`, ""},
		"CSV":                                   {"/by-type", "text/csv", `1,2,3`, 200, `POST /in csv:3`, ""},
		"another type passes":                   {"/by-type", "text/plain", `as it is`, 200, `POST /in as it is`, ""},
		"WHEN_NO_TEMPLATES":                     {"/only-templates", "text/plain", `x`, 415, unsupported, "map request: unsupported"},
		"WHEN_NO_TEMPLATES, mapped":             {"/only-templates", "application/json", `2`, 200, `POST /in {"json":2}`, ""},
		"NEVER":                                 {"/never", "text/plain", `x`, 415, unsupported, "map request: unsupported"},
		"NEVER, mapped":                         {"/never", "", `2`, 200, `POST /in {"json":2}`, ""},
		"$default, and a method":                {"/default", "image/png", `a,b`, 200, `PUT /in csv:2`, ""},
		"Wasm":                                  {"/wasm", "text/plain", "raw \x00\xff", 200, "POST /in raw \x00\xff", ""},
		"function, whole payload":               {"/function", "application/json", `{"n":1}`, 200, `{"mirrored":{"json":{"n":1}}}`, ""},
		"not JSON":                              {"/by-type", "application/json", `{"a`, 500, internal, "SyntaxError"},
		"over maxBody":                          {"/small", "", `"123456789"`, 413, tooLarge, "maxBody, 10 bytes (postern.yaml:"},
		"at maxBody":                            {"/small", "", `"12345678"`, 200, `POST /in {"json":"12345678"}`, ""},
		"throws":                                {"/hostile", "", "throw", 500, internal, "hostile.js:3:"},
		"returns too much":                      {"/hostile", "", "much", 500, internal, "limit passed: maxResult 200 bytes (postern.yaml:"},
		"spins":                                 {"/hostile", "", "spin", 504, timedOut, "its timeout (postern.yaml:"},
		"a name that is none":                   {"/hostile", "", "header", 500, internal, "bad name"},
		"a status that is none changes nothing": {"/hostile", "", "status", 200, "POST /in ", ""},
		"recurses":                              {"/hostile", "", "recurse", 500, internal, "Maximum call stack size exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			var fields []string
			if c.contentType != "" {
				fields = append(fields, "Content-Type: "+c.contentType)
			}
			expect(t, g, g.Do(t, "POST", c.path, c.body, fields...), c.status, c.want, c.cause)
			expect(t, g, g.Get(t, "/ok"), 200, "ok", "")
			expect(t, g, g.Do(t, "POST", "/by-type", "1"), 200, `POST /in {"json":1}`, "")
		})
	}
}

func TestRequestOverrides(t *testing.T) {
	var got http.Request
	var body []byte
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		got = *r
		w.Header().Set("X-Made", "by upstream")
	})
	g := servertest.Start(t, project(mapped, mappedFiles, "UPSTREAM", url, "./echo.wasm", "./csv.js"))
	reply := g.Do(t, "POST", "/overrides/old?q=1&r=%2B&q=2&s", "x", "X-Single: old", "X-Single: older", "X-Kept: kept", "Content-Encoding: identity")
	if reply.Status != 202 || reply.Header.Get("X-Made") != "by mapping" || len(reply.Header.Values("X-Made")) != 1 {
		t.Errorf("%+v", reply)
	}
	if want := "/in%20side%2Fb%2f?fixed=1&r=%2B&s&q=new+value"; got.RequestURI != want {
		t.Errorf("target %q, want %q", got.RequestURI, want)
	}
	for name, want := range map[string]string{"X-Single": "new", "X-List": "a b", "X-Kept": "kept"} {
		if have := strings.Join(got.Header.Values(name), " "); have != want {
			t.Errorf("%s: %q, want %q", name, have, want)
		}
	}
	if !bytes.Equal(body, []byte{1, 255, 0}) || got.ContentLength != 3 {
		t.Errorf("body %v, length %d", body, got.ContentLength)
	}
}

func TestCodedRequestsCannotBeMapped(t *testing.T) {
	g := startMapped(t)
	var coded bytes.Buffer
	z := gzip.NewWriter(&coded)
	_, _ = z.Write([]byte(`{"a":1}`))
	_ = z.Close()
	reply := g.Do(t, "POST", "/by-type", coded.String(), "Content-Encoding: gzip")
	expect(t, g, reply, 415, unsupported, `a mapping cannot read content coding "gzip"`)
	reply = g.Do(t, "POST", "/by-type", coded.String(), "Content-Encoding: gzip", "Content-Type: text/plain")
	expect(t, g, reply, 200, "POST /in "+coded.String(), "")
}
