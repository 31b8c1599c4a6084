package server_test

import (
	"cmp"
	"encoding/xml"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

// unmet are the cases that net/http does not let us pass, by section and first words.
var unmet = map[string]string{
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE": "it hangs up on a SETTINGS frame that has a value twice, and so is stricter than RFC 9113",
	"http2/8.1.2.2: Sends a HEADERS frame that contains the":             "it refuses the request, by answering 400 on the stream rather than by resetting it, as RFC 9113, section 8.1.1, allows to do first",
}

// unmetClear are those of a clear listener.
var unmetClear = map[string]string{
	"http2/3.5: Sends invalid connection preface": "what is no preface is HTTP/1.1 on a clear listener, and answered with 400",
}

// known returns why a case is not met.
func known(scheme, name string) string {
	for _, list := range []map[string]string{unmet, unmetClear} {
		for prefix, reason := range list {
			if strings.HasPrefix(name, prefix) {
				return reason
			}
		}
		if scheme == "https" {
			break
		}
	}
	return ""
}

// TestH2spec runs the conformance suite, its strict cases too, against a gateway: once over TLS and once with prior knowledge.
func TestH2spec(t *testing.T) {
	t.Parallel() // it mostly waits
	if testing.Short() {
		t.Skip("the suite takes some seconds")
	}
	tool, err := exec.CommandContext(t.Context(), "go", "tool", "-n", "h2spec").Output() // builds it
	if err != nil {
		t.Fatal(err)
	}
	g := servertest.New(t, servertest.Options{Config: func(cfg *server.Config) {
		cfg.HTTPS, cfg.Certificate.SelfSigned = "127.0.0.1:0", true
	}})
	g.Write(t, map[string]string{"postern.yaml": `
apis:
  echo:
    routes:
      $default: {integration: {function: echo}}
functions:
  echo: {plugin: ./echo.js}
`, "echo.js": `export const handler = async (event) => ({statusCode: 200, body: event.body || "hello"});`})
	if _, err := g.Apply(t); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			h2spec(t, strings.TrimSpace(string(tool)), g.Address(scheme))
		})
	}
}

func h2spec(t *testing.T, tool, address string) {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report.xml")
	args := []string{"--strict", "--host", host, "--port", port, "--timeout", "3", "--junit-report", report}
	if u.Scheme == "https" {
		args = append(args, "--tls", "--insecure")
	}
	talk, failed := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v: %s", err, talk)
	}
	var suites struct {
		Suites []struct {
			ID    string `xml:"package,attr"`
			Cases []struct {
				Name    string    `xml:"classname,attr"`
				Skipped *struct{} `xml:"skipped"`
				Failure *string   `xml:"failure"`
				Error   *string   `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	passed, unmet := 0, 0
	for _, suite := range suites.Suites {
		for _, c := range suite.Cases {
			name := suite.ID + ": " + c.Name
			problem := cmp.Or(c.Failure, c.Error)
			switch reason := known(u.Scheme, name); {
			case problem != nil && reason != "":
				t.Logf("not met: %s: %s", name, reason)
				unmet++
			case problem != nil:
				t.Errorf("%s: %s", name, *problem)
			case c.Skipped == nil:
				passed++
			}
		}
	}
	t.Logf("%d cases passed, %d are not met", passed, unmet)
	if passed < 142 || failed != nil && unmet == 0 && !t.Failed() {
		t.Errorf("%v: %s", failed, talk)
	}
}
