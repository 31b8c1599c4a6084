package listener_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A stream2 is the one stream of a connection of HTTP/2 that a test speaks frame by frame: net/http's client has no extended CONNECT.
type stream2 struct {
	mu     sync.Mutex // guards writes
	framer *http2.Framer
	in     *io.PipeReader
}

// Read reads what DATA frames brought, and gives credit for it.
func (s *stream2) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if n > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.framer.WriteWindowUpdate(0, uint32(n))
		_ = s.framer.WriteWindowUpdate(1, uint32(n))
	}
	return n, err
}

// Write sends a DATA frame.
func (s *stream2) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(p), s.framer.WriteData(1, false, p)
}

func (s *stream2) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.framer.WriteData(1, true, nil)
}

func upgradeHTTP2(t *testing.T, s *running, roots *x509.CertPool) *tunnel {
	t.Helper()
	c := tls.Client(dial(t, s.addr), &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2"}})
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	t.Cleanup(func() { _ = in.Close() })
	str := &stream2{framer: http2.NewFramer(c, c), in: in}
	str.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = str.framer.WriteSettings()
	f, err := str.framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := f.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("%T comes first", f)
	}
	if v, _ := settings.Value(http2.SettingEnableConnectProtocol); v != 1 {
		t.Fatal("extended CONNECT is not announced")
	}
	_ = str.framer.WriteSettingsAck()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"},
		{":authority", "localhost"}, {":path", "/chat?a=1"}, {"sec-websocket-version", "13"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = str.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	heads := make(chan *http2.MetaHeadersFrame, 1)
	go str.receive(heads, out)
	head, ok := <-heads
	if !ok {
		t.Fatal("the connection ended without an answer")
	}
	u := &tunnel{Reader: str, Writer: str, header: http.Header{}, end: str.end}
	u.status, _ = strconv.Atoi(head.PseudoValue("status"))
	for _, f := range head.RegularFields() {
		u.header.Add(f.Name, f.Value)
	}
	return u
}

// receive reads frames until the stream or the connection ends.
func (s *stream2) receive(heads chan<- *http2.MetaHeadersFrame, out *io.PipeWriter) {
	defer close(heads)
	for {
		f, err := s.framer.ReadFrame()
		if err != nil {
			_ = out.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			heads <- f
		case *http2.DataFrame:
			if len(f.Data()) > 0 {
				_, _ = out.Write(f.Data())
			}
		case *http2.RSTStreamFrame:
			_ = out.CloseWithError(errors.New("the stream was reset: " + f.ErrCode.String()))
			return
		}
		if h := f.Header(); h.StreamID == 1 && h.Flags.Has(http2.FlagDataEndStream) && h.Type <= http2.FrameHeaders {
			_ = out.Close()
			return
		}
	}
}

// A raw is one end of an HTTP/2 connection that does what it likes.
type raw struct {
	c     net.Conn
	fr    *http2.Framer
	enc   *hpack.Encoder
	block bytes.Buffer

	headers, resets, goAways atomic.Int64
	ended                    chan struct{} // the server hung up
}

// newRaw shakes hands. With read it reads on and counts; without, nothing is read.
func newRaw(t *testing.T, c net.Conn, read bool, settings ...http2.Setting) *raw {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(6 * patience))
	r := &raw{c: c, fr: http2.NewFramer(c, c), ended: make(chan struct{})}
	r.fr.AllowIllegalWrites = true
	r.enc = hpack.NewEncoder(&r.block)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := r.fr.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	if read {
		go r.read()
	}
	return r
}

func (r *raw) read() {
	defer close(r.ended)
	for {
		f, err := r.fr.ReadFrame()
		if err != nil {
			return
		}
		switch f.(type) {
		case *http2.HeadersFrame:
			r.headers.Add(1)
		case *http2.RSTStreamFrame:
			r.resets.Add(1)
		case *http2.GoAwayFrame:
			r.goAways.Add(1)
		}
	}
}

func (r *raw) encode(path string, fields ...string) []byte {
	r.block.Reset()
	for _, f := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "h"}, {Name: ":path", Value: path}} {
		_ = r.enc.WriteField(f)
	}
	for i := 0; i < len(fields); i += 2 {
		_ = r.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return r.block.Bytes()
}

func (r *raw) open(id uint32, path string, end bool) error {
	return r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.encode(path), EndHeaders: true, EndStream: end})
}
