package vtl

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/tree"
)

// FuzzExecute: nothing panics, every error is a *host.Error with a place, and the output stays in its limit.
func FuzzExecute(f *testing.F) {
	for _, file := range corpusFiles(f) {
		_, _, cases := readCorpus(f, file)
		for _, c := range cases {
			f.Add(c.template, `{"s":"Hello","list":[1,"x",null],"map":{"a":{"b":[1.10]}}}`)
		}
	}
	f.Fuzz(func(t *testing.T, template, body string) {
		tmpl, err := Parse("t", template)
		if err != nil {
			checkError(t, template, err, host.Invalid)
			return
		}
		vars := Variables{"util": Escaper{}, "s": body, "n": 5}
		if v, err := tree.Decode([]byte(body), tree.Limits{}); err == nil {
			vars["body"] = v
			if m, ok := v.(*tree.Map); ok {
				for name, value := range m.All() {
					vars[name] = value
				}
			}
		}
		limits := Limits{Loop: 50, Loops: 500, Output: 1 << 16, Memory: 1 << 20, Regexp: 20 * time.Millisecond, Elapsed: 2 * time.Second}
		out, err := tmpl.Execute(context.Background(), vars, limits)
		if err != nil {
			checkError(t, template, err, host.Internal, host.Timeout)
		}
		if len(out) > limits.Output {
			t.Errorf("%q: %d bytes", template, len(out))
		}
	})
}

func checkError(t *testing.T, template string, err error, kinds ...host.Kind) {
	t.Helper()
	var e *host.Error
	if !errors.As(err, &e) || e.Pos.Line == 0 && len(template) <= MaxTemplate {
		t.Fatalf("%q: an error without a place: %v", template, err)
	}
	for _, kind := range kinds {
		if e.Kind == kind {
			return
		}
	}
	t.Errorf("%q: kind %v: %v", template, e.Kind, err)
}

// TestGenerated runs random templates of the differential test's generator, without Velocity.
func TestGenerated(t *testing.T) {
	g := &generator{rand: rand.New(rand.NewPCG(1, 2))}
	for _, file := range corpusFiles(t) {
		_, variables, cases := readCorpus(t, file)
		g.variables = variables
		for _, c := range cases {
			g.pieces = append(g.pieces, c.template)
		}
	}
	for range 3000 {
		renderHere(g.template(), g.variables) // panics where an error has no place
	}
}
