package pipeline_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

const answered = `
apis:
	main:
		routes:
			ANY /{status}:
				integration: {http: "UPSTREAM/{status}"}
				responses:
					- {match: "20[0-4]", status: 201, mapping: {application/json: ./json.js, text/plain: ./text.js}}
					- {match: "20\\d", mapping: {application/json: ./json.js}}
					- {match: "4\\d\\d", status: 400}
					- {match: "50[0-2]", status: 503, mapping: {$default: ./decide.js}}
			ANY /limited/{status}:
				integration: {http: "UPSTREAM/{status}"}
				responses: [{mapping: {$default: {plugin: ./hostile.js, timeout: 2s, maxResult: 200B}}}]
			GET /plain/{status}:
				integration: {http: "UPSTREAM/{status}"}
			GET /function:
				integration: {function: hello}
				responses: [{match: "200", mapping: {$default: ./text.js}}]
			GET /ok: {integration: {mock: {body: ok}}}
functions: {hello: {plugin: ./hello.js}}
`

var answeredFiles = map[string]string{
	"json.js":   `export const map_response = (input) => ({was: input.json(), status: input.response.status})`,
	"text.js":   `export function map_response(input, context) { context.responseOverride.header["x-by"] = "text.js"; return "text of " + input.body }`,
	"decide.js": `export function map_response(input, context) { context.responseOverride.status = 418; return "teapot" }`,
	"hello.js":  `export const handler = () => ({statusCode: 200, headers: {"content-type": "text/plain"}, body: "hello"})`,
	"hostile.js": `export function map_response(input) {
		switch (input.body) {
		case "throw": throw new RangeError("no such order");
		case "much": return "x".repeat(201);
		case "spin": for (;;) {}
		}
		return "fine";
	}`,
}

// answers answers with the status of its path, and what the header X-Body asks for.
func answers(w http.ResponseWriter, r *http.Request) {
	status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Etag", `"1"`)
	body := []byte(r.Header.Get("X-Body"))
	switch {
	case r.Header.Get("X-Gzip") != "":
		var coded bytes.Buffer
		z := gzip.NewWriter(&coded)
		_, _ = z.Write(body)
		_ = z.Close()
		body = coded.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	case r.Header.Get("X-Coding") != "":
		body = fmt.Appendf(nil, "%q", r.Header.Get("Accept-Encoding"))
	case r.Header.Get("X-Big") != "":
		body = bytes.Repeat([]byte("x"), 11<<20)
	}
	w.WriteHeader(status)
	if status != 204 && status != 304 {
		_, _ = w.Write(body)
	}
}

func TestResponseMapping(t *testing.T) {
	g := servertest.Start(t, project(answered, answeredFiles, "UPSTREAM", backend(t, answers)))
	for name, c := range map[string]struct {
		method, path string
		fields       []string
		status       int
		want, cause  string
	}{
		"first rule":                    {"GET", "/200", []string{"X-Body: 1"}, 201, `{"was":1,"status":200}`, ""},
		"by what the client accepts":    {"GET", "/200", []string{"X-Body: 1", "Accept: image/png, Text/Plain;q=0.5"}, 201, "text of 1", ""},
		"second rule keeps the status":  {"GET", "/206", []string{"X-Body: 1"}, 206, `{"was":1,"status":206}`, ""},
		"a status alone":                {"GET", "/404", []string{"X-Body: gone"}, 400, "gone", ""},
		"the mapping has the last word": {"GET", "/500", []string{"X-Body: x"}, 418, "teapot", ""},
		"no rule":                       {"GET", "/503", []string{"X-Body: as it is"}, 503, "as it is", ""},
		"redirects are not followed":    {"GET", "/302", []string{"X-Body: there"}, 302, "there", ""},
		"204 has nothing to map":        {"GET", "/204", nil, 201, "", ""},
		"HEAD has nothing to map":       {"HEAD", "/200", nil, 201, "", ""},
		"not JSON":                      {"GET", "/200", []string{"X-Body: {"}, 500, internal, "SyntaxError"},
		"mapped are asked for plain":    {"GET", "/200", []string{"X-Coding: 1", "Accept-Encoding: br"}, 201, `{"was":"identity","status":200}`, ""},
		"passed are asked for theirs":   {"GET", "/plain/200", []string{"X-Coding: 1", "Accept-Encoding: br"}, 200, `"br"`, ""},
		"gzip against our will":         {"GET", "/200", []string{"X-Body: 1", "X-Gzip: 1"}, 502, badGateway, `a mapping cannot read content coding "gzip"`},
		"too large to map":              {"GET", "/200", []string{"X-Big: 1"}, 502, badGateway, "it is over 10485760 bytes"},
		"throws":                        {"GET", "/limited/200", []string{"X-Body: throw"}, 500, internal, "hostile.js:3:"},
		"returns too much":              {"GET", "/limited/200", []string{"X-Body: much"}, 500, internal, "limit passed: maxResult 200 bytes (postern.yaml:"},
		"spins":                         {"GET", "/limited/200", []string{"X-Body: spin"}, 504, timedOut, "2s"},
		"a function's":                  {"GET", "/function", nil, 200, "text of hello", ""},
	} {
		t.Run(name, func(t *testing.T) {
			reply := g.Do(t, c.method, c.path, "", c.fields...)
			if c.path == "/503" { // the upstream's own words, and no failure of ours
				if reply.Status != c.status || reply.Body != c.want {
					t.Errorf("got %d %q", reply.Status, reply.Body)
				}
				return
			}
			expect(t, g, reply, c.status, c.want, c.cause)
			expect(t, g, g.Get(t, "/ok"), 200, "ok", "")
		})
	}
}

func TestMappedResponsesAreDescribedAnew(t *testing.T) {
	g := servertest.Start(t, project(answered, answeredFiles, "UPSTREAM", backend(t, answers)))
	reply := g.Get(t, "/200", "X-Body: 1", "Accept: text/plain")
	for name, want := range map[string]string{"Content-Type": "text/plain", "X-By": "text.js", "Etag": "", "Content-Length": "9"} {
		if got := reply.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	reply = g.Get(t, "/plain/200", "X-Body: 1", "X-Gzip: 1")
	z, err := gzip.NewReader(strings.NewReader(reply.Body))
	if err != nil || reply.Header.Get("Content-Encoding") != "gzip" || reply.Header.Get("Etag") != `"1"` {
		t.Fatalf("a coded response did not pass as it is: %+v, %v", reply, err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(z); err != nil || plain.String() != "1" {
		t.Errorf("%q, %v", plain.String(), err)
	}
}
