package server_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

// startEveryDoor serves a project in the clear and over TLS, HTTP/3 among it.
func startEveryDoor(t *testing.T, files map[string]string, change ...func(*server.Config)) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, files, servertest.Options{Config: func(cfg *server.Config) {
		cfg.HTTPS, cfg.HTTP3, cfg.Certificate.SelfSigned = "127.0.0.1:0", true, true
		for _, f := range change {
			f(cfg)
		}
	}})
}

// A way is a version of HTTP on one of a gateway's doors.
type way struct {
	name  string
	proto string                                   // as net/http calls it
	door  string                                   // "http" or "https"
	dial  func() (http.RoundTripper, func() error) // a transport, and what closes its connections
}

// client is a new client, and the base of the gateway's URLs for it. Its connections are closed when the test ends.
func (w way) client(t *testing.T, g *servertest.Gateway) (base string, client *http.Client) {
	t.Helper()
	transport, done := w.dial()
	t.Cleanup(func() { _ = done() })
	return g.Address(w.door), &http.Client{Transport: transport}
}

func ways() []way {
	return []way{
		{"HTTP/1.1", "HTTP/1.1", "http", tcp((*http.Protocols).SetHTTP1)},
		{"HTTP/1.1 TLS", "HTTP/1.1", "https", tcp((*http.Protocols).SetHTTP1)},
		{"h2c", "HTTP/2.0", "http", tcp((*http.Protocols).SetUnencryptedHTTP2)},
		{"HTTP/2", "HTTP/2.0", "https", tcp((*http.Protocols).SetHTTP2)},
		{"HTTP/3", "HTTP/3.0", "https", func() (http.RoundTripper, func() error) {
			tr := overQUIC(5 * time.Second) // whose goodbye may be lost
			return tr, tr.Close
		}},
	}
}

func tcp(speak func(*http.Protocols, bool)) func() (http.RoundTripper, func() error) {
	return func() (http.RoundTripper, func() error) {
		protocols := new(http.Protocols)
		speak(protocols, true)
		tr := &http.Transport{Protocols: protocols, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		return tr, func() error { tr.CloseIdleConnections(); return nil }
	}
}

// overQUIC is a transport of HTTP/3 that gives up after so long without a packet; 0 for the library's default.
func overQUIC(silence time.Duration) *http3.Transport {
	return &http3.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		QUICConfig: &quic.Config{MaxIdleTimeout: silence, HandshakeIdleTimeout: silence}}
}
