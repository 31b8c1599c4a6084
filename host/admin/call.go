package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

// A call is one request to one operation.
type call struct {
	*server
	op     *operation
	w      *response
	r      *http.Request
	sent   io.Reader // the body as it comes, without limits
	id     string    // of a request to the Lambda API
	query  url.Values
	who    caller
	change catalog.Change // of an operation that changes something
	wait   time.Duration
	before uint64 // the state's revision before a change

	body     *heldBody // nil when none is held
	out      *lines    // of an operation that tells its progress, or streams
	recorded bool      // in the audit log
}

// A reply is what an operation answers. An operation that has written its response itself returns nil.
type reply struct {
	status   int    // 0 is 200, or 204 without a body
	body     any    // in JSON
	rev      uint64 // of the resource, for its ETag; 0 for none
	location string
	digest   string          // of what was changed, for the audit log
	subject  string          // the id of what was made, where the path does not have it
	parts    func(Part) bool // which parts ?wait= looks at; nil for none
}

// serve answers a request.
func (s *server) serve(w http.ResponseWriter, r *http.Request, op *operation) {
	c := s.call(w, r, op)
	defer c.recover()
	defer c.releaseBody()
	if err := c.admit(); err != nil {
		p := c.refuse(err)
		if op.audited() && c.who.By != "" { // who is known, and may not, or asks for what cannot be
			c.record(nil, p, 0)
		}
		c.writeProblem(p, err)
		return
	}
	if op.long && strings.Contains(r.Header.Get("Accept"), TypeNDJSON) {
		c.stream()
		return
	}
	switch rep, err := c.perform(); {
	case err != nil:
		c.fail(c.refuse(err), err)
	case rep != nil:
		c.writeReply(rep)
	}
}

// call begins to answer a request to an operation.
func (s *server) call(w http.ResponseWriter, r *http.Request, op *operation) *call {
	c := &call{server: s, op: op, w: s.response(w), r: r, sent: r.Body}
	if op.lambda {
		c.id = requestID()
		w.Header().Set("X-Amzn-Requestid", c.id)
	}
	return c
}

// recover answers for a handler that panicked: one request is lost, and not the host.
func (c *call) recover() {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		err := &host.Error{Op: "admin", Kind: host.Internal, Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
		p := c.refuse(err)
		if c.op.audited() && c.who.By != "" && !c.recorded {
			c.record(nil, p, 0)
		}
		c.fail(p, err)
	}
}

// admit checks all that needs neither the catalog nor most of the body: who calls, whether they may, names and parameters.
func (c *call) admit() error {
	if err := c.limitBody(); err != nil {
		return err
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.holdBody(); err != nil {
		return err
	}
	if err := c.checkNames(); err != nil {
		return err
	}
	if err := c.checkQuery(); err != nil {
		return err
	}
	if c.op.change {
		return c.readChange()
	}
	return nil
}

// readChange reads the parameters that every change has.
func (c *call) readChange() (err error) {
	c.change.By = c.who.By
	message := c.query.Get("message")
	if err = checkMessage(message); err != nil {
		return err
	}
	c.change.Message = message // not before: the audit log has it
	if c.change.DryRun, err = c.flag("dryRun", false); err != nil {
		return err
	}
	if c.change.Force, err = c.flag("force", false); err != nil {
		return err
	}
	if c.wait, err = c.duration("wait", maxWait); err != nil {
		return err
	}
	return c.readConditions()
}

// readConditions reads what the change is to depend on. A condition that would not be looked at is refused, and not passed over.
func (c *call) readConditions() (err error) {
	if c.r.Header.Get("If-None-Match") != "" || c.r.Header.Get("If-Unmodified-Since") != "" {
		return malformed("a change may have If-Match, and no other condition")
	}
	match := c.r.Header.Get("If-Match")
	if match == "" {
		return nil
	}
	if c.op.unversioned {
		return malformed("what this changes has no revision: If-Match is not taken")
	}
	text, quoted := strings.CutPrefix(match, `"`)
	text, ended := strings.CutSuffix(text, `"`)
	if c.change.Revision, err = strconv.ParseUint(text, 10, 64); err != nil || !quoted || !ended || c.change.Revision == 0 {
		return malformed(`If-Match must be one ETag as this host gives them, like "7", and not %.80q`, match)
	}
	return nil
}

// perform runs the operation, and for a change also writes the audit log and waits.
func (c *call) perform() (*reply, error) {
	if !c.op.change {
		return c.op.do(c)
	}
	waits := c.wait > 0 && !c.change.DryRun
	if waits {
		done, err := c.linger()
		if err != nil {
			c.record(nil, problem(err), 0)
			return nil, err
		}
		defer done()
	}
	rep, after, err := c.carryOut()
	if err != nil || !waits || rep.parts == nil {
		return rep, err
	}
	return c.awaited(rep, after)
}

// carryOut makes a change, and returns the state's revision behind it.
func (c *call) carryOut() (rep *reply, after uint64, err error) {
	if c.op.stateful {
		c.before = c.state()
	}
	if rep, err = c.inTurn(); err != nil {
		c.record(nil, problem(err), 0)
		return nil, 0, err
	}
	after = c.before
	if c.op.stateful && !c.change.DryRun {
		if after = c.state(); after != 0 {
			c.w.Header().Set(HeaderRevision, strconv.FormatUint(after, 10))
		}
	}
	if !c.op.quiet {
		c.record(rep, nil, after)
	}
	return rep, after, nil
}

// inTurn runs the operation, which waits for its turn when it is a long one.
func (c *call) inTurn() (*reply, error) {
	defer c.releaseBody()
	if c.op.long {
		body := &turnBody{ReadCloser: c.r.Body, call: c}
		defer body.end()
		c.r.Body = body
	}
	return c.op.do(c)
}

// state is the revision of the state now, also when the client has left, and 0 when it cannot be read.
func (c *call) state() uint64 {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), auditPatience)
	defer cancel()
	view, err := c.Catalog.View(ctx)
	if err != nil {
		return 0
	}
	return view.Revision
}

// code is the status of a reply.
func (r *reply) code() int {
	switch {
	case r.body == nil:
		return http.StatusNoContent
	case r.status == 0:
		return http.StatusOK
	}
	return r.status
}

// writeReply sends what an operation answered.
func (c *call) writeReply(rep *reply) {
	if rep.rev != 0 {
		c.w.Header().Set("ETag", ETag(rep.rev))
	}
	if c.change.DryRun {
		rep.status, rep.location = 0, "" // nothing was made
	}
	if rep.location != "" {
		c.w.Header().Set("Location", rep.location)
	}
	if rep.body == nil {
		c.w.WriteHeader(rep.code())
		return
	}
	c.writeJSON(rep.code(), "application/json", rep.body)
}

// writeJSON sends a value.
func (c *call) writeJSON(status int, mediaType string, value any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value) // all types of this API can be
	c.w.Header().Set("Content-Type", mediaType)
	c.w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	c.w.WriteHeader(status)
	if c.r.Method == http.MethodHead {
		return
	}
	_, _ = c.w.Write(text.Bytes()) // the client left, and nobody is there to be told
}

// awaited waits until this host has tried to serve a change, and adds to its reply the parts that do not serve.
func (c *call) awaited(rep *reply, revision uint64) (*reply, error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), c.wait)
	defer cancel()
	err := refused(host.Unavailable, "the state cannot be read")
	if revision != 0 {
		err = c.Gateway.Wait(ctx, revision)
	}
	if err != nil {
		f := faultf(host.KindOf(err), 0, "the change was made and stays; this host did not serve it within %s: GET /v1/parts, and postern doctor, say why", c.wait)
		if ctx.Err() != nil {
			f.err.Kind = host.Timeout
		}
		f.kept = true
		return nil, f
	}
	parts := []Part{}
	for _, p := range c.Gateway.Parts() {
		if rep.parts(p) && (p.Desired != p.Applied || p.Reason != "") {
			parts = append(parts, p)
		}
	}
	body, err := withParts(rep.body, parts)
	if err != nil {
		return nil, err
	}
	rep.body = body
	return rep, nil
}

// withParts adds the member of Waited to a body.
func withParts(body any, parts []Part) (json.RawMessage, error) {
	added, err := json.Marshal(Waited{parts})
	if err != nil || body == nil {
		return added, err
	}
	object, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	object = object[:len(object)-1]
	if len(object) > 1 {
		object = append(object, ',')
	}
	return append(object, added[1:]...), nil
}

// requestID returns a random UUID (RFC 9562, version 4), as the Lambda API's request ids are.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
