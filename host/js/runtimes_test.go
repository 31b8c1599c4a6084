package js_test

import (
	"context"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
)

// BenchmarkRuntimes compares the two runtimes: what it costs to open a plugin, whose code is compiled, and to call it, by isolation; and what
// an instance takes of memory, where that is known.
func BenchmarkRuntimes(b *testing.B) {
	for _, script := range []struct{ name, code, entry string }{
		{"authorizer", authorizer, "authorize"},
		{"fetch", "export default { fetch: (request: Request) => Response.json({ url: request.url }) }", "handle"},
		{"compute", "const fib = (n: number): number => n < 2 ? n : fib(n - 1) + fib(n - 2)\nexport const handle = () => fib(20)", "handle"},
	} {
		for _, on := range []struct {
			name       string
			runtime    host.Runtime
			isolations []host.Isolation
		}{
			{"goja", js.New(js.Options{}), []host.Isolation{host.IsolationFresh, host.IsolationPooled}},
			{"quickjs", quickJS(), []host.Isolation{host.IsolationFresh, host.IsolationReset, host.IsolationPooled}},
		} {
			m, err := on.runtime.Compile(context.Background(), source(b, "a.ts", script.code))
			if err != nil {
				b.Fatal(err)
			}
			b.Run(script.name+"/"+on.name+"/open", func(b *testing.B) {
				for b.Loop() {
					if err := openFor(b, m, host.IsolationPooled).Close(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
			})
			for _, isolation := range on.isolations {
				b.Run(script.name+"/"+on.name+"/"+string(isolation), func(b *testing.B) {
					p, fx := openFor(b, m, isolation), &effects{}
					for b.Loop() {
						if _, err := p.Call(context.Background(), script.entry, host.Event{Meta: []byte(event)}, fx); err != nil {
							b.Fatal(err)
						}
					}
					if known := p.(host.Inspector).Pool().Memory; known > 0 {
						b.ReportMetric(float64(known), "B/instance")
					}
					if err := p.Close(context.Background()); err != nil {
						b.Fatal(err)
					}
				})
			}
		}
	}
}

func openFor(b *testing.B, m host.Module, isolation host.Isolation) host.Plugin {
	p, err := m.Open(context.Background(), host.PluginConfig{Name: "bench", Isolation: isolation})
	if err != nil {
		b.Fatal(err)
	}
	return p
}
