package host_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/postern/postern"

// floors is the map of the house: a package imports only from floors below its own. A new package is a new line here.
var floors = map[string]int{
	"cmd/postern":       10,
	"host/server":       9,
	"host/admin":        8,
	"host/quarantine":   8,
	"host/project":      7,
	"host/pipeline":     6,
	"host/cases":        6,
	"host/wasm":         4,
	"host/catalog":      4,
	"host/wasm/native":  3,
	"host/wasm/command": 3,
	"host/js":           3,
	"host/quickjs":      3,
	"host/definition":   3,
	"host/router":       2,
	"host/mapping":      2,
	"host/mapping/tree": 2,
	"host/mapping/vtl":  3,
	"host/lambda":       2,
	"host/grpc":         2,
	"host/wasm/engine":  2,
	"host/wasm/stream":  2,
	"host/js/bundle":    2,
	"host/js/prelude":   2,
	"host/js/web":       2,
	"host/upstream":     2,
	"host/kv":           2,
	"host/recording":    2,
	"host/jetstream":    3,
	"host/datadir":      2,
	"host/sealed":       2,
	"host/sigv4":        2,
	"host/access":       3,
	"host/backup":       3,
	"host/listener":     2,
	"host/telemetry":    2,
	"host":              1,
	"host/atomicfile":   1,
	"spec":              0,
	"sdk":               0,
	"sdk/go":            0,

	"host/listener/xconnect": 1,
	"host/mapping/jsonpath":  3,
	"host/mapping/schema":    3,
	"host/openapi":           3,
	"host/mapping/template":  4,
	"host/mapping/parameter": 4,
	"host/rest":              5,
	"host/aws":               3,
	"host/document":          2,
	"host/cloudformation":    5,
}

// testOnly are packages that only tests import, with the floor they stand on.
var testOnly = map[string]int{
	"host/telemetry/otlptest": 2,
	"host/server/servertest":  10,
}

// owners names the one package that may import each heavy dependency, by prefix of the import path.
var owners = map[string][]string{
	"github.com/tetratelabs/wazero":          {"host/wasm", "host/wasm/engine", "host/wasm/native"},
	"github.com/ianlancetaylor/demangle":     {"host/wasm/engine"},
	"github.com/dop251/goja":                 {"host/js"},
	"github.com/evanw/esbuild":               {"host/js/bundle"},
	"github.com/goccy/go-yaml":               {"host/document"},
	"github.com/santhosh-tekuri/jsonschema/": {"host/definition", "host/mapping/schema"},
	"go.opentelemetry.io/otel/sdk":           {"host/telemetry"},
	"go.opentelemetry.io/otel/exporters":     {"host/telemetry"},
	"github.com/spf13/cobra":                 {"cmd/postern"},
	"github.com/quic-go/":                    {"host/listener"},
	"github.com/pires/go-proxyproto":         {"host/listener", "host/upstream"},
	"github.com/gobwas/ws":                   {"host/upstream"},
	"github.com/sony/gobreaker":              {"host/upstream"},
	"github.com/nats-io/":                    {"host/jetstream"},
	"filippo.io/age":                         {"host/sealed"},
	"github.com/dlclark/regexp2":             {"host/js", "host/mapping/vtl"},
	"github.com/aws/":                        {"host/aws"},
}

func TestFloors(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && foreign(path, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			pkg := filepath.ToSlash(filepath.Dir(rel))
			seen[pkg] = true
			checkFile(t, path, pkg, strings.HasSuffix(path, "_test.go"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range floors {
		if !seen[pkg] {
			t.Errorf("the map has %s, and the tree does not", pkg)
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d packages were read: is the walk broken?", len(seen))
	}
}

// foreign reports whether a folder holds what is not part of this module's own packages.
func foreign(path, name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

func checkFile(t *testing.T, path, pkg string, test bool) {
	t.Helper()
	floor, known := floors[pkg]
	if !known {
		if floor, known = testOnly[pkg]; !known {
			t.Errorf("%s: package %s is not on the map in host/floors_test.go", path, pkg)
			return
		}
		test = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Error(err)
			continue
		}
		if test {
			continue // tests compose real parts from any floor
		}
		checkOwner(t, path, pkg, imported)
		rel, ours := strings.CutPrefix(imported, module+"/")
		if !ours {
			continue
		}
		if _, ok := testOnly[rel]; ok {
			t.Errorf("%s imports %s, which is for tests only", path, rel)
		} else if below, ok := floors[rel]; !ok || below >= floor {
			t.Errorf("%s (floor %d) imports %s (floor %d): only lower floors may be imported", path, floor, rel, below)
		}
	}
	if pkg == "host" || pkg == "spec" || strings.HasPrefix(pkg, "sdk") {
		checkStandardLibrary(t, path, file.Imports, test)
	}
}

func checkOwner(t *testing.T, path, pkg, imported string) {
	t.Helper()
	for prefix, allowed := range owners {
		if !strings.HasPrefix(imported, prefix) {
			continue
		}
		owned := false
		for _, owner := range allowed {
			owned = owned || owner == pkg
		}
		if !owned {
			t.Errorf("%s imports %s, which only %s may", path, imported, strings.Join(allowed, ", "))
		}
	}
}

// checkStandardLibrary holds the ground floors to the standard library: a dot in the first element is a domain.
func checkStandardLibrary(t *testing.T, path string, imports []*ast.ImportSpec, test bool) {
	t.Helper()
	if test {
		return
	}
	for _, spec := range imports {
		first, _, _ := strings.Cut(strings.Trim(spec.Path.Value, `"`), "/")
		if strings.Contains(first, ".") {
			t.Errorf("%s imports %s: this floor uses the standard library alone", path, spec.Path.Value)
		}
	}
}
