package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"
)

// What bounds a connection to an upstream, beside what a definition sets.
const (
	maxHeaderBytes = 256 << 10 // of a response's header, and of all that come before it (1xx)
	maxIdlePerHost = 256       // connections that are kept for one host
	maxIdlePerPeer = 4         // those that are kept for one client, where each belongs to one
	maxStreamBytes = 1 << 20   // of one HTTP/2 response that are received before they are read; net/http's own is 4 MiB

	// expectContinue is how long a body waits for an upstream's 100, after which it is sent anyway (RFC 9110, section 10.1.1).
	expectContinue = time.Second
	// An HTTP/2 connection on which nothing arrives is asked whether it lives: a target that vanished without a word would
	// otherwise take every request until TCP gives up.
	pingAfter, pingTimeout = 15 * time.Second, 10 * time.Second
)

// schemeH2C is HTTP/2 with prior knowledge over clear TCP (RFC 9113, section 3.3).
const schemeH2C = "h2c"

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// wire is what transports differ in.
type wire struct {
	connect     time.Duration // for the connection, and again for its TLS handshake
	idle        time.Duration // for a connection that is kept
	idlePerHost int
	headerBytes int64
	tls         *tls.Config
	protocols   http.Protocols
	dial        dialFunc
}

func newTransport(w wire) *http.Transport {
	return &http.Transport{
		DialContext:            w.dial,
		TLSClientConfig:        w.tls,
		TLSHandshakeTimeout:    w.connect,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    w.idlePerHost,
		IdleConnTimeout:        w.idle,
		ExpectContinueTimeout:  expectContinue,
		MaxResponseHeaderBytes: w.headerBytes,
		Protocols:              &w.protocols,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: maxStreamBytes,
			SendPingTimeout:           pingAfter,
			PingTimeout:               pingTimeout,
		},
	}
}

// protocolsOf returns what is spoken to a scheme: https offers HTTP/2 by ALPN, h2c knows it, http is HTTP/1.1.
func protocolsOf(scheme string) http.Protocols {
	var p http.Protocols
	p.SetHTTP1(scheme != schemeH2C)
	p.SetHTTP2(scheme == "https")
	p.SetUnencryptedHTTP2(scheme == schemeH2C)
	return p
}

func orDefault[T int | int64 | time.Duration](v, byDefault T) T {
	if v <= 0 {
		return byDefault
	}
	return v
}

// dial reaches addr, and this machine for names at or below localhost.
func dial(ctx context.Context, d *net.Dialer, network, addr string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(addr)
	if err != nil || !isLocalhost(name) {
		return d.DialContext(ctx, network, addr)
	}
	c, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return c, nil
	}
	if c, v6 := d.DialContext(ctx, network, net.JoinHostPort("::1", port)); v6 == nil {
		return c, nil
	}
	return nil, err
}

func isLocalhost(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
