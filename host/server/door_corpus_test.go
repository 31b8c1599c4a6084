package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

// corpusDir has the cases, one file a family. A case is
//
//	case NAME
//	why THE RULE, OR WHAT IS TRIED
//	> BYTES                        sent, with the escapes of Go; lines are joined without anything between
//	* N BYTES                      sent N times
//	~                              the client ends its half of the connection here, and sends no innocent request
//	= forward METHOD TARGET FRAMING BODY   the upstream gets exactly this, and its answer comes back; FRAMING is none, length or chunked
//	= host NAME | field NAME: VALUE | no NAME   of the request that was forwarded last; the host is the client's, as X-Forwarded-Host tells it
//	= answer STATUS                the gateway answers by itself, and the connection stays
//	= refuse STATUS                the same, and it is closed: nothing behind this is a request
//	= close                        the connection closes behind the last answer
//
// Behind each case an innocent request follows on the same connection, once in the same write and once when the answers are there. It must
// be forwarded and answered as it would be without the case, or not at all behind refuse and close.
const corpusDir = "../listener/testdata/corpus"

const innocent = "GET /innocent HTTP/1.1\r\nHost: innocent.example\r\n\r\n"

type corpusCase struct {
	name, why, send string
	halfClose       bool
	want            []expectation
}

type expectation struct {
	verb, method string // verb is forward, answer, refuse or close
	status       int
	seen         string   // the request line, framing and body of a request that is forwarded
	checks       []string // host, field and no
}

func readCorpus(t *testing.T) map[string][]corpusCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpusDir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	corpus := map[string][]corpusCase{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := parseCorpus(string(text))
		if err != nil {
			t.Fatalf("%s:%v", file, err)
		}
		corpus[strings.TrimSuffix(filepath.Base(file), ".txt")] = cases
	}
	return corpus
}

func parseCorpus(text string) ([]corpusCase, error) {
	var cases []corpusCase
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if word == "case" {
			cases = append(cases, corpusCase{name: rest})
			continue
		}
		if len(cases) == 0 {
			return nil, fmt.Errorf("%d: before the first case", number)
		}
		if err := cases[len(cases)-1].parse(word, rest); err != nil {
			return nil, fmt.Errorf("%d: %w", number, err)
		}
	}
	for _, c := range cases {
		if c.why == "" || c.send == "" || len(c.want) == 0 {
			return nil, fmt.Errorf("case %q is not complete", c.name)
		}
	}
	return cases, nil
}

func (c *corpusCase) parse(word, rest string) (err error) {
	times := "1"
	switch word {
	case "why":
		c.why = rest
	case "~":
		c.halfClose = true
	case "*":
		times, rest, _ = strings.Cut(rest, " ")
		fallthrough
	case ">":
		n, err := strconv.Atoi(times)
		if err != nil {
			return err
		}
		raw, err := strconv.Unquote(`"` + strings.ReplaceAll(rest, `"`, `\"`) + `"`)
		if err != nil {
			return fmt.Errorf("%q: %w", rest, err)
		}
		c.send += strings.Repeat(raw, n)
	case "=":
		return c.expect(rest)
	default:
		return fmt.Errorf("what is %q?", word)
	}
	return nil
}

func (c *corpusCase) expect(text string) (err error) {
	words := strings.SplitN(text, " ", 5)
	e := expectation{verb: words[0]}
	switch {
	case e.verb == "forward" && len(words) == 5:
		e.method = words[1]
		body, err := strconv.Unquote(words[4])
		if err != nil {
			return err
		}
		e.status, e.seen = 200, seen(words[1]+" "+words[2], words[3], body)
	case (e.verb == "answer" || e.verb == "refuse") && len(words) == 2:
		e.status, err = strconv.Atoi(words[1])
	case e.verb == "close" && len(words) == 1:
	case (e.verb == "host" || e.verb == "field" || e.verb == "no") && len(c.want) > 0:
		check, err := strconv.Unquote(`"` + text + `"`)
		last := &c.want[len(c.want)-1]
		last.checks = append(last.checks, check)
		return err
	default:
		return fmt.Errorf("what is %q?", text)
	}
	c.want = append(c.want, e)
	return err
}

func seen(line, framing, body string) string { return fmt.Sprintf("%s %s %q", line, framing, body) }

// TestCorpus sends every case through the whole gateway to a recorder.
func TestCorpus(t *testing.T) {
	t.Parallel() // it mostly waits
	corpus, up := readCorpus(t), startRecorder(t)
	g := servertest.New(t, servertest.Options{Config: func(cfg *server.Config) {
		cfg.HTTPS, cfg.Certificate.SelfSigned = "127.0.0.1:0", true
	}})
	g.Write(t, map[string]string{"postern.yaml": `
apis:
  all:
    routes:
      $default: {integration: {upstream: recorder}}
upstreams:
  recorder: {targets: ["http://` + up.addr + `"]}
`})
	if _, err := g.Apply(t); err != nil {
		t.Fatal(err)
	}
	dials := map[string]func() (net.Conn, error){
		"clear": func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(g.URL, "http://")) },
		"TLS": func() (net.Conn, error) {
			return tls.Dial("tcp", strings.TrimPrefix(g.Address("https"), "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		},
	}
	total := 0
	for family, cases := range corpus {
		for _, c := range cases {
			total++
			for security, dial := range dials {
				for _, together := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s/%s/%s/%v", family, c.name, security, together), func(t *testing.T) {
						conn, err := dial()
						if err != nil {
							t.Fatal(err)
						}
						defer conn.Close()
						c.run(t, conn, up, together)
					})
				}
			}
		}
	}
	t.Logf("%d cases", total)
	if total < 150 {
		t.Error("the corpus has lost cases")
	}
}

type closeWriter interface{ CloseWrite() error }

func (c corpusCase) run(t *testing.T, conn net.Conn, up *recorder, together bool) {
	_ = conn.SetDeadline(time.Now().Add(servertest.Patience))
	ends := c.halfClose
	for _, e := range c.want {
		ends = ends || e.verb == "refuse" || e.verb == "close"
	}
	send := c.send
	if together && !c.halfClose {
		send += innocent
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, send) // the gateway may hang up before it has all
		if c.halfClose {
			_ = conn.(closeWriter).CloseWrite()
		}
	}()
	br := bufio.NewReader(conn)
	for _, e := range c.want {
		e.check(t, br, up)
	}
	<-sent
	if !together && !c.halfClose {
		_, _ = io.WriteString(conn, innocent)
	}
	if !ends {
		e := expectation{verb: "forward", method: "GET", status: 200, seen: seen("GET /innocent", "none", "")}
		e.check(t, br, up)
		_ = conn.(closeWriter).CloseWrite()
	}
	if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("and then came %q, %v", rest, err)
	}
	select {
	case got := <-up.got:
		t.Errorf("the upstream also got %+v", got)
	default:
	}
}

func (e expectation) check(t *testing.T, br *bufio.Reader, up *recorder) {
	t.Helper()
	if e.verb == "close" {
		return
	}
	res, err := http.ReadResponse(br, &http.Request{Method: e.method})
	if err != nil {
		t.Fatalf("%s: %v", e.verb, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != e.status {
		t.Fatalf("%s: answered %d %q, %v", e.verb, res.StatusCode, body, err)
	}
	if e.verb != "forward" {
		return
	}
	got := <-up.got
	if d := cmp.Diff(e.seen, got.seen); d != "" {
		t.Errorf("forwarded: %s", d)
	}
	if e.method != "HEAD" && string(body) != e.seen {
		t.Errorf("the answer is to %q", body)
	}
	for _, check := range e.checks {
		what, rest, _ := strings.Cut(check, " ")
		if what == "host" {
			what, rest = "field", "X-Forwarded-Host: "+rest
		}
		found := false
		for _, field := range got.fields {
			name, _, _ := strings.Cut(field, ":")
			found = found || field == rest || what == "no" && strings.EqualFold(name, rest)
		}
		if found != (what == "field") {
			t.Errorf("%s: forwarded with %q", check, got.fields)
		}
	}
}
