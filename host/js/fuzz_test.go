package js

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

// What decodeJSON takes is what encoding/json takes, but for its depth and invalid UTF-8, and it means the same.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,true,null,"\\u00e9\\ud83d\\ude00\\n"],"a":2}`, `"\\ud800"`, `[`, `01`, `{"__proto__":{}}`, ` [ ] `, `-`, `1e`, "\"\x01\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Count(s, "[")+strings.Count(s, "{") >= maxDepth {
			return
		}
		rt := goja.New()
		v, err := decodeJSON(rt, s)
		if valid := json.Valid([]byte(s)); valid != (err == nil) {
			t.Fatalf("encoding/json says %v of %q, and we %v", valid, s, err)
		}
		if err != nil {
			return
		}
		in := &instance{rt: rt}
		in.stringify, _ = goja.AssertFunction(rt.Get("JSON").ToObject(rt).Get("stringify"))
		if _, err := in.json(v); err != nil {
			t.Fatal(err)
		}
	})
}
