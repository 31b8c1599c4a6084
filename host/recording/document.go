package recording

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// Version is that of the document. A replay refuses others.
const Version = 1

// Limits of a recording. Beyond, it says that it is cut, and is not replayed.
const (
	MaxBody    = 1 << 20  // bytes of one body
	MaxEntries = 100_000  // of start and call together
	MaxSize    = 64 << 20 // bytes of a document
)

// A Recording is one call of a plugin with all that it did.
type Recording struct {
	Version int      `json:"recording"`
	Plugin  Plugin   `json:"plugin"`
	Call    Call     `json:"call"`
	Start   []*Entry `json:"start"`   // what the instance did before the call
	Effects []*Entry `json:"effects"` // what the call did
	Result  Result   `json:"result"`
	Cut     []Text   `json:"cut,omitempty"`  // why it cannot be replayed; nothing where it can
	Mark    string   `json:"mark,omitempty"` // in the names that stand for secrets
}

// A Plugin is the code that was called, and what it was opened with.
type Plugin struct {
	Name      string            `json:"name"`
	Ref       string            `json:"ref,omitempty"` // as written in the user's file
	Digest    string            `json:"digest"`        // SHA-256 of the code
	Runtime   string            `json:"runtime"`
	ABI       string            `json:"abi,omitempty"`
	Carrier   string            `json:"carrier,omitempty"`
	Isolation host.Isolation    `json:"isolation,omitempty"`
	Config    Text              `json:"config,omitempty"` // JSON
	Env       map[string]string `json:"env,omitempty"`
	Secrets   []string          `json:"secrets,omitempty"` // names
	Limits    Limits            `json:"limits"`
}

// Limits are those of a host.Limits that bear on a call. Zero is the default.
type Limits struct {
	Timeout   Duration `json:"timeout,omitempty"`
	Memory    int64    `json:"memory,omitempty"`
	MaxResult int64    `json:"maxResult,omitempty"`
	Fuel      int64    `json:"fuel,omitempty"`
	HostCalls int64    `json:"hostCalls,omitempty"`
	LogLines  int64    `json:"logLines,omitempty"`
	LogBytes  int64    `json:"logBytes,omitempty"`
}

// A Call is what the plugin was called with.
type Call struct {
	Entry    string    `json:"entry"`
	Meta     Text      `json:"meta"`
	Body     *Body     `json:"body,omitempty"`
	Function *Function `json:"function,omitempty"`
}

// A Function is a host.FunctionContext.
type Function struct {
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
	ARN       string `json:"arn,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	Client    Text   `json:"client,omitempty"` // JSON
}

// A Result is what came of it. One of Failure and the others is there.
type Result struct {
	Meta    Text     `json:"meta,omitempty"`
	Body    *Body    `json:"body,omitempty"`
	Failure *Failure `json:"error,omitempty"`
}

// An Entry is one thing that went through the door.
type Entry struct {
	Do   string `json:"do"`
	Task int    `json:"task,omitempty"` // beside the guest; 0 is the guest itself
	Ask  *Ask   `json:"ask,omitempty"`
	Got  *Got   `json:"got,omitempty"`
}

// An Ask is what the guest asked for; which fields there are depends on the entry.
type Ask struct {
	Task     int       `json:"task,omitempty"` // that the guest hears of
	Request  *Request  `json:"request,omitempty"`
	Key      Text      `json:"key,omitempty"`
	Prefix   Text      `json:"prefix,omitempty"`
	After    Text      `json:"after,omitempty"`
	Value    *Text     `json:"value,omitempty"`
	TTL      Duration  `json:"ttl,omitempty"`
	Revision *int64    `json:"revision,omitempty"`
	Name     Text      `json:"name,omitempty"`
	Level    string    `json:"level,omitempty"`
	Message  Text      `json:"message,omitempty"`
	Kind     string    `json:"kind,omitempty"`
	Number   string    `json:"number,omitempty"` // as text: JSON has no NaN
	Bytes    int       `json:"bytes,omitempty"`
	For      *Duration `json:"for,omitempty"`
	Span     int       `json:"span,omitempty"`
}

// A Got is what the guest got.
type Got struct {
	Time     *time.Time `json:"time,omitempty"`
	Left     Duration   `json:"left,omitempty"`
	Random   []byte     `json:"random,omitempty"` // in base64
	Response *Response  `json:"response,omitempty"`
	Value    *Text      `json:"value,omitempty"`
	Revision int64      `json:"revision,omitempty"`
	Keys     []Text     `json:"keys,omitempty"`
	Found    bool       `json:"found,omitempty"` // of a secret, whose value is not written
	Woken    bool       `json:"woken,omitempty"`
	Failure  *Failure   `json:"error,omitempty"`
}

// A Request is one that a guest sent.
type Request struct {
	Method  string    `json:"method"`
	URL     Text      `json:"url"`
	Headers [][2]Text `json:"headers,omitempty"`
	Body    *Body     `json:"body,omitempty"`
}

// A Response is one that a guest got.
type Response struct {
	Status  int       `json:"status"`
	Headers [][2]Text `json:"headers,omitempty"`
	Body    *Body     `json:"body,omitempty"`
}

// A Body is bytes as they were read.
type Body struct {
	Data    Text     `json:"data"`
	Pieces  []int    `json:"pieces,omitempty"` // bytes that each read gave; 0 where the last gave none but the end
	Length  int64    `json:"length,omitempty"` // as it was told beforehand
	Sized   bool     `json:"sized,omitempty"`  // all of it was there
	Ended   bool     `json:"ended,omitempty"`  // it was read to its end, well or by Failure
	Failure *Failure `json:"error,omitempty"`
	Cut     bool     `json:"cut,omitempty"` // longer than MaxBody
}

// A Failure is an error.
type Failure struct {
	Kind  string `json:"kind"`
	Type  string `json:"type,omitempty"`  // of a guest's
	Text  Text   `json:"text"`            // of a guest's, its message
	Cause string `json:"cause,omitempty"` // "canceled" or "deadline", where a context ended
}

// A Text is bytes: in JSON a string where they are UTF-8, and otherwise {"base64": "…"}.
type Text []byte

type encoded struct {
	Base64 string `json:"base64"`
}

// MarshalJSON never fails.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.Valid(t) {
		return plain(string(t))
	}
	return json.Marshal(encoded{base64.StdEncoding.EncodeToString(t)})
}

// UnmarshalJSON fails for what MarshalJSON does not make.
func (t *Text) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*t = Text(text)
		return nil
	}
	var e encoded
	if err := json.Unmarshal(b, &e); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(e.Base64)
	*t = raw
	return err
}

// A Duration is written as Go writes it: "1.5s".
type Duration time.Duration

// MarshalText never fails.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText fails for what is no duration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// plain is JSON in which <, > and & stand as they are.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Encode writes the document, for people too.
func (doc *Recording) Encode() ([]byte, error) {
	text, err := plain(doc)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	if b.Len() > MaxSize {
		return nil, &host.Error{Op: "write the recording", Kind: host.TooLarge, Err: fmt.Errorf("it has %d bytes; the limit is %d", b.Len(), MaxSize)}
	}
	return b.Bytes(), nil
}

// Decode reads a document. Its errors have Kind Invalid.
func Decode(text []byte) (*Recording, error) {
	const op = "read the recording"
	if len(text) > MaxSize {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("it has %d bytes; the limit is %d", len(text), MaxSize)}
	}
	var version struct {
		Version int `json:"recording"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	if version.Version != Version {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf(`it says "recording": %d; this is for version %d`, version.Version, Version)}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	r := &Recording{}
	if err := dec.Decode(r); err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	if err := r.check(); err != nil {
		return nil, &host.Error{Op: op, Kind: host.Invalid, Err: err}
	}
	return r, nil
}

// check refuses what no recorder wrote and a replay would stumble over.
func (doc *Recording) check() error {
	if doc.Call.Entry == "" {
		return errors.New("it has no call")
	}
	for _, list := range [][]*Entry{doc.Start, doc.Effects} {
		for i, e := range list {
			if e == nil || e.Do == "" || e.Task < 0 {
				return fmt.Errorf("entry %d is none", i+1)
			}
			if e.Got == nil {
				e.Got = &Got{}
			}
			if e.Ask == nil {
				e.Ask = &Ask{}
			}
			if e.Do == doNow && e.Got.Time == nil {
				return fmt.Errorf("entry %d has no time", i+1)
			}
			if res := e.Got.Response; res != nil {
				if err := res.Body.check(); err != nil {
					return fmt.Errorf("entry %d: %w", i+1, err)
				}
			}
		}
	}
	return doc.Call.Body.check()
}

func (b *Body) check() error {
	if b == nil {
		return nil
	}
	for _, n := range b.Pieces {
		if n < 0 {
			return errors.New("a body with a negative piece")
		}
	}
	return nil
}

// kindNamed is the Kind of a name; Internal for one that is none.
func kindNamed(name string) host.Kind {
	for k := host.Internal; k.String() != "unknown"; k++ {
		if k.String() == name {
			return k
		}
	}
	return host.Internal
}

// String is the entry on one line.
func (e *Entry) String() string {
	b, err := plain(e)
	if err != nil {
		return e.Do
	}
	return strings.TrimSpace(string(b))
}
