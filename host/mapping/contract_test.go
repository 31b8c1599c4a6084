package mapping

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

func TestEncodeInput(t *testing.T) {
	in := &host.MapInput{Exchange: exchange(), Status: 201, Header: host.Header{{Name: "X-B", Value: "1"}, {Name: "x-b", Value: "2"}}}
	b, err := EncodeInput(in, host.PhaseMapResponse)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
		"params": {"path": {"id": "a b", "rest": "c/d"}, "querystring": {"q": "1,x+y z", "e": "", "bare": ""},
			"header": {"authorization": "Bearer x", "x-a": "1,2", "empty": "", "user-agent": "test", "host": "localhost:8080"}},
		"context": {"accountId": "000000000000", "apiId": "orders", "authorizer": {"principalId": "u", "s": "text", "n": 1.5, "b": true, "l": ["a"], "null": null},
			"domainName": "localhost", "domainPrefix": "localhost", "extendedRequestId": "req-1", "httpMethod": "GET",
			"identity": {"sourceIp": "192.0.2.1", "userAgent": "test"}, "path": "/prod/orders/a%20b/c/d", "protocol": "HTTP/1.1", "requestId": "req-1",
			"requestTime": "04/Mar/2026:05:06:07 +0000", "requestTimeEpoch": 1772600767089, "resourcePath": "/orders/{id}/{rest+}",
			"routeKey": "GET /orders/{id}/{rest+}", "stage": "prod"},
		"stageVariables": {"backend": "http://10.0.0.1:9000/v1", "empty": ""},
		"response": {"status": 201, "headers": {"x-b": "1,2"}}}`
	var got, wanted map[string]any
	if err := errors.Join(json.Unmarshal(b, &got), json.Unmarshal([]byte(want), &wanted)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
	b, err = EncodeInput(&host.MapInput{Exchange: &host.Exchange{Request: &host.Request{}}}, host.PhaseMapRequest)
	if err != nil || strings.Contains(string(b), "response") || strings.Contains(string(b), "authorizer") || strings.Contains(string(b), "null") {
		t.Errorf("of a bare request: %s, %v", b, err)
	}
}

func TestDecodeOutput(t *testing.T) {
	out, err := DecodeOutput([]byte(` {"requestOverride": {"header": {"X-B": ["1", 2, true, null], "a": "x", "n": null}, "querystring": {"q": [ ]  , "r": 1.50}, "path": {"id": "a%2Fb", "n": 7}},
		"responseOverride": {"header": {"x": "y"}, "status": 418}, "contentType": "text/plain; charset=utf-8"}`), []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	want := &host.MapOutput{
		Body: []byte("body"), ContentType: "text/plain; charset=utf-8",
		Request: host.Override{
			Header: host.Header{{Name: "X-B", Value: "1"}, {Name: "X-B", Value: "2"}, {Name: "X-B", Value: "true"}, {Name: "a", Value: "x"}},
			Query:  host.Header{{Name: "r", Value: "1.50"}},
			Path:   map[string]string{"id": "a%2Fb", "n": "7"},
		},
		Response: host.Override{Header: host.Header{{Name: "x", Value: "y"}}, Status: 418},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	for _, meta := range []string{"", " ", "{}", "null", `{"requestOverride":null,"responseOverride":{"header":null,"status":null},"contentType":null}`} {
		if out, err := DecodeOutput([]byte(meta), []byte("b")); err != nil || !cmp.Equal(out, &host.MapOutput{Body: []byte("b")}) {
			t.Errorf("%q: got %+v, %v", meta, out, err)
		}
	}
	// 1.5: "non-integer or outside 100-599 status ignored" [LS]
	for status, want := range map[string]int{`200`: 200, `"404"`: 404, `599`: 599, `600`: 0, `99`: 0, `101`: 0, `2.5`: 0, `"x"`: 0, `[]`: 0, `{}`: 0, `true`: 0, `-1`: 0} {
		out, err := DecodeOutput([]byte(`{"responseOverride":{"status":`+status+`}}`), nil)
		if err != nil || out.Response.Status != want {
			t.Errorf("status %s: got %+v, %v", status, out, err)
		}
	}
}

func TestDecodeOutputRefuses(t *testing.T) {
	for _, meta := range []string{"{", "[]", `"x"`, "1", "{} {}", `{"body":"x"}`, `{"requestOverride":[]}`, `{"requestOverride":{"headers":{}}}`, `{"requestOverride":{"status":200}}`,
		`{"requestOverride":{"header":[]}}`, `{"requestOverride":{"header":{"a":{}}}}`, `{"requestOverride":{"header":{"a":[[]]}}}`, `{"requestOverride":{"header":{"a b":"x"}}}`,
		`{"requestOverride":{"header":{"":"x"}}}`, `{"requestOverride":{"header":{"a":"x\r\ny: z"}}}`, `{"requestOverride":{"header":{"Content-Length":"1"}}}`,
		`{"requestOverride":{"header":{"transfer-encoding":"chunked"}}}`, `{"requestOverride":{"querystring":{"a":{}}}}`, `{"requestOverride":{"querystring":"x"}}`,
		`{"requestOverride":{"path":{"a":[]}}}`, `{"requestOverride":{"path":[]}}`, `{"responseOverride":{"header":{"a":"\u0000"}}}`, `{"responseOverride":{"path":{}}}`,
		`{"contentType":1}`, `{"contentType":"a\nb"}`, `{"contentType":["x"]}`} {
		_, err := DecodeOutput([]byte(meta), nil)
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.APIConfigurationError {
			t.Errorf("%s: got %v", meta, err)
		}
	}
}

// FuzzDecodeOutput: no panic, and whatever is accepted is one field line each.
func FuzzDecodeOutput(f *testing.F) {
	f.Add([]byte(`{"requestOverride":{"header":{"a":["b",1]},"querystring":{"q":true},"path":{"p":null}},"contentType":"x"}`))
	f.Add([]byte(`{"responseOverride":{"header":{"a\n":"b"},"status":"200"}}`))
	f.Fuzz(func(t *testing.T, meta []byte) {
		out, err := DecodeOutput(meta, nil)
		if err != nil {
			return
		}
		for _, h := range []host.Header{out.Request.Header, out.Response.Header, {{Name: "x", Value: out.ContentType}}} {
			for _, f := range h {
				if !host.IsToken(f.Name) || host.IsConnectionField(f.Name) || strings.ContainsAny(f.Value, "\r\n\x00") {
					t.Fatalf("field %q", f)
				}
			}
		}
		if s := out.Response.Status; s != 0 && (s < 200 || s > 599) {
			t.Fatalf("status %d", s)
		}
	})
}
