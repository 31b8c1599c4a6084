package project

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// An Inspection is what can be said of code without calling it.
type Inspection struct {
	Name    string   `json:"name"`
	Runtime string   `json:"runtime"`
	Carrier string   `json:"carrier"`
	Entries []string `json:"entries"`
	Exports []string `json:"exports,omitempty"` // of a script, or names that serve as entries
	Bytes   int      `json:"bytes"`             // of the code as it is run: of a script, its bundle
	SHA256  string   `json:"sha256"`

	Compile time.Duration `json:"compileNanoseconds"`
	May     []string      `json:"may"`               // what it imports a way to do; what it may is what its configuration grants of that
	Modules []Imported    `json:"imports,omitempty"` // of a WebAssembly module

	Functions  int        `json:"functions,omitempty"` // that it defines
	Memory     int64      `json:"memory,omitempty"`    // bytes that an instance starts with
	MaxMemory  int64      `json:"maxMemory,omitempty"` // bytes that the module itself allows; 0 for no bound of its own
	Reset      bool       `json:"reset"`               // isolation: reset is possible
	NoReset    string     `json:"noReset,omitempty"`   // why not
	Schema     bool       `json:"configSchema"`        // its configuration is checked against a schema beside it
	ProducedBy []Producer `json:"producedBy,omitempty"`
}

// Imported is what a module imports from one other.
type Imported struct {
	Module string   `json:"module"`
	Names  []string `json:"names"`
}

// A Producer is a tool that the module says it was made with.
type Producer struct {
	Field   string `json:"field"` // language, processed-by or sdk
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// doors say which effect a host function is.
var doors = []struct {
	may    string
	module string
	names  []string // a * at the end stands for any rest
}{
	{"fetch", "postern", []string{"fetch*"}},
	{"kv", "postern", []string{"kv_*"}},
	{"secrets", "postern", []string{"secret_read"}},
	{"configuration", "postern", []string{"config_read"}},
	{"environment", "postern", []string{"env_read"}},
	{"environment", "wasi_snapshot_preview1", []string{"environ_*"}},
	{"log", "postern", []string{"log"}},
	{"log", "wasi_snapshot_preview1", []string{"fd_write"}},
	{"time", "postern", []string{"now"}},
	{"time", "wasi_snapshot_preview1", []string{"clock_*", "poll_oneoff"}},
	{"random", "postern", []string{"random"}},
	{"random", "wasi_snapshot_preview1", []string{"random_get"}},
	{"spans", "postern", []string{"span_*", "traceparent_read"}},
	{"metrics", "postern", []string{"metric"}},
	{"context", "postern", []string{"context_read"}},
	{"exit", "wasi_snapshot_preview1", []string{"proc_exit"}},
}

// scriptsMay is what a script may do: its code names what it uses at run time, so that all is said of each.
var scriptsMay = []string{"fetch", "kv", "secrets", "configuration", "environment", "log", "time", "random", "spans", "metrics", "context"}

// Inspect compiles code with its runtime and tells what it is. The error is that of the compilation: Kind Invalid, with the reason, for what
// is no plugin.
func Inspect(ctx context.Context, src *host.Source, rt host.Runtime) (_ *Inspection, err error) {
	started := time.Now()
	m, err := rt.Compile(ctx, *src)
	if err != nil {
		return nil, err
	}
	took := time.Since(started)
	defer func() { err = errors.Join(err, m.Close(context.WithoutCancel(ctx))) }()
	info := m.Info()
	out := &Inspection{Name: src.Name, Runtime: src.Runtime, Carrier: info.Carrier, Entries: info.Entries, Exports: info.Exports,
		Bytes: len(src.Code), SHA256: src.Digest, Compile: took, Memory: info.Memory,
		Schema: src.ConfigSchema != nil}
	if src.Runtime != host.RuntimeWasm {
		out.May, out.Exports = slices.Clone(scriptsMay), src.Exports
	} else {
		out.imports(info.Imports)
		out.read(src.Code)
	}
	out.resets(ctx, m)
	return out, nil
}

// resets asks for a plugin that is reset, in a context that has ended: whether that is possible is said before one starts.
func (i *Inspection) resets(ctx context.Context, m host.Module) {
	if i.Carrier == host.ABICGI || i.Carrier == host.ABIStdio {
		i.NoReset = "a command runs anew for each call"
		return
	}
	if i.Runtime == host.RuntimeJS {
		i.NoReset = "goja, its engine, keeps values where nothing can put them back"
		return
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	cfg := host.PluginConfig{Name: i.Name, Isolation: host.IsolationReset, Limits: host.Limits{
		Timeout: host.Default(host.DefaultPluginTimeout), Memory: host.Default[int64](maxMemory), Concurrency: host.Default(1), MaxResult: host.Default[int64](1)}}
	p, err := m.Open(ended, cfg)
	if err == nil {
		_ = p.Close(ended) // nothing was called
	}
	const says = "isolation: reset is not possible: "
	if err != nil {
		if _, why, found := strings.Cut(err.Error(), says); found {
			i.NoReset = why
			return
		}
	}
	i.Reset = true
}

// maxMemory is what a 32-bit memory can have (core specification, section 2.3.6).
const maxMemory = 4 << 30

// imports sorts what is imported by module, and by what it is for.
func (i *Inspection) imports(list []string) {
	i.May = []string{}
	for _, name := range list {
		module, function, _ := strings.Cut(name, ".")
		at := slices.IndexFunc(i.Modules, func(m Imported) bool { return m.Module == module })
		if at < 0 {
			at = len(i.Modules)
			i.Modules = append(i.Modules, Imported{Module: module})
		}
		if !slices.Contains(i.Modules[at].Names, function) {
			i.Modules[at].Names = append(i.Modules[at].Names, function)
		}
		for _, door := range doors {
			fits := slices.ContainsFunc(door.names, func(pattern string) bool {
				prefix, any := strings.CutSuffix(pattern, "*")
				return function == pattern || any && strings.HasPrefix(function, prefix)
			})
			if door.module == module && fits && !slices.Contains(i.May, door.may) {
				i.May = append(i.May, door.may)
			}
		}
	}
	slices.Sort(i.May)
	for at := range i.Modules {
		slices.Sort(i.Modules[at].Names)
	}
}

// The sections that are read (core specification, section 5.5.2).
const (
	customSection   = 0
	functionSection = 3
	memorySection   = 5
)

// read takes from a module, which was compiled and therefore is one, what a runtime does not tell. A custom section may hold anything.
func (i *Inspection) read(code []byte) {
	r := bytes.NewBuffer(code[min(8, len(code)):])
	for r.Len() > 0 {
		id, _ := r.ReadByte()
		body, ok := vector(r)
		if !ok {
			return
		}
		s := bytes.NewBuffer(body)
		switch id {
		case functionSection:
			n, _ := binary.ReadUvarint(s)
			i.Functions = int(n)
		case memorySection:
			i.readMemory(s)
		case customSection:
			if name, ok := vector(s); ok && string(name) == "producers" {
				i.readProducers(s)
			}
		}
	}
}

func (i *Inspection) readMemory(s *bytes.Buffer) {
	if n, err := binary.ReadUvarint(s); err != nil || n == 0 {
		return
	}
	flags, _ := s.ReadByte()
	_, _ = binary.ReadUvarint(s) // the minimum, which the runtime has told
	if flags&1 != 0 {
		most, _ := binary.ReadUvarint(s)
		i.MaxMemory = int64(min(most, maxMemory>>16)) << 16
	}
}

// maxProducers is how many producers are told. A module may list any number.
const maxProducers = 32

// readProducers reads the producers section (WebAssembly tool conventions, ProducersSection.md).
func (i *Inspection) readProducers(s *bytes.Buffer) {
	fields, _ := binary.ReadUvarint(s)
	for ; fields > 0 && len(i.ProducedBy) < maxProducers; fields-- {
		field, ok := vector(s)
		if !ok {
			return
		}
		values, _ := binary.ReadUvarint(s)
		for ; values > 0 && len(i.ProducedBy) < maxProducers; values-- {
			name, ok := vector(s)
			version, also := vector(s)
			if !ok || !also {
				return
			}
			i.ProducedBy = append(i.ProducedBy, Producer{cut(field), cut(name), cut(version)})
		}
	}
}

// cut is text of a module for people.
func cut(b []byte) string {
	const most = 100
	return strings.ToValidUTF8(string(b[:min(len(b), most)]), "\uFFFD")
}

// vector takes bytes with their length before them.
func vector(r *bytes.Buffer) ([]byte, bool) {
	n, err := binary.ReadUvarint(r)
	if err != nil || n > uint64(r.Len()) {
		return nil, false
	}
	return r.Next(int(n)), true
}

// Text returns the lines that people read.
func (i *Inspection) Text() [][2]string {
	lines := [][2]string{
		{"name", i.Name}, {"runtime", i.Runtime}, {"carrier", i.Carrier}, {"entries", strings.Join(i.Entries, ", ")},
		{"exports", strings.Join(i.Exports, ", ")},
	}
	if len(i.May) > 0 {
		ways := "imports ways to"
		if i.Runtime != host.RuntimeWasm {
			ways = "finds ways to"
		}
		lines = append(lines, [2]string{ways, strings.Join(i.May, ", ")}, [2]string{"may", "what its configuration grants of these: hosts by egress, secrets and variables by name; an SDK may import more than its plugin uses"})
	}
	for _, m := range i.Modules {
		lines = append(lines, [2]string{"imports " + m.Module, strings.Join(m.Names, ", ")})
	}
	lines = append(lines, [2]string{"size", fmt.Sprintf("%d bytes", i.Bytes)}, [2]string{"sha-256", i.SHA256}, [2]string{"compiled in", i.Compile.Round(10 * time.Microsecond).String()})
	if i.Runtime == host.RuntimeWasm {
		most := "no bound of its own"
		if i.MaxMemory > 0 {
			most = fmt.Sprintf("at most %d KiB", i.MaxMemory>>10)
		}
		lines = append(lines, [2]string{"functions", fmt.Sprint(i.Functions)}, [2]string{"memory", fmt.Sprintf("%d KiB to begin with, %s", i.Memory>>10, most)})
	}
	reset := "possible"
	if !i.Reset {
		reset = "not possible: " + i.NoReset
	}
	lines = append(lines, [2]string{"isolation reset", reset})
	if i.Schema {
		lines = append(lines, [2]string{"configuration", "checked against the schema beside it"})
	}
	for _, p := range i.ProducedBy {
		lines = append(lines, [2]string{p.Field, strings.TrimSpace(p.Name + " " + p.Version)})
	}
	return lines
}
