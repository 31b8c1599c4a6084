package admin

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/sigv4"
)

// The limits of bodies, in bytes.
const (
	maxJSON   = 1 << 20
	maxApply  = 16 << 20 // a definition with its files and secrets; code is saved before, as blobs
	maxUpload = 256 << 20
	maxSecret = 64 << 10
)

// A pace is how slow a body may come: at this rate, behind which it may be by the grace. Without one, a client that sends a byte a
// minute would hold a connection and a half-saved blob for ever.
type pace struct {
	grace time.Duration
	rate  int64 // bytes a second
}

// A pacedBody gives each Read of the connection a deadline. The time in which nobody reads is not the client's.
type pacedBody struct {
	io.ReadCloser
	pace
	control *http.ResponseController
	left    time.Duration // that may still be waited
	set     time.Time     // the deadline of the connection; what ServeHTTP has set goes until the first Read
}

func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	if due := began.Add(b.left); due.Sub(b.set).Abs() >= time.Second || b.set.Before(began) {
		_ = b.control.SetReadDeadline(due) // a connection that has none is not on a network
		b.set = due
	}
	n, err := b.ReadCloser.Read(p)
	b.left = min(b.grace, b.left-time.Since(began)+time.Duration(n)*time.Second/time.Duration(b.rate))
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = faultf(host.Timeout, http.StatusRequestTimeout, "the request's body came too slowly: it must be %d bytes a second, and may be %s late", b.rate, b.grace)
	case errors.Is(err, io.ErrUnexpectedEOF): // which others may take for an end
		err = malformed("the body was cut off")
	default:
		// What follows on this connection, and the watch for the client leaving, are not the body's.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// limitBody lays the limits of size and pace around the request's body, and counts the body of a signed request, which is read before its
// operation begins.
func (c *call) limitBody() error {
	limit := c.op.limit
	if limit == 0 {
		limit = maxJSON
	}
	if c.r.ContentLength > limit && limit != unlimited {
		return faultf(host.TooLarge, 0, "the body is larger than %d bytes", limit)
	}
	if c.r.Body == nil || c.r.Body == http.NoBody {
		return nil
	}
	signed := c.Access != nil && sigv4.Signed(c.r)
	unproven := signed && sigv4.BodyFirst(c.r)
	pace, pool := c.pace, c.bodies
	if unproven {
		pace, pool = c.unprovenPace, c.unproven
	}
	c.r.Body = &pacedBody{ReadCloser: c.r.Body, pace: pace, left: pace.grace, control: c.w.control}
	if limit != unlimited {
		c.r.Body = http.MaxBytesReader(c.w.ResponseWriter, c.r.Body, limit) // which net/http knows
	}
	if signed {
		c.body = &heldBody{ReadCloser: c.r.Body, claim: pool.claim(access.Client(addressOf(c.r)).String())}
		c.r.Body = c.body
	}
	return nil
}

// holdBody counts what the operation is to hold of its body, and what was read of it already, as the caller's.
func (c *call) holdBody() error {
	pool := c.bodies
	if c.op.limit > maxPayload {
		pool = c.uploads
	}
	switch {
	case c.body != nil:
		c.body.streams = c.op.streams
		return c.body.move(pool, c.who.By)
	case !c.op.streams && c.r.Body != nil && c.r.Body != http.NoBody:
		c.body = &heldBody{ReadCloser: c.r.Body, claim: pool.claim(c.who.By)}
		c.r.Body = c.body
	}
	return nil
}

func (c *call) releaseBody() {
	if c.body != nil {
		c.body.end()
		c.body = nil
	}
}

// unlimited is the limit of a body that has none.
const unlimited = -1

// bodyError gives an error of reading the body its Kind.
func bodyError(err error) error {
	err = limitError(err)
	var known *host.Error
	if errors.As(err, &known) {
		return err
	}
	return malformed("the body could not be read: %v", err)
}

// limitError returns what a limit of the body says, where that is in err's chain: whoever read it thinks that the body was bad.
func limitError(err error) error {
	var large *http.MaxBytesError
	var limit *fault
	switch {
	case errors.As(err, &large):
		return faultf(host.TooLarge, 0, "the body is larger than %d bytes", large.Limit)
	case errors.As(err, &limit):
		return limit
	}
	return err
}

// readBody reads the body to its end.
func (c *call) readBody() ([]byte, error) {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	return data, nil
}

// mediaType returns the body's media type, and "" when it has none.
func (c *call) mediaType() (string, error) {
	text := c.r.Header.Get("Content-Type")
	if text == "" {
		return "", nil
	}
	kind, _, err := mime.ParseMediaType(text)
	if err != nil {
		return "", malformed("Content-Type %.80q is not a media type", text)
	}
	return kind, nil
}

// decode reads a JSON body into v, strictly. A body that may be left out leaves v as it is.
func (c *call) decode(v any) error {
	kind, err := c.mediaType()
	if err != nil {
		return err
	}
	data, err := c.readBody()
	if err != nil {
		return err
	}
	if len(data) == 0 && c.op.bodyOptional {
		return nil
	}
	if kind != "application/json" {
		return faultf(host.Unsupported, 0, "the body must come as Content-Type: application/json, not %.80q", kind)
	}
	return decodeStrict(data, v)
}

// jsonError says what is wrong with a JSON text, and where.
func jsonError(data []byte, err error, v any) error {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case len(data) == 0:
		return malformed("the body is empty, and JSON is expected")
	case errors.As(err, &syntax):
		line, column := placeOf(data, syntax.Offset)
		return malformed("the body is not JSON: line %d, column %d: %v", line, column, syntax)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed("the body is not JSON: it ends too early")
	case errors.As(err, &wrong):
		if wrong.Field == "" {
			return faultf(host.Invalid, 0, "the body must be a JSON object, and not %s", wrong.Value)
		}
		line, column := placeOf(data, wrong.Offset)
		return faultf(host.Invalid, 0, "line %d, column %d: %q cannot be %s", line, column, wrong.Field, wrong.Value)
	}
	// encoding/json has no type for this error; its text has been the same since Go 1.10.
	if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name, _ := strconv.Unquote(quoted)
		if near := definition.Nearest(name, fieldNames(reflect.TypeOf(v), map[reflect.Type]bool{})); near != "" {
			return faultf(host.Invalid, 0, "the body has an unknown field %.80q; did you mean %q?", name, near)
		}
		return faultf(host.Invalid, 0, "the body has an unknown field %.80q", name)
	}
	return faultf(host.Invalid, 0, "%s", strings.TrimPrefix(err.Error(), "json: "))
}

// placeOf returns line and column of an offset, both from 1.
func placeOf(data []byte, offset int64) (line, column int) {
	before := string(data[:min(max(offset, 0), int64(len(data)))])
	return 1 + strings.Count(before, "\n"), max(1, len(before)-strings.LastIndexByte(before, '\n')-1)
}

// fieldNames returns the JSON names of a type's fields, and of those that are in it.
func fieldNames(t reflect.Type, seen map[reflect.Type]bool) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return nil
	}
	seen[t] = true
	var names []string
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
		names = append(names, fieldNames(f.Type, seen)...)
	}
	return names
}
