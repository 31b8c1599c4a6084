package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/telemetry"
)

const fine = "export const handler = async () => ({statusCode: 200, body: 'fine'});\n"

// endless is a script that goja compiles for longer than anybody waits.
func endless() string { return "export const handler = async () => 1" + strings.Repeat("+1", 100_000) }

// spinning is a script that keeps its compiler for as long as a guest may take to start, seconds on whichever runtime and machine: what it
// exports is known when it has run.
const spinning = fine + "for (;;) {}\n"

// saveBlob saves code as it is, as somebody who knows the admin API may.
func saveBlob(ctx context.Context, client *admin.Client, text string) (*catalog.Code, error) {
	sum := sha256.Sum256([]byte(text))
	code := &catalog.Code{Runtime: host.RuntimeJS, Digest: hex.EncodeToString(sum[:]), Size: int64(len(text)), Exports: []string{"handler"}}
	_, err := client.SaveBlob(ctx, code.Digest, strings.NewReader(text), code.Size, nil)
	return code, err
}

// nested is a bundle that a host can compile alone, and a child cannot, which has less stack.
func nested() string {
	const depth = 200_000
	return "(function(module,exports,require){module.exports.handler = () => 1; module.exports.x = " + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "})"
}

// TestQuarantine uploads what would end a host, while another function is called.
func TestQuarantine(t *testing.T) {
	p := mustStart(t, filepath.Join(t.TempDir(), "data"), "--allow-goja") // whose compiler can be made to end the process
	ctx := t.Context()
	if err := p.post(ctx, "fine", []byte(fine), ""); err != nil {
		t.Fatal(err)
	}
	routes := "apis: {x: {root: true, routes: {GET /fine: {integration: {function: fine}}}}}"
	if _, err := p.client.Apply(ctx, "x", catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: routes}}, admin.Write{Wait: patience}); err != nil {
		t.Fatal(err)
	}
	asked, answered := context.WithCancel(ctx)
	answers := make(chan error, 1)
	go func() {
		for n := 0; asked.Err() == nil; n++ {
			if body, err := p.get(ctx, "/fine"); err != nil || body != "fine" {
				answers <- fmt.Errorf("answer %d is %q, %w", n, body, err)
				return
			}
		}
		answers <- nil
	}()
	bombs := map[string]struct{ code, want string }{
		"brackets":     {"x=" + strings.Repeat("[", 600_000), "nested too deeply"},
		"arrows":       {"export const handler = " + strings.Repeat("a=>", 150_000) + "1", "nested too deeply"},
		"negations":    {"export const handler = async () => " + strings.Repeat("!", 1_500_000) + "1", "nested too deeply"},
		"package.json": {zipped(t, map[string]string{"index.js": fine, "package.json": strings.Repeat("[", 3_000_000)}), "nested too deeply"},
		"memory":       {fine + "const a = []; for (;;) a.push(new ArrayBuffer(1 << 26));", "within 1 GiB of memory"},
	}
	if !testing.Short() && !raced { // it takes its 20 s in a child, where nothing is to race with
		bombs["endless"] = struct{ code, want string }{endless(), "within 20 s"}
	}
	t.Run("bombs", func(t *testing.T) {
		for name, bomb := range bombs {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if err := p.post(ctx, "bomb", []byte(bomb.code), ""); err == nil || !strings.Contains(err.Error(), "422") || !strings.Contains(err.Error(), bomb.want) {
					t.Errorf("the upload ends with %.300v, not with %q", err, bomb.want)
				}
			})
		}
		t.Run("blob", func(t *testing.T) {
			t.Parallel()
			code, err := saveBlob(ctx, p.client, nested())
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.client.UploadFunction(ctx, "bomb", admin.UploadInput{Code: code}, admin.Write{})
			if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "nested too deeply") {
				t.Errorf("the error is %.300v", err)
			}
		})
	})
	answered()
	if err := <-answers; err != nil {
		t.Error(err)
	}
	if err := p.post(ctx, "next", []byte(strings.ReplaceAll(fine, "fine", "next")), "wait=1m"); err != nil {
		t.Error(err)
	}
	select {
	case <-p.ended:
		t.Errorf("the host has ended: %s\n%s", p.cmd.ProcessState, p.said)
	default:
	}
}

func zipped(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestQuarantineRestore restores a backup of a host that has compiled what this one does not.
func TestQuarantineRestore(t *testing.T) {
	if raced {
		t.Skip("stacks are larger under the race detector: what ends a child ends this process, which compiles it too")
	}
	ctx := t.Context()
	backup := backupOf(t, nested())
	dir := filepath.Join(t.TempDir(), "data")
	p := mustStart(t, dir, "--allow-goja")
	_, err := p.client.Restore(ctx, bytes.NewReader(backup), int64(len(backup)), true, nil, admin.Write{Wait: patience})
	if err == nil || !strings.Contains(err.Error(), "nested too deeply") {
		t.Fatalf("the restore ends with %v", err)
	}
	for _, when := range []string{"restored", "started again"} {
		if _, err := p.invoke(ctx, "bomb", ""); err == nil {
			t.Errorf("%s: the code runs", when)
		}
		if got, err := p.invoke(ctx, "fine", ""); err != nil || !strings.Contains(got, "fine") {
			t.Errorf("%s: the other function answers %q, %v", when, got, err)
		}
		if err := p.serving(ctx); err == nil || !strings.Contains(err.Error(), "nested too deeply") {
			t.Errorf("%s: parts say %v", when, err)
		}
		p.kill()
		p = mustStart(t, dir, "--allow-goja")
	}
}

// backupOf is a backup of a host without quarantine, with a function of the code and a fine one.
func backupOf(t *testing.T, code string) []byte {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tel, err := telemetry.Setup(ctx, telemetry.Options{Environ: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Admin: "127.0.0.1:0", Telemetry: tel, State: &server.State{Open: true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Follow(ctx); err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()
	defer func() {
		cancel()
		if err := errors.Join(<-served, s.Close(context.Background())); err != nil {
			t.Error(err)
		}
	}()
	client, err := admin.NewClient(s.Address("admin"), admin.ClientOptions{Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for name, text := range map[string]string{"bomb": code, "fine": "(function(module,exports,require){module.exports.handler = () => 'fine'})"} {
		saved, err := saveBlob(ctx, client, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.UploadFunction(ctx, name, admin.UploadInput{Code: saved}, admin.Write{Wait: patience}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := client.Backup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// child waits for the process that compiles code for a host.
func (p *process) child(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes are found in /proc")
	}
	var pids []int
	if !eventually(func() bool { pids = p.children(); return len(pids) > 0 }) {
		t.Fatal("no child was started")
	}
	return pids[0]
}

// children are those of all threads of the process that compile code (proc_pid_task_children(5)). Others there are the ones that Go's os package
// starts once to see what the kernel can do, and those that have not become the program yet.
func (p *process) children() (pids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // the thread may have ended
		for field := range strings.FieldsSeq(string(text)) {
			command, _ := os.ReadFile(filepath.Join("/proc", field, "cmdline"))
			if pid, err := strconv.Atoi(field); err == nil && bytes.Contains(command, []byte(compileCheck)) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// compiling starts an upload whose compiler does not end for seconds, and returns its child and what comes of it.
func (p *process) compiling(t *testing.T) (child int, end chan error) {
	t.Helper()
	end = make(chan error, 1)
	go func() { end <- p.post(t.Context(), "bomb", []byte(spinning), "") }()
	return p.child(t), end
}

// TestQuarantineKilled kills the child, as the kernel does when memory is short.
func TestQuarantineKilled(t *testing.T) {
	p := mustStart(t, filepath.Join(t.TempDir(), "data"))
	child, end := p.compiling(t)
	victim, err := os.FindProcess(child)
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-end; err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "ended from outside (signal: killed)") {
		t.Errorf("the upload ends with %v", err)
	}
	if err := p.post(t.Context(), "fine", []byte(fine), "wait=1m"); err != nil {
		t.Error(err)
	}
}

// TestQuarantineOutlivesNobody kills the host while code is compiled.
func TestQuarantineOutlivesNobody(t *testing.T) {
	p := mustStart(t, filepath.Join(t.TempDir(), "data"))
	child, end := p.compiling(t)
	p.kill()
	<-end
	gone := func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		return err != nil || strings.Contains(string(stat), ") Z ") // nobody may be there to wait for it
	}
	if !eventually(gone) {
		t.Error("the child is there after the host")
	}
}
