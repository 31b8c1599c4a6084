package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/sealed"
)

// check is what a host asks of a backup.
func check(ctx context.Context, documents map[host.Key][]byte, blobs host.Blobs) error {
	return errors.Join(access.Check(documents), catalog.Check(ctx, documents, blobs))
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

const (
	code      = "(function(module,exports,require){module.exports = {handler: async () => 1}})"
	sourceMap = `{"version":3}`
	shop      = `
apis:
  shop:
    routes: {GET /x: {integration: {function: hello}}}
    stages: {prod: {}}
functions: {hello: {plugin: ./hello.js, secrets: {KEY: {file: ./key}}}}
`
)

// deployed has one of each kind of document, and says what seals it.
func deployed(t *testing.T) (place, []string) {
	t.Helper()
	key, err := sealed.Memory()
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, "")
	c := catalog.New(catalog.Options{Store: p.Store, Blobs: p.Blobs, Sealer: key})
	ctx := t.Context()
	js := catalog.Code{Runtime: host.RuntimeJS, Digest: p.save(t, code), SourceMap: p.save(t, sourceMap), Size: int64(len(code)), Exports: []string{"handler"}}
	apply := func(text string) error {
		_, err := c.Apply(ctx, "web", catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: text, Code: map[string]catalog.Code{"hello.js": js}},
			Secrets: map[string]string{"key": "hunter2"}}, catalog.Change{})
		return err
	}
	upload := func(name string) error {
		_, err := c.UploadFunction(ctx, name, catalog.Upload{Code: &js, Promote: true}, catalog.Change{})
		return err
	}
	a := access.New(access.Options{Store: p.Store, Sealer: key})
	grant := access.Grant{Name: "ci", Role: access.Admin}
	for _, step := range []func() error{
		func() error { return apply(shop) },
		func() error { return apply(strings.Replace(shop, "GET /x", "GET /y", 1)) },
		func() error { return upload("gone") },
		func() error { return c.DeleteFunction(ctx, "gone", catalog.Change{}) },
		func() error { _, err := c.PutSecret(ctx, "db", []byte("hunter2"), catalog.Change{}); return err },
		func() error { _, _, err := a.CreateToken(ctx, grant); return err },
		func() error { _, _, err := a.CreateKey(ctx, grant); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return p, key.Recipients()
}

// A forgery is an archive in the making.
type forgery struct {
	t   *testing.T
	all []entry
}

func (f *forgery) at(name string) *entry {
	f.t.Helper()
	i := slices.IndexFunc(f.all, func(e entry) bool { return strings.HasPrefix(e.Name, name) })
	if i < 0 {
		f.t.Fatalf("there is no %s", name)
	}
	return &f.all[i]
}

func (f *forgery) drop(digest string) {
	f.all = slices.DeleteFunc(f.all, func(e entry) bool { return e.Name == blobsFolder+digest })
}

func (f *forgery) blob(content string) string {
	digest := digestOf(content)
	f.drop(digest)
	f.all = slices.Insert(f.all, len(f.all)-1, file(blobsFolder+digest, content))
	return digest
}

type object = map[string]any

func (f *forgery) object(text string) object {
	f.t.Helper()
	var o object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		f.t.Fatal(err)
	}
	return o
}

func (f *forgery) text(o object) string {
	f.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// named is the digest of a resource's document.
func (f *forgery) named(kind, name string) string {
	return f.object(f.at("documents/state").data)["documents"].(object)[kind].(object)[name].(string)
}

// names makes the state name a digest.
func (f *forgery) names(kind, name, digest string) {
	root := f.object(f.at("documents/state").data)
	documents := root["documents"].(object)
	if documents[kind] == nil {
		documents[kind] = object{}
	}
	documents[kind].(object)[name] = digest
	f.at("documents/state").data = f.text(root)
}

// edit changes the document of a resource.
func (f *forgery) edit(kind, name string, change func(object)) {
	doc := f.object(f.at(blobsFolder + f.named(kind, name)).data)
	change(doc)
	f.names(kind, name, f.blob(f.text(doc)))
}

// version changes the document of the first version of hello.
func (f *forgery) version(change func(object)) {
	f.edit("function", "hello", func(doc object) {
		ref := doc["versions"].([]any)[0].(object)
		v := f.object(f.at(blobsFolder + ref["document"].(string)).data)
		change(v)
		ref["document"] = f.blob(f.text(v))
	})
}

// bundle changes the bundle of the project.
func (f *forgery) bundle(change func(string) string) {
	f.edit("project", "web", func(doc object) {
		digest := f.blob(change(f.at(blobsFolder + doc["bundle"].(string)).data))
		doc["bundle"], doc["bundles"] = digest, []string{digest}
	})
}

// firstOf is the first of a list in a document.
func firstOf(doc object, list string) object { return doc[list].([]any)[0].(object) }

// hostile has archives with good checksums and a state that no host can run.
func hostile() map[string]func(*forgery) {
	none := digestOf("nobody has it")
	cases := map[string]func(*forgery){
		"a lost API":       func(f *forgery) { f.drop(f.named("api", "shop")) },
		"a lost project":   func(f *forgery) { f.drop(f.named("project", "web")) },
		"a lost function":  func(f *forgery) { f.drop(f.named("function", "hello")) },
		"a lost number":    func(f *forgery) { f.drop(f.named("retired", "function")) },
		"lost code":        func(f *forgery) { f.drop(digestOf(code)) },
		"a lost map":       func(f *forgery) { f.drop(digestOf(sourceMap)) },
		"no such digest":   func(f *forgery) { f.names("function", "hello", none) },
		"no digest":        func(f *forgery) { f.names("function", "hello", "../../x") },
		"an empty digest":  func(f *forgery) { f.names("function", "hello", "") },
		"no such kind":     func(f *forgery) { f.names("wat", "f", f.named("function", "hello")) },
		"no name":          func(f *forgery) { f.names("api", "", f.named("api", "shop")) },
		"an odd name":      func(f *forgery) { f.names("function", "../x", f.named("function", "hello")) },
		"another kind":     func(f *forgery) { f.names("function", "hello", f.named("api", "shop")) },
		"code as document": func(f *forgery) { f.names("function", "hello", digestOf(sourceMap)) },
		"two of a domain": func(f *forgery) {
			for _, name := range []string{"other", "another"} {
				f.names("project", name, f.named("project", "web"))
				f.edit("project", name, func(doc object) { doc["domains"] = []any{object{"name": "a.example"}} })
			}
		},
		"a lost version": func(f *forgery) {
			f.edit("function", "hello", func(doc object) { firstOf(doc, "versions")["document"] = none })
		},
		"no version":      func(f *forgery) { f.edit("function", "hello", func(doc object) { doc["versions"] = []any{} }) },
		"versions out of": func(f *forgery) { f.edit("function", "hello", func(doc object) { doc["last"] = 0 }) },
		"an alias of nothing": func(f *forgery) {
			f.edit("function", "hello", func(doc object) { firstOf(doc, "aliases")["version"] = 7 })
		},
		"an unknown field":   func(f *forgery) { f.edit("function", "hello", func(doc object) { doc["colour"] = "blue" }) },
		"a version's number": func(f *forgery) { f.version(func(v object) { v["number"] = 2 }) },
		"a version's code":   func(f *forgery) { f.version(func(v object) { v["code"].(object)["digest"] = none }) },
		"a version's map":    func(f *forgery) { f.version(func(v object) { v["code"].(object)["sourceMap"] = "x" }) },
		"a version's field":  func(f *forgery) { f.version(func(v object) { v["colour"] = "blue" }) },
		"a lost bundle": func(f *forgery) {
			f.edit("project", "web", func(doc object) { doc["bundle"], doc["bundles"] = none, []string{none} })
		},
		"a bundle in secret": func(f *forgery) { f.edit("api", "shop", func(doc object) { doc["bundles"] = []string{} }) },
		"a bundle, garbage":  func(f *forgery) { f.bundle(func(string) string { return "\x00" }) },
		"a bundle's code": func(f *forgery) {
			f.bundle(func(b string) string { return strings.ReplaceAll(b, digestOf(code), none) })
		},
		"a bundle's map": func(f *forgery) {
			f.bundle(func(b string) string { return strings.ReplaceAll(b, digestOf(sourceMap), none) })
		},
		"a file's value": func(f *forgery) {
			f.edit("project", "web", func(doc object) { doc["secrets"].(object)["key"] = object{} })
		},
		"a protocol": func(f *forgery) { f.edit("api", "shop", func(doc object) { doc["protocol"] = "gopher" }) },
		"a deployment twice": func(f *forgery) {
			f.edit("api", "shop", func(doc object) { doc["deployments"] = slices.Repeat(doc["deployments"].([]any), 2) })
		},
		"a stage twice": func(f *forgery) {
			f.edit("api", "shop", func(doc object) { doc["stages"] = slices.Repeat(doc["stages"].([]any), 2) })
		},
	}
	for _, root := range []string{"", "null", "[]", "\xff\x00", "{}", `{"format":0}`, `{"format":-1}`, `{"format":1,"colour":"blue"}`, `{"format":1}}`, `{"format":1} {}`,
		`{"format":1,"documents":[]}`, strings.Repeat("[", 200_000)} {
		cases["root "+root[:min(len(root), 30)]] = func(f *forgery) { f.at("documents/state").data = root }
	}
	for _, doc := range []string{"", "null", "{}", "[]", "\x00", "{}}", strings.Repeat("[", 200_000)} {
		for kind, name := range map[string]string{"function": "hello", "api": "shop", "project": "web", "retired": "function"} {
			cases[kind+" "+doc[:min(len(doc), 9)]] = func(f *forgery) { f.names(kind, name, f.blob(doc)) }
		}
		for _, key := range []string{"secrets", "tokens", "keys"} {
			cases[key+" "+doc[:min(len(doc), 9)]] = func(f *forgery) { f.at("documents/" + key + "%2F").data = doc }
		}
	}
	return cases
}

// TestHostile: what no host could run is refused, and the host is as empty as before.
func TestHostile(t *testing.T) {
	from, _ := deployed(t)
	data := write(t, from)
	to := open(t, "")
	for _, content := range []string{code, sourceMap} {
		to.save(t, content) // of another restore, say, and soon collected: it does not make up for what an archive lacks
	}
	opts := Options{Recipients: []string{"age1old", "age1new"}, Check: check}
	for name, change := range hostile() {
		f := &forgery{t, unpack(t, data)}
		change(f)
		_, err := Restore(t.Context(), bytes.NewReader(pack(t, summed(f.all))), to.Store, to.Blobs, opts)
		if !errors.Is(err, host.Invalid) {
			t.Errorf("%s: %v; want Kind Invalid", name, err)
		}
		if all := to.documents(t); len(all) != 0 {
			t.Fatalf("%s: the host has %v", name, all)
		}
	}
	newer := &forgery{t, unpack(t, data)}
	newer.at("documents/state").data = `{"format":99,"tables":[]}`
	if _, err := Restore(t.Context(), bytes.NewReader(pack(t, summed(newer.all))), to.Store, to.Blobs, opts); !errors.Is(err, host.Unsupported) {
		t.Errorf("a newer state: %v; want Kind Unsupported", err)
	}
	if _, err := Restore(t.Context(), bytes.NewReader(data), to.Store, to.Blobs, opts); err != nil {
		t.Fatalf("a good one, after all these: %v", err)
	}
	c := catalog.New(catalog.Options{Store: to.Store, Blobs: to.Blobs})
	if all, err := c.Functions(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("functions: %v, %v", all, err)
	}
}

// TestWriteRefuses: a backup that could not be restored is none.
func TestWriteRefuses(t *testing.T) {
	from, recipients := deployed(t)
	info := Info{Recipients: recipients, Check: check}
	var out bytes.Buffer
	if err := Write(t.Context(), &out, from.Store, from.Blobs, info); err != nil {
		t.Fatalf("a good state: %v", err)
	}
	to := open(t, "")
	if _, err := Restore(t.Context(), &out, to.Store, to.Blobs, Options{Recipients: recipients, Check: check}); err != nil {
		t.Fatalf("and restored: %v", err)
	}
	refused := func(store host.Store, kind host.Kind, part string) {
		t.Helper()
		out.Reset()
		if err := Write(t.Context(), &out, store, from.Blobs, info); !errors.Is(err, kind) || !strings.Contains(err.Error(), part) || out.Len() > 0 {
			t.Errorf("%v after %d bytes; want Kind %v, %q, and nothing written", err, out.Len(), kind, part)
		}
	}
	refused(many{from.Store, 2*maxDocuments/host.MaxDocument + 1}, host.TooLarge, "268435456")
	if err := from.Blobs.Delete(t.Context(), digestOf(code), time.Time{}); err != nil {
		t.Fatal(err)
	}
	refused(from.Store, host.Internal, "damaged")
}

// many is a store with so many more documents, of half a megabyte.
type many struct {
	host.Store
	more int
}

func (m many) List(ctx context.Context, prefix host.Key) iter.Seq2[host.Entry, error] {
	return func(yield func(host.Entry, error) bool) {
		value := make([]byte, host.MaxDocument/2)
		for i := range m.more {
			if !yield(host.Entry{Key: host.Key(fmt.Sprintf("tokens/%d", i)), Value: value, Rev: 1}, nil) {
				return
			}
		}
		m.Store.List(ctx, prefix)(yield)
	}
}
