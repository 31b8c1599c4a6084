package host_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// TestExtendedRequestID: reference 1.4.6, "added to every REST response" [REC]: it ends in "=".
func TestExtendedRequestID(t *testing.T) {
	a, b := host.ExtendedRequestID("a"), host.ExtendedRequestID("b")
	if a == b || len(a) != 16 || !strings.HasSuffix(a, "=") || strings.HasSuffix(a, "==") || a != host.ExtendedRequestID("a") {
		t.Errorf("got %q and %q", a, b)
	}
	if id := host.ExtendedRequestID(""); id != "" {
		t.Errorf("of none: %q", id)
	}
}

// TestAmazonTrace: reference 1.4.6, "Trace" [AST].
func TestAmazonTrace(t *testing.T) {
	const root = "Root=1-5759e988-bd862e3fe1be46a994272793"
	for name, c := range map[string]struct{ came, traceID, want string }{
		"whole":                  {root + ";Parent=53995c3f42cd8ad8;Sampled=1", "", `^` + root + `;Parent=53995c3f42cd8ad8;Sampled=1$`},
		"whole, with more":       {"Self=1-67891234-12456789abcdef012345678;" + root + ";Parent=53995c3f42cd8ad8", "", `^Self=.*;Parent=53995c3f42cd8ad8$`},
		"a root alone":           {root, "", `^` + root + `;Parent=[0-9a-f]{16};Sampled=0$`},
		"none":                   {"", "", `^Root=1-65920080-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`},
		"none, and it is traced": {"", "0af7651916cd43dd8448eb211c80319c", `^Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=[0-9a-f]{16};Sampled=1$`},
		"no root":                {"Root=1-x;Parent=53995c3f42cd8ad8", "", `^Root=1-65920080-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`},
		"a root with a newline":  {"Root=1-5759e988-bd862e3fe1be46a99427279\n", "", `^Root=1-65920080-`},
	} {
		x := &host.Exchange{ID: "id", TraceID: c.traceID, Started: time.Unix(0x65920080, 0), Request: &host.Request{}}
		if c.came != "" {
			x.Request.Header.Add("x-amzn-trace-id", c.came)
		}
		if got := x.AmazonTrace(); !regexp.MustCompile(c.want).MatchString(got) || got != x.AmazonTrace() {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
