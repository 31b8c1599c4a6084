package project

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// slowBuild is after how long a build is spoken of.
const slowBuild = 2 * time.Second

// maxBuildOutput is how much of a compiler's output is kept, in bytes.
const maxBuildOutput = 1 << 20

// A builder builds the folders that have its file.
type builder struct {
	files   []string // any of which marks a folder
	tool    string   // the program that it needs
	install string   // how to get it
	// run builds the folder dir and returns the .wasm that came of it; out is a folder of its own in the cache, which is
	// the same each time. nil: the folder is a script, which is bundled.
	run func(ctx context.Context, dir, out string) (artefact string, err error)
	// command builds a WASI command instead; nil where run builds whatever the folder makes.
	command func(ctx context.Context, dir, out string) (artefact string, err error)
	kind    string      // of what is built, where a folder may be built in two ways
	instead func() bool // reports whether run can do without the tool; nil where it cannot
}

// builders are the kinds of folder, in the order in which they are listed for people.
var builders = []*builder{
	{files: []string{"go.mod"}, tool: "go", install: "install Go 1.24 or newer: https://go.dev/dl/", run: buildGo, command: buildGoCommand},
	{files: []string{"package.json", "index.ts", "index.js"}},
	{files: []string{"Cargo.toml"}, tool: "cargo", install: "install Rust: https://rustup.rs, then: rustup target add wasm32-wasip1", run: buildRust},
	{files: []string{"asconfig.json"}, tool: "npx", install: "install Node.js: https://nodejs.org, then in the folder: npm install", run: buildAssemblyScript},
	{files: []string{"build.zig"}, tool: "zig", install: "install Zig: https://ziglang.org/download/, or python3 -m pip install ziglang", run: buildZig,
		instead: func() bool { return zigCommand() != nil }},
	{files: []string{"Makefile"}, tool: "make", install: "install make with your system's package manager", run: buildMake},
}

func buildFiles() string {
	var files []string
	for _, b := range builders {
		files = append(files, b.files...)
	}
	return strings.Join(files, ", ")
}

// recognize returns how to build a folder, nil when it is not clear, and the build files that the folder has.
func recognize(entries []fs.DirEntry) (*builder, []string) {
	var found []*builder
	var has []string
	for _, b := range builders {
		i := slices.IndexFunc(b.files, func(name string) bool {
			return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name && !e.IsDir() })
		})
		if i >= 0 {
			found = append(found, b)
			has = append(has, b.files[i])
		}
	}
	// AssemblyScript's compiler comes from npm, so that its folders have a package.json too.
	if len(has) == 2 && has[0] == "package.json" && has[1] == "asconfig.json" {
		found, has = found[1:], has[1:]
	}
	if len(found) != 1 {
		return nil, has
	}
	return found[0], has
}

// build runs a compiler on a folder. Compilers are run each time: they know best what changed, also outside of the
// folder, and take a tenth of a second when nothing did.
func (j *job) build(ctx context.Context, b *builder) *host.Source {
	if _, err := exec.LookPath(b.tool); err != nil && (b.instead == nil || !b.instead()) {
		j.everywhere(RuleMissingToolchain, fmt.Sprintf("./%s cannot be built: there is no %s in PATH", j.ref, b.tool), b.install)
		return nil
	}
	if b = j.variant(b); b == nil {
		return nil
	}
	code, err := j.compile(ctx, b)
	var failed *buildError
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &failed):
		j.once(diagnose(failed, j.ref))
		return nil
	case err != nil:
		j.everywhere(RuleBuild, fmt.Sprintf("./%s cannot be built: %v", j.ref, err), "")
		return nil
	case !strings.HasPrefix(string(code), string(magic)):
		j.everywhere(RuleBuild, fmt.Sprintf("./%s: the build made no WebAssembly module", j.ref), "")
		return nil
	}
	return wasmSource(j.ref, code)
}

// variant returns how the folder is built: what its references want of it, a command or not, must be one thing. nil: it is
// not, and that has been told.
func (j *job) variant(b *builder) *builder {
	commands := 0
	for _, u := range j.uses {
		if isCommand(u.Plugin) {
			commands++
		}
	}
	switch {
	case b.command == nil || commands == 0:
		return b
	case commands < len(j.uses):
		j.everywhere(definition.RuleConflict, fmt.Sprintf("./%s is a WASI command for one reference (abi: cgi or stdio) and none for another", j.ref),
			"write the same abi at each, or give each a folder")
		return nil
	}
	return &builder{tool: b.tool, run: b.command, kind: "command"}
}

// isCommand reports whether a plugin is a program that runs once for each call, rather than one that stays.
func isCommand(p *host.PluginConfig) bool { return p.ABI == host.ABICGI || p.ABI == host.ABIStdio }

func (j *job) compile(ctx context.Context, b *builder) ([]byte, error) {
	dir := filepath.Join(j.project.Dir, filepath.FromSlash(j.ref))
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved // within the project: os.Root has opened it
	}
	if j.opts.CacheDir == "" {
		return nil, errors.New("there is no cache folder to build into; set --cache-dir, or HOME")
	}
	key := sha256.Sum256([]byte(b.tool + b.kind + "\x00" + dir))
	out := filepath.Join(j.opts.CacheDir, "build", hex.EncodeToString(key[:16]))
	if err := os.MkdirAll(out, 0o700); err != nil {
		return nil, err
	}
	// Two commands may build one folder at once, into the same place: that is what lets the linker skip its work.
	unlock, err := lock(filepath.Join(out, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	started := time.Now()
	slow := time.AfterFunc(slowBuild, func() { j.opts.Progress(fmt.Sprintf("building ./%s with %s …", j.ref, b.tool)) })
	artefact, err := b.run(ctx, dir, out)
	if !slow.Stop() && err == nil {
		j.opts.Progress(fmt.Sprintf("built ./%s in %.1fs", j.ref, time.Since(started).Seconds()))
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(artefact)
	if err == nil && info.Size() > maxModule {
		err = errTooLarge
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(artefact)
}

// A buildError is a compiler that refused, with what it printed.
type buildError struct {
	command string
	output  string
	err     error
}

func (e *buildError) Error() string { return e.command + ": " + e.err.Error() }

func (e *buildError) Unwrap() error { return e.err }

// command runs a program in dir with variables added to the environment.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second // children of a compiler that was killed may hold its output open
	output := &limitedBuffer{limit: maxBuildOutput}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		return &buildError{command: name + " " + strings.Join(args, " "), output: string(output.data), err: err}
	}
	return nil
}

// A limitedBuffer keeps the beginning of what is written.
type limitedBuffer struct {
	data  []byte
	limit int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p[:min(len(p), b.limit-len(b.data))]...)
	return len(p), nil
}

// buildGo builds a reactor: a c-shared module keeps its instance alive between calls. Without version control's stamp the
// same code gives the same digest, in a checkout and out of it.
func buildGo(ctx context.Context, dir, out string) (string, error) {
	return goBuild(ctx, dir, out, "-buildmode=c-shared")
}

// buildGoCommand builds a program with a main of its own.
func buildGoCommand(ctx context.Context, dir, out string) (string, error) {
	return goBuild(ctx, dir, out, "-buildmode=exe")
}

func goBuild(ctx context.Context, dir, out, mode string) (string, error) {
	artefact := filepath.Join(out, "plugin.wasm")
	return artefact, command(ctx, dir, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"},
		"go", "build", mode, "-trimpath", "-buildvcs=false", "-o", artefact, ".")
}

// buildRust builds for WASI, whose target had another name before Rust 1.78.
func buildRust(ctx context.Context, dir, out string) (string, error) {
	target := "wasm32-wasip1"
	listing := exec.CommandContext(ctx, "rustc", "--print", "target-list")
	listing.Dir = dir // where rustup may be told to use another toolchain
	if known, err := listing.Output(); err == nil && !bytes.Contains(known, []byte(target+"\n")) {
		target = "wasm32-wasi"
	}
	err := command(ctx, dir, nil, "cargo", "build", "--release", "--target", target, "--target-dir", out, "--message-format", "short")
	if err != nil {
		return "", err
	}
	return only(filepath.Join(out, target, "release"))
}

func buildAssemblyScript(ctx context.Context, dir, out string) (string, error) {
	artefact := filepath.Join(out, "plugin.wasm")
	args := []string{"--no-install", "asc"}
	data, err := os.ReadFile(filepath.Join(dir, "asconfig.json"))
	var config struct{ Entries []string }
	if err != nil || json.Unmarshal(data, &config) != nil || len(config.Entries) == 0 {
		args = append(args, "assembly/index.ts") // where asinit puts it
	}
	return artefact, command(ctx, dir, nil, "npx", append(args, "--target", "release", "--outFile", artefact)...)
}

func buildZig(ctx context.Context, dir, out string) (string, error) {
	zig := zigCommand()
	if zig == nil {
		return "", errors.New("there is no zig, and no Python with the package ziglang")
	}
	args := append(zig[1:], "build", "--prefix", out, "--cache-dir", filepath.Join(out, "cache"))
	if err := command(ctx, dir, nil, zig[0], args...); err != nil {
		return "", err
	}
	return only(filepath.Join(out, "bin"))
}

// zigCommand is how Zig is run: by itself, or as the package that Python has it in. nil: it is not here.
func zigCommand() []string {
	if _, err := exec.LookPath("zig"); err == nil {
		return []string{"zig"}
	}
	for _, python := range []string{"python3", "python"} {
		if exec.Command(python, "-m", "ziglang", "version").Run() == nil {
			return []string{python, "-m", "ziglang"}
		}
	}
	return nil
}

// buildMake runs make, which leaves plugin.wasm in the folder, or where OUT says when it takes that up.
func buildMake(ctx context.Context, dir, out string) (string, error) {
	artefact := filepath.Join(out, "plugin.wasm")
	if err := os.Remove(artefact); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := command(ctx, dir, nil, "make", "OUT="+artefact); err != nil {
		return "", err
	}
	if _, err := os.Stat(artefact); err == nil {
		return artefact, nil
	}
	artefact = filepath.Join(dir, "plugin.wasm")
	if _, err := os.Stat(artefact); err != nil {
		return "", errors.New("make left no plugin.wasm")
	}
	return artefact, nil
}

// only returns the one .wasm file of a folder.
func only(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", errors.New("the build left no .wasm file")
	case len(found) > 1:
		return "", fmt.Errorf("the build left %d .wasm files, and one is the plugin; clear %s if they are old", len(found), dir)
	}
	return found[0], nil
}
