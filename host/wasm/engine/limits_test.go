package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func number(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func repeat(n int, code ...byte) []byte { return bytes.Repeat(code, n) }

func section(id byte, parts ...[]byte) []byte {
	body := join(parts...)
	return join([]byte{id}, number(len(body)), body)
}

// guest is a module of count functions that are alike, with so many i32 locals; its memory has a page.
func guest(count, locals int, code ...[]byte) []byte {
	body := join([]byte{1}, number(locals), []byte{typeI32}, join(code...), []byte{byte(opEnd)})
	body = join(number(len(body)), body)
	return join(wasmHeader, section(sectionType, []byte{1, typeFunction, 0, 0}), section(sectionFunction, number(count), repeat(count, 0)),
		section(sectionMemory, []byte{1, 0, 1}), section(sectionCode, number(count), bytes.Repeat(body, count)))
}

// hostileModules are valid but for what they ask of a compiler, by the limit that they are over.
func hostileModules() map[string][]byte {
	return map[string][]byte{
		"locals of a function":                guest(1, 1<<32-1),
		"locals of all functions":             guest(41, 50_000),
		"blocks inside one another":           guest(1, 1, repeat(16_000, 0x02, 0x40), repeat(16_000, 0x0b)),
		"functions":                           guest(900_000, 1),
		"bytes of a function":                 guest(1, 1, repeat(1<<20, 0x01)),
		"branches of a function":              guest(1, 1, repeat(50_000, 0x20, 0, 0x0d, 0)),
		"targets of a br_table":               guest(1, 1, []byte{0x20, 0, 0x0e}, number(70_000), repeat(70_001, 0)),
		"steps to compile a function":         guest(1, 1, repeat(100_000, 0x3f, 0), repeat(2_000, 0x20, 0, 0x04, 0x40, 0x0b), repeat(100_000, 0x1a)),
		"steps to compile all functions":      guest(10, 1, repeat(9_900, 0x20, 0, 0x0d, 0)),
		"types":                               join(wasmHeader, section(sectionType, number(1<<32-1))),
		"parameters of a function":            join(wasmHeader, section(sectionType, []byte{1, typeFunction}, number(1<<32-1))),
		"parameters and results of all types": join(wasmHeader, section(sectionType, number(500), bytes.Repeat(join([]byte{typeFunction}, number(256), repeat(256, typeI32), []byte{0}), 500))),
		"imports":                             join(wasmHeader, section(sectionImport, number(1<<32-1))),
		"tables":                              join(wasmHeader, section(sectionTable, number(1<<32-1))),
		"entries that tables start with":      join(wasmHeader, section(sectionTable, []byte{1, typeFuncref, 0}, number(1<<27))),
		"memories":                            join(wasmHeader, section(sectionMemory, number(1<<32-1))),
		"globals":                             join(wasmHeader, section(sectionGlobal, number(1<<32-1))),
		"exports":                             join(wasmHeader, section(sectionExport, number(1<<32-1))),
		"element segments":                    join(wasmHeader, section(sectionElement, number(1<<32-1))),
		"elements":                            join(wasmHeader, section(sectionElement, []byte{1, 1, 0}, number(1<<32-1))),
		"data segments":                       join(wasmHeader, section(sectionData, number(1<<32-1))),
	}
}

// TestLimits asks the engine for what a compiler would die of, or work on without end.
func TestLimits(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(t.Context()) }()
	for what, code := range hostileModules() {
		_, err := e.Compile(t.Context(), "hostile", code)
		var over *limitError
		if !errors.Is(err, host.Invalid) || !errors.As(err, &over) || over.what != what || !strings.Contains(err.Error(), "the limit is ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestLengths has sizes that the module has no bytes for: a compiler would allocate them first.
func TestLengths(t *testing.T) {
	huge := number(1<<32 - 1)
	for name, code := range map[string][]byte{
		"section":   join(wasmHeader, []byte{sectionData}, huge),
		"data":      join(wasmHeader, section(sectionData, []byte{1, 1}, huge)),
		"export":    join(wasmHeader, section(sectionExport, []byte{1}, huge, []byte{0, 0})),
		"import":    join(wasmHeader, section(sectionImport, []byte{1}, huge, []byte{0, 0, 0})),
		"body":      join(wasmHeader, section(sectionType, []byte{1, typeFunction, 0, 0}), section(sectionFunction, []byte{1, 0}), section(sectionCode, []byte{1}, huge, []byte{0, 0x0b})),
		"custom":    join(wasmHeader, section(sectionCustom, huge, []byte{'x'})),
		"functions": join(wasmHeader, section(sectionFunction, number(90_000))),
		"br_table":  guest(1, 1, []byte{0x20, 0, 0x0e}, number(60_000), []byte{0}),
	} {
		if _, _, err := prepare(code); !errors.Is(err, errTruncated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownInstructions(t *testing.T) {
	for want, code := range map[string][]byte{
		"tail calls":         {0x12, 0},
		"exception handling": {0x08, 0},
		"threads":            {0xfe, 0, 2, 0},
		"not known":          {0x27},
		// A vector instruction's number is two bytes from 0x80 on. wazero takes the second for an instruction.
		"instruction 0xfd8c": {0xfd, 0x8c, 0x00},
		"instruction 0xfde0": {0xfd, 0xe0, 0x02, 0x40},
	} {
		if _, _, err := prepare(guest(1, 1, code)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("% x: %v, without %q", code, err, want)
		}
	}
}

// TestCustomSections keeps the names of functions alone, whatever lies beside them.
func TestCustomSections(t *testing.T) {
	names := section(1, []byte{1, 0, 1, 'f'})
	plain := guest(1, 1)
	want := join(plain, section(sectionCustom, []byte("\x04name"), names))
	for name, custom := range map[string][]byte{
		"names":  join([]byte("\x04name"), names),
		"locals": join([]byte("\x04name"), section(0, []byte{1, 'm'}), names, section(2, number(1<<32-1))),
	} {
		got, _, err := prepare(join(plain, section(sectionCustom, custom), section(sectionCustom, []byte("\x0b.debug_info"), repeat(1000, 1))))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n% x\n% x", name, err, got, want)
		}
	}
	got, _, err := prepare(join(plain, section(sectionCustom, []byte("\x04name"), section(1, number(90_000)))))
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("malformed names: %v, % x", err, got)
	}
}

// TestSmallModulesDoNotWait compiles one while every slot for large ones is taken.
func TestSmallModulesDoNotWait(t *testing.T) {
	e, err := New(Options{Compiles: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(t.Context()) }()
	e.compiling <- struct{}{}
	c, err := e.Compile(t.Context(), "small", guest(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := e.Compile(ctx, "large", guest(1, 1, repeat(5_000, 0x20, 0, 0x0d, 0))); !errors.Is(err, host.Unavailable) {
		t.Errorf("a large one: %v", err)
	}
	<-e.compiling
}

func TestGuestsPass(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatal("no guests", err)
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := prepare(code); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// readAll reads every local.
func readAll(locals int) []byte {
	var code []byte
	for i := range locals {
		code = append(join(code, []byte{0x20}, number(i)), 0x1a)
	}
	return code
}

// BenchmarkCompile is the time that a step takes, in modules that come close to the limits of a function.
func BenchmarkCompile(b *testing.B) {
	for name, code := range map[string][]byte{
		"branches": guest(1, 1, repeat(9_900, 0x20, 0, 0x0d, 0)),
		"loops":    guest(1, 1, repeat(4_900, 0x03, 0x40), repeat(4_900, 0x20, 0, 0x0d, 0, 0x0b)),
		"live":     guest(1, 1, repeat(360, 0x41, 0, 0x3f, 0), repeat(500, 0x20, 0, 0x04, 0x40, 0x0b), repeat(360, 0x36, 2, 0)),
		"targets":  guest(1, 1, []byte{0x02, 0x40, 0x20, 0, 0x0e}, number(50_000), repeat(50_001, 0), []byte{0x0b}),
		"traps":    guest(1, 1, []byte{0x20, 0}, repeat(40_000, 0xb7, 0xaa), []byte{0x1a}),
		"copies":   guest(1, 1, repeat(14_000, 0x20, 0, 0x20, 0, 0x20, 0, 0xfc, 10, 0, 0)),
		"locals":   guest(1, 3_700, repeat(99, 0x20, 0, 0x04, 0x40, 0x41, 1, 0x21, 1, 0x0b), readAll(3_700)),
		"empty":    guest(100_000, 1),
	} {
		b.Run(name, func(b *testing.B) {
			_, m, err := prepare(code)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				e, err := New(Options{}) // which keeps what it has compiled
				if err != nil {
					b.Fatal(err)
				}
				c, err := e.Compile(b.Context(), name, code)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = c.Close(b.Context()), e.Close(b.Context())
			}
			b.ReportAllocs()
			b.ReportMetric(float64(m.steps), "steps")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(m.steps), "ns/step")
		})
	}
}
