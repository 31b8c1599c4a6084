package engine

import (
	"testing"
	"time"

	"github.com/postern/postern/host"
)

// TestVectors asks fd_write for more lists than anybody needs, which wazero would go through before the guest could be ended.
func TestVectors(t *testing.T) {
	for n, errno := range map[int]uint64{maxVectors: 0, maxVectors + 1: errnoInval, 1 << 20: errnoInval} {
		// (func (export "run") (result i32) (fd_write 1 0 n 0))
		run := join([]byte{0, 0x41, 1, 0x41, 0, 0x41}, appendSigned(nil, int64(n)), []byte{0x41, 0, 0x10, 0, 0x0b})
		code := join(wasmHeader, section(sectionType, []byte{2, typeFunction, 0, 1, typeI32, typeFunction, 4}, repeat(4, typeI32), []byte{1, typeI32}),
			section(sectionImport, []byte{1}, appendName(nil, "wasi_snapshot_preview1"), appendName(nil, "fd_write"), []byte{kindFunc, 1}),
			section(sectionFunction, []byte{1, 0}), section(sectionMemory, []byte{1, 0}, number(256)),
			section(sectionExport, []byte{1, 3, 'r', 'u', 'n', kindFunc, 1}), section(sectionCode, []byte{1}, number(len(run)), run))
		p := newOpened(t).open(t, "writes", code, time.Minute, 0)
		fx := &host.StartEffects{}
		inst, err := p.Acquire(t.Context(), fx)
		if err != nil {
			t.Fatal(err)
		}
		result := make([]uint64, 1)
		if err := inst.Call(t.Context(), "run", result, nil, fx); err != nil || result[0] != errno {
			t.Errorf("%d vectors: errno %d, %v; want %d", n, result[0], err, errno)
		}
		inst.Release()
	}
}
