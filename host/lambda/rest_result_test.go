package lambda

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

func fieldsOf(pairs ...string) host.Header {
	var h host.Header
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// TestParseRESTResult: reference 1.6, "Response 1.0" and "Binary out (REST)".
func TestParseRESTResult(t *testing.T) {
	json := fieldsOf("Content-Type", "application/json") // the default [REC]
	tests := []struct {
		name, meta, beside string // beside "-" for no body
		binary             bool
		status             int
		header             host.Header
		body               string
	}{
		{"empty", `{}`, "-", false, 200, json, ""}, // [AST]
		{"all of it", `{"statusCode":201,"headers":{"Content-Type":"text/plain","x":"y"},"multiValueHeaders":{},"body":"b","isBase64Encoded":false}`, "-", false, 201,
			fieldsOf("Content-Type", "text/plain", "x", "y"), "b"},
		{"a numeric string", `{"statusCode":"404","body":"x"}`, "-", false, 404, json, "x"}, // [REC]
		{"header values", `{"headers":{"a":"s","b":true,"c":false}}`, "-", false, 200,
			fieldsOf("a", "s", "b", "true", "c", "false", "Content-Type", "application/json"), ""}, // [REC]
		{"null headers", `{"headers":null,"multiValueHeaders":null}`, "-", false, 200, json, ""}, // [REC]
		{"a null body", `{"body":null}`, "-", false, 200, json, ""},
		{"a null status", `{"statusCode":null,"isBase64Encoded":null}`, "-", false, 200, json, ""},
		{"both maps", `{"headers":{"x-a":"3"},"multiValueHeaders":{"X-A":["1","2"]}}`, "-", false, 200, // 1.16 [REC]
			fieldsOf("X-A", "1", "X-A", "2", "X-A", "3", "Content-Type", "application/json"), ""},
		{"a media type in the multi map", `{"multiValueHeaders":{"content-type":["text/html"]},"body":"x"}`, "-", false, 200, fieldsOf("content-type", "text/html"), "x"},

		{"base64 to who takes octets", `{"body":"AP8=","isBase64Encoded":true}`, "-", true, 200, json, "\x00\xff"},                                                                         // [AST]
		{"base64 to who takes text", `{"body":"AP8=","isBase64Encoded":true}`, "-", false, 200, json, "AP8="},                                                                              // [AST]
		{"no base64 to who takes octets", `{"body":"AP8=","isBase64Encoded":false}`, "-", true, 200, json, "AP8="},                                                                         // [AST]
		{"its media type does not count", `{"body":"AP8=","isBase64Encoded":true,"headers":{"Content-Type":"image/png"}}`, "-", false, 200, fieldsOf("Content-Type", "image/png"), "AP8="}, // [AST]
		{"what is no base64 to who takes text", `{"body":"*","isBase64Encoded":true}`, "-", false, 200, json, "*"},

		{"octets beside", `{"headers":{"Content-Type":"image/png"}}`, "\x89PNG", false, 200, fieldsOf("Content-Type", "image/png"), "\x89PNG"},
		{"octets beside nothing", ``, "raw", false, 200, json, "raw"},
		{"a body in both", `{"body":"inline"}`, "beside", false, 200, json, "inline"},
		{"no content", `{"statusCode":204,"body":"x"}`, "-", false, 204, json, ""},

		// 1.4.6, "response remap in all types" [REC], for those that concern the connection
		{"fields of the connection", `{"headers":{"connection":"close","Content-Length":"9","Transfer-Encoding":"chunked"}}`, "-", false, 200,
			fieldsOf("x-amzn-Remapped-connection", "close", "x-amzn-Remapped-Content-Length", "9", "Content-Type", "application/json"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var body io.ReadCloser
			if test.beside != "-" {
				body = &tracked{Reader: strings.NewReader(test.beside)}
			}
			r, err := ParseRESTResult([]byte(test.meta), body, test.binary)
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, r); r.Status != test.status || got != test.body {
				t.Errorf("got %d %q, want %d %q", r.Status, got, test.status, test.body)
			}
			if diff := cmp.Diff(test.header, r.Header); diff != "" {
				t.Error(diff)
			}
			if body != nil && r.Body == nil && !body.(*tracked).closed {
				t.Error("the body beside stays open")
			}
		})
	}
}

// TestParseRESTResultRefuses: a result out of contract is a 502 (reference 1.6, "Response 1.0" [REC]); base64 that is none is a 500 [AST].
func TestParseRESTResultRefuses(t *testing.T) {
	tests := []struct {
		meta string
		kind host.Kind
		code host.ResponseType
	}{
		{`{"body":"*","isBase64Encoded":true}`, host.Internal, host.APIConfigurationError}, // [AST]
	}
	for _, meta := range []string{
		`{"id":7}`, `{"statusCode":200,"cookies":[]}`, `{"statusCode":200,"StatusCode":200}`, // [REC] allowed keys only
		`{"errorMessage":"x","errorType":"Error"}`,
		`{"statusCode":"abc"}`, `{"statusCode":""}`, `{"statusCode":true}`, `{"statusCode":200.5}`, `{"statusCode":1000}`, `{"statusCode":[]}`, // [REC]
		`{"multiValueHeaders":{"a":"b"}}`, `{"multiValueHeaders":{"a":true}}`, `{"multiValueHeaders":[]}`, // [REC]
		`{"headers":{"a":["b"]}}`, `{"headers":{"a":{}}}`, `{"headers":"x"}`,
		`{"body":{"a":1}}`, `{"body":1}`, `{"isBase64Encoded":"true"}`,
		``, `null`, `"x"`, `[]`, `12`, `{`, `{"headers":{"a":"b\r\nc: d"}}`, `{"headers":{"a b":"c"}}`,
	} {
		tests = append(tests, struct {
			meta string
			kind host.Kind
			code host.ResponseType
		}{meta, host.BadGateway, host.IntegrationFailure})
	}
	for _, test := range tests {
		_, err := ParseRESTResult([]byte(test.meta), nil, true)
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != test.kind || e.Code != test.code {
			t.Errorf("%s: got %v", test.meta, err)
		}
		if test.meta == "" {
			continue
		}
		body := &tracked{Reader: strings.NewReader("x")}
		if _, err := ParseRESTResult([]byte(test.meta), body, true); err == nil || !body.closed {
			t.Errorf("%s, with a body beside: got %v, closed %v", test.meta, err, body.closed)
		}
	}
}

// FuzzParseRESTResult: no panic, and whatever is accepted can be written to the wire.
func FuzzParseRESTResult(f *testing.F) {
	f.Add([]byte(`{"statusCode":"200","headers":{"a":"b","Connection":"x"},"multiValueHeaders":{"A":["1",true]},"body":"eA==","isBase64Encoded":true}`), true)
	f.Add([]byte(`{"headers":{"\n":"b"}}`), false)
	f.Add([]byte(" null "), false)
	f.Fuzz(func(t *testing.T, meta []byte, binary bool) {
		r, err := ParseRESTResult(meta, nil, binary)
		if err != nil {
			return
		}
		if r.Status < 200 || r.Status > 599 || !r.Header.Has("Content-Type") {
			t.Fatalf("%d %v", r.Status, r.Header)
		}
		for _, f := range r.Header {
			if !host.IsToken(f.Name) || !host.IsFieldValue(f.Value) || host.IsConnectionField(f.Name) {
				t.Fatalf("field %q", f)
			}
		}
		if got := read(t, r); int(r.Length) != len(got) {
			t.Fatalf("length %d of %q", r.Length, got)
		}
	})
}
