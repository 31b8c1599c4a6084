package project_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

// FuzzUpload checks that any bytes come to code or to an error about them, and leave nothing behind.
func FuzzUpload(f *testing.F) {
	var t testing.T
	index := file{name: "index.js", text: handler}
	for _, data := range [][]byte{
		[]byte(module), []byte(handler), archive(&t, index), archive(&t, index, file{name: "../x"}), archive(&t, file{name: "a/"}, file{name: "a/index.ts", text: tsHandler}),
		archive(&t, index, file{name: "l", text: "/etc/passwd", change: mode(fs.ModeSymlink | 0o777)}),
		archive(&t, file{name: "package.json", text: `{"main": "../x.js"}`}, file{name: "tsconfig.json", text: `{"extends": "/etc/passwd"}`}),
	} {
		f.Add(data, anyType)
	}
	f.Fuzz(func(t *testing.T, data []byte, contentType string) {
		dir := t.TempDir()
		limits := project.UploadLimits{Upload: 1 << 16, Unpacked: 1 << 18, Entries: 64, Input: 1 << 14, Code: 1 << 16, TempDir: dir}
		src, err := project.SourceFromUpload(t.Context(), bytes.NewReader(data), contentType, limits)
		var errs definition.Errors
		switch k := host.KindOf(err); {
		case err == nil && (src == nil || len(src.Code) == 0 || len(src.Digest) != 64):
			t.Errorf("source %+v", src)
		case err != nil && !errors.As(err, &errs) && k != host.Invalid && k != host.TooLarge:
			t.Errorf("kind %v of %v", k, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}
