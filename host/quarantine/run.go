package quarantine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

const (
	op       = "compile the code"
	workName = "work" // the child's working folder, in the folder of its check
	maxSaid  = 16 << 10
)

var errTime = errors.New("the time is up")

// A deadly error is of code that kills its compiler.
type deadly struct{ error }

func (d *deadly) Unwrap() error { return d.error }

// run starts a child for one request, whose content follows, and returns its answer. The error tells why there is none.
func (q *Quarantine) run(ctx context.Context, dir string, in *request, content io.Reader) (*answer, error) {
	done, err := q.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	in.CacheDir = q.opts.CacheDir
	ctx, cancel := context.WithTimeoutCause(ctx, Time, errTime)
	defer cancel()

	// A child gets its signal at the end of the host by the thread that has started it (prctl(2), PR_SET_PDEATHSIG), which must not end before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	said := &head{}
	cmd := exec.CommandContext(ctx, q.opts.Command[0], q.opts.Command[1:]...)
	cmd.Args[0] = "postern"
	cmd.Dir = filepath.Join(dir, workName)
	cmd.Env = []string{"GOMAXPROCS=2", "TMPDIR=" + cmd.Dir}
	cmd.Stderr = said
	cmd.Cancel = func() error { return kill(cmd) }
	cmd.WaitDelay = time.Second
	own(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Internal, Err: err}
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, &host.Error{Op: op, Kind: host.Internal, Err: err}
	}
	if err := cmd.Start(); err != nil {
		return nil, unavailable(fmt.Errorf("the process that compiles code does not start: %w", err))
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = send(stdin, in, content) // to a child that has died: it is told below why
	}()
	out, readErr := q.answer(bufio.NewReader(stdout))
	if readErr != nil {
		_ = kill(cmd) // it has died, or says what nobody understands
	}
	waitErr := cmd.Wait() // closes stdin
	<-sent
	if readErr != nil {
		return nil, q.died(ctx, readErr, waitErr, said.String())
	}
	return out, nil
}

func (q *Quarantine) answer(r io.Reader) (*answer, error) {
	out := &answer{}
	if err := receive(r, out); err != nil {
		return nil, err
	}
	out.failed = out.Error.unpack()
	if out.Source == nil {
		return out, nil
	}
	src, err := out.Source.read(r)
	out.source = src
	return out, err
}

// died says in a user's words why a child gave no answer.
func (q *Quarantine) died(ctx context.Context, readErr, waitErr error, said string) error {
	var exit *exec.ExitError
	errors.As(waitErr, &exit)
	switch {
	case errors.Is(context.Cause(ctx), errTime):
		return cannot("the code cannot be compiled within %d s", Time/time.Second)
	case ctx.Err() != nil:
		return unavailable(context.Cause(ctx))
	case exit != nil && exit.ExitCode() == exitMemory, strings.Contains(said, "out of memory"), strings.Contains(said, "cannot allocate memory"):
		return cannot("the code cannot be compiled within %d GiB of memory", Memory>>30)
	case strings.Contains(said, "stack overflow"):
		return cannot("the code cannot be compiled: it is nested too deeply")
	}
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			q.log.Error("a compiler failed", "said", said)
			return cannot("the code cannot be compiled: it makes the compiler fail (%.200s)", strings.TrimSpace(line))
		}
	}
	q.log.Warn("a process that compiled code ended", "how", fmt.Sprint(waitErr), "said", said, "error", readErr)
	if waitErr == nil {
		waitErr = readErr
	}
	return unavailable(fmt.Errorf("the process that compiles code was ended from outside (%w): the machine may be short of memory; try again", waitErr))
}

func cannot(format string, args ...any) error {
	return &host.Error{Op: op, Kind: host.Invalid, Err: &deadly{fmt.Errorf(format, args...)}}
}

func unavailable(err error) error { return &host.Error{Op: op, Kind: host.Unavailable, Err: err} }

// A head keeps the beginning of what is written.
type head struct{ text bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	h.text.Write(p[:min(len(p), maxSaid-h.text.Len())])
	return len(p), nil
}

func (h *head) String() string { return h.text.String() }
