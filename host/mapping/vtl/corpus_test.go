package vtl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

var update = flag.Bool("update", false, "make the goldens anew, with Apache Velocity")

// A corpusCase is NAME.vtl in an archive of testdata, rendered with the archive's variables.json. Its golden is NAME.out, or NAME.err with what
// Velocity said. Neither the template nor the output has the line end that txtar adds.
type corpusCase struct {
	name, template string
	golden         rendering
}

func readCorpus(t testing.TB, file string) (*txtar.Archive, json.RawMessage, []corpusCase) {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	variables := json.RawMessage("{}")
	var cases []corpusCase
	for _, f := range a.Files {
		text := strings.TrimSuffix(string(f.Data), "\n")
		switch name, ext, _ := strings.Cut(f.Name, "."); ext {
		case "json":
			variables = json.RawMessage(text)
		case "vtl":
			cases = append(cases, corpusCase{name: name, template: unescapeReturns(text)})
		case "out":
			cases[len(cases)-1].golden.Output = unescapeReturns(text)
		case "err":
			cases[len(cases)-1].golden.Error = text
		default:
			t.Fatalf("%s: %s is neither a template nor a golden", file, f.Name)
		}
	}
	return a, variables, cases
}

// Carriage returns stand as <CR>, since tools like to drop them.
func unescapeReturns(s string) string { return strings.ReplaceAll(s, "<CR>", "\r") }
func escapeReturns(s string) string   { return strings.ReplaceAll(s, "\r", "<CR>") }

func corpusFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no corpus", err)
	}
	return files
}

// TestCorpus compares with what Apache Velocity 1.7 made of the same templates.
func TestCorpus(t *testing.T) {
	count := 0
	for _, file := range corpusFiles(t) {
		if *update {
			updateCorpus(t, file)
		}
		_, variables, cases := readCorpus(t, file)
		for _, c := range cases {
			count++
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+c.name, func(t *testing.T) {
				got := renderHere(c.template, variables)
				if !got.same(c.golden) {
					t.Errorf("%s\n(-velocity +here)\n%s", c.template, cmp.Diff(c.golden, got))
				}
			})
		}
	}
	if count < 300 {
		t.Errorf("the corpus has %d templates", count)
	}
}

func updateCorpus(t *testing.T, file string) {
	t.Helper()
	real := startVelocity(t)
	a, variables, _ := readCorpus(t, file)
	var files []txtar.File
	for _, f := range a.Files {
		name, ext, _ := strings.Cut(f.Name, ".")
		if ext == "out" || ext == "err" {
			continue
		}
		f.Data = append(bytes.TrimSuffix(f.Data, []byte("\n")), '\n')
		files = append(files, f)
		if ext != "vtl" {
			continue
		}
		r := real.render(t, unescapeReturns(strings.TrimSuffix(string(f.Data), "\n")), variables)
		golden := txtar.File{Name: name + ".out", Data: []byte(escapeReturns(r.Output) + "\n")}
		if r.Error != "" {
			golden = txtar.File{Name: name + ".err", Data: []byte(strings.Join(strings.Fields(r.Error), " ") + "\n")}
		}
		files = append(files, golden)
	}
	a.Files = files
	if err := os.WriteFile(file, txtar.Format(a), 0o666); err != nil {
		t.Fatal(err)
	}
}

// renderHere renders in Velocity's dialect, with limits that only templates that try pass.
func renderHere(template string, variables json.RawMessage) rendering {
	tmpl, err := ParseDialect("t", template, Velocity)
	if err != nil {
		return rendering{Error: err.Error()}
	}
	out, err := tmpl.Execute(context.Background(), decodeVariables(variables), Limits{Loop: 100_000})
	if err != nil {
		var e *host.Error
		if !errors.As(err, &e) || e.Pos.Line == 0 {
			panic("an error without a place: " + err.Error())
		}
		return rendering{Error: err.Error()}
	}
	return rendering{Output: out}
}

func decodeVariables(raw json.RawMessage) Variables {
	vars := Variables{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	root, err := decodeValue(decoder)
	if err != nil {
		panic(err)
	}
	for k, v := range root.(*tree.Map).All() {
		vars[k] = v
	}
	return vars
}

// decodeValue reads JSON in the order in which it stands.
func decodeValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			list := &tree.List{}
			for d.More() {
				v, err := decodeValue(d)
				if err != nil {
					return nil, err
				}
				list.Items = append(list.Items, v)
			}
			_, err := d.Token()
			return list, err
		}
		m := newMap()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			m.Put(key.(string), v)
		}
		_, err := d.Token()
		return m, err
	case json.Number:
		text := token.String()
		if strings.ContainsAny(text, ".eE") {
			return token.Float64()
		}
		if v := integerLiteral(text); v != (*big.Int)(nil) {
			return v, nil
		}
		return nil, errors.New(text)
	default:
		return token, nil
	}
}
