package catalog

import (
	"fmt"
	"testing"
)

// BenchmarkFunctions has 200 functions with a configuration each, as a host with many has them.
func BenchmarkFunctions(b *testing.B) {
	c := newCatalog(b)
	ctx := b.Context()
	config := &FunctionConfig{Timeout: "5s", Env: map[string]string{"TABLE": "orders"}, Egress: []string{"https://payments.example.com"}}
	for i := range 200 {
		if _, err := c.UploadFunction(ctx, fmt.Sprint("f", i), Upload{Code: save(b, c, script(fmt.Sprint(i))), Config: config, Promote: true}, Change{}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if all, err := c.Functions(ctx); err != nil || len(all) != 200 {
				b.Fatal(err)
			}
		}
	})
	b.Run("compose", func(b *testing.B) {
		for b.Loop() {
			s, err := c.state(ctx)
			if err != nil {
				b.Fatal(err)
			}
			for _, name := range s.names(kindFunction) {
				if _, err := s.functionAt(ctx, name, 1); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("alias", func(b *testing.B) {
		weight := 0.25
		upload(b, c, "f0", "new")
		for b.Loop() {
			weight = 0.75 - weight
			if _, err := c.SetAlias(ctx, "f0", "live", 2, 1, weight, Change{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("upload", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			upload(b, c, "f1", fmt.Sprint("new", n))
		}
	})
	b.Run("collect", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Collect(ctx, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}
