package listener

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
)

// A streamConn is HTTP/2 over TLS. It hides the *tls.Conn, through which net/http would otherwise go past the frames' count, and so
// looks like clear HTTP/2 to it: the listener tells requests of their TLS itself.
type streamConn struct {
	net.Conn
	s *secureConn
}

// speak readies the connection for what ALPN chose: the other version of HTTP is then none.
func (c *conn) speak(t *tls.Conn) (net.Conn, error) {
	s, state := &secureConn{Conn: t, c: c}, t.ConnectionState()
	if state.NegotiatedProtocol != "h2" {
		c.wire.next()
		return s, nil
	}
	if !adequate(state) {
		return nil, errors.New("HTTP/2 over " + tls.VersionName(state.Version) + " with " + tls.CipherSuiteName(state.CipherSuite))
	}
	c.tls, c.wire.only = &state, true
	return &streamConn{Conn: t, s: s}, nil
}

// Read reads clear text.
func (s *streamConn) Read(p []byte) (int, error) { return s.s.Read(p) }

// Write writes clear text.
func (s *streamConn) Write(p []byte) (int, error) { return s.s.Write(p) }

// adequate reports whether HTTP/2 may be spoken over this (RFC 9113, section 9.2.2): TLS 1.3, or 1.2 with an ephemeral key exchange and
// an authenticated cipher.
func adequate(state tls.ConnectionState) bool {
	return state.Version >= tls.VersionTLS13 || state.Version == tls.VersionTLS12 && slices.Contains([]uint16{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	}, state.CipherSuite)
}

// takePreface tells HTTP/2 from HTTP/1 by a connection's first bytes.
func (w *wire) takePreface(b byte) {
	if b == preface[w.at] {
		if w.at++; w.at == len(preface) {
			w.step = stepFrames
		}
		return
	}
	if w.only {
		w.fault = "HTTP/1 where HTTP/2 was agreed"
		return
	}
	matched := w.at
	w.next()
	w.feed([]byte(preface[:matched]))
	if w.fault == "" {
		w.take(b)
	}
}
