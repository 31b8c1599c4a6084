package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds every wait for something that must happen. It asserts no speed: a Go plugin may have to be compiled
// on a machine that is busy with other things.
const patience = 2 * time.Minute

// poll is the time between two looks.
const poll = 20 * time.Millisecond

var update = flag.Bool("update", false, "write anew what the scripts compare with cmp")

// TestScripts runs the real program: testdata/*.txtar.
func TestScripts(t *testing.T) {
	testscript.Run(t, params(t, filepath.Join("testdata", "*.txtar")))
}

// params are those of every script here. The scripts' own commands are:
//
//	exits CODE COMMAND…         run a program, and check its exit code
//	start NAME [A=B…] COMMAND…  run a gateway in the background until it has told where it listens; set $HTTP, $HTTPS and $ADMIN
//	                            to the URLs, $HTTP_ADDRESS… to host and port, $HTTP_PORT… to the port; its output goes to the
//	                            files NAME.out and NAME.err
//	spawn NAME COMMAND…         run any other program in the background
//	term NAME CODE              send it SIGTERM, and check its exit code
//	await FILE PATTERN          wait until a file matches a regular expression
//	until PATTERN COMMAND…      run a program again and again until its output matches
//	curl ARGS…                  run curl, with :8080 and :8090 in its arguments replaced by the ports that were chosen
//	edit FILE OLD NEW           replace text in a file
//	cut N FILE COPY             copy the first N bytes of a file
//	example NAME DIR            copy an example, whose Go modules find the SDK in this repository
//	unwritten DIR               check that a folder holds what it held when the script began, or when it was last asked
//	readme FILE                 run the commands in a README's console blocks, and compare their output
func params(t *testing.T, files string) testscript.Params {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(files)
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(os.TempDir(), "postern-test-cache-"+strconv.Itoa(os.Getuid())) // shared, so that a Go plugin is compiled once
	return testscript.Params{
		Files:               names,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOT", root)
			env.Setenv("POSTERN_CACHE_DIR", cache)
			env.Setenv(raceOptions, os.Getenv(raceOptions))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config")) // each script has contexts, and a host of this machine, of its own
			env.Values[envKey{}] = env
			env.Values[gatewaysKey{}] = map[string]*background{}
			env.Values[listingsKey{}] = map[string][]string{}
			npmEnvironment(env)
			return goEnvironment(env)
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Getuid() == 0, nil
			case "npm": // in CI a test that needs it fails without it
				return os.Getenv("CI") == "true" || exec.Command("npm", "ping", "--fetch-retries=0").Run() == nil, nil
			}
			return false, fmt.Errorf("there is no condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "start": start, "spawn": spawn, "term": term, "await": await, "until": until, "curl": curl,
			"edit": edit, "cut": cut, "example": example, "unwritten": unwritten, "readme": readme,
		},
	}
}

type (
	envKey      struct{}
	gatewaysKey struct{}
	listingsKey struct{}
)

// npmEnvironment lets a script's npm find the registry as this machine's does.
func npmEnvironment(env *testscript.Env) {
	if home, err := os.UserHomeDir(); err == nil {
		env.Setenv("npm_config_userconfig", filepath.Join(home, ".npmrc"))
	}
	if certificates := os.Getenv("NODE_EXTRA_CA_CERTS"); certificates != "" {
		env.Setenv("NODE_EXTRA_CA_CERTS", certificates)
	}
}

// goEnvironment lets a script's Go find the caches of this machine, which has no home there.
func goEnvironment(env *testscript.Env) error {
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		return fmt.Errorf("the plugins of the tests need go in PATH: %w", err)
	}
	values := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		env.Setenv(name, values[i])
	}
	return nil
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if code := exitStatus(ts.Exec(args[1], args[2:]...)); code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// exitStatus is the exit code behind an error of os/exec, -1 when the program did not run or was killed.
func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var text []byte
	if !eventually(func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0])) // it may be there later
		return pattern.Match(text)
	}) {
		ts.Fatalf("%s has no match for %q:\n%s", args[0], args[1], text)
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	command := args[1:]
	if command[0] == "curl" {
		command = curlCommand(ts, command[1:])
	}
	var out string
	if !eventually(func() bool {
		_ = ts.Exec(command[0], command[1:]...) // it may succeed later, and what it says is what counts
		out = ts.ReadFile("stdout") + ts.ReadFile("stderr")
		return pattern.MatchString(out)
	}) {
		ts.Fatalf("no match for %q in the end:\n%s", args[0], out)
	}
}

// eventually looks until what it looks for is there, and returns false when patience is at its end.
func eventually(there func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !there() {
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func curl(ts *testscript.TestScript, neg bool, args []string) {
	command := curlCommand(ts, args)
	if err := ts.Exec(command[0], command[1:]...); (err != nil) != neg {
		ts.Fatalf("curl: %v", err)
	}
}

// curlCommand is the real curl, asked for the ports that the gateway has.
func curlCommand(ts *testscript.TestScript, args []string) []string {
	needCurl(ts)
	command := []string{"curl", "--silent", "--show-error", "--max-time", "60", "--noproxy", "*"}
	for _, arg := range args {
		command = append(command, portsOf(ts.Getenv).Replace(arg))
	}
	return command
}

// needCurl skips where curl is missing, but in CI, where it has to be.
func needCurl(ts *testscript.TestScript) {
	const missing = "there is no curl in PATH; install it: apt-get install curl, or https://curl.se/download.html"
	if _, err := exec.LookPath("curl"); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		ts.Fatalf(missing)
	}
	ts.Value(envKey{}).(*testscript.Env).T().Skip(missing)
}

// portsOf replaces the ports of the documentation by the ones that a gateway chose.
func portsOf(getenv func(string) string) *strings.Replacer {
	var pairs []string
	for documented, name := range map[string]string{":8080": "HTTP_PORT", ":8443": "HTTPS_PORT", ":8090": "ADMIN_PORT"} {
		if port := getenv(name); port != "" {
			pairs = append(pairs, documented, ":"+port)
		}
	}
	return strings.NewReplacer(pairs...)
}

func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q:\n%s", args[0], args[1], text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o644))
}

func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: cut N FILE COPY")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	data := ts.ReadFile(args[1])
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(data[:min(n, len(data))]), 0o644))
}

func example(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: example NAME DIR")
	}
	root, dir := ts.Getenv("ROOT"), ts.MkAbs(args[1])
	ts.Check(os.CopyFS(dir, os.DirFS(filepath.Join(root, "examples", args[0]))))
	ts.Check(filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "go.mod" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(file, []byte(strings.Replace(string(text), "=> ../../../..", "=> "+root, 1)), 0o644)
	}))
}

func unwritten(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unwritten DIR")
	}
	var now []string
	dir := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		now = append(now, file)
		return err
	}))
	known := ts.Value(listingsKey{}).(map[string][]string)
	if before, ok := known[dir]; ok && strings.Join(before, "\n") != strings.Join(now, "\n") {
		ts.Fatalf("%s held:\n%s\nand holds now:\n%s", args[0], strings.Join(before, "\n"), strings.Join(now, "\n"))
	}
	known[dir] = now
}
