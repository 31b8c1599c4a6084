package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestExamples runs each example's test.txtar, which runs its README.md; validates it; and leaves nothing behind.
func TestExamples(t *testing.T) {
	examples, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "postern.yaml"))
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	before := gitStatus(t)
	t.Run("run", func(t *testing.T) { // its parallel scripts end with it
		for _, file := range examples {
			dir := filepath.Dir(file)
			t.Run(filepath.Base(dir), func(t *testing.T) {
				p := params(t, filepath.Join(dir, "test.txtar"))
				if len(p.Files) == 0 {
					t.Fatalf("%s has no test.txtar", dir)
				}
				setup := p.Setup
				p.Setup = func(env *testscript.Env) error {
					if err := setup(env); err != nil {
						return err
					}
					return os.Symlink(filepath.Join(env.Getenv("ROOT"), "examples"), filepath.Join(env.WorkDir, "examples"))
				}
				testscript.Run(t, p)
			})
		}
	})
	if after := gitStatus(t); after != before {
		t.Errorf("the examples have left something behind:\n%s\nbefore:\n%s", after, before)
	}
}

// gitStatus lists what is new or changed in examples; it is empty where this is no clone, or where there is no git.
func gitStatus(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("git", "-C", filepath.Join("..", "..", "examples"), "status", "--porcelain", "--ignored", "--", ".").Output()
	if err != nil {
		t.Logf("git status: %v", err)
	}
	return string(out)
}

// rootReadme is the script of the repository's own README.md, whose first command is on every reader's screen by then.
const rootReadme = `
symlink examples -> $ROOT/examples
start dev postern dev examples/orders --http 127.0.0.1:0 --https '' --admin 127.0.0.1:0
await dev.err '^ok: loaded in'
readme $ROOT/README.md
term dev 0
`

// TestReadme runs the console blocks of the repository's own README.md.
func TestReadme(t *testing.T) {
	const name = "README.md"
	if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
		t.Skip("there is no README.md yet")
	}
	script := filepath.Join(t.TempDir(), "readme.txtar")
	if err := os.WriteFile(script, []byte(rootReadme), 0o644); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, params(t, script))
}

// A step is a command of a README and what it prints there.
type step struct {
	line    int
	command string
	want    []string
}

// steps reads the console blocks of a README: a line that begins with "$ " is a command, which a backslash at its end
// continues; the lines below are what it prints.
func steps(text string) []step {
	var list []step
	inside, continued := false, false
	for i, line := range strings.Split(text, "\n") {
		switch last := len(list) - 1; {
		case strings.HasPrefix(line, "```"):
			inside, continued = line == "```console", false
		case !inside:
		case continued:
			list[last].command += "\n" + line
			continued = strings.HasSuffix(line, `\`)
		case strings.HasPrefix(line, "$ "):
			list = append(list, step{line: i + 1, command: line[2:]})
			continued = strings.HasSuffix(line, `\`)
		case last >= 0:
			list[last].want = append(list[last].want, line)
		}
	}
	return list
}

// asShown are the differences between a terminal and a script: there, curl draws no progress.
const asShown = `curl() { command curl --silent --show-error --max-time 60 --noproxy '*' "$@"; }
`

// readme runs the console blocks of a README in their order. "…" in the output stands for any text in one line, and alone in
// a line for any lines; where no output is shown, the command must succeed. A gateway that one step starts serves the steps
// below, until the next one is started: its ports stand for :8080 and :8090. "go run ./cmd/postern" is the command.
func readme(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: readme FILE")
	}
	list := steps(ts.ReadFile(args[0]))
	if len(list) == 0 {
		ts.Fatalf("%s has no console blocks", args[0])
	}
	var gateway *background
	for _, s := range list {
		at := fmt.Sprintf("%s:%d: $ %s", args[0], s.line, s.command)
		command := strings.Replace(s.command, "go run ./cmd/postern", "postern", 1)
		switch {
		case serves.MatchString(command):
			if gateway != nil {
				gateway.term()
			}
			gateway = serveStep(ts, at, command, s.want)
		default:
			if strings.Contains(command, "curl ") {
				needCurl(ts)
			}
			err := ts.Exec("sh", "-c", asShown+portsOf(ts.Getenv).Replace(command))
			if strings.TrimSpace(strings.Join(s.want, "")) == "" {
				ts.Check(err)
				continue
			}
			compare(ts, at, s.want, ts.ReadFile("stdout")+ts.ReadFile("stderr"))
		}
	}
	if gateway != nil {
		if code := gateway.term(); code != 0 {
			ts.Fatalf("the gateway ended with %d", code)
		}
	}
}

// serves matches a command that runs until it is stopped.
var serves = regexp.MustCompile(`^(\w+=\S+ )*postern (dev|serve)( |$)`)

// serveStep starts a gateway on free ports, and waits until it has printed what is shown.
func serveStep(ts *testscript.TestScript, at, command string, want []string) *background {
	log := ts.MkAbs("readme.log")
	ports := []string{"POSTERN_HTTP=127.0.0.1:0", "POSTERN_ADMIN=127.0.0.1:0"}
	if !strings.Contains(command, "postern serve") { // which opens no TLS listener without a certificate
		ports = append(ports, "POSTERN_HTTPS=127.0.0.1:0")
	}
	gateway := launch(ts, append(ports, "sh", "-c", "exec env "+command), log, log)
	if !gateway.listens(ts) {
		ts.Fatalf("%s\ndoes not listen:\n%s", at, ts.ReadFile(log))
	}
	shown := pattern(want)
	eventually(func() bool { return shown.MatchString(documented(ts, ts.ReadFile(log))) })
	compare(ts, at, want, ts.ReadFile(log))
	return gateway
}

func compare(ts *testscript.TestScript, at string, want []string, got string) {
	if got = documented(ts, got); !pattern(want).MatchString(got) {
		ts.Fatalf("%s\nprints:\n%s\nand not, as is shown:\n%s", at, got, strings.Join(want, "\n"))
	}
}

// aBuild matches what is told of a build that takes long, as it does on a busy machine, and which no README shows.
var aBuild = regexp.MustCompile(`(?m)^(building|built) \./.*\n`)

// documented puts the ports of the documentation for those that were chosen, and leaves out what depends on how fast the machine is.
func documented(ts *testscript.TestScript, text string) string {
	text = aBuild.ReplaceAllString(text, "")
	for port, name := range map[string]string{":8080": "HTTP_PORT", ":8443": "HTTPS_PORT", ":8090": "ADMIN_PORT"} {
		if chosen := ts.Getenv(name); chosen != "" {
			text = strings.ReplaceAll(text, ":"+chosen, port)
		}
	}
	return text
}

// pattern matches output that is shown as these lines. Blank lines at its ends do not count, nor do carriage returns.
func pattern(want []string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`^\s*`)
	for _, line := range strings.Split(strings.TrimSpace(strings.Join(want, "\n")), "\n") {
		if line == "…" {
			b.WriteString(`(.*\n)*`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(line, " ")), "…", ".*") + ` *\r?\n?`)
	}
	b.WriteString(`\s*$`)
	return regexp.MustCompile(b.String())
}

func TestSteps(t *testing.T) {
	text := "# x\n```console\n$ a \\\n  b\none …\n…\nlast\n$ c\n```\n```sh\n$ no\n```\n"
	list := steps(text)
	if len(list) != 2 || list[0].command != "a \\\n  b" || list[1].command != "c" || list[0].line != 3 {
		t.Fatalf("steps: %+v", list)
	}
	for got, ok := range map[string]bool{
		"one two\nthree\nfour\nlast\n": true, "one \nlast": true, "\none 1\nlast\n\n": true,
		"two\nlast\n": false, "one 1\nlast\nmore\n": false, "one 1\nlasting\n": false, "": false,
	} {
		if pattern(list[0].want).MatchString(got) != ok {
			t.Errorf("%q: match is not %v", got, ok)
		}
	}
}

// link is a markdown link to a file beside the document.
var link = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)\s]*)?\)`)

// TestLinks looks for the files that the documents link to.
func TestLinks(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, glob := range []string{"README.md", "CONTRIBUTING.md", "spec/*.md", "examples/*/README.md"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(glob)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(m[1]))); err != nil {
					t.Errorf("%s links to %s, which is not there", filepath.Base(file), m[1])
				}
			}
		}
	}
}
