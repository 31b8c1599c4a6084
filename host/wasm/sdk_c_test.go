package wasm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

const cInstall = "clang, lld and make with your system's package manager"

// works reports whether commands succeed.
func works(commands ...string) bool {
	for _, c := range commands {
		args := strings.Fields(c)
		if exec.Command(args[0], args[1:]...).Run() != nil {
			return false
		}
	}
	return true
}

// makeGuest runs make in dir, as a plugin's folder is built: what it makes goes where OUT says.
func makeGuest(t testing.TB, dir string, args ...string) ([]byte, error) {
	out := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.Command("make", append([]string{"--silent", "OUT=" + out}, args...)...)
	build.Dir = dir
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make %s: %w\n%s", args, err, text)
	}
	return os.ReadFile(out)
}

// cCompilers are the ways of building that the C SDK promises: without a libc, by Debian's clang; with wasi-libc, by that or by Zig's.
func cCompilers() map[string][]string {
	found := map[string][]string{}
	if works("make --version", "clang --version", "wasm-ld --version") {
		found["clang"] = nil
		if works("clang --target=wasm32-wasi -mexec-model=reactor -x c /dev/null -o /dev/null") {
			found["wasi-libc"] = []string{"WASM=--target=wasm32-wasi -mexec-model=reactor -O2 -Wl,--stack-first"}
		}
	}
	if zig := zigCommand(); zig != "" && works("make --version") {
		found["zig-cc"] = []string{"CC=" + zig + " cc", "WASM=-target wasm32-wasi -mexec-model=reactor -O2"} // which lays the stack first by itself
	}
	return found
}

// The C SDK keeps the contracts with each compiler and libc that is here, and builds without warnings.
func TestCSDK(t *testing.T) {
	needLanguages(t)
	compilers := cCompilers()
	_, there := compilers["clang"]
	needToolchain(t, there, "C", cInstall)
	for name, args := range compilers {
		t.Run(name, func(t *testing.T) {
			code, err := makeGuest(t, filepath.Join("..", "..", "sdk", "c"), append(args, "build")...)
			if err != nil {
				t.Fatal(err)
			}
			m := compile(t, newRuntime(t, wasm.Options{}), "c", code)
			testConformance(t, m, conformance{frame: "panic", exit: "unreachable"})
		})
	}
}

// Each template is a plugin that builds with the SDK's sources beside it, and is what it is named for.
func TestCTemplates(t *testing.T) {
	needLanguages(t)
	_, there := cCompilers()["clang"]
	needToolchain(t, there, "C", cInstall)
	sdk := filepath.Join("..", "..", "sdk", "c")
	testTemplates(t, filepath.Join(sdk, "templates"), func(dir string) ([]byte, error) {
		files, err := filepath.Glob(filepath.Join(sdk, "*.[ch]"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := copyInto(filepath.Join(dir, "postern"), sdk, filepath.Base(file)); err != nil {
				return nil, err
			}
		}
		return makeGuest(t, dir)
	})
}

// What the SDK does without a host, it does as an ordinary program of this machine too, under sanitizers: the tests of its own.
func TestCNatively(t *testing.T) {
	needLanguages(t)
	_, there := cCompilers()["clang"]
	needToolchain(t, there, "C", cInstall)
	run := exec.Command("make", "--silent", "native")
	run.Dir = filepath.Join("..", "..", "sdk", "c")
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func BenchmarkCGuest(b *testing.B) {
	needLanguages(b)
	code, err := makeGuest(b, filepath.Join("..", "..", "sdk", "c"), "build")
	if err != nil {
		b.Fatal(err)
	}
	benchGuest(b, code)
}

// benchGuest tells what an authorizer costs: to load, to start and to ask, over the one in WebAssembly text that does nothing else.
func benchGuest(b *testing.B, code []byte) {
	for _, isolation := range []host.Isolation{host.IsolationPooled, host.IsolationFresh} {
		b.Run(string(isolation), func(b *testing.B) {
			cfg := conformanceConfig()
			cfg.Isolation = isolation
			each := func(name string, code []byte) float64 {
				p := open(b, compile(b, newRuntime(b, wasm.Options{}), name, code), cfg)
				fx := &effects{}
				begun := time.Now()
				for range b.N {
					if _, _, err := ask(p, host.EntryAuthorize, benchAuthorize, nil, fx); err != nil {
						b.Fatal(err)
					}
				}
				return float64(time.Since(begun)) / float64(b.N)
			}
			begun := time.Now()
			compile(b, newRuntime(b, wasm.Options{}), "guest", code)
			compiled := time.Since(begun)
			base := each("authorizer", guestCode(b, "authorizer"))
			b.ResetTimer()
			guest := each("guest", code)
			b.ReportMetric(guest, "ns/op") // without opening it
			b.ReportMetric(guest/base, "x-wat")
			b.ReportMetric(float64(compiled)/1e6, "ms-compile")
			b.ReportMetric(float64(len(code))/1024, "KiB")
		})
	}
}
