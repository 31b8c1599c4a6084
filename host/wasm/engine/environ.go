package engine

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// exportEnviron replaces wazero's functions of the environment (wasi_snapshot_preview1, environ_get and environ_sizes_get), which take
// it when an instance is made: a command's belongs to its call.
func exportEnviron(b wazero.HostModuleBuilder) {
	params, results := []Type{I32, I32}, []Type{I32}
	for name, fn := range map[string]func(mem api.Memory, env []string, a, b uint32) bool{
		"environ_sizes_get": environSizes, "environ_get": environ,
	} {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			ok := fn(m.Memory(), fromContext(ctx).guest.system.environ(), uint32(stack[0]), uint32(stack[1]))
			stack[0] = 0
			if !ok {
				stack[0] = errnoFault
			}
		}), params, results).Export(name)
	}
}

// wasi_snapshot_preview1, type errno.
const (
	errnoBadf  = 8
	errnoFault = 21
	errnoInval = 28
)

// exportClose replaces wazero's fd_close: the standard streams, which are all that is open, would stay closed for the calls that come after, and
// that is no part of what a reset puts back.
func exportClose(b wazero.HostModuleBuilder) {
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
		if uint32(stack[0]) > 2 {
			stack[0] = errnoBadf
			return
		}
		stack[0] = 0
	}), []Type{I32}, []Type{I32}).Export("fd_close")
}

// environ returns NAME=value lines: the running command's, or the plugin's, sorted.
func (s *system) environ() []string {
	if s.process != nil {
		return s.process.Env
	}
	lines := make([]string, 0, len(s.plugin.Env))
	for _, name := range slices.Sorted(maps.Keys(s.plugin.Env)) {
		lines = append(lines, name+"="+s.plugin.Env[name])
	}
	return lines
}

// environSizes tells how many lines there are, and how many bytes with their final NULs.
func environSizes(mem api.Memory, env []string, countAt, sizeAt uint32) bool {
	size := 0
	for _, line := range env {
		size += len(line) + 1
	}
	return mem.WriteUint32Le(countAt, uint32(len(env))) && mem.WriteUint32Le(sizeAt, uint32(size))
}

// environ writes the lines, each with a NUL behind it, and a list of pointers to them.
func environ(mem api.Memory, env []string, listAt, linesAt uint32) bool {
	list := make([]byte, 0, 4*len(env))
	var lines []byte
	for _, line := range env {
		list = binary.LittleEndian.AppendUint32(list, linesAt+uint32(len(lines)))
		lines = append(append(lines, line...), 0)
	}
	return mem.Write(listAt, list) && mem.Write(linesAt, lines)
}
