package listener

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http/httpguts"

	"github.com/postern/postern/host"
)

// copyBuffer is how much of a body is held at a time.
const copyBuffer = 32 << 10

var buffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// answer writes resp, closes its body and ends it. What could not be written whole is cut off, so that the
// client cannot take a part for the whole (RFC 9112, section 8).
func (x *exchange) answer(resp *host.Response) {
	err := errPanicked
	defer func() {
		if resp.End != nil {
			resp.End(err)
		}
	}()
	defer func() {
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
	}()
	if x.l.base.Err() != nil { // it is cut: the connection closes at any moment
		err = ErrDrained
	} else {
		err = x.write(resp)
	}
	var reset *http3.Error
	if x.left != nil && errors.As(err, &reset) && reset.Remote {
		x.left()
	}
	if err != nil && !x.refused {
		panic(http.ErrAbortHandler)
	}
}

func (x *exchange) write(resp *host.Response) error {
	if resp.Status == http.StatusSwitchingProtocols && resp.Upgrade != nil {
		return x.upgrade(resp)
	}
	if resp.Status < 200 || resp.Status > 999 {
		x.refuse(http.StatusInternalServerError, ReasonPanic, fmt.Sprintf("the handler answered with status %d", resp.Status))
		return fmt.Errorf("status %d cannot be sent", resp.Status)
	}
	if x.tunnel && resp.Status < 300 { // any 2xx would tell the client that it speaks WebSocket now (RFC 8441, section 5)
		x.refuse(http.StatusNotImplemented, ReasonUnsupported, "the handler answered an extended CONNECT without an upgrade")
		return errors.New("an extended CONNECT cannot be answered with success and no upgrade")
	}
	x.start()
	x.setHeader(resp)
	if x.body.settle(resp.Body == nil || resp.Length >= 0) {
		x.w.Header().Set("Connection", "close")
		// Without it, net/http would read the rest of the request before the first byte of the answer.
		if w, ok := x.w.(interface{ EnableFullDuplex() error }); ok {
			_ = w.EnableFullDuplex() // HTTP/1 always can
		}
	}
	if x.r.ProtoMajor == 1 && x.switchOffered() { // what follows may not be HTTP, and was not read along
		x.w.Header().Set("Connection", "close")
	}
	x.wrote = true
	x.w.WriteHeader(resp.Status)
	if err := x.writeBody(resp); err != nil || x.r.ProtoMajor < 3 {
		return err
	}
	return x.flush() // quic-go keeps short answers back, and would not tell what becomes of them
}

// writeBody sends what follows the header.
func (x *exchange) writeBody(resp *host.Response) error {
	if x.r.Method == http.MethodHead || resp.Status == http.StatusNoContent || resp.Status == http.StatusNotModified {
		return nil
	}
	if resp.Body != nil {
		if err := x.copyBody(resp); err != nil {
			return err
		}
	} else if resp.Length > 0 {
		return fmt.Errorf("%d bytes were announced, but there is no body", resp.Length)
	}
	if resp.Trailer != nil {
		return x.writeTrailer(resp.Trailer())
	}
	return nil
}

// flush sends what is held back.
func (x *exchange) flush() error {
	x.armWrite()
	if err := x.w.(interface{ FlushError() error }).FlushError(); err != nil {
		return fmt.Errorf("write to the client: %w", err)
	}
	x.disarmWrite()
	return nil
}

// setHeader copies what may be sent. Hop-by-hop fields are the engine's (RFC 9110, section 7.6.1), and so is the length.
func (x *exchange) setHeader(resp *host.Response) {
	h := x.w.Header()
	values := make([]string, len(resp.Header)+1)
	named, announced := "", false
	for i, f := range resp.Header {
		name := http.CanonicalHeaderKey(f.Name)
		switch name {
		case "Connection":
			named += "," + f.Value
			continue
		case "Keep-Alive", "Proxy-Connection", "Te", "Transfer-Encoding", "Upgrade":
			continue
		case "Content-Length":
			if x.r.Method != http.MethodHead || resp.Length >= 0 {
				continue
			}
		case "Trailer":
			if resp.Trailer == nil {
				continue
			}
			announced = true
		}
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(f.Value) {
			x.l.log.Warn("response field dropped: it cannot be written", "name", strconv.Quote(f.Name), "target", x.r.RequestURI)
			continue
		}
		if prior := h[name]; prior != nil {
			h[name] = append(prior, f.Value)
			continue
		}
		values[i] = f.Value
		h[name] = values[i : i+1 : i+1]
	}
	if named != "" {
		for name := range strings.SplitSeq(named, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // net/http would guess one
	}
	if x.l.altSvc != "" && x.conn != nil && !x.req.Peer.Trusted { // who asks a proxy does not reach this port
		h["Alt-Svc"] = []string{x.l.altSvc}
	}
	if x.hasLength(resp, announced) {
		values[len(resp.Header)] = strconv.FormatInt(resp.Length, 10)
		h["Content-Length"] = values[len(resp.Header):]
	} else if resp.Body == nil && resp.Length < 0 {
		h["Content-Length"] = nil // net/http would say 0, which gRPC's trailers-only does not have
	}
}

// hasLength reports whether the length is sent. A trailer on HTTP/1.1 needs chunks instead (RFC 9112, section 7.1.2), which an
// answer of known length is given only where the trailer was announced.
func (x *exchange) hasLength(resp *host.Response, announced bool) bool {
	switch {
	case resp.Status == http.StatusNoContent || resp.Status == http.StatusNotModified:
		return false
	case resp.Length == 0:
		return resp.Body == nil && x.r.Method != http.MethodHead
	}
	return resp.Length > 0 && (!announced || x.r.ProtoMajor > 1)
}

// copyBody sends the body. Where its length is not known, each piece is flushed as it comes: whoever makes
// it may pause for long.
func (x *exchange) copyBody(resp *host.Response) error {
	buf := buffers.Get().(*[copyBuffer]byte)
	defer buffers.Put(buf)
	streaming := resp.Length < 0 || resp.Header.IsEventStream()
	if streaming {
		if err := x.flush(); err != nil {
			return err
		}
	}
	var written int64
	for {
		n, err := resp.Body.Read(buf[:])
		if n > 0 {
			written += int64(n)
			if werr := x.send(buf[:n], streaming, written == resp.Length); werr != nil {
				return fmt.Errorf("write to the client: %w", werr)
			}
		}
		switch {
		case err == io.EOF:
			if resp.Length >= 0 && written != resp.Length {
				return fmt.Errorf("%d bytes were announced, but the body had %d", resp.Length, written)
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// send writes a piece of the body. The deadline stays behind the last one, of which the engine sends what it held back when the exchange
// is over: a client that gives a stream no window would otherwise keep it for ever.
func (x *exchange) send(piece []byte, flush, last bool) error {
	x.armWrite()
	if _, err := x.w.Write(piece); err != nil {
		return err
	}
	if flush {
		if err := x.w.(interface{ FlushError() error }).FlushError(); err != nil {
			return err
		}
	}
	if !last {
		x.disarmWrite()
	}
	return nil
}

// armWrite sets the deadline of a write to a stream: flow control may stop one while the connection is well.
func (x *exchange) armWrite() {
	if d := x.l.limits.WriteIdle; x.r.ProtoMajor > 1 && d > 0 {
		_ = x.w.(deadliner).SetWriteDeadline(time.Now().Add(d))
	}
}

// disarmWrite takes it back: the body may pause as long as it likes.
func (x *exchange) disarmWrite() {
	if x.r.ProtoMajor > 1 && x.l.limits.WriteIdle > 0 {
		_ = x.w.(deadliner).SetWriteDeadline(time.Time{})
	}
}

func (x *exchange) writeTrailer(t host.Header) error {
	if len(t) == 0 {
		return nil
	}
	if f, ok := x.w.(http.Flusher); ok {
		f.Flush() // so that net/http cannot send a short body with a length, after which no trailer fits
	}
	h := x.w.Header()
	for _, f := range t {
		if !httpguts.ValidTrailerHeader(f.Name) || !httpguts.ValidHeaderFieldValue(f.Value) {
			x.l.log.Warn("response trailer dropped: it cannot be written", "name", strconv.Quote(f.Name), "target", x.r.RequestURI)
			continue
		}
		h.Add(http.TrailerPrefix+f.Name, f.Value)
	}
	return nil
}
