package pipeline_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

// BenchmarkFilter shows what a filter costs a small exchange, over HTTP/1.1 on loopback.
func BenchmarkFilter(b *testing.B) {
	for _, c := range []struct{ name, filter string }{
		{"none", ""},
		{"wasm fields", wasmFilter("REQUEST", `{"setHeaders":[["X-A","1"]]}`, "RESPONSE", `{"setHeaders":[["X-B","2"]]}`)},
		{"wasm body", wasmFilter("RESPONSE", `{"body":true}`, "DO_RESPONSE", "u")},
		{"js fields", "./fields.js"},
		{"js body", "./body.js"},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := servertest.Start(b, project(`apis: {main: {routes: {GET /x: {filters: [FILTER], integration: {mock: {body: hello}}}}}}`, map[string]string{
				"filter.wasm": servertest.Guest(b, "filter_by_env.wasm"),
				"fields.js": `export const filter_request = (r) => { r.headers.set("x-a", "1") };
					export const filter_response = (r) => { r.headers.set("x-b", "2") };`,
				"body.js": `export const filter_response = (r) => new Response(r.body.pipeThrough(new TransformStream()), r);`,
			}, "FILTER", c.filter), servertest.Options{Config: quiet})
			b.ReportAllocs()
			for b.Loop() {
				resp, err := http.Get(g.URL + "/x")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
					b.Fatal(resp.StatusCode, err)
				}
				_ = resp.Body.Close()
			}
		})
	}
}
