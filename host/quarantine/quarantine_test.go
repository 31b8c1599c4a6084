package quarantine

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

const childCommand = "compile-check"

// TestMain makes this binary the child when a Quarantine starts it.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childCommand {
		os.Exit(Main(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

func open(t *testing.T, o Options) *Quarantine {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if o.Command == nil {
		o.Command = []string{program, childCommand}
	}
	o.Temp = t.TempDir()
	q := New(o)
	t.Cleanup(func() {
		if left, err := os.ReadDir(o.Temp); err != nil || len(left) > 0 {
			t.Errorf("the folders of checks are not empty: %v, %v", left, err)
		}
	})
	return q
}

// A stranger is a program that is there, and no child.
var stranger = []string{"/bin/false"}

const good = "export const handler = async () => ({hello: 1});\n"

func TestSource(t *testing.T) {
	q := open(t, Options{})
	var withSchema bytes.Buffer
	archive := zip.NewWriter(&withSchema)
	for name, text := range map[string]string{"index.js": good, "config.schema.json": `{"type": "object"}`} {
		file, err := archive.Create(name)
		if err == nil {
			_, err = io.WriteString(file, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, contentType string }{
		"script":      {good, "text/javascript"},
		"TypeScript":  {"export const handler = async (n: number): Promise<number> => n;\n", "application/typescript"},
		"syntax":      {"export const handler =\n  (;\n", "text/javascript"},
		"two errors":  {"import './a';\nimport './b';\n" + good, "text/javascript"},
		"empty":       {"", "text/javascript"},
		"no module":   {"(module)", "application/wasm"},
		"a zip":       {"PK\x03\x04 and no more", "application/zip"},
		"a schema":    {withSchema.String(), "application/zip"},
		"a module":    {"\x00asm\x01\x00\x00\x00", "application/wasm"},
		"too large":   {good + strings.Repeat(" ", 2000), "text/javascript"},
		"not its own": {"throw new TypeError('x'); " + good, "text/javascript"},
	} {
		t.Run(name, func(t *testing.T) {
			limits := project.UploadLimits{Upload: 2000}
			want, wantErr := project.SourceFromUpload(t.Context(), strings.NewReader(c.text), c.contentType, limits)
			got, err := q.Source(t.Context(), strings.NewReader(c.text), c.contentType, limits)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if name == "a schema" && (got == nil || len(got.ConfigSchema) == 0) {
				t.Errorf("the schema is lost: %+v", got)
			}
			sameError(t, wantErr, err)
		})
	}
}

// sameError compares what users and programs see of errors.
func sameError(t *testing.T, want, got error) {
	t.Helper()
	if want == nil || got == nil {
		if want != nil || got != nil {
			t.Errorf("the error is %v, not %v", got, want)
		}
		return
	}
	if got.Error() != want.Error() || host.KindOf(got) != host.KindOf(want) {
		t.Errorf("the error is %v (%v), not %v (%v)", got, host.KindOf(got), want, host.KindOf(want))
	}
	var wantList, gotList definition.Errors
	if errors.As(want, &wantList) != errors.As(got, &gotList) || !cmp.Equal(wantList, gotList) {
		t.Errorf("the findings differ:\n%s", cmp.Diff(wantList, gotList))
	}
	var wantGuest, gotGuest *host.GuestError
	if errors.As(want, &wantGuest) != errors.As(got, &gotGuest) || !cmp.Equal(wantGuest, gotGuest) {
		t.Errorf("the guest's errors differ:\n%s", cmp.Diff(wantGuest, gotGuest))
	}
}

func TestErrorsCross(t *testing.T) {
	at := host.Position{File: "a.js", Line: 3, Column: 4}
	for _, err := range []error{
		errors.New("text"),
		&host.Error{Op: "do", Kind: host.TooLarge, Code: host.AccessDenied, Pos: at, Err: errors.New("text")},
		&host.Error{Op: "do", Kind: host.Internal},
		fmt.Errorf("around: %w", &host.Error{Op: "do", Kind: host.Invalid, Err: &host.GuestError{Type: "TypeError", Message: "m", Stack: "s", Pos: at}}),
		errors.Join(&host.Error{Kind: host.Invalid, Pos: at, Err: errors.New("one")}, errors.New("two")),
		definition.Errors{{Pos: at, Path: "p", Rule: "r", Message: "m", Hint: "h", Source: "s"}, {Message: "n"}},
		&definition.Error{Pos: at, Message: "m", Source: "s"},
	} {
		var wire bytes.Buffer
		if err := send(&wire, &answer{Error: pack(err, 0)}, nil); err != nil {
			t.Fatal(err)
		}
		var out answer
		if err := receive(&wire, &out); err != nil {
			t.Fatal(err)
		}
		sameError(t, err, out.Error.unpack())
	}
}

func script(text string) *host.Source {
	return &host.Source{Name: "s.js", Runtime: host.RuntimeJS, Code: []byte("(function(module,exports,require){module.exports.handler=()=>1;" + text + "})")}
}

func TestCheck(t *testing.T) {
	q := open(t, Options{})
	for name, c := range map[string]struct {
		src  *host.Source
		want string // in the error's text; "" for none
	}{
		"script":          {script(""), ""},
		"throws":          {script("throw new TypeError('no')"), "TypeError: no"},
		"syntax":          {script("let ("), "Unexpected token"},
		"nested":          {script("x=" + strings.Repeat("[", 300_000) + strings.Repeat("]", 300_000)), "nested too deeply"},
		"memory":          {script("const a=[];for(;;)a.push(new ArrayBuffer(1<<26))"), "within 1 GiB of memory"},
		"module":          {&host.Source{Name: "m", Runtime: host.RuntimeWasm, Code: []byte("\x00asm\x01\x00\x00\x00")}, "ABI"},
		"unknown runtime": {&host.Source{Runtime: "lua"}, "no runtime"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := q.Check(t.Context(), c.src)
			if c.want == "" && err == nil {
				return
			}
			if c.want == "" || !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v (%v), not of Kind Invalid with %q", err, host.KindOf(err), c.want)
			}
		})
	}
}

// TestRemembered checks code with a command that fails whenever it is started.
func TestRemembered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passed")
	q := open(t, Options{Passed: file})
	src, err := q.Source(t.Context(), strings.NewReader(good), "text/javascript", project.UploadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	checked := script("/* 1 */")
	if err := q.Check(t.Context(), checked); err != nil {
		t.Fatal(err)
	}
	fatal := script("x=" + strings.Repeat("!", 1_500_000) + "1")
	first := q.Check(t.Context(), fatal)
	q.opts.Command = stranger
	for _, q := range []*Quarantine{q, open(t, Options{Passed: file, Command: stranger})} {
		for _, src := range []*host.Source{src, checked} {
			if err := q.Check(t.Context(), src); err != nil {
				t.Errorf("what has passed is checked again: %v", err)
			}
		}
		mapped := *checked
		mapped.SourceMap = []byte("{}")
		for _, other := range []*host.Source{script("/* 2 */"), &mapped} {
			if err := q.Check(t.Context(), other); !errors.Is(err, host.Unavailable) {
				t.Errorf("other code has passed: %v", err)
			}
		}
	}
	if err := q.Check(t.Context(), fatal); first == nil || !errors.Is(err, first) {
		t.Errorf("what killed a child is %v at first, then %v", first, err)
	}
}

func TestPassedIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passed")
	line := strings.Repeat("0", 64) + "\n"
	text := strings.Repeat(line, 2*maxPassed) + "rubbish\n" + strings.Repeat("1", 64) + "\n" + strings.Repeat("2", 30)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var p passed
	if err := p.load(file); err != nil {
		t.Fatal(err)
	}
	if len(p.old) != 2 {
		t.Errorf("%d keys, not 2", len(p.old))
	}
	if info, err := os.Stat(file); err != nil || info.Size() > maxPassed*int64(len(line)) {
		t.Errorf("the file was not cut: %v, %v", info, err)
	}
}

func TestUploadEnds(t *testing.T) {
	q := open(t, Options{})
	_, err := q.Source(t.Context(), iotest.ErrReader(errors.New("reset by peer")), "", project.UploadLimits{})
	if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "ended early: reset by peer") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Source(ctx, strings.NewReader(good), "text/javascript", project.UploadLimits{}); !errors.Is(err, host.Unavailable) {
		t.Error(err)
	}
}

func TestWaiting(t *testing.T) {
	q := open(t, Options{})
	for range maxChildren {
		done, err := q.turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer done()
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for range maxWaiting + 1 {
		go func() { ended <- q.Check(ctx, script("")) }()
	}
	if err := <-ended; !errors.Is(err, host.Unavailable) || !strings.Contains(err.Error(), "others wait") {
		t.Error(err)
	}
	cancel()
	for range maxWaiting {
		if err := <-ended; !errors.Is(err, host.Unavailable) {
			t.Error(err)
		}
	}
}

func TestMainRefusesStrangers(t *testing.T) {
	for _, text := range []string{"", "hello, who is there?", "\x00\x00\x00\x02{}"} {
		if _, err := serve(strings.NewReader(text)); err == nil {
			t.Errorf("%q is a request", text)
		}
	}
}
