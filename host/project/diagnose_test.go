package project

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The outputs are those of the compilers themselves, shortened. Rust, AssemblyScript and Zig are seldom installed
// where the tests run.
func TestDiagnose(t *testing.T) {
	for _, test := range []struct {
		name, output string
		want         []string
		hint         string // of the first
	}{
		{"go", "# guest\n./main.go:6:30: undefined: x\nsub/b.go:8:14: cannot use x\n\thave ()\n\twant (int)\n",
			[]string{"f/main.go:6:30: undefined: x (build)", "f/sub/b.go:8:14: cannot use x have () want (int) (build)"}, ""},
		{"go.mod", "go: errors parsing go.mod:\ngo.mod:5: unknown directive: foo\n", []string{"f/go.mod:5: unknown directive: foo (build)"}, ""},
		{"go, too old", "-buildmode=c-shared not supported on wasip1/wasm\n",
			[]string{"./f cannot be built: -buildmode=c-shared not supported on wasip1/wasm (build)"}, "Go 1.24 or newer can build this: https://go.dev/dl/"},
		{"rust", "   Compiling x v0.1.0 (/tmp/x)\nsrc/lib.rs:1:5: warning: unused\nsrc/lib.rs:1:14: error[E0425]: cannot find value `y` in this scope\nerror: could not compile `x` (lib) due to 1 previous error\n",
			[]string{"f/src/lib.rs:1:14: error[E0425]: cannot find value `y` in this scope (build)"}, ""},
		{"rust without the target", "   Compiling x v0.1.0 (/tmp/x)\nerror[E0463]: can't find crate for `std`\n",
			[]string{"./f cannot be built:    Compiling x v0.1.0 (/tmp/x)\nerror[E0463]: can't find crate for `std` (build)"}, "run: rustup target add wasm32-wasip1"},
		{"assemblyscript", "ERROR TS2304: Cannot find name 'y'.\n   :\n 1 │ export function x(): i32 { return y }\n   │                                   ^\n   └─ in assembly/index.ts(1,35)\n\nFAILURE 1 compile error(s)\n",
			[]string{"f/assembly/index.ts:1:35: Cannot find name 'y'. (build)"}, ""},
		{"assemblyscript in colours", "\x1b[91mERROR\x1b[0m TS2304: Cannot find name 'y'.\n   └─ in assembly/index.ts(1,35)\n",
			[]string{"f/assembly/index.ts:1:35: Cannot find name 'y'. (build)"}, ""},
		{"clang", "src/main.c:3:5: error: expected expression\n    3 | int x = ;\n      |     ^\nsrc/main.c:2:1: note: here\n1 error generated.\n",
			[]string{"f/src/main.c:3:5: expected expression (build)"}, ""},
		{"clang is missing", "make: clang: No such file or directory\n", []string{"./f cannot be built: make: clang: No such file or directory (build)"},
			"install clang and lld with your system's package manager"},
		{"lld is missing", "clang: error: unable to execute command: Executable \"wasm-ld-14\" doesn't exist!\n",
			[]string{"./f cannot be built: clang: error: unable to execute command: Executable \"wasm-ld-14\" doesn't exist! (build)"}, "install lld with your system's package manager"},
		{"cargo, too old", "  lock file version `4` was found, but this version of Cargo does not understand this lock file\n",
			[]string{"./f cannot be built:   lock file version `4` was found, but this version of Cargo does not understand this lock file (build)"},
			"install a newer Rust (https://rustup.rs), or remove the folder's Cargo.lock"},
		{"silence", "", []string{"./f cannot be built: tool: exit status 1 (build)"}, ""},
	} {
		errs := diagnose(&buildError{command: "tool", output: test.output, err: errors.New("exit status 1")}, "f")
		var got []string
		for _, e := range errs {
			e := *e
			e.Hint = ""
			got = append(got, e.Error())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if errs[0].Hint != test.hint {
			t.Errorf("%s: hint %q, want %q", test.name, errs[0].Hint, test.hint)
		}
	}
}

func FuzzDiagnose(f *testing.F) {
	f.Add("./main.go:6:30: undefined: x\n\tmore\n")
	f.Add("ERROR TS1: x\n └─ in a(1,2)\n")
	f.Fuzz(func(t *testing.T, output string) {
		for _, e := range diagnose(&buildError{command: "tool", output: output, err: errors.New("exit status 1")}, "f") {
			if e.Message == "" {
				t.Errorf("an error without a message for %q", output)
			}
		}
	})
}
