package project_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/project"
)

// A file is an entry of a zip. They come in the order given, since hostile ones depend on it.
type file struct {
	name, text string
	change     func(*zip.FileHeader)
}

func mode(m fs.FileMode) func(*zip.FileHeader) { return func(h *zip.FileHeader) { h.SetMode(m) } }

func archive(t *testing.T, files ...file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		if f.change != nil {
			f.change(h)
		}
		body, err := w.CreateHeader(h)
		if err == nil && f.text != "" {
			_, err = io.WriteString(body, f.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const (
	jsType   = "text/javascript"
	tsType   = "application/typescript"
	zipType  = "application/zip"
	wasmType = "application/wasm"
	anyType  = "application/octet-stream"

	handler   = "export const handler = () => 1\n"
	tsHandler = "export const handler = (x: number): number => x\n"
)

// upload uploads into a folder of the test's own, which must be empty again afterwards.
func upload(t *testing.T, r io.Reader, contentType string, limits project.UploadLimits) (*host.Source, error) {
	t.Helper()
	limits.TempDir = t.TempDir()
	src, err := project.SourceFromUpload(t.Context(), r, contentType, limits)
	left, readErr := os.ReadDir(limits.TempDir)
	if readErr != nil || len(left) > 0 {
		t.Errorf("%d things are left: %v", len(left), readErr)
	}
	if (src == nil) == (err == nil) {
		t.Errorf("source %v, error %v", src, err)
	}
	return src, err
}

func TestUpload(t *testing.T) {
	for name, test := range map[string]struct {
		data, contentType, runtime string
	}{
		"wasm":                     {module, wasmType, host.RuntimeWasm},
		"wasm by its bytes":        {module, anyType, host.RuntimeWasm},
		"JavaScript":               {handler, jsType, host.RuntimeJS},
		"JavaScript, short":        {"1", jsType, host.RuntimeJS},
		"JavaScript by itself":     {handler, anyType, host.RuntimeJS},
		"TypeScript":               {tsHandler, tsType, host.RuntimeJS},
		"TypeScript by itself":     {tsHandler, anyType, host.RuntimeJS},
		"with a mark of the order": {"\ufeff" + handler, jsType, host.RuntimeJS},
		"zip by its bytes":         {string(archive(t, file{name: "index.js", text: handler})), anyType, host.RuntimeJS},
		"zip, TypeScript":          {string(archive(t, file{name: "index.ts", text: tsHandler})), zipType, host.RuntimeJS},
		"zip, a module":            {string(archive(t, file{name: "README.md"}, file{name: "fn.wasm", text: module})), zipType, host.RuntimeWasm},
		"zip, a folder in it": {string(archive(t, file{name: "fn/"}, file{name: "fn/package.json", text: `{"main": "src/a.ts"}`}, file{name: "fn/src/a.ts", text: tsHandler},
			file{name: "__MACOSX/fn/._a", text: "x"}, file{name: "fn/.DS_Store", text: "x"})), zipType, host.RuntimeJS},
		"zip, a module in a folder": {string(archive(t, file{name: "fn/a.wasm", text: module})), zipType, host.RuntimeWasm},
		"zip with packages": {string(archive(t, file{name: "index.js", text: "import x from 'p'\nexport const handler = () => x"}, file{name: "package.json", text: "{}"},
			file{name: "node_modules/p/index.js", text: "module.exports = 1"})), zipType, host.RuntimeJS},
		"zip with tsconfig": {string(archive(t, file{name: "index.ts", text: "import {x} from '@/x'\nexport const handler = () => x"}, file{name: "src/x.ts", text: "export const x = 1"},
			file{name: "tsconfig.json", text: `{"compilerOptions": {"paths": {"@/*": ["./src/*"]}}}`})), zipType, host.RuntimeJS},
	} {
		t.Run(name, func(t *testing.T) {
			src, err := upload(t, strings.NewReader(test.data), test.contentType, project.UploadLimits{})
			if err != nil {
				t.Fatal(err)
			}
			again, err := upload(t, iotest.OneByteReader(strings.NewReader(test.data)), test.contentType, project.UploadLimits{})
			if err != nil || again.Digest != src.Digest || !bytes.Equal(again.SourceMap, src.SourceMap) {
				t.Errorf("uploaded again, it is other code: %v", err)
			}
			if src.Runtime != test.runtime || len(src.Code) == 0 || len(src.Digest) != 64 {
				t.Errorf("%+v", src)
			}
			if strings.Contains(test.data, "handler =") && cmp.Diff([]string{"handler"}, src.Exports) != "" {
				t.Errorf("it exports %q", src.Exports)
			}
		})
	}
}

func TestUploadRefuses(t *testing.T) {
	index := file{name: "index.js", text: handler}
	link := file{name: "l", text: "/etc/passwd", change: mode(fs.ModeSymlink | 0o777)}
	device := file{name: "d", change: mode(fs.ModeDevice | fs.ModeCharDevice | 0o666)}
	encrypted := file{name: "e", text: "x", change: func(h *zip.FileHeader) { h.Flags |= 1 }}
	latin := file{name: "caf\xe9.js", text: "x", change: func(h *zip.FileHeader) { h.NonUTF8 = true }}
	whole := archive(t, index, file{name: "more.js", text: strings.Repeat("abc", 1000)})
	damaged := bytes.Clone(whole)
	damaged[40] ^= 0xff
	for name, test := range map[string]struct {
		data        []byte
		contentType string
		want        string
	}{
		"empty":                 {nil, jsType, "empty"},
		"no module":             {[]byte("hello"), wasmType, "not a WebAssembly module"},
		"text of a module":      {[]byte("(module)"), wasmType, "wat2wasm"},
		"no zip":                {[]byte("hello"), zipType, "not a zip"},
		"an empty zip":          {archive(t), zipType, "empty"},
		"a zip of nothing":      {archive(t, file{name: "a/"}, file{name: "a/b/"}), zipType, "no package.json"},
		"a zip in a zip":        {archive(t, file{name: "in.zip", text: string(whole)}), zipType, "not looked into"},
		"two modules":           {archive(t, file{name: "a.wasm", text: module}, file{name: "b.wasm", text: module}), zipType, "not exactly one"},
		"no module in it":       {archive(t, file{name: "a.wasm", text: "hello"}), zipType, "not a WebAssembly module"},
		"Go":                    {archive(t, file{name: "go.mod", text: "module x"}), zipType, "compiles nothing"},
		"AssemblyScript":        {archive(t, file{name: "package.json"}, file{name: "asconfig.json"}), zipType, "compiles nothing"},
		"above":                 {archive(t, index, file{name: "../x.js"}), zipType, "out of the folder"},
		"above, later":          {archive(t, index, file{name: "a/../../x.js"}), zipType, "out of the folder"},
		"absolute":              {archive(t, index, file{name: "/etc/x"}), zipType, "out of the folder"},
		"this folder":           {archive(t, index, file{name: "./x"}), zipType, "out of the folder"},
		"no name":               {archive(t, index, file{name: ""}), zipType, "out of the folder"},
		"root":                  {archive(t, index, file{name: "/"}), zipType, "out of the folder"},
		"backslash":             {archive(t, index, file{name: `..\x.js`}), zipType, "backslash"},
		"NUL":                   {archive(t, index, file{name: "a\x00b"}), zipType, "control character"},
		"a long name":           {archive(t, index, file{name: strings.Repeat("a", 1025)}), zipType, "1025 bytes"},
		"a long part of a name": {archive(t, index, file{name: "a/" + strings.Repeat("a", 256)}), zipType, "more than 255 bytes"},
		"too deep":              {archive(t, index, file{name: strings.Repeat("a/", 65) + "x"}), zipType, "64 folders deep"},
		"a name of Latin-1":     {archive(t, index, latin), zipType, "not UTF-8"},
		"symbolic link":         {archive(t, index, link), zipType, "symbolic link"},
		"link to packages":      {archive(t, index, file{name: "node_modules", text: "/usr/lib/node_modules", change: mode(fs.ModeSymlink | 0o777)}), zipType, "symbolic link"},
		"through a link":        {archive(t, index, link, file{name: "l/x"}), zipType, "symbolic link"},
		"device":                {archive(t, index, device), zipType, "neither a file nor a folder"},
		"encrypted":             {archive(t, index, encrypted), zipType, "encrypted"},
		"twice":                 {archive(t, index, index), zipType, "twice"},
		"other case":            {archive(t, index, file{name: "INDEX.js"}), zipType, "one file on some systems"},
		"other case of folders": {archive(t, index, file{name: "A/x"}, file{name: "a/y"}), zipType, "one file on some systems"},
		"a file and a folder":   {archive(t, index, file{name: "a"}, file{name: "a/b"}), zipType, "one file on some systems"},
		"a folder and a file":   {archive(t, index, file{name: "a/b"}, file{name: "a"}), zipType, "one file on some systems"},
		"cut off":               {whole[:len(whole)-10], zipType, "cut off or damaged"},
		"cut off early":         {whole[:20], zipType, "cut off or damaged"},
		"damaged":               {damaged, zipType, "cannot be read"},
		"no main":               {archive(t, file{name: "package.json", text: `{"main": "nothing.js"}`}), zipType, "leads to no script"},
		"main outside":          {archive(t, file{name: "package.json", text: `{"main": "../../../../../../../../etc/passwd"}`}), zipType, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := upload(t, bytes.NewReader(test.data), test.contentType, project.UploadLimits{})
			if host.KindOf(err) != host.Invalid || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "postern-upload") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			t.Log(err)
		})
	}
}

// What is wrong in a script is told with its place.
func TestUploadedScriptErrors(t *testing.T) {
	for name, test := range map[string]struct{ data, contentType, want string }{
		"syntax":     {"let a\nlet b = ]", jsType, "index.js:2:9 script"},
		"TypeScript": {"let a: = 1", tsType, "index.ts:1:8 script"},
		"neither":    {"let a: = 1", anyType, "index.js:1:6 script"},
		"not UTF-8":  {"let a = 1\n// \xe9", jsType, "index.js:2:4 script"},
		"UTF-16":     {"\xff\xfel\x00e\x00t\x00", jsType, "index.js:1:1 script"},
		"outside":    {"import '/etc/passwd'", jsType, "index.js:1:8 script"},
		"above":      {"import '../../x'", jsType, "index.js:1:8 script"},
		"a package":  {"import 'lodash'", jsType, "index.js:1:8 script"},
		"a module":   {"import 'fs'", jsType, "index.js:1:8 script"},
		"in a zip":   {string(archive(t, file{name: "fn/index.js", text: "import './a'"}, file{name: "fn/a.js", text: "]"})), zipType, "fn/a.js:1:1 script"},
		"extends":    {string(archive(t, file{name: "index.ts", text: handler}, file{name: "tsconfig.json", text: `{"extends": "/etc/passwd"}`})), zipType, "tsconfig.json:1:1 script"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := upload(t, strings.NewReader(test.data), test.contentType, project.UploadLimits{})
			if errs, got := problemsOf(t, err); len(errs) != 1 || got[0] != test.want || strings.Contains(err.Error(), "root:") {
				t.Errorf("got %q, want %s", got, test.want)
			}
		})
	}
}

func TestUploadLimits(t *testing.T) {
	big := strings.Repeat("// a comment that takes room\n", 1000) + handler
	random := make([]byte, 100_000)
	for i := range random {
		random[i] = byte(uint32(i) * 2654435761 >> 13)
	}
	many := make([]file, 50)
	for i := range many {
		many[i] = file{name: fmt.Sprintf("%d.txt", i)}
	}
	many = append(many, file{name: "index.js", text: handler})
	deep := file{name: strings.Repeat("a/", 60) + "b"}
	bomb := file{name: "bomb.txt", text: strings.Repeat("\x00", 30<<20)} // about 30 KiB: 1000 for 1
	for name, test := range map[string]struct {
		data   []byte
		limits project.UploadLimits
		fits   bool
	}{
		"just fits":           {[]byte(big), project.UploadLimits{Upload: int64(len(big))}, true},
		"one too many":        {[]byte(big), project.UploadLimits{Upload: int64(len(big)) - 1}, false},
		"too long a script":   {[]byte(big), project.UploadLimits{Input: 1000}, false},
		"too long a bundle":   {[]byte(big + "export const x = '" + strings.Repeat("x", 2000) + "'"), project.UploadLimits{Code: 1000}, false},
		"too long a zip":      {archive(t, file{name: "index.js", text: handler}, file{name: "x", text: string(random)}), project.UploadLimits{Upload: 1000}, false},
		"too long a module":   {[]byte(module + "12345"), project.UploadLimits{Upload: 10}, false},
		"many files":          {archive(t, many...), project.UploadLimits{Entries: 51}, true},
		"too many files":      {archive(t, many...), project.UploadLimits{Entries: 50}, false},
		"too many folders":    {archive(t, file{name: "index.js", text: handler}, deep), project.UploadLimits{Entries: 50}, false},
		"too much":            {archive(t, file{name: "index.js", text: handler}, file{name: "x", text: big}), project.UploadLimits{Unpacked: 1000}, false},
		"a bomb":              {archive(t, file{name: "index.js", text: handler}, bomb), project.UploadLimits{}, false},
		"scripts of packages": {archive(t, file{name: "index.js", text: "import './a'\nimport './b'"}, file{name: "a.js", text: big}, file{name: "b.js", text: big}), project.UploadLimits{Input: int64(len(big)) + 100}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := upload(t, bytes.NewReader(test.data), anyType, test.limits)
			if (err == nil) != test.fits {
				t.Errorf("got %v", err)
			}
			var errs definition.Errors
			if err != nil && !errors.As(err, &errs) && host.KindOf(err) != host.TooLarge {
				t.Errorf("kind %v of %v", host.KindOf(err), err)
			}
			t.Log(err)
		})
	}
}

// What a zip says of itself is not believed: entries are counted while they are inflated.
func TestUploadLies(t *testing.T) {
	const text = "export const handler = () => 'abcdefgh'\n"
	honest := archive(t, file{name: "index.js", text: text}, file{name: "x.txt", text: strings.Repeat("\x00", 20<<20)})
	central := bytes.LastIndex(honest, []byte("PK\x01\x02"))
	for name, lie := range map[string]func(data []byte){
		"the size in the directory": func(data []byte) { binary.LittleEndian.PutUint32(data[central+24:], 10) },
		"the packed size":           func(data []byte) { binary.LittleEndian.PutUint32(data[central+20:], 0xfffffff0) },
		"zip64 without its fields":  func(data []byte) { binary.LittleEndian.PutUint32(data[central+24:], 0xffffffff) },
		"the place of the entry":    func(data []byte) { binary.LittleEndian.PutUint32(data[central+42:], 0xfffffff0) },
		"how many entries":          func(data []byte) { binary.LittleEndian.PutUint16(data[len(data)-12:], 0xfff0) },
		"where the directory is":    func(data []byte) { binary.LittleEndian.PutUint32(data[len(data)-6:], 0x7fffffff) },
		"zip64's end":               func(data []byte) { copy(data[len(data)-14:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") },
	} {
		t.Run(name, func(t *testing.T) {
			data := bytes.Clone(honest)
			lie(data)
			_, err := upload(t, bytes.NewReader(data), zipType, project.UploadLimits{Unpacked: 1 << 20})
			if k := host.KindOf(err); err == nil || k != host.Invalid && k != host.TooLarge || strings.Contains(err.Error(), "postern-upload") {
				t.Errorf("got %v", err)
			}
			t.Log(err)
		})
	}
}

// As many folders in each other as there may be, for many files.
func TestUploadDeepFolders(t *testing.T) {
	files := []file{{name: "index.js", text: handler}}
	for i := range 2000 {
		files = append(files, file{name: strings.Repeat("a/", 64) + strconv.Itoa(i)})
	}
	if _, err := upload(t, bytes.NewReader(archive(t, files...)), zipType, project.UploadLimits{}); err != nil {
		t.Error(err)
	}
}

// Entries that share their bytes unpack to much more than there is.
func TestUploadSharedEntries(t *testing.T) {
	honest := archive(t, file{name: "00.js", text: strings.Repeat(" ", 1<<20)})
	central, end := bytes.Index(honest, []byte("PK\x01\x02")), bytes.LastIndex(honest, []byte("PK\x05\x06"))
	const count = 90
	data := bytes.Clone(honest[:central])
	for i := range count {
		entry := bytes.Replace(honest[central:end], []byte("00.js"), fmt.Appendf(nil, "%02d.js", i), 1)
		data = append(data, entry...)
	}
	data = append(data, honest[end:]...)
	tail := data[len(data)-22:]
	binary.LittleEndian.PutUint16(tail[8:], count)
	binary.LittleEndian.PutUint16(tail[10:], count)
	binary.LittleEndian.PutUint32(tail[12:], uint32(count*(end-central)))
	if _, err := upload(t, bytes.NewReader(data), zipType, project.UploadLimits{}); !errors.Is(err, host.TooLarge) {
		t.Errorf("%d bytes: %v", len(data), err)
	}
}

func TestUploadDirectoryIsBounded(t *testing.T) {
	var data bytes.Buffer
	w := zip.NewWriter(&data)
	for i := range 150_000 {
		if _, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%016d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := upload(t, &data, zipType, project.UploadLimits{Entries: 1 << 30}); !errors.Is(err, host.TooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestUploadEnds(t *testing.T) {
	cut := io.MultiReader(strings.NewReader("export const x"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := upload(t, cut, jsType, project.UploadLimits{}); host.KindOf(err) != host.Invalid || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	if _, err := upload(t, iotest.ErrReader(io.ErrUnexpectedEOF), jsType, project.UploadLimits{}); host.KindOf(err) != host.Invalid {
		t.Errorf("cut off at once: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	slow, client := io.Pipe()
	go func() {
		_, _ = client.Write([]byte("PK\x03\x04"))
		cancel()
		_, _ = client.Write([]byte("more"))
		_ = client.Close()
	}()
	dir := t.TempDir()
	_, err := project.SourceFromUpload(ctx, slow, zipType, project.UploadLimits{TempDir: dir})
	_ = slow.Close()
	if left, _ := os.ReadDir(dir); !errors.Is(err, host.Unavailable) || len(left) > 0 {
		t.Errorf("given up: %v, %d things left", err, len(left))
	}
	if _, err := project.SourceFromUpload(t.Context(), strings.NewReader(handler), jsType, project.UploadLimits{TempDir: filepath.Join(dir, "missing")}); !errors.Is(err, host.Internal) {
		t.Errorf("no folder: %v", err)
	}
}
