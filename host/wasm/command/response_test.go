package command

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/lambda"
	"github.com/postern/postern/host/wasm/engine"
	"github.com/postern/postern/host/wasm/stream"
)

func TestParseHead(t *testing.T) {
	for in, want := range map[string]*head{
		"Content-Type: text/plain\n\n":                               {200, host.Header{{Name: "Content-Type", Value: "text/plain"}}},
		"content-type:text/plain\r\nX-A:\t1 \r\n\r\n":                {200, host.Header{{Name: "content-type", Value: "text/plain"}, {Name: "X-A", Value: "1"}}},
		"Status: 404\n\n":                                            {404, nil},
		"Status: 201 Created: yes\nX:\n\n":                           {201, host.Header{{Name: "X", Value: ""}}},
		"Location: /other?a=b\n\n":                                   {302, host.Header{{Name: "Location", Value: "/other?a=b"}}},
		"Location: https://a.example/\nStatus: 307\nX-A: \xe9\n\n":   {307, host.Header{{Name: "Location", Value: "https://a.example/"}, {Name: "X-A", Value: "\xe9"}}},
		"Content-Type: a/b\nSet-Cookie: a=1\nSet-Cookie: a=2\n\n":    {200, host.Header{{Name: "Content-Type", Value: "a/b"}, {Name: "Set-Cookie", Value: "a=1"}, {Name: "Set-Cookie", Value: "a=2"}}},
		"Content-Type: a/b\n" + strings.Repeat("X: y\n", 255) + "\n": nil,
	} {
		got, err := parseHead([]byte(in))
		if err != nil || want != nil && !cmp.Equal(got, want, cmp.AllowUnexported(head{})) {
			t.Errorf("%.60q: got %+v, %v", in, got, err)
		}
	}
	for in, says := range map[string]string{
		"\n":                             "none of Content-Type",
		"X-A: 1\n\n":                     "none of Content-Type",
		"hello\n\n":                      "without a colon",
		"HTTP/1.1 200 OK\n\n":            "NPH",
		"Content-Type : a/b\n\n":         "no field",
		"Content-Type: a/b\n X: y\n\n":   "no field",
		"Content-Type: a/b\n folded\n\n": "without a colon",
		": a\n\n":                        "no field",
		"Content-Type: a\rX: b\n\n":      "no field",
		"Content-Type: a\x00b\n\n":       "no field",
		"Status: 200\nstatus: 201\n\n":   "twice",
		"Location: /a\nLocation: /b\n\n": "twice",
		"Status: 99\n\n":                 "Status must",
		"Status: 0200\n\n":               "Status must",
		"Status: +20\n\n":                "Status must",
		"Status: 101\n\n":                "Status must",
		"Status: 600\n\n":                "Status must",
		"Status: OK\n\n":                 "Status must",
		"Content-Type: a/b\n" + strings.Repeat("X: y\n", 256) + "\n": "256 fields",
		"X: " + strings.Repeat("y", maxHead) + "\n\n":                "larger than",
	} {
		_, err := parseHead([]byte(in))
		var guest *host.GuestError
		if !errors.As(err, &guest) || !strings.Contains(guest.Message, says) {
			t.Errorf("%.60q: got %v; want %q", in, err, says)
		}
	}
}

// FuzzResponse reads any output, in pieces and whole: the same comes of both, what is accepted is a result that the pipeline takes, and no byte of
// the body is lost.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{"", "\n", "Content-Type: text/plain\r\n\r\nhello\n\n", "Status: 404 Not Found\nSet-Cookie: a=b\n\nno", "Location: /x\n\n",
		"Content-Type: a/b\nTransfer-Encoding: chunked\nContent-Length: 3\n\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "Content-Type: a\n b\n\n"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, out string, piece int) {
		b := []byte(out)
		at, whole := headEnd(b, 0)
		line, found := 0, false
		step := max(1, piece)
		for n := step; !found && n < len(b)+step; n += step {
			line, found = headEnd(b[:min(n, len(b))], line)
		}
		if found != whole || whole && line != at {
			t.Fatalf("in pieces the head ends at %d, %v; whole at %d, %v", line, found, at, whole)
		}
		if !whole {
			return
		}
		h, err := parseHead(b[:at])
		if err != nil {
			return
		}
		for _, format := range []string{lambda.Format2, lambda.Format1} {
			meta, err := h.meta(format == lambda.Format1)
			if err != nil || !json.Valid(meta) {
				t.Fatalf("%s, %v", meta, err)
			}
			resp, err := lambda.ParseResult(meta, io.NopCloser(strings.NewReader(out[at:])), format)
			if err != nil {
				if len(h.header) > 0 { // more than the pipeline takes of a header, in bytes or after lists are joined
					return
				}
				t.Fatalf("%s is refused: %v", meta, err)
			}
			for _, field := range resp.Header {
				if !host.IsToken(field.Name) || !host.IsFieldValue(field.Value) || host.IsConnectionField(field.Name) {
					t.Errorf("a field %q: %q", field.Name, field.Value)
				}
			}
			if resp.Status != h.status {
				t.Errorf("status %d became %d", h.status, resp.Status)
			}
		}
	})
}

// TestHeadsAreKeptInPart has a program write far more than a head at once, in the place of a head and behind one.
func TestHeadsAreKeptInPart(t *testing.T) {
	long := strings.Repeat("y", 1<<20)
	for _, pieces := range [][]string{{"X: " + long}, {"X: ", long}, {strings.Repeat("X", maxHead), "y", long}} {
		s := &cgiSink{call: &call{plugin: &host.PluginConfig{}, ctx: t.Context(), stream: stream.New(nil)}}
		var err error
		for _, p := range pieces {
			err = s.write([]byte(p))
		}
		if !errors.Is(err, host.Internal) || cap(s.head) > 4*maxHead {
			t.Errorf("%d bytes of a head are kept: %v", cap(s.head), err)
		}
	}
	s := &cgiSink{call: &call{plugin: &host.PluginConfig{}, ctx: t.Context(), stream: stream.New(nil), inst: &engine.Instance{}}}
	written := make(chan error, 1)
	go func() {
		err := s.write([]byte("Status: 200\n\n" + long))
		s.stream.Out.End(nil)
		written <- err
	}()
	body, err := io.ReadAll(s.stream.Body())
	if err := errors.Join(err, <-written); err != nil || string(body) != long {
		t.Errorf("%d bytes of the body came: %v", len(body), err)
	}
}
