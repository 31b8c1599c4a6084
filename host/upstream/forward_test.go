package upstream_test

import (
	"errors"
	"io"
	"log"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/upstream"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestForward(t *testing.T) {
	peer := host.Peer{Remote: netip.MustParseAddrPort("192.0.2.1:5000"), Local: netip.MustParseAddrPort("10.0.0.1:8080"), Protocol: "HTTP/1.1"}
	trusted := peer
	trusted.Trusted = true
	v6 := peer
	v6.Remote, v6.Protocol = netip.MustParseAddrPort("[2001:db8::1]:5000"), "HTTP/2.0"
	said := "X-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 2.2.2.2\nX-Forwarded-Host: out\nX-Forwarded-Port: 443\nX-Forwarded-Proto: https\nForwarded: for=1.1.1.1\nVia: 1.1 edge"
	for name, tc := range map[string]struct {
		peer     host.Peer
		in, want string
	}{
		"ours are added": {peer, "A: 1", `A: 1
X-Forwarded-For: 192.0.2.1
X-Forwarded-Host: api.example:8080
X-Forwarded-Port: 8080
X-Forwarded-Proto: http
Forwarded: for=192.0.2.1;host="api.example:8080";proto=http
Via: 1.1 postern`},
		"an untrusted peer's are replaced": {peer, said, `X-Forwarded-For: 192.0.2.1
X-Forwarded-Host: api.example:8080
X-Forwarded-Port: 8080
X-Forwarded-Proto: http
Forwarded: for=192.0.2.1;host="api.example:8080";proto=http
Via: 1.1 edge, 1.1 postern`},
		"a trusted peer's are continued": {trusted, said, `X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.1
X-Forwarded-Host: out
X-Forwarded-Port: 443
X-Forwarded-Proto: http
Forwarded: for=1.1.1.1, for=192.0.2.1;host="api.example:8080";proto=http
Via: 1.1 edge, 1.1 postern`},
		"IPv6 and HTTP/2": {v6, "", `X-Forwarded-For: 2001:db8::1
X-Forwarded-Host: api.example:8080
X-Forwarded-Port: 8080
X-Forwarded-Proto: http
Forwarded: for="[2001:db8::1]";host="api.example:8080";proto=http
Via: 2.0 postern`},
		"hop-by-hop fields go": {peer, "connection: close, x-mine, Te, X-Forwarded-For\nX-Mine: 1\nKeep-Alive: 1\nProxy-Connection: a\nProxy-Authorization: b\n" +
			"TE: gzip, trailers;q=0.5\nTransfer-Encoding: chunked\nUpgrade: h2c\nTrailer: X\nContent-Length: 5\nHost: x\nUser-Agent: me\nAccept-Encoding: br", `Te: trailers
User-Agent: me
Accept-Encoding: br
X-Forwarded-For: 192.0.2.1
X-Forwarded-Host: api.example:8080
X-Forwarded-Port: 8080
X-Forwarded-Proto: http
Forwarded: for=192.0.2.1;host="api.example:8080";proto=http
Via: 1.1 postern`},
	} {
		t.Run(name, func(t *testing.T) {
			in := &host.Request{Method: "GET", Scheme: "http", Host: "api.example:8080", Target: "/", Header: header(tc.in), Peer: tc.peer}
			before := slices.Clone(in.Header)
			out := *in
			if err := upstream.Forward(in, &out); err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, f := range out.Header {
				lines = append(lines, f.Name+": "+f.Value)
			}
			if d := cmp.Diff(tc.want, strings.Join(lines, "\n")); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(before, in.Header); d != "" {
				t.Error("what arrived was changed:", d)
			}
		})
	}
}

func header(lines string) host.Header {
	var h host.Header
	for line := range strings.SplitSeq(lines, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}

func TestLoop(t *testing.T) {
	in := &host.Request{Method: "GET", Scheme: "http", Host: "h", Target: "/"}
	passed := 0
	for range 100 {
		out := *in
		if err := upstream.Forward(in, &out); err != nil {
			if !errors.Is(err, host.BadGateway) || upstream.CauseOf(err) != upstream.CauseLoop {
				t.Error(err)
			}
			break
		}
		passed++
		in = &out
	}
	if passed != 11 {
		t.Errorf("it went round %d times", passed)
	}
}
