package quarantine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/quickjs"
	"github.com/postern/postern/host/wasm"
)

// How a child ends that could not do its work, for those who started it.
const (
	exitFailed = 1  // the host has gone, or is another version
	exitMemory = 70 // more than Memory
)

const watchEvery = 10 * time.Millisecond

// Main is the child: it does what it is asked for on stdin, writes the answer to stdout, and returns the exit code. It changes limits of the
// whole process, which must do nothing else. The host keeps stdin open while it waits, so its end is the end of the child.
func Main(stdin io.Reader, stdout io.Writer) int {
	debug.SetMaxStack(stack)
	debug.SetMemoryLimit(Memory * 3 / 4) // from there on the collector works harder
	confine()
	go watch()
	in := bufio.NewReaderSize(stdin, 64<<10)
	out, err := serve(in)
	if err != nil {
		fmt.Fprintln(os.Stderr, "compile-check is what a host starts to compile foreign code, and speaks with that alone:", err)
		return exitFailed
	}
	var content io.Reader
	if out.source != nil {
		out.Source = describe(out.source)
		content = out.Source.content(out.source)
	}
	buffered := bufio.NewWriter(stdout)
	if err := errors.Join(send(buffered, out, content), buffered.Flush()); err != nil {
		return exitFailed
	}
	return 0
}

// serve reads a request and does it. The error is of the reading.
func serve(in io.Reader) (*answer, error) {
	var req request
	if err := receive(in, &req); err != nil {
		return nil, err
	}
	ctx := context.Background()
	if req.Op == opSource {
		upload := &bytes.Buffer{}
		if _, err := io.CopyN(upload, in, req.Upload); err != nil {
			return nil, err
		}
		go outlive(in)
		return source(ctx, &req, upload), nil
	}
	if req.Op != opCompile || req.Source == nil {
		return nil, fmt.Errorf("the operation %.40q is not known", req.Op)
	}
	src, err := req.Source.read(in)
	if err != nil {
		return nil, err
	}
	go outlive(in)
	return &answer{Error: pack(compile(ctx, src, req.CacheDir), 0), Compiled: true}, nil
}

// source makes code of an upload. Where it compiles as well, the host is told, and needs no other child for that; where it does not,
// that is for the catalog to say, which knows what the code is for.
func source(ctx context.Context, req *request, upload io.Reader) *answer {
	dir, err := os.Getwd()
	if err != nil {
		return &answer{Error: pack(&host.Error{Op: op, Kind: host.Internal, Err: err}, 0)}
	}
	req.Limits.TempDir = dir
	src, err := project.SourceFromUpload(ctx, upload, req.ContentType, req.Limits)
	if err != nil {
		return &answer{Error: pack(err, 0)}
	}
	return &answer{source: src, Compiled: compile(ctx, compiledFor(*src, req.Scripts), req.CacheDir) == nil}
}

// compile compiles code as the host will.
func compile(ctx context.Context, src *host.Source, cacheDir string) error {
	switch src.Runtime {
	case host.RuntimeJS:
		_, err := js.New(js.Options{}).Compile(ctx, *src)
		return err
	case host.RuntimeWasm, host.RuntimeQuickJS:
	default:
		return &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("there is no runtime %q", src.Runtime)}
	}
	runtime, err := wasm.New(wasm.Options{CacheDir: cacheDir})
	if err != nil && cacheDir != "" {
		runtime, err = wasm.New(wasm.Options{})
	}
	if err != nil {
		return err
	}
	if src.Runtime == host.RuntimeQuickJS {
		scripts, err := quickjs.New(quickjs.Options{Engine: runtime.Engine()})
		if err != nil {
			return err
		}
		_, err = scripts.Compile(ctx, *src)
		return err
	}
	_, err = runtime.Compile(ctx, *src)
	return err // nothing is closed: the process ends
}

// outlive ends the process when the host has gone.
func outlive(in io.Reader) {
	_, _ = io.Copy(io.Discard, in) // whatever ends it
	os.Exit(exitFailed)
}

// watch ends the process when it has too much memory.
func watch() {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for ; ; time.Sleep(watchEvery) {
		metrics.Read(samples)
		if taken := samples[0].Value.Uint64() - samples[1].Value.Uint64(); taken > Memory || resident() > Memory {
			os.Exit(exitMemory)
		}
	}
}
