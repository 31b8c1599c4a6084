package catalog

import (
	"fmt"
	"strings"
	"testing"
)

// largeText is a definition of so many routes over 10 APIs, and of so many functions.
func largeText(routes, functions int, timeout string) string {
	var b strings.Builder
	b.WriteString("apis:\n")
	for api := range 10 {
		fmt.Fprintf(&b, "  api%d:\n    routes:\n", api)
		for n := range routes / 10 {
			fmt.Fprintf(&b, "      GET /r%d/{id}: {timeout: %s, integration: {function: f%d}}\n", n, timeout, (api*routes/10+n)%functions)
		}
	}
	b.WriteString("functions:\n")
	for n := range functions {
		fmt.Fprintf(&b, "  f%d: {plugin: ./f%d.js, timeout: 2s}\n", n, n)
	}
	return b.String()
}

// BenchmarkCompose composes 1,000 routes and 200 functions: warm, as after each change, and cold, as at a start.
func BenchmarkCompose(b *testing.B) {
	c := newCatalog(b)
	applyText(b, c, "large", largeText(1000, 200, "5s"))
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			composeLarge(b, c)
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			composeLarge(b, New(c.opts))
		}
	})
}

func composeLarge(b *testing.B, c *Catalog) {
	composed, err := c.Compose(b.Context())
	if err != nil || len(composed.Snapshot.Functions) != 200 || len(composed.Snapshot.APIs) != 10 {
		b.Fatal(err)
	}
}

// BenchmarkApply applies a definition of 1,000 routes and 200 functions in which 1 or all routes have changed, without Options.Check.
func BenchmarkApply(b *testing.B) {
	for _, changed := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("changed=%d", changed), func(b *testing.B) {
			c := newCatalog(b)
			c.opts.Keep = 1
			text := largeText(1000, 200, "5s")
			in := inputOf(b, c, text, nil)
			apply(b, c, "large", in)
			for n := 0; b.Loop(); n++ {
				in.Bundle.Text = strings.Replace(text, "timeout: 5s", fmt.Sprintf("timeout: %ds", 6+n%10), min(changed, 1))
				if changed > 1 {
					in.Bundle.Text = strings.ReplaceAll(text, "timeout: 5s", fmt.Sprintf("timeout: %ds", 6+n%10))
				}
				plan, err := c.Apply(b.Context(), "large", in, Change{})
				if err != nil || plan.Changed != (changed > 0) {
					b.Fatal(err, plan)
				}
			}
		})
	}
}
