package sigv4

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func FuzzVerify(f *testing.F) {
	f.Add("POST", "/a b/%2F//ü", "a=1&a=&b=%20", "X-Custom", "  a   b ", "body", uint16(3))
	f.Add("GET", "/", "", "X-Amz-Meta", "", "", uint16(70))
	f.Fuzz(func(t *testing.T, method, path, query, name, value, body string, flip uint16) {
		u := &url.URL{Scheme: "http", Host: "h.example", Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}
		r := &http.Request{Method: method, URL: u, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
		if strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz-_0123456789") == "" && strings.TrimSpace(value) == strings.Trim(value, " \t") {
			r.Header.Set("x-f-"+name, value)
		}
		sign(t, r, body, "lambda", noon)
		var wire bytes.Buffer
		if r.Write(&wire) != nil {
			return // not a request
		}
		sent := bytes.Clone(wire.Bytes())
		got, err := http.ReadRequest(bufio.NewReader(&wire))
		if err != nil || strings.ContainsAny(value, "\r\n") || strings.Contains(path, "#") {
			return // the client has changed it, after it was signed
		}
		if err := verify(got, options()); err != nil {
			t.Errorf("what the SDK signed: %v\n%s", err, sent)
		}
		sent[int(flip)%len(sent)] ^= 1
		if got, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(sent))); err == nil {
			_ = verify(got, options()) // either answer is right: not every byte counts. It must not panic
		}
	})
}
