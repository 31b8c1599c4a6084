package lambda

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// A tracked body knows whether it was closed.
type tracked struct {
	io.Reader
	closed bool
}

func (b *tracked) Close() error { b.closed = true; return nil }

func read(t testing.TB, r *host.Response) string {
	t.Helper()
	if r.Body == nil {
		return ""
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseResult(t *testing.T) {
	json := host.Header{{Name: "Content-Type", Value: "application/json"}}
	tests := []struct {
		name, format, meta, beside string // beside "-" for no body
		status                     int
		header                     host.Header
		body                       string
	}{
		// 1.6 "Response 2.0"
		{"2.0 no statusCode", Format2, `{"id": 7}`, "-", 200, json, `{"id": 7}`},
		{"2.0 no statusCode, empty body beside", Format2, ` {"id": 7}`, "", 200, json, `{"id": 7}`},
		{"2.0 list", Format2, `[1]`, "-", 200, json, `[1]`},
		{"2.0 number", Format2, `12`, "-", 200, json, `12`},
		{"2.0 string", Format2, `"hé\n"`, "-", 200, json, "hé\n"},
		{"2.0 null", Format2, `null`, "-", 200, nil, ""},
		{"2.0 nothing", Format2, ``, "-", 200, nil, ""},
		{"2.0 statusCode", Format2, `{"statusCode":201,"headers":{"Content-Type":"text/plain"},"body":"x"}`, "-", 201,
			host.Header{{Name: "Content-Type", Value: "text/plain"}}, "x"},
		{"2.0 cookies", Format2, `{"statusCode":200,"cookies":["a=1","b=2; Secure"],"headers":{"x":"y"}}`, "-", 200,
			host.Header{{Name: "x", Value: "y"}, {Name: "Set-Cookie", Value: "a=1"}, {Name: "Set-Cookie", Value: "b=2; Secure"}}, ""},
		{"2.0 base64", Format2, `{"statusCode":200,"isBase64Encoded":true,"body":"AP8="}`, "-", 200, json, "\x00\xff"},
		{"2.0 unknown keys are let be", Format2, `{"statusCode":200,"trace":1}`, "-", 200, nil, ""},
		{"2.0 bytes beside", Format2, `{"statusCode":200,"headers":{"content-type":"image/png"}}`, "\x89PNG", 200,
			host.Header{{Name: "content-type", Value: "image/png"}}, "\x89PNG"},
		{"2.0 bytes beside without statusCode", Format2, `{"headers":{"x":1}}`, "raw", 200,
			host.Header{{Name: "x", Value: "1"}, {Name: "Content-Type", Value: "application/json"}}, "raw"},
		{"2.0 bytes beside nothing", Format2, ``, "raw", 200, json, "raw"},
		{"2.0 a body in both", Format2, `{"statusCode":200,"body":"inline"}`, "beside", 200, json, "inline"},
		{"2.0 no content", Format2, `{"statusCode":204,"body":"x"}`, "-", 204, nil, ""},
		{"2.0 no content beside", Format2, `{"statusCode":304}`, "x", 304, nil, ""},

		// 1.6 "Response 1.0"
		{"1.0 empty", Format1, `{}`, "-", 200, nil, ""}, // [AST]
		{"1.0 numeric string", Format1, `{"statusCode":"404","body":"x"}`, "-", 404, json, "x"},
		{"1.0 types of header values", Format1, `{"headers":{"a":"s","b":true,"c":1.50,"d":null}}`, "-", 200, // [REC] string and bool
			host.Header{{Name: "a", Value: "s"}, {Name: "b", Value: "true"}, {Name: "c", Value: "1.50"}}, ""},
		{"1.0 nulls", Format1, `{"statusCode":null,"headers":null,"multiValueHeaders":null,"body":null,"isBase64Encoded":null}`, "-", 200, nil, ""},
		{"1.0 both maps", Format1, `{"headers":{"x-a":"3","z":"9"},"multiValueHeaders":{"X-A":["1",2]}}`, "-", 200, // [REC]
			host.Header{{Name: "X-A", Value: "1"}, {Name: "X-A", Value: "2"}, {Name: "X-A", Value: "3"}, {Name: "z", Value: "9"}}, ""},
		{"1.0 bytes beside", Format1, `{}`, "raw", 200, json, "raw"},
		{"1.0 bytes beside nothing", Format1, ``, "raw", 200, json, "raw"},

		{"framing is the listener's", Format2, `{"statusCode":200,"headers":{"Content-Length":"9","Transfer-Encoding":"chunked","Connection":"x","ok":"1"}}`, "-", 200,
			host.Header{{Name: "ok", Value: "1"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var body io.ReadCloser
			if test.beside != "-" {
				body = &tracked{Reader: strings.NewReader(test.beside)}
			}
			r, err := ParseResult([]byte(test.meta), body, test.format)
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, r); r.Status != test.status || got != test.body {
				t.Errorf("got %d %q, want %d %q", r.Status, got, test.status, test.body)
			}
			if diff := cmp.Diff(test.header, r.Header); diff != "" {
				t.Error(diff)
			}
			if r.Length >= 0 && int(r.Length) != len(test.body) {
				t.Errorf("length %d of %q", r.Length, test.body)
			}
			if body != nil && r.Body == nil && !body.(*tracked).closed {
				t.Error("the body beside stays open")
			}
		})
	}
}

func TestParseResultRefuses(t *testing.T) {
	tests := []struct{ format, meta string }{
		{"3.0", `{}`},
		{Format1, ``}, {Format1, `null`}, {Format1, `"x"`}, {Format1, `[]`}, {Format1, `{`},
		{Format1, `{"id":7}`}, {Format1, `{"cookies":[]}`}, // [REC] allowed keys only
		{Format1, `{"statusCode":"abc"}`}, {Format1, `{"statusCode":true}`}, // [REC]
		{Format1, `{"multiValueHeaders":{"a":"b"}}`}, {Format1, `{"multiValueHeaders":{"a":[["b"]]}}`}, // [REC]
		{Format1, `{"headers":{"a":["b"]}}`}, {Format1, `{"headers":{"a":{}}}`}, {Format1, `{"headers":[]}`}, {Format1, `{"headers":"x"}`},
		{Format1, `{"body":{"a":1}}`}, {Format1, `{"body":1}`}, {Format1, `{"isBase64Encoded":"true"}`},
		{Format2, `{`}, {Format2, `{} {}`}, {Format2, "\x00"},
		{Format2, `{"statusCode":200.5}`}, {Format2, `{"statusCode":99}`}, {Format2, `{"statusCode":600}`}, {Format2, `{"statusCode":-1}`},
		{Format2, `{"statusCode":101}`}, {Format2, `{"statusCode":100}`}, {Format2, `{"statusCode":1e99}`},
		{Format2, `{"statusCode":200,"cookies":"a=b"}`}, {Format2, `{"statusCode":200,"cookies":[1]}`},
		{Format2, `{"statusCode":200,"isBase64Encoded":true,"body":"*"}`}, // [AST] bad base64
		{Format2, `{"statusCode":200,"headers":{"a":"b\r\nSet-Cookie: c=d"}}`}, {Format2, `{"statusCode":200,"headers":{"a\r\nb":"c"}}`},
		{Format2, `{"statusCode":200,"headers":{"":"x"}}`}, {Format2, `{"statusCode":200,"headers":{"a b":"x"}}`}, {Format2, `{"statusCode":200,"headers":{"a:":"x"}}`},
		{Format2, `{"statusCode":200,"headers":{"a":"\u0000"}}`}, {Format2, `{"statusCode":200,"cookies":["a\nb"]}`},
		{Format2, `{"statusCode":200,"headers":{"é":"x"}}`},
		{Format2, `{"statusCode":200,"headers":{"a":"` + strings.Repeat("x", maxHeaderBytes) + `"}}`},
		{Format2, `{"statusCode":200,"cookies":["c=d"` + strings.Repeat(`,"c=d"`, maxFields) + `]}`},
	}
	for _, test := range tests {
		body := &tracked{Reader: strings.NewReader("")}
		_, err := ParseResult([]byte(test.meta), body, test.format)
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.IntegrationFailure {
			if test.meta != "" || test.format != Format1 { // an empty body beside an empty result of 1.0 is an empty response
				t.Errorf("%s %s: got %v", test.format, test.meta, err)
			}
			continue
		}
		if !body.closed {
			t.Errorf("%s %s: the body beside stays open", test.format, test.meta)
		}
	}
	if _, err := ParseResult([]byte(`[1]`), &tracked{Reader: strings.NewReader("x")}, Format2); !errors.Is(err, host.Internal) {
		t.Errorf("bytes beside a list: got %v", err)
	}
}

// FuzzParseResult: no panic, and whatever is accepted can be written to the wire.
func FuzzParseResult(f *testing.F) {
	f.Add([]byte(`{"statusCode":"200","headers":{"a":"b"},"multiValueHeaders":{"A":[1,true]},"body":"eA==","isBase64Encoded":true}`), "x", true)
	f.Add([]byte(`{"statusCode":200,"cookies":["a"],"headers":{"\n":"b"}}`), "", false)
	f.Add([]byte(`"s"`), "", false)
	f.Add([]byte(" null "), "x", false)
	f.Fuzz(func(t *testing.T, meta []byte, beside string, one bool) {
		format := Format2
		if one {
			format = Format1
		}
		for _, with := range []bool{false, true} {
			var body io.ReadCloser
			if with {
				body = io.NopCloser(strings.NewReader(beside))
			}
			r, err := ParseResult(meta, body, format)
			if err != nil {
				continue
			}
			if r.Status < 200 || r.Status > 599 {
				t.Fatalf("status %d", r.Status)
			}
			for _, f := range r.Header {
				if f.Name == "" || strings.ContainsAny(f.Name, " :\r\n\x00") || strings.ContainsAny(f.Value, "\r\n\x00") || host.IsConnectionField(f.Name) {
					t.Fatalf("field %q", f)
				}
			}
			if got := read(t, r); r.Length >= 0 && int(r.Length) != len(got) {
				t.Fatalf("length %d of %q", r.Length, got)
			}
		}
	})
}

func BenchmarkParseResult(b *testing.B) {
	meta := []byte(`{"statusCode":200,"headers":{"content-type":"application/json","x-a":"b"},"body":"{\"id\":7}"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseResult(meta, nil, Format2); err != nil {
			b.Fatal(err)
		}
	}
}
