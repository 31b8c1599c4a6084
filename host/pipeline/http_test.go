package pipeline_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/server/servertest"
)

func TestHTTPIntegration(t *testing.T) {
	g := servertest.Start(t, project(`
apis:
	main:
		routes:
			ANY /item/{id}: {integration: {http: "UPSTREAM/things/{id}"}}
			ANY /query/{id}: {integration: {http: "UPSTREAM/find?fixed=1&id={id}"}}
			ANY /deep/{rest+}: {integration: {http: "UPSTREAM/base/{rest}"}}
			ANY /stage: {integration: {http: "${stageVariables.backend}/staged"}}
			ANY /put: {integration: {http: "UPSTREAM/put", method: PUT}}
			ANY /up/{rest+}: {integration: {upstream: pool}}
			ANY /pathed/{rest+}: {integration: {upstream: pool, path: "/v2/{rest}"}}
			ANY /small: {request: {maxBody: 5B}, integration: {http: "UPSTREAM/small"}}
		stages: {$default: {variables: {backend: "UPSTREAM/root"}}}
upstreams: {pool: {targets: ["UPSTREAM"]}}
`, nil, "UPSTREAM", backend(t, echo)))
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want, cause        string
	}{
		"a parameter":                       {"GET", "/item/7", "", 200, "GET /things/7 ", ""},
		"the query is appended":             {"GET", "/item/7?a=%20&b", "", 200, "GET /things/7?a=%20&b ", ""},
		"the method is the client's":        {"DELETE", "/item/7", "", 200, "DELETE /things/7 ", ""},
		"or the definition's":               {"POST", "/put", "x", 200, "PUT /put x", ""},
		"escapes stay":                      {"GET", "/item/a%2Fb%3Fc%23d", "", 200, "GET /things/a%2Fb%3Fc%23d ", ""},
		"what is raw becomes escaped":       {"GET", "/item/a;b|c", "", 200, "GET /things/a;b%7Cc ", ""},
		"a parameter in the query":          {"GET", "/query/a%26x=1%3D?q=2", "", 200, "GET /find?fixed=1&id=a%26x%3D1%3D&q=2 ", ""},
		"greedy":                            {"GET", "/deep/a/b%2Fc", "", 200, "GET /base/a/b%2Fc ", ""},
		"a parameter that climbs":           {"GET", "/item/%2e%2e", "", 400, badRequest, "climbs"},
		"a greedy one that climbs":          {"GET", "/deep/a/..%2f..%2fb", "", 400, badRequest, "climbs"},
		"or climbs encoded twice":           {"GET", "/deep/%252e%252e/b", "", 400, badRequest, "climbs"},
		"a stage variable":                  {"POST", "/stage?x=1", "body", 200, "POST /root/staged?x=1 body", ""},
		"upstream gets the path":            {"POST", "/up/a/b?c=d", "body", 200, "POST /up/a/b?c=d body", ""},
		"without the stage":                 {"GET", "/_postern/main/$default/up/a", "", 200, "GET /up/a ", ""},
		"upstream with a path":              {"GET", "/pathed/a/b?c", "", 200, "GET /v2/a/b?c ", ""},
		"a path that climbs past its route": {"GET", "/up/a/..%2f..%2fitem", "", 400, badRequest, "climb"},
		"a body over its limit":             {"POST", "/small", "123456", 413, tooLarge, "it is over maxBody, 5 bytes (postern.yaml:"},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, g, g.Do(t, c.method, c.path, c.body), c.status, c.want, c.cause)
			expect(t, g, g.Get(t, "/item/1"), 200, "GET /things/1 ", "")
		})
	}
	t.Run("a body in chunks over its limit", func(t *testing.T) {
		reply, err := g.Send(t.Context(), "POST", "/small", struct{ io.Reader }{strings.NewReader("123456")})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, g, reply, 413, tooLarge, "it is over maxBody, 5 bytes (postern.yaml:")
		expect(t, g, g.Do(t, "POST", "/small", "12345"), 200, "POST /small 12345", "")
	})
}

func TestForwardedFields(t *testing.T) {
	var got http.Header
	var host string
	url := backend(t, func(w http.ResponseWriter, r *http.Request) {
		got, host = r.Header, r.Host
		for name, value := range map[string]string{"Connection": "X-Private", "X-Private": "1", "Keep-Alive": "timeout=5",
			"X-Public": "2", "Proxy-Authenticate": "Basic"} {
			w.Header().Set(name, value)
		}
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.WriteHeader(299)
	})
	g := servertest.Start(t, project(`apis: {main: {routes: {$default: {integration: {http: "UPSTREAM"}}}}}`, nil, "UPSTREAM", url))
	reply := g.Get(t, "/", "Host: shop.example.com", "Connection: X-Drop, keep-alive", "X-Drop: 1", "X-Keep: 2", "Te: trailers, gzip", "Upgrade: h2c",
		"Proxy-Authorization: secret", "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Forwarded-Proto: https", "User-Agent: tester", "Accept-Encoding: br")
	if want := strings.TrimPrefix(url, "http://"); host != want {
		t.Errorf("Host %q, want %q", host, want)
	}
	want := http.Header{"X-Keep": {"2"}, "Te": {"trailers"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {"shop.example.com"},
		"X-Forwarded-Proto": {"http"}, "X-Forwarded-Port": {g.URL[strings.LastIndex(g.URL, ":")+1:]}, "Via": {"1.1 postern"}, "User-Agent": {"tester"},
		"Accept-Encoding": {"br"}, "Forwarded": {"for=127.0.0.1;host=shop.example.com;proto=http"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the upstream got -want +got\n%s", diff)
	}
	if reply.Status != 299 || reply.Header.Get("X-Public") != "2" || len(reply.Header.Values("Set-Cookie")) != 2 {
		t.Errorf("%+v", reply)
	}
	for _, name := range []string{"X-Private", "Keep-Alive", "Proxy-Authenticate", "Connection"} {
		if reply.Header.Get(name) != "" {
			t.Errorf("%s reached the client", name)
		}
	}
}

// An upstream over TLS is trusted by its own CA, speaks HTTP/2, and is refused without the CA.
func TestUpstreamOverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	g := servertest.Start(t, project(`
apis:
	main:
		routes:
			GET /trusted: {integration: {upstream: trusted}}
			GET /named: {integration: {upstream: named}}
			GET /unknown: {integration: {upstream: unknown}}
			GET /direct: {integration: {http: "UPSTREAM/"}}
upstreams:
	trusted: {targets: ["UPSTREAM"], tls: {ca: ./ca.pem}}
	named: {targets: ["UPSTREAM"], tls: {ca: ./ca.pem, serverName: other.org}}
	unknown: {targets: ["UPSTREAM"]}
`, map[string]string{"ca.pem": string(ca)}, "UPSTREAM", s.URL))
	expect(t, g, g.Get(t, "/trusted"), 200, "HTTP/2.0", "")
	expect(t, g, g.Get(t, "/named"), 502, badGateway, "other.org")
	expect(t, g, g.Get(t, "/unknown"), 502, badGateway, "certificate signed by unknown authority")
	expect(t, g, g.Get(t, "/direct"), 502, badGateway, "certificate signed by unknown authority")
	expect(t, g, g.Get(t, "/trusted"), 200, "HTTP/2.0", "")
}
