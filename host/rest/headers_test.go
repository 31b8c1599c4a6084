package rest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

func TestVisible(t *testing.T) { // reference 1.4.6 [REC]
	never := []string{"Connection", "Content-Length", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "TE", "Transfer-Encoding", "Trailer",
		"Upgrade", "WWW-Authenticate"}
	h := host.Header{{Name: "tEsT-HEADeR", Value: "1"}}
	for _, name := range never {
		if rest.IsVisible(name) || rest.IsVisible(strings.ToLower(name)) {
			t.Errorf("%s is visible", name)
		}
		h.Add(name, "v")
	}
	h.Add("Via", "v")
	before := h.Clone()
	got := rest.Visible(h)
	if diff := cmp.Diff(host.Header{{Name: "tEsT-HEADeR", Value: "1"}, {Name: "Via", Value: "v"}}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, h); diff != "" {
		t.Errorf("the header itself changed: %s", diff)
	}
}

func TestIsLegalTarget(t *testing.T) { // reference 1.4.4 [REC]; the trace's and the API's id [LS]
	for _, kind := range []rest.Type{rest.TypeHTTP, rest.TypeHTTPProxy, rest.TypeMock, rest.TypeAWS, rest.TypeAWSProxy} {
		aws := kind == rest.TypeAWS || kind == rest.TypeAWSProxy
		for _, name := range []string{"Content-Length", "transfer-encoding", "X-Amzn-Trace-Id", "x-amzn-apigateway-api-id"} {
			if kind.IsLegalTarget(name) {
				t.Errorf("%s: %s", kind, name)
			}
		}
		for _, name := range []string{"Authorization", "connection", "Expect", "Proxy-Authenticate", "TE"} {
			if kind.IsLegalTarget(name) == aws {
				t.Errorf("%s: %s", kind, name)
			}
		}
		if !kind.IsLegalTarget("X-Amz-Invocation-Type") || !kind.IsLegalTarget("Host") {
			t.Errorf("%s: what may be mapped may not", kind)
		}
	}
}

func TestRemapResponse(t *testing.T) { // reference 1.4.6 [REC], Via [LS]; 1.15 for Content-Encoding
	all := []string{"Connection", "Content-Length", "date", "Server"}
	mapped := []string{"Authorization", "Content-MD5", "Expect", "Host", "Max-Forwards", "Proxy-Authenticate", "Trailer", "Upgrade", "User-Agent", "www-Authenticate"}
	for _, kind := range []rest.Type{rest.TypeHTTP, rest.TypeHTTPProxy, rest.TypeMock, rest.TypeAWS, rest.TypeAWSProxy} {
		var h, want host.Header
		put := func(name, as string) {
			h.Add(name, "v")
			if as != "" {
				want.Add(as, "v")
			}
		}
		for _, name := range all {
			put(name, "x-amzn-Remapped-"+name)
		}
		for _, name := range mapped {
			if kind.IsProxy() {
				put(name, name)
			} else {
				put(name, "x-amzn-Remapped-"+name)
			}
		}
		put("X-Amzn-RequestId", "x-amzn-remapped-x-amzn-requestid")
		put("Transfer-Encoding", "")
		if kind == rest.TypeHTTPProxy {
			put("Via", "")
		} else {
			put("Via", "Via")
		}
		put("Content-Encoding", "Content-Encoding")
		put("Content-Type", "Content-Type")
		put("Set-Cookie", "Set-Cookie")
		put("Set-Cookie", "Set-Cookie")
		before := h.Clone()
		if diff := cmp.Diff(want, rest.RemapResponse(kind, h)); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
		if diff := cmp.Diff(before, h); diff != "" {
			t.Errorf("%s: the header itself changed: %s", kind, diff)
		}
	}
}

func TestStamp(t *testing.T) { // reference 1.4.6, "added to every REST response" [REC, LS]
	for kind, traced := range map[rest.Type]bool{rest.TypeAWS: true, rest.TypeAWSProxy: true, rest.TypeHTTP: true, rest.TypeHTTPProxy: false, rest.TypeMock: false, "": false} {
		x, h := exchange(), host.Header{{Name: "X-Amzn-Requestid", Value: "of a mapping"}}
		rest.Stamp(&h, x, kind)
		if got := h.Values("x-amzn-RequestId"); len(got) != 1 || got[0] != x.ID {
			t.Errorf("%s: x-amzn-RequestId is %q", kind, got)
		}
		if id := h.Get("x-amz-apigw-id"); len(id) != 16 || !strings.HasSuffix(id, "=") {
			t.Errorf("%s: x-amz-apigw-id is %q", kind, id)
		}
		if id := h.Get("X-Amzn-Trace-Id"); (id != "") != traced || traced && !wholeTrace.MatchString(id) {
			t.Errorf("%s: X-Amzn-Trace-Id is %q", kind, id)
		}
	}
}

var wholeTrace = regexp.MustCompile(`^Root=1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24};Parent=[0-9a-f]{16};Sampled=[01]$`)

// What came whole goes on as it is, a root alone gets a parent, and all else is made anew (reference 1.4.6, "Trace" [AST]).
func FuzzTrace(f *testing.F) {
	root := "Root=1-5759e988-bd862e3fe1be46a994272793"
	for _, came := range []string{"", root, root + ";Parent=53995c3f42cd8ad8;Sampled=1", "Self=1-2-3;" + root, "Root=1-2-3", "Root=", ";;=", "Parent=1", root + ";Root=x"} {
		f.Add(came, "")
		f.Add(came, "4bf92f3577b34da6a3ce929d0e0e4736")
	}
	f.Fuzz(func(t *testing.T, came, traceID string) {
		if !host.IsFieldValue(came) || traceID != "" && !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(traceID) {
			t.Skip("no field or no id")
		}
		x, h := exchange(), host.Header{}
		x.TraceID = traceID
		x.Request.Header.Set("x-amzn-trace-id", came)
		rest.Stamp(&h, x, rest.TypeHTTP)
		got := h.Get("X-Amzn-Trace-Id")
		if got != came && !wholeTrace.MatchString(got) {
			t.Fatalf("%q became %q", came, got)
		}
		if got == came && came != "" && (!strings.Contains(came, "Root=1-") || !strings.Contains(came, "Parent=")) {
			t.Fatalf("%q went on", came)
		}
		if came == root && !strings.HasPrefix(got, root+";Parent=") {
			t.Fatalf("the root became %q", got)
		}
		if came == "" && traceID != "" && !strings.HasPrefix(got, "Root=1-"+traceID[:8]+"-"+traceID[8:]) {
			t.Fatalf("the exchange's trace %s became %q", traceID, got)
		}
	})
}
