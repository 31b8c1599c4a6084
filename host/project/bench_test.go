package project_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/postern/postern/host/project"
)

// BenchmarkUpload is what an upload costs before it is compiled.
func BenchmarkUpload(b *testing.B) {
	script := handler + "/*" + strings.Repeat("x", 2<<10-len(handler)-4) + "*/"
	wasm := module + strings.Repeat("\x00", 2<<20-len(module))
	for name, data := range map[string]string{"JavaScript of 2 KiB": script, "Wasm of 2 MiB": wasm} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			for b.Loop() {
				if _, err := project.SourceFromUpload(b.Context(), bytes.NewReader([]byte(data)), anyType, project.UploadLimits{TempDir: dir}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
