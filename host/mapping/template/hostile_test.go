package template

import (
	"strings"
	"testing"

	"github.com/postern/postern/host"
)

// What clients and templates may do on purpose ends in an error of the template, soon and with a short text, and never in a panic.
func TestHostile(t *testing.T) {
	for _, test := range []struct{ name, template, body, want string }{
		{"deep path", `$input.path($input.body)`, strings.Repeat("$[?(", 1<<20), "longer than"},
		{"nested path", `$input.path($input.path('$'))`, `"$[?(` + strings.Repeat("(", 1<<10) + `"`, "path"},
		{"long path", `$input.path($input.path('$'))`, `"` + strings.Repeat(".a", 4<<20) + `"`, "bytes of memory"},
		{"finds too much", `#foreach($i in [1..1000])$input.path('$..*..*..*').size()#end`, `[` + strings.Repeat("[[1]],", 20_000) + `1]`, "items that paths find"},
		{"keeps what it finds", `#set($l = [])#foreach($i in [1..1000])#set($x = $l.add($input.path("$.*")))#end`, `[` + strings.Repeat("1,", 10_000) + `1]`, "items that paths find"},
		{"JSON of what holds itself", `#set($b = $input.path('$'))#set($b.self = $b)$input.json('$')`, `{}`, "holds itself"},
		{"path in what holds itself", `#set($b = $input.path('$'))#set($b.self = $b)$input.path('$..x')`, `{}`, "levels"},
		{"override that holds itself", `#set($l = [1])#set($x = $l.add([$l]))#set($context.requestOverride.header.a = $l)`, ``, "levels"},
		{"overrides of overrides", `#set($context.requestOverride.header.a = $context.requestOverride)$context.requestOverride`, ``, "levels"},
		{"empty overrides", `#foreach($i in [1..1000])#set($context.requestOverride.querystring["a$i"] = [])#end`, ``, "values that are overridden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := mapBody(t, test.template, test.body)
			if host.KindOf(err) != host.Internal || err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 600 {
				t.Errorf("%.600v", err)
			}
		})
	}
	// The variables among the values of the body are no JSON.
	out, err := mapBody(t, `#set($b = $input.path('$'))#set($b.c = $context)$input.json('$')`, `{"a":1}`)
	if err != nil || string(out.Body) != `{"a":1,"c":null}` {
		t.Error(out, err)
	}
}

// Paths that are put together do not fill the memory, and those that are asked for again are kept.
func TestPathsAreBounded(t *testing.T) {
	tmpl := compile(t, `#foreach($i in [1..1000])$input.path("$.a$i")#end$input.path('$.b')`, host.PhaseMapRequest, Options{})
	for range 2 {
		out, err := tmpl.Map(t.Context(), &host.MapInput{Exchange: exchange(), Body: []byte(`{"a5":1,"a999":2,"b":3}`)})
		if err != nil || string(out.Body) != "123" {
			t.Fatal(out, err)
		}
	}
	if n := len(tmpl.paths.compiled); n != maxPaths {
		t.Errorf("%d paths are kept, not %d", n, maxPaths)
	}
}
