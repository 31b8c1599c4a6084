package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
	"github.com/postern/postern/host/js/bundle"
	"github.com/postern/postern/host/quickjs"
	"github.com/postern/postern/host/wasm"
)

// benchKilobyte is an authorizer's event of 1,024 bytes, as a browser's request makes it.
var benchKilobyte = strings.Replace(benchAuthorize, `"user-agent":"curl/8"}`, `"user-agent":"curl/8","cookie":"`+strings.Repeat("k", 1024-11-len(benchAuthorize))+`"}`, 1)

// A benched is one language's conformance guest, and its runtime.
type benched struct {
	lang string
	src  host.Source
	rt   func(b *testing.B) host.Runtime
}

// benchedLanguages are the guests that are in the repository's bin/, where "make -C sdk/LANG build" writes them, and scripts on both runtimes.
func benchedLanguages(b *testing.B) (all []benched) {
	onWasm := func(b *testing.B) host.Runtime { return newRuntime(b, wasm.Options{}) }
	for _, lang := range []string{"c", "zig", "rust", "assemblyscript", "go"} {
		code, err := os.ReadFile(filepath.Join("..", "..", "bin", "conformance-"+lang+".wasm"))
		if errors.Is(err, os.ErrNotExist) {
			b.Logf("%s is not built: make -C sdk/%[1]s build", lang)
			continue
		}
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, benched{lang, host.Source{Name: lang, Runtime: host.RuntimeWasm, Code: code}, onWasm})
	}
	script, err := bundle.Build(b.Context(), bundle.Options{Dir: filepath.Join("..", "..", "sdk", "js", "conformance"), Entry: "conformance.js"})
	if err != nil {
		b.Fatal(err)
	}
	quick, goja := *script.Source, *script.Source
	quick.Runtime, goja.Runtime = host.RuntimeQuickJS, host.RuntimeJS
	return append(all, benched{"js on quickjs", quick, onQuickJS}, benched{"js on goja", goja, onGoja})
}

func onGoja(*testing.B) host.Runtime { return js.New(js.Options{}) }

func onQuickJS(b *testing.B) host.Runtime {
	rt, err := quickjs.New(quickjs.Options{Engine: newRuntime(b, wasm.Options{}).Engine()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = rt.Close(context.Background()) }) // before the engine
	return rt
}

// BenchmarkLanguages prints a table of the SDKs: the size of the conformance guest, with the names of its functions; how long it takes to compile
// anew; a call on an instance that is made for it; and one on a warm instance. The call is an authorizer's, of a 1 KB event.
func BenchmarkLanguages(b *testing.B) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "language\tKiB\tcompile, ms\tcold call, µs\twarm call, µs\t")
	for _, lang := range benchedLanguages(b) {
		b.Run(lang.lang, func(b *testing.B) {
			rt := lang.rt(b)
			begun := time.Now()
			m, err := rt.Compile(b.Context(), lang.src)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = m.Close(context.Background()) })
			compiling := time.Since(begun)
			cfg := conformanceConfig()
			cfg.Isolation = host.IsolationFresh
			cold := decideMedian(b, open(b, m, cfg), 100)
			cfg.Isolation = host.IsolationPooled
			p := open(b, m, cfg)
			decideMedian(b, p, 500)
			var warm time.Duration
			for b.Loop() {
				warm = decideMedian(b, p, 2000)
			}
			_, _ = fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.0f\t%.1f\t\n", lang.lang, float64(len(lang.src.Code))/1024, float64(compiling)/1e6, float64(cold)/1e3, float64(warm)/1e3)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(warm)/1e3, "µs-warm")
		})
	}
	_ = table.Flush()
	fmt.Printf("\n%s\n", text.String())
}

// decideMedian is the median of the times that calls took.
func decideMedian(b *testing.B, p host.Plugin, calls int) time.Duration {
	took := make([]time.Duration, calls)
	fx := newWorld()
	for i := range took {
		begun := time.Now()
		if _, err := p.Call(context.Background(), host.EntryAuthorize, host.Event{Meta: []byte(benchKilobyte)}, fx); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	return took[calls/2]
}
