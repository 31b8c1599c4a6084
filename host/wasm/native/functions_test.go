package native

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/wasm/engine"
)

// The page that others implement from lists exactly the functions that are offered, with their parameters.
func TestFunctionsAreThoseOfTheSpecification(t *testing.T) {
	page, err := os.ReadFile("../../../spec/abi.md")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]engine.Type{"i32": engine.I32, "i64": engine.I64, "f64": engine.F64}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)\\(([^)]*)\\) -> (\\w+)` \\|").FindAllStringSubmatch(string(page), -1) {
		signature := ""
		for param := range strings.FieldsFuncSeq(row[2], func(r rune) bool { return r == ',' }) {
			_, kind, typed := strings.Cut(param, ": ")
			if !typed {
				kind = "i32"
			}
			signature += fmt.Sprintf("%#x ", types[kind])
		}
		result := engine.I32
		if row[3] == "i64" {
			result = engine.I64
		}
		documented[row[1]] = fmt.Sprintf("%s-> [%#x]", signature, result)
	}
	offered := map[string]string{}
	for _, f := range Functions() {
		signature := ""
		for _, p := range f.Params {
			signature += fmt.Sprintf("%#x ", p)
		}
		offered[f.Name] = fmt.Sprintf("%s-> [%#x]", signature, f.Results[0])
	}
	if diff := cmp.Diff(documented, offered); diff != "" {
		t.Errorf("spec/abi.md (-) and what is offered (+) differ:\n%s", diff)
	}
}
