package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/postern/postern/host"
)

// An entry is a file of a forged archive.
type entry struct {
	tar.Header
	data string
}

func unpack(t *testing.T, data []byte) []entry {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for files := tar.NewReader(zip); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{*header, string(content)})
	}
}

func pack(t *testing.T, all []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	files := tar.NewWriter(zip)
	for _, e := range all {
		e.Size = int64(len(e.data))
		if e.Typeflag != tar.TypeReg {
			e.Size = 0
		}
		if err := files.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(e.data)[:e.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// summed gives forged files the checksums that they need.
func summed(all []entry) []entry {
	var s sums
	all = all[:len(all)-1]
	for _, e := range all {
		s.add(e.Name, sumOf([]byte(e.data)))
	}
	return append(all, entry{tar.Header{Name: sumsName, Typeflag: tar.TypeReg, Mode: 0o600}, string(s.text())})
}

func file(name, data string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600}, data}
}

func TestForged(t *testing.T) {
	data := write(t, filled(t))
	const last = -1
	at := func(all []entry, name string) int {
		return slices.IndexFunc(all, func(e entry) bool { return strings.HasPrefix(e.Name, name) })
	}
	cases := map[string]struct {
		change func([]entry) []entry
		kind   host.Kind
	}{
		"newer": {func(all []entry) []entry {
			all[0].data = strings.Replace(all[0].data, `"format": 1`, `"format": 2`, 1)
			return summed(all)
		}, host.Unsupported},
		"no format":      {func(all []entry) []entry { all[0].data = "{}"; return summed(all) }, host.Invalid},
		"bad manifest":   {func(all []entry) []entry { all[0].data = "["; return summed(all) }, host.Invalid},
		"huge manifest":  {func(all []entry) []entry { all[0].data = strings.Repeat(" ", maxManifest+1); return summed(all) }, host.TooLarge},
		"no manifest":    {func(all []entry) []entry { return summed(all[1:]) }, host.Invalid},
		"two manifests":  {func(all []entry) []entry { return summed(slices.Insert(all, 1, all[0])) }, host.Invalid},
		"document":       {func(all []entry) []entry { all[at(all, "documents/state")].data = "{}"; return all }, host.Invalid},
		"no state":       {func(all []entry) []entry { i := at(all, "documents/state"); return summed(slices.Delete(all, i, i+1)) }, host.Invalid},
		"document gone":  {func(all []entry) []entry { i := at(all, "documents/"); return slices.Delete(all, i, i+1) }, host.Invalid},
		"document twice": {func(all []entry) []entry { i := at(all, "documents/"); return summed(slices.Insert(all, i, all[i])) }, host.Invalid},
		"document added": {func(all []entry) []entry { return slices.Insert(all, 1, file("documents/tokens%2Fevil", "{}")) }, host.Invalid},
		"huge document": {func(all []entry) []entry {
			return summed(slices.Insert(all, 1, file("documents/x", strings.Repeat(" ", host.MaxDocument+1))))
		}, host.TooLarge},
		"blob":         {func(all []entry) []entry { all[at(all, "blobs/")].data += "x"; return summed(all) }, host.Invalid},
		"blob gone":    {func(all []entry) []entry { i := at(all, "blobs/"); return slices.Delete(all, i, i+1) }, host.Invalid},
		"blobs first":  {func(all []entry) []entry { i := at(all, "blobs/"); return summed(slices.Insert(all, 1, all[i])) }, host.Invalid},
		"no checksums": {func(all []entry) []entry { return all[:len(all)-1] }, host.Invalid},
		"checksums":    {func(all []entry) []entry { all[len(all)+last].data += "\n"; return all }, host.Invalid},
		"file behind":  {func(all []entry) []entry { return append(all, file("blobs/x", "")) }, host.Invalid},
		"link": {func(all []entry) []entry {
			return slices.Insert(all, 1, entry{tar.Header{Name: "documents/x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}, ""})
		}, host.Invalid},
		"device": {func(all []entry) []entry {
			return slices.Insert(all, 1, entry{tar.Header{Name: "documents/x", Typeflag: tar.TypeChar}, ""})
		}, host.Invalid},
		"nothing": {func([]entry) []entry { return nil }, host.Invalid},
	}
	for _, name := range []string{"../../etc/passwd", "/etc/passwd", "documents/../x", "documents/a%2f", "documents/%2Fa", "documents/a%2F%2Fb", "documents/a/b",
		"documents/%00", "documents/%zz", "documents/%61", "blobs/../x", "blobs/" + strings.Repeat("A", 64), "other", "documents/" + strings.Repeat("x", maxName)} {
		cases["name "+name[:min(len(name), 40)]] = struct {
			change func([]entry) []entry
			kind   host.Kind
		}{func(all []entry) []entry { return summed(slices.Insert(all, 1, file(name, "{}"))) }, host.Invalid}
	}
	to := open(t, "")
	for name, c := range cases {
		forged := pack(t, c.change(unpack(t, data)))
		if _, err := Restore(t.Context(), bytes.NewReader(forged), to.Store, to.Blobs, options()); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v; want Kind %v", name, err, c.kind)
		}
		if all := to.documents(t); len(all) != 0 {
			t.Errorf("%s: the host has %v", name, all)
		}
	}
}

func TestDamaged(t *testing.T) {
	data := write(t, filled(t))
	to := open(t, "")
	refused := func(name string, data []byte) {
		t.Helper()
		_, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, options())
		if !errors.Is(err, host.Invalid) && !errors.Is(err, host.TooLarge) && !errors.Is(err, host.Unsupported) { // the format's digit may be garbled, too
			t.Fatalf("%s: %v; want Kind Invalid", name, err)
		}
	}
	refused("empty", nil)
	refused("text", []byte("hello, this is no backup"))
	refused("followed by text", append(bytes.Clone(data), "text"...))
	refused("followed by another", append(bytes.Clone(data), data...))
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	step := len(data)/40 + 1
	for i := 0; i < len(data); i += step {
		refused("cut", data[:i])
	}
	refused("cut by one", data[:len(data)-1])
	for i := 10; i < len(data); i += step { // what is before is gzip's own header
		garbled := bytes.Clone(data)
		garbled[i] ^= 0x20
		if zip, err := gzip.NewReader(bytes.NewReader(garbled)); err == nil {
			if got, err := io.ReadAll(zip); err == nil && bytes.Equal(got, plain) {
				continue // a bit that means nothing: deflate has some between its blocks
			}
		}
		refused("garbled", garbled)
	}
	if all := to.documents(t); len(all) != 0 {
		t.Errorf("the host has %v", all)
	}
	if _, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, options()); err != nil {
		t.Errorf("the whole one, after all these: %v", err)
	}
}

// zeros are endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBomb(t *testing.T) {
	all := unpack(t, write(t, filled(t)))
	opts := options()
	opts.MaxBytes = 16 << 20
	bomb := func(header tar.Header) io.Reader {
		r, w := io.Pipe()
		go func() {
			zip := gzip.NewWriter(w)
			files := tar.NewWriter(zip)
			first := all[0].Header
			first.Size = int64(len(all[0].data))
			_ = files.WriteHeader(&first) // what fails here the reader sees
			_, _ = io.WriteString(files, all[0].data)
			_ = files.WriteHeader(&header)
			_, err := io.Copy(files, zeros{})
			w.CloseWithError(err)
		}()
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	name := "blobs/" + strings.Repeat("0", 64)
	for what, header := range map[string]tar.Header{
		"large":     {Name: name, Typeflag: tar.TypeReg, Size: 1 << 40, Format: tar.FormatGNU},
		"manifest":  {Name: "documents/x", Typeflag: tar.TypeReg, Size: 1 << 40, Format: tar.FormatGNU},
		"checksums": {Name: sumsName, Typeflag: tar.TypeReg, Size: 1 << 40, Format: tar.FormatGNU},
	} {
		to := open(t, "")
		if _, err := Restore(t.Context(), bomb(header), to.Store, to.Blobs, opts); !errors.Is(err, host.TooLarge) {
			t.Errorf("%s: %v; want Kind TooLarge", what, err)
		}
	}
	to := open(t, "")
	opts.MaxBytes = 512 << 10
	if _, err := Restore(t.Context(), bytes.NewReader(write(t, filled(t))), to.Store, to.Blobs, opts); !errors.Is(err, host.TooLarge) {
		t.Errorf("over the limit: %v; want Kind TooLarge", err)
	}
	// A name of a megabyte is a header that unpacks.
	long := pack(t, summed(slices.Insert(all, 1, file("documents/"+strings.Repeat("x", 1<<19), ""))))
	if _, err := Restore(t.Context(), bytes.NewReader(long), to.Store, to.Blobs, options()); !errors.Is(err, host.Invalid) {
		t.Errorf("a long name: %v; want Kind Invalid", err)
	}
}
