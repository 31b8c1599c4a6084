package quarantine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

// What a child may be asked for.
const (
	opSource  = "source"
	opCompile = "compile"
)

// Bounds of what a child may send, so that one that has gone astray does not fill this process.
const (
	maxHead    = 16 << 20  // bytes of JSON: errors, for the most part
	maxContent = 256 << 20 // bytes of code, and of its source map
)

// A request is what a child is asked for. Its content follows: the upload, or the code and its source map.
type request struct {
	Op          string
	CacheDir    string
	ContentType string
	Limits      project.UploadLimits
	Upload      int64 // bytes
	Scripts     string
	Source      *code
}

// An answer is what came of it. Where there is a source, the code and its source map follow.
type answer struct {
	Error    *failure
	Source   *code
	Compiled bool // the source was compiled too

	source *host.Source
	failed error
}

// A code is a host.Source whose bytes stand elsewhere.
type code struct {
	Name, Runtime, ABI, Digest string
	Exports                    []string
	Code, SourceMap            int64 // bytes
	ConfigSchema               []byte
}

func describe(src *host.Source) *code {
	return &code{Name: src.Name, Runtime: src.Runtime, ABI: src.ABI, Digest: src.Digest, Exports: src.Exports,
		Code: int64(len(src.Code)), SourceMap: int64(len(src.SourceMap)), ConfigSchema: src.ConfigSchema}
}

func (c *code) content(src *host.Source) io.Reader {
	return io.MultiReader(bytes.NewReader(src.Code), bytes.NewReader(src.SourceMap))
}

// read reads what content wrote.
func (c *code) read(r io.Reader) (*host.Source, error) {
	if c.Code < 0 || c.Code > maxContent || c.SourceMap < 0 || c.SourceMap > maxContent {
		return nil, fmt.Errorf("code of %d bytes with a source map of %d", c.Code, c.SourceMap)
	}
	src := &host.Source{Name: c.Name, Runtime: c.Runtime, ABI: c.ABI, Digest: c.Digest, Exports: c.Exports, Code: make([]byte, c.Code), ConfigSchema: c.ConfigSchema}
	if _, err := io.ReadFull(r, src.Code); err != nil {
		return nil, err
	}
	if c.SourceMap > 0 {
		src.SourceMap = make([]byte, c.SourceMap)
		if _, err := io.ReadFull(r, src.SourceMap); err != nil {
			return nil, err
		}
	}
	return src, nil
}

// send writes a message: its length in four bytes, itself as JSON, and its content.
func send(w io.Writer, head any, content io.Reader) error {
	data, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)); err != nil { //nolint:gosec // bounded by receive
		return err
	}
	if content == nil {
		return nil
	}
	_, err = io.Copy(w, content)
	return err
}

// receive reads a message without its content.
func receive(r io.Reader, head any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxHead {
		return fmt.Errorf("a message of %d bytes", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	return json.Unmarshal(data, head)
}

// A failure is an error that crosses from a child to the host: one of the forms below, which are tried in this order.
type failure struct {
	Findings []*finding       `json:",omitempty"` // a definition.Errors
	Finding  *finding         `json:",omitempty"`
	Kind     *host.Kind       `json:",omitempty"` // a *host.Error, with the next three
	Op       string           `json:",omitempty"`
	Pos      host.Position    `json:",omitzero"`
	Code     string           `json:",omitempty"`
	Guest    *host.GuestError `json:",omitempty"`
	Joined   []*failure       `json:",omitempty"` // several, as errors.Join has them
	Text     string           `json:",omitempty"` // any other, with what it wraps below
	Cause    *failure         `json:",omitempty"`
}

// A finding is a definition.Error with all its fields, and none of its methods.
type finding definition.Error

const maxErrorDepth = 32

// pack makes an error into what can be sent.
func pack(err error, depth int) *failure {
	if err == nil {
		return nil
	}
	if depth >= maxErrorDepth {
		return &failure{Text: err.Error()}
	}
	switch e := err.(type) { //nolint:errorlint // level by level
	case definition.Errors:
		f := &failure{Findings: make([]*finding, len(e))}
		for i := range e {
			f.Findings[i] = (*finding)(e[i])
		}
		return f
	case *definition.Error:
		return &failure{Finding: (*finding)(e)}
	case *host.Error:
		return &failure{Kind: &e.Kind, Op: e.Op, Pos: e.Pos, Code: string(e.Code), Cause: pack(e.Err, depth+1)}
	case *host.GuestError:
		return &failure{Guest: e}
	case interface{ Unwrap() []error }:
		f := &failure{Text: err.Error()}
		for _, one := range e.Unwrap() {
			f.Joined = append(f.Joined, pack(one, depth+1))
		}
		return f
	}
	return &failure{Text: err.Error(), Cause: pack(errors.Unwrap(err), depth+1)}
}

// unpack makes the error again. One that is neither of this module's is an error with its text.
func (f *failure) unpack() error {
	switch {
	case f == nil:
		return nil
	case f.Findings != nil:
		errs := make(definition.Errors, len(f.Findings))
		for i := range errs {
			errs[i] = (*definition.Error)(f.Findings[i])
		}
		return errs
	case f.Finding != nil:
		return (*definition.Error)(f.Finding)
	case f.Kind != nil:
		return &host.Error{Op: f.Op, Kind: *f.Kind, Pos: f.Pos, Code: host.ResponseType(f.Code), Err: f.Cause.unpack()}
	case f.Guest != nil:
		return f.Guest
	}
	var below []error
	for _, one := range append(f.Joined, f.Cause) {
		if one != nil {
			below = append(below, one.unpack())
		}
	}
	return &reworded{f.Text, below}
}

// A reworded error has the text of one in a child, and what that wraps.
type reworded struct {
	text  string
	below []error
}

func (r *reworded) Error() string   { return r.text }
func (r *reworded) Unwrap() []error { return r.below }
