package grpc_test

import (
	"encoding/base64"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/grpc"
)

func TestParseType(t *testing.T) {
	for in, want := range map[string]grpc.Type{
		"":                                     {},
		"application/json":                     {},
		"application/grpcish":                  {},
		"application/grpc-web-texts":           {},
		"application/grpc":                     {Form: grpc.Native},
		"Application/GRPC+Proto":               {Form: grpc.Native, Format: "+proto"},
		"application/grpc+json; charset=":      {Form: grpc.Native, Format: "+json"},
		"application/grpc-web":                 {Form: grpc.Web},
		" application/grpc-web-text+thrift ;x": {Form: grpc.WebText, Format: "+thrift"},
	} {
		if got := grpc.ParseType(in); got != want {
			t.Errorf("%q is %+v, want %+v", in, got, want)
		}
	}
	accept := host.Header{{Name: "Accept", Value: "text/html, application/grpc-web-text"}}
	for in, want := range map[string]string{"application/grpc+x": "application/grpc+x", "application/grpc-web+x": "application/grpc-web-text+x"} {
		if got := grpc.ParseType(in).Answer(accept).String(); got != want {
			t.Errorf("%s is answered as %s, want %s", in, got, want)
		}
	}
}

func TestParseTimeout(t *testing.T) {
	for in, want := range map[string]time.Duration{"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond,
		"5u": 5 * time.Microsecond, "6n": 6, "00000007n": 7, "0S": 0, "99999999H": math.MaxInt64} {
		if got, ok := grpc.ParseTimeout(in); got != want || !ok {
			t.Errorf("%s is %v, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "S", "1", "-1S", "1s", "123456789S", "1.5S", " 1S", "1 S"} {
		if got, ok := grpc.ParseTimeout(in); ok {
			t.Errorf("%q is taken for %v", in, got)
		}
	}
}

func TestStatus(t *testing.T) {
	want := host.Header{{Name: "Grpc-Status", Value: "8"}, {Name: "Grpc-Message", Value: "100%25 of %C3%A9%0D%0A~ done%7F"}}
	if diff := cmp.Diff(want, grpc.Status(grpc.CodeOf(host.Throttled), "100% of é\r\n~ done\x7f")); diff != "" {
		t.Error(diff)
	}
	if grpc.CodeOf(host.Kind(200)) != grpc.Unknown {
		t.Error("an unknown kind")
	}
}

// broken is a body that ends with an error.
func broken(text string, err error) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text), iotest.ErrReader(err)))
}

func TestAnswer(t *testing.T) {
	failure := &host.Error{Kind: host.BadGateway}
	const message, half = "\x00\x00\x00\x00\x02hi", "\x00\x00\x00\x00\x02h"
	const status0, status14 = "\x80\x00\x00\x00\x10grpc-status: 0\r\n", "\x80\x00\x00\x00\x21grpc-status: 14\r\ngrpc-message: \r\n"
	for name, c := range map[string]struct {
		body    string
		err     error
		to      grpc.Form
		want    string
		told    bool
		failed  bool
		trailer string // of Native
	}{
		"native":           {message, io.EOF, grpc.Native, message, false, false, "0"},
		"web":              {message, io.EOF, grpc.Web, message + status0, false, false, ""},
		"text":             {message, io.EOF, grpc.WebText, message + status0, false, false, ""},
		"native broken":    {message, failure, grpc.Native, message, true, false, "14"},
		"web broken":       {message, failure, grpc.Web, message + status14, true, false, ""},
		"text broken":      {message, failure, grpc.WebText, message + status14, true, false, ""},
		"native half":      {half, failure, grpc.Native, half, false, true, ""},
		"web half":         {half, failure, grpc.Web, half, false, true, ""},
		"web half, as EOF": {half, io.EOF, grpc.Web, half, false, true, ""},
		"text half":        {half, failure, grpc.WebText, half, false, true, ""},
		"web prefix":       {"\x00\x00", failure, grpc.Web, "\x00\x00", false, true, ""},
		"nothing":          {"", failure, grpc.Web, status14, true, false, ""},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, func(r io.Reader) io.Reader { return r }} {
			resp := &host.Response{Status: 200, Length: 9, Body: broken(c.body, c.err), Header: host.Header{{Name: "Content-Type", Value: "application/grpc+proto"}, {Name: "Trailer", Value: "grpc-status"}},
				Trailer: func() host.Header { return host.Header{{Name: "Grpc-Status", Value: "0"}} }}
			grpc.Answer(resp, grpc.Type{Form: c.to}, func(err error) host.Header { return grpc.Status(grpc.CodeOf(host.KindOf(err)), "") })
			data, err := io.ReadAll(wrap(resp.Body))
			if c.to == grpc.WebText {
				data = decode(t, string(data))
			}
			var told *grpc.Told
			if string(data) != c.want || errors.As(err, &told) != c.told || (err != nil) != (c.told || c.failed) {
				t.Errorf("%s: %q, %v", name, data, err)
			}
			if web := c.to != grpc.Native; web != (resp.Trailer == nil) || web && (resp.Length >= 0 || resp.Header.Has("Trailer")) {
				t.Errorf("%s: %+v", name, resp)
			}
			if c.trailer != "" && resp.Trailer().Get("grpc-status") != c.trailer {
				t.Errorf("%s: trailers %v", name, resp.Trailer())
			}
		}
	}
}

// decode decodes base64 that is padded at any place.
func decode(t *testing.T, text string) (data []byte) {
	t.Helper()
	for ; len(text) >= 4; text = text[4:] {
		group, err := base64.StdEncoding.DecodeString(text[:4])
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, group...)
	}
	return data
}

// Where the upstream gave no status, a gRPC-Web client is told that; in a header field it stays there.
func TestAnswerWithoutTrailers(t *testing.T) {
	for _, told := range []bool{false, true} {
		resp := &host.Response{Status: 200, Body: broken("", io.EOF)}
		if told {
			resp.Header.Add("grpc-status", "5")
		}
		grpc.Answer(resp, grpc.Type{Form: grpc.Web}, nil)
		data, err := io.ReadAll(resp.Body)
		if err != nil || strings.Contains(string(data), "grpc-status: 2\r\n") == told {
			t.Errorf("%q, %v", data, err)
		}
	}
	resp := &host.Response{Status: 200}
	grpc.Answer(resp, grpc.Type{Form: grpc.WebText, Format: "+proto"}, nil)
	if resp.Body != nil || resp.Header.Get("Content-Type") != "application/grpc-web-text+proto" {
		t.Errorf("trailers only: %+v", resp)
	}
}

func TestRequest(t *testing.T) {
	const plain = "\x00\x00\x00\x00\x05hello and more of it"
	code := base64.StdEncoding.EncodeToString
	for text, ok := range map[string]bool{
		code([]byte(plain)): true,
		code([]byte(plain[:1])) + code([]byte(plain[1:6])) + code([]byte(plain[6:])): true,
		code([]byte(plain)) + "A":                         false,
		strings.Replace(code([]byte(plain)), "A", "?", 1): false,
		"AA=A": false,
	} {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
			r := &host.Request{Length: int64(len(text)), Body: io.NopCloser(wrap(strings.NewReader(text))),
				Header: host.Header{{Name: "Content-Type", Value: "application/grpc-web-text+proto"}, {Name: "Content-Length", Value: "9"}}}
			grpc.Request(r, grpc.ParseType(r.Header.Get("Content-Type")))
			got, err := io.ReadAll(r.Body)
			if ok && (string(got) != plain || err != nil) || !ok && !errors.Is(err, host.Invalid) {
				t.Errorf("%q: %q, %v", text, got, err)
			}
			want := host.Header{{Name: "Content-Type", Value: "application/grpc+proto"}, {Name: "Te", Value: "trailers"}}
			if diff := cmp.Diff(want, r.Header); diff != "" || r.Length != -1 {
				t.Error(r.Length, diff)
			}
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("AAAAAAA=AAAA"), 3)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = max(1, size%50)
		var text strings.Builder
		for rest := data; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			text.WriteString(base64.StdEncoding.EncodeToString(rest[:min(size, len(rest))]))
		}
		r := &host.Request{Length: -1, Body: io.NopCloser(iotest.HalfReader(strings.NewReader(text.String())))}
		grpc.Request(r, grpc.Type{Form: grpc.WebText})
		if got, err := io.ReadAll(r.Body); string(got) != string(data) || err != nil {
			t.Errorf("%q became %q, %v", data, got, err)
		}
		r = &host.Request{Length: -1, Body: io.NopCloser(strings.NewReader(string(data)))}
		grpc.Request(r, grpc.Type{Form: grpc.WebText})
		_, _ = io.ReadAll(r.Body) // no panic
	})
}
