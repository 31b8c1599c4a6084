package rest_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

func compressor(minimum int64) *rest.Compressor {
	return rest.CompileCompressor(&host.API{REST: &host.REST{MinimumCompression: host.Default(minimum)}})
}

// reply is a response with a body whose length is known, or is not.
func reply(body string, known bool, fields ...host.Field) *host.Response {
	resp := &host.Response{Status: 200, Header: append(host.Header{{Name: "Content-Type", Value: "text/plain"}}, fields...), Body: io.NopCloser(strings.NewReader(body)), Length: -1}
	if known {
		resp.Length = int64(len(body))
	}
	return resp
}

func accepting(codings ...string) *host.Request {
	r := &host.Request{Method: "GET"}
	for _, c := range codings {
		r.Header.Add("Accept-Encoding", c)
	}
	return r
}

// expand undoes a coding.
func expand(t testing.TB, coding string, r io.Reader) string {
	t.Helper()
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Reference 1.15, "Compression", the choice of the coding.
func TestCompressCoding(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		want   string
	}{
		{"none asked", nil, ""},
		{"gzip", []string{"gzip"}, "gzip"},
		{"deflate", []string{"Deflate"}, "deflate"},
		{"a browser", []string{"gzip, deflate, br, zstd"}, "gzip"},
		{"order", []string{"deflate, gzip"}, "deflate"},
		{"weights", []string{"deflate;q=0.5, gzip;q=1.0"}, "gzip"},
		{"weights with spaces", []string{"deflate ; q=0.5 , gzip ; Q=0.8"}, "gzip"},
		{"two fields", []string{"deflate;q=0.5", "gzip"}, "gzip"},
		{"the highest is not supported", []string{"br, gzip;q=0.8"}, ""},
		{"as high as one that is not", []string{"br, gzip"}, "gzip"},
		{"identity is preferred", []string{"identity, gzip;q=0.5"}, ""},
		{"identity less", []string{"gzip, identity;q=0.5, *;q=0"}, "gzip"},
		{"the star is not named", []string{"*"}, ""},
		{"refused", []string{"gzip;q=0"}, ""},
		{"the old name", []string{"x-gzip"}, "gzip"},
		{"nonsense", []string{"gzip;q=x", ";q=1", "gzip;q=2", "gzip;q=NaN", ","}, ""},
		{"too many", []string{strings.Repeat("br;q=0.1,", 64) + "gzip"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp := reply("hello", true, host.Field{Name: "Content-Length", Value: "5"})
			if err := compressor(0).Compress(accepting(test.accept...), resp); err != nil {
				t.Fatal(err)
			}
			got := resp.Header.Get("Content-Encoding")
			if got != test.want || resp.Header.Get("Vary") != "Accept-Encoding" || (got != "") == resp.Header.Has("Content-Length") {
				t.Errorf("got %v", resp.Header)
			}
			if body := expand(t, got, resp.Body); body != "hello" {
				t.Errorf("the body is %q", body)
			}
		})
	}
}

// Reference 1.15: size, and what is not compressed.
func TestCompressWhat(t *testing.T) {
	field := func(name, value string) host.Field { return host.Field{Name: name, Value: value} }
	with := func(change func(*host.Response)) *host.Response {
		resp := reply("0123456789", true)
		change(resp)
		return resp
	}
	tests := []struct {
		name       string
		minimum    int64
		resp       *host.Response
		compressed bool
		vary       string
	}{
		{"long enough", 10, reply("0123456789", true), true, "Accept-Encoding"},
		{"too short", 11, reply("0123456789", true), false, ""},
		{"off", -1, reply("0123456789", true), false, ""},
		{"of unknown length", 10, reply("0123456789", false), true, "Accept-Encoding"},
		{"of unknown length and too short", 11, reply("0123456789", false), false, ""},
		{"empty", 0, reply("", true), false, ""},
		{"encoded [row]", 0, reply("0123456789", true, field("Content-Encoding", "br")), false, ""},
		{"a part", 0, with(func(r *host.Response) { r.Status = 206 }), false, ""},
		{"no content", 0, with(func(r *host.Response) { r.Status = 304 }), false, ""},
		{"no body", 0, with(func(r *host.Response) { r.Body = nil }), false, ""},
		{"an error", 0, with(func(r *host.Response) { r.Status = 500 }), true, "Accept-Encoding"},
		{"events", 0, with(func(r *host.Response) { r.Header.Set("Content-Type", "text/event-stream; a=b") }), false, ""},
		{"not to be transformed", 0, reply("0123456789", true, field("Cache-Control", "public, No-Transform")), false, ""},
		{"Vary already", 0, reply("0123456789", true, field("Vary", "Origin, accept-encoding")), true, "Origin, accept-encoding"},
		{"Vary by all", 0, reply("0123456789", true, field("Vary", "*")), true, "*"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := compressor(test.minimum).Compress(accepting("gzip"), test.resp); err != nil {
				t.Fatal(err)
			}
			h := test.resp.Header
			if got := h.Get("Content-Encoding") == "gzip"; got != test.compressed || h.Get("Vary") != test.vary {
				t.Fatalf("got %v", h)
			}
			if test.compressed && (test.resp.Length != -1 || expand(t, "gzip", test.resp.Body) != "0123456789") {
				t.Errorf("the body or its length %d is wrong", test.resp.Length)
			}
		})
	}
	resp := reply("0123456789", true, field("ETag", `"a"`), field("Accept-Ranges", "bytes"))
	if err := compressor(0).Compress(accepting("gzip"), resp); err != nil || resp.Header.Get("ETag") != `W/"a"` || resp.Header.Has("Accept-Ranges") {
		t.Errorf("got %v, %v", resp.Header, err)
	}
	resp = reply("0123456789", true)
	if err := compressor(0).Compress(&host.Request{Method: "HEAD", Header: accepting("gzip").Header}, resp); err != nil || resp.Header.Has("Content-Encoding") {
		t.Errorf("HEAD: got %v, %v", resp.Header, err)
	}
}

// closer tells whether it was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// A body that breaks off never ends as if it were whole, before the minimum and behind it.
func TestCompressBrokenBody(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{5, 100_000} {
		body := &closer{Reader: io.MultiReader(strings.NewReader(strings.Repeat("a", size)), iotest.ErrReader(broken))}
		resp := &host.Response{Status: 200, Body: body, Length: -1}
		err := compressor(10).Compress(accepting("gzip"), resp)
		if size == 5 {
			if !errors.Is(err, broken) || !body.closed {
				t.Errorf("%d: got %v, closed %t", size, err, body.closed)
			}
			continue
		}
		if _, rerr := io.ReadAll(resp.Body); err != nil || !errors.Is(rerr, broken) {
			t.Errorf("%d: got %v, %v", size, err, rerr)
		}
		if err := resp.Body.Close(); err != nil || !body.closed {
			t.Errorf("%d: closed %t, %v", size, body.closed, err)
		}
	}
}

// Writers are shared: bodies that are read at the same time, some only in part, do not mix.
func TestCompressConcurrent(t *testing.T) {
	c := compressor(0)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 20 {
				want := strings.Repeat(string(rune('a'+i)), 40_000+i)
				resp := reply(want, i%2 == 0)
				coding := []string{"gzip", "deflate"}[i%2]
				if err := c.Compress(accepting(coding), resp); err != nil {
					t.Error(err)
				}
				if i%5 == 0 {
					_, _ = io.CopyN(io.Discard, resp.Body, 3)
				} else if got := expand(t, coding, resp.Body); got != want {
					t.Errorf("%d: another body", i)
				}
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
}

func pack(t testing.TB, coding, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw":
		w, _ = flate.NewWriter(&b, 9)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func uploaded(coding string, body []byte) *host.Request {
	return &host.Request{Method: "POST", Header: host.Header{{Name: "Content-Encoding", Value: coding}, {Name: "Content-Length", Value: "1"}}, Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body))}
}

// Reference 1.15, "request bodies with Content-Encoding gzip/deflate are decompressed, bad -> 415".
func TestDecodeRequest(t *testing.T) {
	gz := pack(t, "gzip", "hello")
	bad := bytes.Clone(gz)
	bad[len(bad)-5] ^= 1 // its checksum
	tests := []struct {
		name, coding string
		body         []byte
		want         string
		kind         host.Kind // Internal is no error
	}{
		{"gzip", "gzip", gz, "hello", 0},
		{"gzip in another case", " X-GZIP ", gz, "hello", 0},
		{"two members", "gzip", append(bytes.Clone(gz), gz...), "hellohello", 0},
		{"deflate", "deflate", pack(t, "deflate", "hello"), "hello", 0},
		{"deflate without zlib's frame", "deflate", pack(t, "raw", "hello"), "hello", 0},
		{"identity", "identity", []byte("hello"), "hello", 0},
		{"empty", "gzip", nil, "", 0},
		{"exactly the limit", "gzip", pack(t, "gzip", strings.Repeat("a", 1000)), strings.Repeat("a", 1000), 0},
		{"over the limit", "gzip", pack(t, "gzip", strings.Repeat("a", 1001)), "", host.TooLarge},
		{"another coding", "br", []byte("x"), "", host.Unsupported},
		{"two codings", "gzip, deflate", gz, "", host.Unsupported},
		{"not gzip", "gzip", []byte("hello, this is not it"), "", host.Unsupported},
		{"one octet", "gzip", gz[:1], "", host.Unsupported},
		{"cut", "gzip", gz[:len(gz)-3], "", host.Unsupported},
		{"a wrong checksum", "gzip", bad, "", host.Unsupported},
		{"something behind", "deflate", append(pack(t, "deflate", "hello"), "xyz"...), "", host.Unsupported},
		{"not deflate", "deflate", []byte("\xff\xff\xff"), "", host.Unsupported},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := uploaded(test.coding, test.body)
			before := r.Header.Clone()
			out, err := rest.DecodeRequest(r, host.Default[int64](1000))
			var got []byte
			if err == nil {
				got, err = io.ReadAll(out.Body)
			}
			if diff := cmp.Diff(before, r.Header); diff != "" {
				t.Errorf("what arrived was changed: %s", diff)
			}
			if test.kind != 0 {
				var e *host.Error
				code := map[host.Kind]host.ResponseType{host.TooLarge: host.RequestTooLarge, host.Unsupported: host.UnsupportedMediaType}[test.kind]
				if !errors.As(err, &e) || e.Kind != test.kind || e.Code != code {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if err != nil || string(got) != test.want || out.Header.Has("Content-Encoding") || out.Length >= 0 && out.Length != int64(len(got)) {
				t.Errorf("got %.20q, %v, length %d, %v", got, err, out.Length, out.Header)
			}
		})
	}
	r := &host.Request{Body: io.NopCloser(strings.NewReader("x"))}
	if out, err := rest.DecodeRequest(r, host.Setting[int64]{}); err != nil || out != r {
		t.Errorf("without a coding: got %v, %v", out, err)
	}
}

// A body that grows a thousandfold ends although the route has no limit; so does one of the client's own errors, as it is.
func TestDecodeRequestBounds(t *testing.T) {
	out, err := rest.DecodeRequest(uploaded("gzip", pack(t, "gzip", strings.Repeat("\x00", 64<<20))), host.Setting[int64]{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, out.Body)
	if !errors.Is(err, host.TooLarge) || n > 32<<20 {
		t.Errorf("%d bytes were read, %v", n, err)
	}
	refused := &host.Error{Op: "read", Kind: host.TooLarge, Code: host.RequestTooLarge}
	r := uploaded("gzip", nil)
	r.Body, r.Length = io.NopCloser(io.MultiReader(bytes.NewReader(pack(t, "gzip", "hello")[:12]), iotest.ErrReader(refused))), -1
	if out, err = rest.DecodeRequest(r, host.Setting[int64]{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(out.Body); err != error(refused) {
		t.Errorf("got %v", err)
	}
}

// FuzzAcceptEncoding: no panic, and the body is what it was under the coding that the response names.
func FuzzAcceptEncoding(f *testing.F) {
	f.Add("gzip;q=0.5, deflate;q=1, *;q=0", "hello")
	f.Add("identity , x-gzip;q=1.000;a=b,,;", "")
	f.Fuzz(func(t *testing.T, accept, body string) {
		resp := reply(body, len(accept)%2 == 0)
		if err := compressor(0).Compress(accepting(accept), resp); err != nil {
			t.Fatal(err)
		}
		coding := resp.Header.Get("Content-Encoding")
		if coding != "" && !strings.Contains(strings.ToLower(accept), coding) {
			t.Errorf("%q gives %q", accept, coding)
		}
		if got := expand(t, coding, resp.Body); got != body {
			t.Errorf("got %q", got)
		}
	})
}

// FuzzDecodeRequest: no panic, only the two kinds of error, and never more than the limit.
func FuzzDecodeRequest(f *testing.F) {
	f.Add("gzip", pack(f, "gzip", "hello"))
	f.Add("deflate", pack(f, "deflate", "hello"))
	f.Add("deflate", pack(f, "raw", "hello"))
	f.Fuzz(func(t *testing.T, coding string, body []byte) {
		out, err := rest.DecodeRequest(uploaded(coding, body), host.Default[int64](5000))
		var got []byte
		if err == nil {
			got, err = io.ReadAll(out.Body)
		}
		if err != nil && !errors.Is(err, host.Unsupported) && !errors.Is(err, host.TooLarge) || len(got) > 5000 && len(got) > len(body) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
