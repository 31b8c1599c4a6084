package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// A background is a gateway that a script has started.
type background struct {
	cmd      *exec.Cmd
	out, err string        // its files
	ended    chan struct{} // closed when it has ended
	failure  error         // of its end
}

// announced is a line in which dev and serve tell where they listen.
var announced = regexp.MustCompile(`(?m)^ *(http|https|admin) +(https?://\S+)`)

func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME [VARIABLE=VALUE…] COMMAND…")
	}
	spawn(ts, neg, args)
	b := ts.Value(gatewaysKey{}).(map[string]*background)[args[0]]
	if !b.listens(ts) {
		ts.Fatalf("%s does not listen:\n%s%s", args[0], ts.ReadFile(b.out), ts.ReadFile(b.err))
	}
}

func spawn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: spawn NAME [VARIABLE=VALUE…] COMMAND…")
	}
	base := ts.MkAbs(args[0])
	ts.Value(gatewaysKey{}).(map[string]*background)[args[0]] = launch(ts, args[1:], base+".out", base+".err")
}

// launch starts a program whose arguments may begin with variables, as in a shell. It is ended with the script.
func launch(ts *testscript.TestScript, args []string, out, errs string) *background {
	env := environment(ts)
	for len(args) > 0 && strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	program, err := exec.LookPath(args[0])
	ts.Check(err)
	b := &background{cmd: exec.Command(program, args[1:]...), out: out, err: errs, ended: make(chan struct{})}
	b.cmd.Env, b.cmd.Dir = env, ts.MkAbs(".")
	stdout, err := os.Create(out)
	ts.Check(err)
	defer stdout.Close()
	b.cmd.Stdout, b.cmd.Stderr = stdout, stdout // as on a terminal
	if errs != out {
		stderr, err := os.Create(errs)
		ts.Check(err)
		defer stderr.Close()
		b.cmd.Stderr = stderr
	}
	ts.Check(b.cmd.Start())
	go func() {
		b.failure = b.cmd.Wait()
		close(b.ended)
	}()
	ts.Defer(func() {
		_ = b.cmd.Process.Kill() // it has ended, if the script stopped it
		<-b.ended
	})
	return b
}

// environment is the script's: the variables that it began with, as they are now.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, v := range ts.Value(envKey{}).(*testscript.Env).Vars {
		name, _, _ := strings.Cut(v, "=")
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// listens waits until the program has told where it listens and answers there, and sets the variables. It reports
// false when the program has ended.
func (b *background) listens(ts *testscript.TestScript) bool {
	told := func() bool {
		text, _ := os.ReadFile(b.out) // a partial file has no end of its last line
		found := announced.FindAllStringSubmatch(string(text), -1)
		last := func(m []string) bool { return m[1] == "admin" } // a first start tells of a token before
		if len(found) == 0 || !strings.Contains(string(text), "traces") && !slices.ContainsFunc(found, last) {
			return false
		}
		for _, m := range found {
			name, url := strings.ToUpper(m[1]), m[2]
			_, address, _ := strings.Cut(url, "://")
			_, port, err := net.SplitHostPort(address)
			ts.Check(err)
			ts.Setenv(name, url)
			ts.Setenv(name+"_ADDRESS", address)
			ts.Setenv(name+"_PORT", port)
		}
		return true
	}
	ended := func() bool {
		select {
		case <-b.ended:
			return true
		default:
			return false
		}
	}
	return eventually(func() bool { return told() || ended() }) && told()
}

func term(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: term NAME CODE")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := ts.Value(gatewaysKey{}).(map[string]*background)[args[0]]
	if b == nil {
		ts.Fatalf("%s was not started", args[0])
	}
	if code := b.term(); code != want {
		ts.Fatalf("%s ended with %d, want %d:\n%s", args[0], code, want, ts.ReadFile(filepath.Base(b.err)))
	}
}

// term sends SIGTERM, waits for the end, and returns the exit code: -1 when it had to be killed.
func (b *background) term() int {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // it has ended already, and its code tells
	eventually(func() bool {
		select {
		case <-b.ended:
			return true
		default:
			return false
		}
	})
	_ = b.cmd.Process.Kill()
	<-b.ended
	return exitStatus(b.failure)
}
