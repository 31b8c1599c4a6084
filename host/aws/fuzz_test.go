package aws_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/aws"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/sigv4"
)

// A wire reads a request as a server does, and verifies it.
type wire struct{ got *http.Request }

func (w *wire) Do(_ context.Context, out *host.Request) (*host.Response, error) {
	var b strings.Builder
	b.WriteString(out.Method + " " + out.Target + " HTTP/1.1\r\nHost: " + out.Host + "\r\n")
	for _, f := range out.Header {
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(b.String() + "\r\n")))
	if err != nil {
		return nil, err
	}
	r.Body = out.Body
	signature, err := sigv4.Parse(r)
	if err != nil {
		return nil, err
	}
	w.got = r
	return &host.Response{Status: 200}, signature.Verify(r, secret, sigv4.Options{Services: []string{"s3", "batch"}})
}

// What mappings put into a request is signed as it is sent, and stays where the URI has it.
func FuzzInvoke(f *testing.F) {
	f.Add("a/b c+d%2F~ü.txt", "x=1&x=2&y=%20+z&&=", "body")
	f.Add("..%2f", "a=%zz;b", "")
	f.Fuzz(func(t *testing.T, value, query, body string) {
		for _, uri := range []string{"s3:path/bucket/{v}", "batch:path/bucket/{v}/end?own={v}"} {
			arn, err := mapping.ParseARN("arn:aws:apigateway:us-east-1:" + uri)
			if err != nil {
				t.Fatal(err)
			}
			arn.Service.Access = access("http://localhost:4566")
			w := &wire{}
			c, err := aws.NewClient(arn.Service, "PUT", w)
			if err != nil {
				t.Fatal(err)
			}
			in := &host.Request{Method: "PUT", Target: "/?" + query, Body: io.NopCloser(strings.NewReader(body))}
			_, err = c.Invoke(t.Context(), &host.Invocation{Exchange: &host.Exchange{Request: in}, Request: in, Path: map[string]string{"v": value}})
			if errors.Is(err, host.Invalid) && w.got == nil {
				continue // the value is refused
			}
			if err != nil {
				t.Fatal(err)
			}
			path, _, _ := strings.Cut(w.got.RequestURI, "?")
			rest, ok := strings.CutPrefix(path, "/bucket/")
			if !ok || mapping.Climbs(path) || arn.Service.Service == "batch" && strings.Count(rest, "/") != 1 {
				t.Errorf("%q goes to %s", value, path)
			}
			if _, err := url.ParseQuery(w.got.URL.RawQuery); err != nil {
				t.Error(err)
			}
		}
	})
}
