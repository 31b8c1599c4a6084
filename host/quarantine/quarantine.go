package quarantine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
)

// The bounds of a child. Beyond them code is refused.
const (
	Time   = 20 * time.Second // wall time, from its start
	Memory = 1 << 30          // bytes that are resident, or that Go's runtime has taken

	// stack is what one goroutine of a child may have, in bytes. The host has Go's own limit, of a bit less than 1 GB; stacks are doubled, so
	// that in effect these are 128 and 512 MiB.
	stack = 128 << 20
)

// How many children there are at once, and how many wait for their turn before further ones are refused.
const (
	maxChildren = 2
	maxWaiting  = 64
)

const defaultUpload = 256 << 20 // bytes, as in project.UploadLimits

// Options set a Quarantine up.
type Options struct {
	Command  []string     // starts the child, which calls Main; needed
	Temp     string       // where children have their folders; "" is the system's
	CacheDir string       // as of wasm.Options: what a child compiles is found by the host; "" compiles twice
	Scripts  string       // the runtime that scripts are compiled for when they are uploaded; "" is host.RuntimeJS
	Passed   string       // the file that remembers what has passed; "" remembers it until the process ends
	Logger   *slog.Logger // nil discards
}

// A Quarantine checks code in children. It is safe for concurrent use.
type Quarantine struct {
	opts    Options
	log     *slog.Logger
	slots   chan struct{}
	waiting atomic.Int64
	passed  passed
	refused refused
}

// New makes a Quarantine. A file of what has passed that cannot be read costs further checks alone.
func New(o Options) *Quarantine {
	q := &Quarantine{opts: o, log: o.Logger, slots: make(chan struct{}, maxChildren)}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	if err := q.passed.load(o.Passed); err != nil {
		q.log.Warn("what code has passed is not known, and is checked again", "file", o.Passed, "error", err)
	}
	return q
}

// Source is project.SourceFromUpload in a child, and its errors are those. What kills the child is an error of Kind Invalid; Unavailable are
// too many that wait, an end of ctx, and a child that was killed by somebody else.
func (q *Quarantine) Source(ctx context.Context, r io.Reader, contentType string, limits project.UploadLimits) (*host.Source, error) {
	dir, err := q.folder()
	if err != nil {
		return nil, err
	}
	defer q.remove(dir)
	// As a whole before a child is started: a client may take its time, and a child has none.
	upload, size, err := spool(ctx, r, filepath.Join(dir, "upload"), cmp.Or(limits.Upload, defaultUpload))
	if err != nil {
		return nil, err
	}
	defer upload.Close()
	in := &request{Op: opSource, ContentType: contentType, Limits: limits, Upload: size, Scripts: q.opts.Scripts}
	out, err := q.run(ctx, dir, in, upload)
	if err != nil {
		return nil, err
	}
	if out.failed != nil {
		return nil, out.failed
	}
	if out.Compiled {
		q.pass(keyOf(compiledFor(*out.source, q.opts.Scripts)))
	}
	return out.source, nil
}

// Check compiles code in a child. It returns nil for what the host can compile, and the error of the compiler for what it can, in no
// time and little memory, refuse. Other errors are as those of Source. src must have its Code.
func (q *Quarantine) Check(ctx context.Context, src *host.Source) error {
	key := keyOf(src)
	if q.passed.has(key) {
		return nil
	}
	if err := q.refused.why(key); err != nil {
		return err
	}
	dir, err := q.folder()
	if err != nil {
		return err
	}
	defer q.remove(dir)
	in := &request{Op: opCompile, Source: describe(src)}
	out, err := q.run(ctx, dir, in, in.Source.content(src))
	if err != nil {
		var d *deadly
		if errors.As(err, &d) {
			q.refused.add(key, err)
		}
		return err
	}
	if out.failed != nil {
		return out.failed
	}
	q.pass(key)
	return nil
}

// compiledFor is a script as it is compiled for one of the runtimes of scripts, and all else as it is.
func compiledFor(src host.Source, scripts string) *host.Source {
	if src.Runtime == host.RuntimeJS {
		src.Runtime = cmp.Or(scripts, host.RuntimeJS)
	}
	return &src
}

// Runtime returns the runtime of that name, which compiles what has passed Check.
func (q *Quarantine) Runtime(name string, inner host.Runtime) host.Runtime {
	return &checked{inner, name, q}
}

type checked struct {
	host.Runtime
	name       string
	quarantine *Quarantine
}

// Compile implements host.Runtime.
func (c *checked) Compile(ctx context.Context, src host.Source) (host.Module, error) {
	if err := c.quarantine.Check(ctx, compiledFor(src, c.name)); err != nil {
		return nil, err
	}
	return c.Runtime.Compile(ctx, src)
}

func (q *Quarantine) pass(key key) {
	if err := q.passed.add(key); err != nil {
		q.log.Warn("that code has passed cannot be kept, and it is checked again after a restart", "file", q.opts.Passed, "error", err)
	}
}

// turn waits until a child may be started. The caller calls done at its end.
func (q *Quarantine) turn(ctx context.Context) (done func(), err error) {
	if q.waiting.Add(1) > maxWaiting {
		q.waiting.Add(-1)
		return nil, unavailable(fmt.Errorf("%d others wait for their code to be compiled; try again in a few seconds", maxWaiting))
	}
	defer q.waiting.Add(-1)
	select {
	case q.slots <- struct{}{}:
		return func() { <-q.slots }, nil
	case <-ctx.Done():
		return nil, unavailable(fmt.Errorf("other code is compiled: %w", context.Cause(ctx)))
	}
}

// folder makes a folder for one child.
func (q *Quarantine) folder() (string, error) {
	dir, err := os.MkdirTemp(q.opts.Temp, "postern-check-")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, workName), 0o700)
	}
	if err != nil {
		return "", &host.Error{Op: op, Kind: host.Internal, Err: err}
	}
	return dir, nil
}

func (q *Quarantine) remove(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		q.log.Warn("the folder of a check cannot be removed", "error", err)
	}
}

// spool writes an upload to a file: one byte more than the limit, by which the child sees that it is too large.
func spool(ctx context.Context, r io.Reader, path string, limit int64) (file *os.File, size int64, err error) {
	file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, 0, &host.Error{Op: op, Kind: host.Internal, Err: err}
	}
	in := &tracked{r: io.LimitReader(r, limit+1)}
	size, err = io.Copy(file, in)
	switch {
	case err == nil:
		if _, err = file.Seek(0, io.SeekStart); err == nil {
			return file, size, nil
		}
		err = &host.Error{Op: op, Kind: host.Internal, Err: err}
	case ctx.Err() != nil:
		err = unavailable(context.Cause(ctx))
	case in.err != nil:
		err = &host.Error{Op: "read the upload", Kind: host.Invalid, Err: fmt.Errorf("the upload ended early: %w", in.err)}
	default:
		err = &host.Error{Op: op, Kind: host.Internal, Err: err}
	}
	return nil, 0, errors.Join(err, file.Close())
}

// A tracked reader keeps its error, to tell it from the writer's.
type tracked struct {
	r   io.Reader
	err error
}

func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}
