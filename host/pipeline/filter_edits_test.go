package pipeline

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

func arrived() *host.Request {
	return &host.Request{
		Method: "GET", Scheme: "https", Host: "a.example", Target: "/prod/x%20y?a=1",
		Header: host.Header{{Name: "Accept", Value: "*/*"}, {Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}, {Name: "TE", Value: "trailers"}, {Name: "X-Latin", Value: "caf\xe9"}},
		Body:   io.NopCloser(strings.NewReader("")),
	}
}

func TestRequestEdits(t *testing.T) {
	keep := arrived()
	for _, c := range []struct {
		name, meta   string
		method, host string
		target, path string
		header       string // "" is what arrived
	}{
		{name: "nothing"},
		{name: "an empty object", meta: " {} "},
		{name: "null", meta: "null"},
		{name: "a method", meta: `{"method":"POST"}`, method: "POST"},
		{name: "a path", meta: `{"path":"/y/%2F"}`, target: "/prod/y/%2F?a=1", path: "/y/%2F"},
		{name: "a query", meta: `{"query":"b=2&c"}`, target: "/prod/x%20y?b=2&c"},
		{name: "no query", meta: `{"query":""}`, target: "/prod/x%20y"},
		{name: "a path and a query", meta: `{"path":"/","query":"?"}`, target: "/prod/??", path: "/"},
		{name: "a host", meta: `{"host":"[::1]:8080"}`, host: "[::1]:8080"},
		{name: "all fields", meta: `{"headers":[["B","1"],["b","2"]]}`, header: "TE: trailers|B: 1|b: 2"},
		{name: "no fields", meta: `{"headers":[]}`, header: "TE: trailers"},
		{name: "the fields that it got", meta: `{"headers":[["Accept","*/*"],["X-A","1"],["x-a","2"],["te","trailers"],["X-Latin","caf\ufffd"]]}`,
			header: "TE: trailers|Accept: */*|X-A: 1|x-a: 2|X-Latin: caf\xe9"},
		{name: "fields that go", meta: `{"removeHeaders":["x-A","te","content-length","none",""]}`, header: "Accept: */*|TE: trailers|X-Latin: caf\xe9"},
		{name: "fields that are set", meta: `{"setHeaders":[["x-a","3"],["new","4"]]}`, header: "Accept: */*|X-A: 3|TE: trailers|X-Latin: caf\xe9|new: 4"},
		{name: "a field that is set to two lines", meta: `{"setHeaders":[["X-A","3"],["x-a","4"]]}`, header: "Accept: */*|X-A: 3|TE: trailers|X-Latin: caf\xe9|x-a: 4"},
		{name: "fields that are added", meta: `{"addHeaders":[["X-A",""]]}`, header: "Accept: */*|X-A: 1|x-a: 2|TE: trailers|X-Latin: caf\xe9|X-A: "},
		{name: "all in their order", meta: `{"addHeaders":[["c","3"]],"setHeaders":[["a","2"]],"removeHeaders":["b"],"headers":[["a","1"],["b","1"]]}`,
			header: "TE: trailers|a: 2|c: 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := arrived()
			var e requestEdits
			if err := decodeEdits([]byte(c.meta), &e); err != nil {
				t.Fatal(err)
			}
			got, path, err := e.apply(r, "/prod", "/x%20y")
			if err != nil {
				t.Fatal(err)
			}
			or := func(s, def string) string {
				if s == "" {
					return def
				}
				return s
			}
			want := []string{or(c.method, "GET"), or(c.host, "a.example"), or(c.target, keep.Target), or(c.path, "/x%20y"), or(c.header, lines(keep.Header))}
			if diff := cmp.Diff(want, []string{got.Method, got.Host, got.Target, path, lines(got.Header)}); diff != "" {
				t.Error(diff)
			}
			if lines(r.Header) != lines(keep.Header) || r.Target != keep.Target || r.Method != keep.Method {
				t.Error("what arrived was changed")
			}
		})
	}
}

func lines(h host.Header) string {
	var all []string
	for _, f := range h {
		all = append(all, f.Name+": "+f.Value)
	}
	return strings.Join(all, "|")
}

func TestRequestEditsThatAreRefused(t *testing.T) {
	many := `["a","b"]` + strings.Repeat(`,["a","b"]`, host.DefaultHeaders)
	long := strings.Repeat("x", maxEditBytes+1)
	for _, meta := range []string{
		`[]`, `1`, `{`, `{} {}`, `{"methd":"GET"}`, `{"statusCode":200}`, `{"method":1}`,
		`{"method":""}`, `{"method":"G T"}`, `{"method":"HEAD"}`, `{"method":"CONNECT"}`, `{"method":"GET\r\nX: y"}`, `{"method":"` + long + `"}`,
		`{"path":""}`, `{"path":"y"}`, `{"path":"/a b"}`, `{"path":"/a?b"}`, `{"path":"/a#b"}`, `{"path":"/../a"}`, `{"path":"/a/%2e%2E/b"}`,
		`{"path":"/a/..;x/b"}`, `{"path":"/a\\b"}`, `{"path":"/a\u0000"}`, `{"path":"/a\r\nX: y"}`, `{"path":"/é"}`, `{"path":"http://b/"}`, `{"path":"/` + long + `"}`,
		`{"query":"a b"}`, `{"query":"a#b"}`, `{"query":"a\nb"}`, `{"query":"` + long + `"}`,
		`{"host":""}`, `{"host":"a b"}`, `{"host":"a/b"}`, `{"host":"u@h"}`, `{"host":"a\r\nb"}`, `{"host":"` + long + `"}`,
		`{"headers":["a","b"]}`, `{"headers":[["a"]]}`, `{"headers":[["a","b","c"]]}`, `{"headers":[["a",null]]}`, `{"headers":[[1,2]]}`, `{"headers":{"a":"b"}}`,
		`{"headers":[["te","gzip"]]}`, `{"headers":[["content-length","5"]]}`, `{"headers":[["host","b"]]}`, `{"headers":[["a b","c"]]}`,
		`{"setHeaders":[["",""]]}`, `{"setHeaders":[["a","b\r\nX: y"]]}`, `{"setHeaders":[["a","\u0000"]]}`, `{"setHeaders":[["a:b","c"]]}`, `{"setHeaders":[["a\n","c"]]}`,
		`{"setHeaders":[["Connection","close"]]}`, `{"setHeaders":[["Content-Length","1"]]}`, `{"setHeaders":[["te","trailers"]]}`,
		`{"addHeaders":[["transfer-encoding","chunked"]]}`, `{"addHeaders":[["Upgrade","h2c"]]}`, `{"addHeaders":[["Host","b"]]}`, `{"addHeaders":[["Keep-Alive","1"]]}`,
		`{"addHeaders":[` + many + `]}`, `{"headers":[` + many + `]}`, `{"setHeaders":[["a","` + long + `"]]}`,
		`{"response":{}}`, `{"response":{"statusCode":101}}`, `{"response":{"statusCode":600}}`, `{"response":{"statusCode":"200"}}`, `{"response":{"statusCode":200,"body":"x"}}`,
		`{"response":{"statusCode":200,"headers":[["Content-Length","1"]]}}`, `{"response":{"statusCode":200,"headers":[["a","\n"]]}}`,
	} {
		var e requestEdits
		err := decodeEdits([]byte(meta), &e)
		if err == nil {
			err = (&plugin{cfg: &host.PluginConfig{}}).countEdits(&e.headerEdits, e.Response)
		}
		if err == nil {
			_, _, err = e.apply(arrived(), "", "/x")
		}
		if err == nil && e.Response != nil {
			_, err = e.Response.apply()
		}
		if err == nil {
			t.Errorf("%.80s was taken", meta)
		} else if len(err.Error()) > 400 {
			t.Errorf("%.80s: an error of %d bytes", meta, len(err.Error()))
		}
	}
}

func TestEditsOfAnUpgrade(t *testing.T) {
	r := arrived()
	r.Upgrade = host.UpgradeWebSocket
	for meta, ok := range map[string]bool{`{"method":"GET","path":"/y","setHeaders":[["a","b"]]}`: true, `{"method":"POST"}`: false, `{"body":true}`: false} {
		var e requestEdits
		if err := decodeEdits([]byte(meta), &e); err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.apply(r, "", "/x"); (err == nil) != ok {
			t.Errorf("request %s: %v", meta, err)
		}
	}
	for meta, ok := range map[string]bool{`{"setHeaders":[["a","b"]]}`: true, `{"statusCode":101}`: true, `{"statusCode":200}`: false, `{"body":true}`: false} {
		resp := &host.Response{Status: 101, Upgrade: func(context.Context, net.Conn) {}}
		var e responseEdits
		if err := decodeEdits([]byte(meta), &e); err != nil {
			t.Fatal(err)
		}
		if err := e.apply(resp); (err == nil) != ok || resp.Status != 101 {
			t.Errorf("response %s: %v, status %d", meta, err, resp.Status)
		}
	}
}

func TestResponseEdits(t *testing.T) {
	resp := &host.Response{Status: 200, Header: host.Header{{Name: "Content-Length", Value: "5"}, {Name: "Set-Cookie", Value: "a"}}, Length: 5}
	var e responseEdits
	if err := decodeEdits([]byte(`{"statusCode":201,"headers":[["content-length","5"],["X","1"]],"addHeaders":[["Set-Cookie","b"]]}`), &e); err != nil {
		t.Fatal(err)
	}
	if err := e.apply(resp); err != nil {
		t.Fatal(err)
	}
	if got := lines(resp.Header); resp.Status != 201 || got != "Content-Length: 5|X: 1|Set-Cookie: b" {
		t.Errorf("got %d %s", resp.Status, got)
	}
	for _, meta := range []string{`{"statusCode":100}`, `{"statusCode":0}`, `{"method":"GET"}`, `{"response":{"statusCode":200}}`, `{"setHeaders":[["Trailer","x"]]}`} {
		e = responseEdits{}
		before := *resp
		if err := decodeEdits([]byte(meta), &e); err == nil {
			err = e.apply(resp)
			if err == nil {
				t.Errorf("%s was taken", meta)
			}
		}
		if resp.Status != before.Status || lines(resp.Header) != lines(before.Header) {
			t.Errorf("%s was refused, and changed the response", meta)
		}
	}
}

// FuzzFilterEdits: whatever a filter answers, what goes on can be sent as it is.
func FuzzFilterEdits(f *testing.F) {
	for _, meta := range []string{
		`{"method":"POST","path":"/y","query":"b=2","host":"h","headers":[["a","b"]],"removeHeaders":["x"],"setHeaders":[["c","d"]],"addHeaders":[["e","f"]],"body":true}`,
		`{"response":{"statusCode":403,"headers":[["n","v"]]}}`, `{"statusCode":201,"headers":[]}`, `{"path":"/%2e%2e/x","host":"h\r\n"}`, "",
	} {
		f.Add([]byte(meta))
	}
	fields := func(t *testing.T, h host.Header) {
		for _, field := range h {
			if !host.IsToken(field.Name) || !host.IsFieldValue(field.Value) || strings.EqualFold(field.Name, "Host") ||
				host.IsConnectionField(field.Name) && field.Name+field.Value != "TEtrailers" {
				t.Errorf("the field %q", field)
			}
		}
	}
	f.Fuzz(func(t *testing.T, meta []byte) {
		var request requestEdits
		if decodeEdits(meta, &request) == nil {
			if r, path, err := request.apply(arrived(), "/prod", "/x%20y"); err == nil {
				fields(t, r.Header)
				if path[0] != '/' || mapping.Climbs(path) || strings.ContainsAny(r.Target, " #\r\n\x00") || !strings.HasPrefix(r.Target, "/prod"+path) ||
					strings.ContainsAny(r.Host, " /@\r\n") || r.Host == "" || !host.IsToken(r.Method) || r.Method == "HEAD" {
					t.Errorf("%q %q %q %q", r.Method, r.Host, r.Target, path)
				}
			}
			if request.Response != nil {
				if resp, err := request.Response.apply(); err == nil {
					fields(t, resp.Header)
				}
			}
		}
		var response responseEdits
		resp := &host.Response{Status: 200, Header: arrived().Header}
		if decodeEdits(meta, &response) == nil && response.apply(resp) == nil {
			if fields(t, resp.Header); resp.Status < 200 || resp.Status > 599 {
				t.Errorf("status %d", resp.Status)
			}
		}
	})
}
