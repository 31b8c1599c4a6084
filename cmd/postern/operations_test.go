package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

const operations = "../../examples/operations"

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unitValues are the values of a key in a unit of systemd, in their order.
func unitValues(unit, key string) []string {
	var values []string
	for _, m := range regexp.MustCompile(`(?m)^`+key+`=(.*)$`).FindAllStringSubmatch(unit, -1) {
		values = append(values, m[1])
	}
	return values
}

// setFlag gives a flag of a command line another value.
func setFlag(t *testing.T, args []string, flag, value string) {
	t.Helper()
	i := slices.Index(args, flag)
	if i < 0 || i+1 == len(args) {
		t.Fatalf("%v has no %s", args, flag)
	}
	args[i+1] = value
}

// startAs starts a command line in an environment, until it has told where it listens, and asks it for a path of the admin listener.
func startAs(t *testing.T, args, env []string, path string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("postern")
	if err != nil {
		t.Fatal(err)
	}
	out, said := &output{}, &output{}
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append([]string{"PATH=/usr/bin:/bin"}, env...), out, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, if all is well
		_ = cmd.Wait()
	})
	admin := regexp.MustCompile(`(?m)^admin (\S+)\n`)
	if !eventually(func() bool { return admin.MatchString(out.String()) }) {
		t.Fatalf("%v does not listen:\n%s", args, said)
	}
	resp, err := http.Get(admin.FindStringSubmatch(out.String())[1] + path)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s", path, resp.Status)
	}
	return cmd
}

// stopAs sends a signal, after which the command must end well.
func stopAs(t *testing.T, cmd *exec.Cmd, signal os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestUnit starts what the unit of systemd starts, with the folders that systemd would make.
func TestUnit(t *testing.T) {
	t.Parallel()
	unit := readText(t, filepath.Join(operations, "postern.service"))
	top := t.TempDir()
	var env []string
	vars := map[string]string{}
	for name, key := range map[string]string{"STATE_DIRECTORY": "StateDirectory", "CACHE_DIRECTORY": "CacheDirectory", "RUNTIME": "RuntimeDirectory"} {
		mode := unitValues(unit, key+"Mode")
		if values := unitValues(unit, key); len(values) != 1 || len(mode) != 1 || mode[0] != "0700" {
			t.Fatalf("%s=%v, with mode %v", key, values, mode)
		}
		vars[name] = filepath.Join(top, key)
		if err := os.Mkdir(vars[name], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range unitValues(unit, "Environment") {
		env = append(env, strings.ReplaceAll(v, "%t/postern", vars["RUNTIME"]))
	}
	settings := readText(t, filepath.Join(operations, "postern.env"))
	env = append(env, regexp.MustCompile(`(?m)^\w+=.*$`).FindAllString(settings, -1)...)
	line := strings.Fields(unitValues(unit, "ExecStart")[0])
	if line[0] != "/usr/local/bin/postern" {
		t.Errorf("the unit starts %s", line[0])
	}
	args := line[1:]
	for i := range args {
		args[i] = os.Expand(args[i], func(name string) string { return vars[name] })
	}
	drain, err := time.ParseDuration(args[slices.Index(args, "--drain-timeout")+1])
	if err != nil {
		t.Fatal(err)
	}
	if stop, err := time.ParseDuration(unitValues(unit, "TimeoutStopSec")[0]); err != nil || stop < drain+2*closing {
		t.Errorf("systemd waits %v, %v, and the host %v and %v", stop, err, drain, closing)
	}
	if on := unitValues(unit, "MemoryDenyWriteExecute"); len(on) > 0 {
		t.Error("compiled WebAssembly must become executable")
	}
	setFlag(t, args, "--http", "127.0.0.1:0")
	setFlag(t, args, "--admin", "127.0.0.1:0")
	cmd := startAs(t, args, env, "/readyz")
	if _, err := os.Stat(filepath.Join(vars["RUNTIME"], "postern", "local.json")); err != nil {
		t.Errorf("the command does not find the host: %v", err)
	}
	if _, err := os.Stat(filepath.Join(vars["STATE_DIRECTORY"], "data", "admin.token")); err != nil {
		t.Error(err)
	}
	stopAs(t, cmd, syscall.SIGTERM)
}

// TestUnitVerified asks systemd, where it is, whether it understands the unit.
func TestUnitVerified(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze in PATH")
	}
	program, err := exec.LookPath("postern")
	if err != nil {
		t.Fatal(err)
	}
	unit := readText(t, filepath.Join(operations, "postern.service"))
	file := filepath.Join(t.TempDir(), "postern.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, "/usr/local/bin/postern", program)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestContainer starts what the container file starts, in its environment, and does its health check.
func TestContainer(t *testing.T) {
	t.Parallel()
	file := readText(t, filepath.Join(operations, "Containerfile"))
	top := t.TempDir()
	var env []string
	for _, word := range strings.Fields(regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(file)[1]) {
		name, value, ok := strings.Cut(word, "=")
		if !ok || !strings.HasPrefix(value, "/var/lib/postern") {
			t.Fatalf("ENV %s is not in the volume", word)
		}
		env = append(env, name+"="+strings.ReplaceAll(value, "/var/lib/postern", top))
	}
	list := regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(regexp.MustCompile(`(?m)^CMD \[.*\]$`).FindString(file), -1)
	var args []string
	for _, m := range list {
		args = append(args, m[1])
	}
	check := regexp.MustCompile(`(?m)^HEALTHCHECK .*http://(\S+)(/\w+)$`).FindStringSubmatch(file)
	if check == nil || !slices.Contains(args, check[1]) {
		t.Fatalf("the health check asks %v, and the admin listener is another one: %v", check, args)
	}
	setFlag(t, args, "--http", "127.0.0.1:0")
	setFlag(t, args, "--admin", "127.0.0.1:0")
	stopAs(t, startAs(t, args, env, check[2]), syscall.SIGTERM)
	if _, err := os.Stat(filepath.Join(top, "data", "admin.token")); err != nil {
		t.Error(err)
	}
}

// TestOperationsFlags looks whether each command, flag and variable that the documents of operations name is there.
func TestOperationsFlags(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(operations, "*"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	serve, _, err := newRoot(&streams{}).Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]bool{"POSTERN_HOST": true, "POSTERN_TOKEN": true, "POSTERN_TOKEN_FILE": true}
	for _, name := range flagNames(serve) {
		settings[variable(name)] = true
	}
	commands := 0
	for _, file := range append(files, "../../spec/operations.md") {
		text := strings.ReplaceAll(readText(t, file), "\\\n", " ")
		for _, name := range regexp.MustCompile(`POSTERN_[A-Z_]*[A-Z]`).FindAllString(text, -1) {
			if !settings[name] {
				t.Errorf("%s names %s, which is no setting", file, name)
			}
		}
		for _, line := range regexp.MustCompile("(?m)(?:^|[ /`])postern ((?:[a-z]+ )?[a-z-]+(?: [^\n`|;&#]*)?)").FindAllStringSubmatch(text, -1) {
			if checkCommand(t, file, strings.Fields(line[1])) {
				commands++
			}
		}
	}
	if commands < 10 {
		t.Errorf("only %d commands were found", commands)
	}
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	for _, line := range strings.Split(cmd.Flags().FlagUsages(), "\n") {
		if m := regexp.MustCompile(`--([a-z0-9-]+)`).FindStringSubmatch(line); m != nil {
			names = append(names, m[1])
		}
	}
	return names
}

// checkCommand reports whether args are a command of postern, rather than a word after its name, and looks for its flags.
func checkCommand(t *testing.T, file string, args []string) bool {
	t.Helper()
	cmd, _, err := newRoot(&streams{}).Find(args)
	if err != nil || !cmd.HasParent() {
		return false
	}
	cmd.InitDefaultHelpFlag()
	for _, arg := range args {
		name, isFlag := strings.CutPrefix(arg, "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && name != "" && cmd.Flags().Lookup(name) == nil {
			t.Errorf("%s: postern %s has no flag --%s", file, cmd.Name(), name)
		}
	}
	return true
}
