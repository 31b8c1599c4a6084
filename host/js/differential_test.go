package js_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js/bundle"
)

var update = flag.Bool("update", false, "write what Node.js prints as the expected output of the differential tests")

const (
	minScripts = 200 // of the differential test
	minNode    = 20  // the major version of Node.js that the expected output is of, and the first that has what the scripts use
)

// The same scripts print the same in Node.js and here. Node's output is beside them, so that the test needs no Node.js; where there
// is one of that version, its output is checked as well. What later ones print otherwise is said, and is no failure: each
// version mends some of the one before.
func TestDifferential(t *testing.T) {
	names, err := filepath.Glob("testdata/differential/*.js")
	if err != nil {
		t.Fatal(err)
	}
	dir := copyFiles(t, "testdata/differential")
	node := runNode(t, dir, names)
	n := 0
	for _, file := range names {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".js"), func(t *testing.T) {
			differ(t, dir, filepath.Base(file), strings.TrimSuffix(file, ".js")+".golden", node)
		})
		n += len(parseGolden(readFile(t, strings.TrimSuffix(file, ".js")+".golden")))
	}
	if n < minScripts {
		t.Errorf("%d scripts, and %d are promised", n, minScripts)
	}
}

// differ compares one file's scripts.
func differ(t *testing.T, dir, file, golden string, node map[string]output) {
	p := opened(t, dir, file)
	scripts := names(t, p)
	if printed, ok := node[file]; ok {
		text := printed.text(scripts)
		if *update {
			if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := readFile(t, golden); text != want {
			report := t.Errorf
			if nodeMajor() != minNode {
				report = t.Logf
			}
			report("Node.js prints other than %s has, which -update writes:\n%s", golden, cmp.Diff(want, text))
		}
	}
	want := parseGolden(readFile(t, golden))
	for _, name := range scripts {
		r, err := call(p, "handle", string(jsonOf(t, map[string]string{"name": name})), nil, &effects{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got struct{ Lines, Differs []string }
		if err := json.Unmarshal([]byte(r.meta), &got); err != nil {
			t.Fatal(err)
		}
		expected, known := want[name]
		if got.Differs != nil {
			if slices.Equal(expected, got.Differs) {
				t.Errorf("%s: the difference that the file notes is none any more", name)
			}
			expected = got.Differs
		}
		if diff := cmp.Diff(expected, got.Lines); diff != "" || !known {
			t.Errorf("%s (Node.js -, Postern +):\n%s", name, diff)
		}
	}
}

// opened bundles the scripts of a file with an entry that runs the one that is asked for.
func opened(t *testing.T, dir, file string) host.Plugin {
	t.Helper()
	entry := "entry_" + strings.ReplaceAll(file, ".", "_") + ".js"
	text := fmt.Sprintf(`import * as file from './%s'
import { run } from './run.mjs'
export async function handle({ name }) {
  if (!name) return Object.keys(file.default)
  return { Lines: await run(file.default[name]), Differs: file.differs?.[name] }
}`, file)
	if err := os.WriteFile(filepath.Join(dir, entry), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	res, err := bundle.Build(context.Background(), bundle.Options{Dir: dir, Entry: entry})
	if err != nil {
		t.Fatal(err)
	}
	m, err := newRuntime(t).Compile(context.Background(), *res.Source)
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Open(context.Background(), host.PluginConfig{Name: file, Limits: host.Limits{Timeout: host.Setting[time.Duration]{Value: 25 * time.Second}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func names(t *testing.T, p host.Plugin) []string {
	t.Helper()
	r, err := call(p, "handle", "{}", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := json.Unmarshal([]byte(r.meta), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// output is the lines of each script of a file.
type output map[string][]string

// text writes an output in the order of the scripts: "# NAME", then its lines, each as Go writes a string when it would be
// read wrongly as it is.
func (o output) text(order []string) string {
	var b strings.Builder
	for _, name := range order {
		fmt.Fprintf(&b, "# %s\n", name)
		for _, line := range o[name] {
			if strings.HasPrefix(line, "# ") || strings.HasPrefix(line, `"`) || line == "" || !plain(line) {
				line = strconv.QuoteToASCII(line)
			}
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}

func plain(line string) bool {
	return !strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' })
}

func parseGolden(text string) output {
	out := output{}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if after, ok := strings.CutPrefix(line, "# "); ok {
			name = after
			out[name] = []string{}
			continue
		}
		if s, err := strconv.Unquote(line); err == nil {
			line = s
		}
		out[name] = append(out[name], line)
	}
	return out
}

// runNode returns what Node.js prints, by file, or nothing when there is none that counts. It is compared once with what both runtimes are
// held to.
func runNode(t *testing.T, dir string, files []string) map[string]output {
	t.Helper()
	if isQuickJS(t) {
		return nil
	}
	if major := nodeMajor(); *update && major != minNode {
		t.Fatalf("-update needs Node.js %d", minNode)
	} else if major < minNode {
		return nil
	}
	args := []string{"node.mjs"}
	for _, f := range files {
		args = append(args, filepath.Base(f))
	}
	cmd := exec.Command("node", args...)
	cmd.Dir = dir
	text, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("node: %v\n%s", err, failed.Stderr)
		}
		t.Fatal(err)
	}
	var out map[string]output
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// nodeMajor is the major version of the Node.js on this machine, 0 without one.
func nodeMajor() int {
	version, err := exec.Command("node", "--version").Output()
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	n, _ := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return n
}

// copyFiles copies the files of a folder into a new one.
func copyFiles(t *testing.T, folder ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range folder {
		if err := os.CopyFS(dir, os.DirFS(f)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func jsonOf(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
