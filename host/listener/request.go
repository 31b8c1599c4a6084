package listener

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/postern/postern/host"
)

// A deadliner is the ResponseWriter of a stream of HTTP/2 or 3.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// convert fills x.req. A status that is not zero refuses the request.
func (x *exchange) convert() (status int, reason Reason, detail string) {
	r := x.r
	fields := 0
	for _, values := range r.Header {
		fields += len(values)
	}
	if limit := x.l.limits.HeaderFields; fields > limit {
		return http.StatusRequestHeaderFieldsTooLarge, ReasonHeaderTooLarge, fmt.Sprintf("%d header fields, the limit is %d", fields, limit)
	}
	if x.fault != "" {
		return http.StatusBadRequest, ReasonMalformed, x.fault
	}
	if status, reason, detail := object(r); status != 0 {
		return status, reason, detail
	}
	upgrade, ok := x.upgradeAsked()
	if !ok {
		return http.StatusNotImplemented, ReasonUnsupported, "CONNECT with :protocol " + strconv.Quote(x.extended())
	}
	target, ok := originForm(r, x.tunnel)
	if !ok {
		return http.StatusNotImplemented, ReasonUnsupported, "method " + r.Method + " with target " + r.RequestURI
	}
	header := make(host.Header, 0, fields+1)
	ends := hopByHop(r.Header)
	for name, values := range r.Header {
		if ends[name] || name == "Upgrade" || name == pseudoProtocol {
			continue
		}
		for _, v := range values {
			header = append(header, host.Field{Name: name, Value: v})
		}
	}
	x.req = host.Request{
		Method:  r.Method,
		Scheme:  "http",
		Host:    r.Host,
		Target:  target,
		Header:  header,
		Length:  r.ContentLength,
		Upgrade: upgrade,
		Peer: host.Peer{
			Remote:   x.remote,
			Local:    x.local,
			Addr:     x.remote.Addr(),
			Protocol: r.Proto,
			TLS:      r.TLS,
		},
	}
	if x.tunnel {
		x.req.Method = http.MethodGet
	}
	if r.ProtoMajor == 3 {
		x.req.Peer.Protocol = "HTTP/3.0" // quic-go has the :protocol of an extended CONNECT there
	}
	if r.TLS != nil {
		x.req.Scheme = "https"
	}
	if len(x.l.cfg.TrustedProxies) > 0 {
		believe(&x.req, x.l.cfg.TrustedProxies)
	}
	x.takeBody()
	return 0, "", ""
}

// takeBody sets what belongs to the request's body.
func (x *exchange) takeBody() {
	r := x.r
	x.req.Body = &x.body
	if r.Body == nil || r.Body == http.NoBody || x.tunnel { // a tunnel's bytes are the upgraded connection's
		x.req.Length = 0
		return
	}
	x.body.from = r.Body
	if r.ProtoMajor == 1 {
		x.body.conn = x.conn
		x.conn.beginBody()
	} else {
		x.body.stream, _ = x.w.(deadliner)
		x.body.limits = x.l.limits
	}
	if r.ProtoMajor == 3 && httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue") {
		x.body.ask = x.askForBody // net/http does it by itself
		x.req.Header.Del("Expect")
	}
	if r.ContentLength < 0 || r.ProtoMajor == 3 {
		x.req.Trailer = x.trailer
		if len(r.Trailer) > 0 { // net/http took the field out of the header
			names := make([]string, 0, len(r.Trailer))
			for name := range r.Trailer {
				names = append(names, name)
			}
			slices.Sort(names)
			x.req.Header.Add("Trailer", strings.Join(names, ", "))
		}
	}
}

// askForBody sends 100 (Continue) unless the final answer has begun.
func (x *exchange) askForBody() {
	x.head.Lock()
	defer x.head.Unlock()
	if !x.started {
		x.w.WriteHeader(http.StatusContinue)
	}
}

// trailer is host.Request.Trailer.
func (x *exchange) trailer() host.Header {
	var h host.Header
	for name, values := range x.r.Trailer {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return h
}

// originForm returns path and query as they came, without scheme and authority where the client sent an absolute
// form (RFC 9112, section 3.2.2). It is false for CONNECT, unless it is an extended one, and for targets of no form.
func originForm(r *http.Request, extended bool) (string, bool) {
	target := r.RequestURI
	switch {
	case r.Method == http.MethodConnect && !extended:
		return "", false
	case strings.HasPrefix(target, "/"):
		return target, true
	case target == "*":
		return target, r.Method == http.MethodOptions
	}
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return "", false
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/", true
	case rest[i] == '?':
		return "/" + rest[i:], true
	}
	return rest[i:], true
}

// A body is host.Request.Body. Reading may go on while the answer is written, and ends with the exchange:
// net/http allows no read after that. Close only stops reading; net/http deals with what is left.
type body struct {
	from   io.Reader // nil for an empty body
	conn   *conn     // of HTTP/1
	stream deadliner // of HTTP/2 and 3
	ask    func()    // tells the client, before the first read, that the body is wanted; nil where nobody waits for that
	limits Limits    // of HTTP/2 and 3
	pace   pace
	mu     sync.Mutex // held while reading
	ended  atomic.Bool
	gate   sync.Mutex  // held while a read is interrupted
	over   bool        // the exchange has ended: conn and stream belong to it no more; guarded by gate
	begun  bool        // a read was tried
	whole  atomic.Bool // it was read to its end
	err    error       // what Read returned at the end; later reads return it again
}

// Read implements io.Reader. An error other than io.EOF has Kind Invalid: the client's message is not complete.
func (b *body) Read(p []byte) (int, error) {
	if b.from == nil {
		return 0, io.EOF
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = true
	if b.ended.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.ask != nil {
		b.ask()
		b.ask = nil
	}
	if b.stream != nil {
		_ = b.stream.SetReadDeadline(b.pace.start(b.limits))
	}
	n, err := b.from.Read(p)
	if b.stream != nil { // the timer of a stream runs between reads too, when the Handler may be slow
		_ = b.stream.SetReadDeadline(time.Time{})
		b.pace.stop(n)
	}
	if err == nil || err == io.EOF {
		b.err = err
		b.whole.Store(err == io.EOF)
		return n, err
	}
	cause := fmt.Errorf("the client's body is not complete: %w", err)
	switch {
	case isTimeout(err):
		cause = errors.New("the client's body came too slowly, or not at all")
	case b.conn != nil && b.conn.wire.fault != "":
		cause = errors.New("the client's body is malformed: " + b.conn.wire.fault)
	}
	b.err = &host.Error{Op: "read request body", Kind: host.Invalid, Err: cause}
	return n, b.err
}

// Close implements io.Closer. It ends a read that is under way, but does not wait for that.
func (b *body) Close() error {
	b.interrupt()
	return nil
}

// settle decides, before an answer begins on HTTP/1, what becomes of a request that has not ended. Where nobody has begun to
// read it and the answer is whole, net/http reads the rest, or hangs up if that is long or does not come. Otherwise reading may go on
// beside the answer; that is the connection's last one, as some clients stop sending when they have the answer.
func (b *body) settle(whole bool) (last bool) {
	if b.conn == nil || b.whole.Load() { // not b.err: whoever reads on holds the mutex, also behind the end
		return false
	}
	if b.mu.TryLock() {
		defer b.mu.Unlock()
		if whole && !b.begun {
			b.ended.Store(true)
			b.conn.awaitRest()
			return false
		}
	}
	return true
}

// end makes further reads fail and waits for one that is under way.
func (b *body) end() {
	if b.interrupt() {
		b.mu.Lock()
		defer b.mu.Unlock() // the reader has gone
	}
	b.gate.Lock()
	defer b.gate.Unlock()
	b.over = true
}

// interrupt reports whether a read was under way. What is left on an HTTP/1 connection after that is no request.
func (b *body) interrupt() bool {
	b.ended.Store(true)
	switch {
	case b.from == nil, b.whole.Load():
		return false
	case b.mu.TryLock():
		b.mu.Unlock()
		return false
	}
	b.gate.Lock() // whoever calls Close may do so late, when the connection serves another request
	defer b.gate.Unlock()
	switch {
	case b.over:
		return false
	case b.conn != nil:
		b.conn.giveUp()
	case b.stream != nil:
		_ = b.stream.SetReadDeadline(time.Unix(1, 0))
	}
	return true
}
