package project_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/project"
	"github.com/postern/postern/host/wasm"
)

// inspectable is a plugin with a custom section of that content.
func inspectable(t *testing.T, name string, content []byte) *host.Source {
	t.Helper()
	code, err := os.ReadFile("../wasm/testdata/authorizer.wasm")
	if err != nil {
		t.Fatal(err)
	}
	body := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
	body = append(body, content...)
	code = append(append(code, 0), binary.AppendUvarint(nil, uint64(len(body)))...)
	return &host.Source{Name: "a.wasm", Runtime: host.RuntimeWasm, Code: append(code, body...), Digest: "d"}
}

func text(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

func TestInspect(t *testing.T) {
	rt, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rt.Close(t.Context()) })
	inspect := func(section string, content []byte) *project.Inspection {
		t.Helper()
		got, err := project.Inspect(t.Context(), inspectable(t, section, content), rt)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	producers := slices.Concat([]byte{2}, text("language"), []byte{1}, text("Rust"), text(""), text("processed-by"), []byte{1}, text("rustc"), text("1.63"))
	got := inspect("producers", producers)
	if want := []project.Producer{{Field: "language", Name: "Rust"}, {Field: "processed-by", Name: "rustc", Version: "1.63"}}; !slices.Equal(got.ProducedBy, want) {
		t.Errorf("producers: %+v", got.ProducedBy)
	}
	if got.Carrier != host.ABIPostern || !slices.Equal(got.Entries, []string{host.EntryAuthorize}) || got.Functions == 0 || got.Memory == 0 || !got.Reset || got.Compile <= 0 ||
		len(got.Modules) == 0 || got.Modules[0].Module != "postern" || !slices.Contains(got.Modules[0].Names, "meta_read") {
		t.Errorf("got %+v", got)
	}
	// What a module says of itself may be anything, and of any length.
	many := slices.Concat([]byte{1}, text("sdk"), []byte{0xff, 0xff, 3}, bytes.Repeat(slices.Concat(text(strings.Repeat("\xff", 300)), text("")), 1000))
	if got := inspect("producers", many); len(got.ProducedBy) != 32 || len(got.ProducedBy[0].Name) > 300 || !strings.Contains(got.ProducedBy[0].Name, "\uFFFD") {
		t.Errorf("%d producers, the first %+v", len(got.ProducedBy), got.ProducedBy[0])
	}
	for i := range producers {
		inspect("producers", producers[:i])
		inspect("producers", append(slices.Clone(producers[:i]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))
	}
}
