package admin

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

// TestClientOfStrangers: what is at an address is often not what was meant.
func TestClientOfStrangers(t *testing.T) {
	answer := func(status int, mediaType, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	metrics := http.NotFoundHandler()
	for name, tt := range map[string]struct {
		handler http.Handler
		kind    host.Kind
		want    string
	}{
		"a web server":        {answer(404, "text/html", "<html>"), host.BadGateway, "is no Postern's admin API"},
		"a gateway's own":     {answer(404, "application/json", `{"message":"Not Found"}`), host.BadGateway, "is no Postern's admin API"},
		"a page for all":      {answer(200, "text/html", "<html>"), host.BadGateway, "is no Postern's admin API"},
		"a redirect":          {answer(302, "text/html", "", "Location", "https://login.example.com"), host.BadGateway, "https://login.example.com"},
		"nonsense":            {answer(200, "application/json", "{"), host.BadGateway, "cannot be read"},
		"a problem":           {answer(503, TypeProblem, `{"kind":"unavailable","detail":"the store is away"}`), host.Unavailable, "the store is away"},
		"a kind of tomorrow":  {answer(418, TypeProblem, `{"kind":"teapot","detail":"short"}`), host.Internal, "short"},
		"one folder's status": {Handler(func() Status { return Status{Version: "devel"} }, none, metrics, true), host.Unsupported, "postern serve --data"},
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(tt.handler)
			defer web.Close()
			c := must(NewClient(web.URL, ClientOptions{Token: "pst_x"}))
			for what, err := range map[string]error{"read": second(c.API(t.Context(), "x")), "change": second(c.RollbackStage(t.Context(), "x", "y", 0, Write{}))} {
				if host.KindOf(err) != tt.kind || err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v: %v", what, host.KindOf(err), err)
				}
			}
		})
	}
}

// TestClientOfAStrangerBelowAPath: to ask whether it is a Postern asks the same stranger, once.
func TestClientOfAStrangerBelowAPath(t *testing.T) {
	var asked atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 10 {
			panic(http.ErrAbortHandler)
		}
		http.NotFound(w, r)
	}))
	defer web.Close()
	_, err := must(NewClient(web.URL+"/admin", ClientOptions{})).Whoami(t.Context())
	if host.KindOf(err) != host.BadGateway || asked.Load() != 2 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestClientOfTLS(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(Whoami{Role: "admin"})
	})
	secure, clear := httptest.NewTLSServer(ok), httptest.NewServer(ok)
	defer secure.Close()
	defer clear.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if me := must(must(NewClient(secure.URL, ClientOptions{CA: ca})).Whoami(t.Context())); me.Role != "admin" {
		t.Errorf("%+v", me)
	}
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	for address, want := range map[string]string{
		secure.URL: "--ca",
		"http" + strings.TrimPrefix(secure.URL, "https"): "use https://",
		"https" + strings.TrimPrefix(clear.URL, "http"):  "use http://",
	} {
		_, err := must(NewClient(address, ClientOptions{})).Whoami(t.Context())
		if k := host.KindOf(err); k != host.Unavailable && k != host.BadGateway || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
	_, err := must(NewClient("https://localhost:"+port, ClientOptions{CA: ca})).Whoami(t.Context())
	if host.KindOf(err) != host.Unavailable || !strings.Contains(err.Error(), "another name") {
		t.Errorf("%v", err)
	}
	if _, err := NewClient(secure.URL, ClientOptions{CA: []byte("x")}); !errors.Is(err, host.Invalid) {
		t.Errorf("%v", err)
	}
}

// TestClientOfABrokenAnswer: nothing that is cut off is taken for whole, and whoever waits may leave.
func TestClientOfABrokenAnswer(t *testing.T) {
	release := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", TypeNDJSON)
		_, _ = io.WriteString(w, `{"progress":"one"}`+"\n")
		w.(http.Flusher).Flush()
		if r.URL.Query().Get("message") == "hang" || r.Method == http.MethodGet {
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}
	}))
	defer web.Close()
	defer close(release)
	c := must(NewClient(web.URL, ClientOptions{Timeout: 50 * time.Millisecond}))
	var heard []string
	_, err := c.Apply(t.Context(), "x", catalog.Input{}, Write{Progress: func(line string) { heard = append(heard, line) }})
	if host.KindOf(err) != host.Unavailable || !strings.Contains(err.Error(), "may have been made, or not") || strings.Join(heard, "") != "one" {
		t.Errorf("%v, %v", err, heard)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.Apply(ctx, "x", catalog.Input{}, Write{Message: "hang", Progress: func(string) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	quiet := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer quiet.Close()
	_, err = must(NewClient(quiet.URL, ClientOptions{Timeout: 50 * time.Millisecond})).Whoami(t.Context())
	if host.KindOf(err) != host.Timeout {
		t.Errorf("%v", err)
	}
	quiet.Config.Close()
	_, err = c.Whoami(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestClientNotReachable(t *testing.T) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	address := "http://" + ln.Addr().String()
	_ = ln.Close()
	_, err := must(NewClient(address, ClientOptions{})).Status(t.Context())
	if host.KindOf(err) != host.Unavailable || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "--admin") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "127.0.0.1:8090", "ftp://x", "http://", "http://x?a", "http://u:p@x", "http://x#y", "http://a b"} {
		if _, err := NewClient(bad, ClientOptions{}); !errors.Is(err, host.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
