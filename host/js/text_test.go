package js_test

import (
	"testing"
)

func TestCodeMadeOfText(t *testing.T) {
	const outcome = "const outcome = (f) => { try { return String(f()) } catch (e) { return e.name } }; const Async = (async () => {}).constructor, Gen = Object.getPrototypeOf(function* () {}).constructor;\n"
	for code, want := range map[string]string{
		"const x = 2; return eval('x + 1')":                                                "3",
		"const x = 2; return eval(...['x + 1', 4])":                                        "3",
		"return (0, eval)('1 + 1')":                                                        "2",
		"return (0, eval)(7)":                                                              "7",
		"return eval('(() => 4)')()":                                                       "4",
		"return eval('}')":                                                                 "SyntaxError",
		"return new Function('a', 'b', 'return a + b')(1, 2)":                              "3",
		"return Function('return this')() === globalThis":                                  "true",
		"return [].filter.constructor('return 5')()":                                       "5",
		"return new Async('await 1; return 6')() instanceof Promise":                       "true",
		"return new Gen('yield 7')().next().value":                                         "7",
		"return new Function('a', { toString: () => 'return a' })(8)":                      "8",
		"return eval(' '.repeat(65536) + '1')":                                             "RangeError",
		"return eval('('.repeat(5e6))":                                                     "RangeError",
		"return eval(...['!'.repeat(5e6) + '1'])":                                          "RangeError",
		"return (0, eval)('!'.repeat(5e6) + '1')":                                          "RangeError",
		"return new Function('return ' + '['.repeat(5e6))":                                 "RangeError",
		"return new Function('a = ' + '['.repeat(5e6), 'return 1')":                        "RangeError",
		"return Reflect.construct(Function, ['['.repeat(5e6)])":                            "RangeError",
		"return new (class extends Function {})('['.repeat(5e6))":                          "RangeError",
		"let n = 0; return new Function({ toString: () => n++ ? '['.repeat(5e6) : '' })()": "undefined",
		"return new Async('['.repeat(5e6))":                                                "RangeError",
		"return new Gen('['.repeat(5e6))":                                                  "RangeError",
		"const e = eval; return e('['.repeat(5e6))":                                        "EvalError",
		"return globalThis['eval']('['.repeat(5e6))":                                       "EvalError",
		"return eval('eval(`[`.repeat(5e6))')":                                             "EvalError",
		"return new Function('return eval(`[`.repeat(5e6))')()":                            "EvalError",
	} {
		if differs(t, code) {
			continue
		}
		t.Run(code, func(t *testing.T) {
			if got := eval(t, outcome+"return outcome(() => {"+code+"})", nil); got != quoted(want) {
				t.Errorf("%s, not %s", got, want)
			}
		})
	}
	// Nothing in this script says what it reaches.
	want := `"EvalError"`
	if isQuickJS(t) { // see gojaOnly
		want = `"RangeError"`
	}
	if got := eval(t, "try { return (() => {})['const' + 'ructor']('['.repeat(5e6)) } catch (e) { return e.name }", nil); got != want {
		t.Error(got)
	}
}

func quoted(s string) string { return `"` + s + `"` }
