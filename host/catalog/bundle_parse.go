package catalog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/openapi"
)

// Limits of a bundle. The definition's own text is bounded by host/definition. They protect a host from what a client sends.
const (
	maxFile      = 1 << 20  // bytes of a file that is neither code nor secret, as host/project has it
	maxFiles     = 16 << 20 // bytes of all of them; one that is an OpenAPI document may have openapi.MaxBytes
	maxCode      = 256 << 20
	maxSourceMap = 64 << 20
	maxExports   = 4096
	maxExport    = 1024 // bytes of the name of an export
	maxFileName  = 255  // bytes of the definition's name
)

// The rules that what is sent beside a definition can break, in addition to the definition's own.
const (
	RuleMissingCode   = "missing-code"   // a reference whose code was not sent, or whose blob is not saved
	RuleMissingFile   = "missing-file"   // a certificate, template or model that was not sent
	RuleMissingSecret = "missing-secret" // a secret whose value is nowhere
)

// A parsedBundle is what a bundle came to. It is shared by whoever has the same digest and never changed: what runs is copied from it.
type parsedBundle struct {
	digest    string
	bundle    *Bundle
	snapshot  *host.Snapshot  // the sources of plugins and the certificates are there; the values of secrets are not
	documents map[string]bool // files of the bundle that APIs are made of
}

// api returns the API of that name, or nil.
func (p *parsedBundle) api(name string) *host.API {
	for _, a := range p.snapshot.APIs {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// codeKey is the key of a reference in Bundle.Code.
func codeKey(ref string) string {
	if definition.IsUploaded(ref) {
		return ref
	}
	return path.Clean(ref)
}

// check refuses a bundle that no client of ours would send. What it returns has Kind Invalid or TooLarge.
func (b *Bundle) check() error {
	if strings.TrimSpace(b.Text) == "" {
		return refuse(host.Invalid, "bundle", "it has no definition: text is empty")
	}
	b.File = cmp.Or(b.File, "postern.yaml")
	if len(b.File) > maxFileName || strings.ContainsFunc(b.File, isControl) {
		return refuse(host.Invalid, "bundle", "the definition's name must have at most %d characters, and none that controls", maxFileName)
	}
	for ref, code := range b.Code {
		if err := code.check(); err != nil {
			return refuse(host.Invalid, "bundle", "the code %q: %w", abridged(ref), err)
		}
	}
	all := 0
	for ref, text := range b.Files {
		if len(text) > openapi.MaxBytes {
			return refuse(host.TooLarge, "bundle", "the file %q has %d bytes, and %d are the most", abridged(ref), len(text), openapi.MaxBytes)
		}
		all += len(text)
	}
	if all > maxFiles {
		return refuse(host.TooLarge, "bundle", "its files have %d bytes together, and %d are the most", all, maxFiles)
	}
	return nil
}

// isAs reports whether a bundle that is kept came of what is sent now. One with references to the host may mean something else today.
func (b *Bundle) isAs(sent *Bundle) bool {
	if b.File != sent.File || b.Text != sent.Text || b.Unqualified != sent.Unqualified || !maps.Equal(b.Files, sent.Files) || slices.ContainsFunc(sortedKeys(b.Code), definition.IsUploaded) {
		return false
	}
	return maps.EqualFunc(b.Code, sent.Code, func(kept, code Code) bool {
		code.Size = kept.Size // the host's own finding
		return reflect.DeepEqual(kept, code)
	})
}

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (c Code) check() error {
	switch {
	case c.Runtime != host.RuntimeWasm && c.Runtime != host.RuntimeJS:
		return fmt.Errorf("the runtime %q is not %s or %s", abridged(c.Runtime), host.RuntimeWasm, host.RuntimeJS)
	case !digestPattern.MatchString(c.Digest):
		return errors.New("its digest is not a SHA-256 in lower-case hexadecimal")
	case c.SourceMap != "" && !digestPattern.MatchString(c.SourceMap):
		return errors.New("the digest of its source map is not a SHA-256 in lower-case hexadecimal")
	case c.ConfigSchema != "" && !digestPattern.MatchString(c.ConfigSchema):
		return errors.New("the digest of its configuration's schema is not a SHA-256 in lower-case hexadecimal")
	case c.Runtime == host.RuntimeWasm && (len(c.Exports) > 0 || c.SourceMap != ""):
		return errors.New("a Wasm binary says itself what it exports, and has no source map")
	case len(c.Exports) > maxExports || slices.ContainsFunc(c.Exports, func(s string) bool { return s == "" || len(s) > maxExport }):
		return fmt.Errorf("it says that it exports more than %d names, or one that is empty or has more than %d bytes", maxExports, maxExport)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// resolve puts into a snapshot what the bundle has for its references, and returns what is not as it should be. documents are the files that it
// was made of beside the definition. strict also wants that the bundle has nothing else: of one that was kept long ago, the definition may be
// understood otherwise today.
func (c *Catalog) resolve(b *Bundle, snapshot *host.Snapshot, documents map[string]bool, strict bool) definition.Errors {
	var errs definition.Errors
	used := map[string]bool{}
	for file := range documents {
		used["file "+file] = true
	}
	for use := range definition.Uses(snapshot) {
		key := codeKey(use.Plugin.Ref)
		code, ok := b.Code[key]
		if !ok {
			errs = append(errs, use.Problem(RuleMissingCode, fmt.Sprintf("the code of %q was not sent", use.Plugin.Ref), fmt.Sprintf("code must hold it under %q", key)))
			continue
		}
		used[key] = true
		use.Plugin.Source = c.source(key, use.Plugin.ABI, code)
		errs = append(errs, use.Settle(c.opts.Scripts)...)
	}
	for f := range definition.TextFiles(snapshot) {
		if text, ok := b.textFile(f.Ref, used, f.Problem, &errs); ok {
			f.Set([]byte(text))
		}
	}
	for _, u := range snapshot.Upstreams {
		u.TLS.CA = b.file(u, "ca", u.TLS.CAFile, used, &errs)
		u.TLS.Cert = b.file(u, "cert", u.TLS.CertFile, used, &errs)
	}
	if strict {
		for _, ref := range sortedKeys(b.Code) {
			if !used[ref] {
				errs = append(errs, b.superfluous("code", ref))
			}
		}
		for _, ref := range sortedKeys(b.Files) {
			if !used["file "+ref] {
				errs = append(errs, b.superfluous("files", ref))
			}
		}
	}
	return errs
}

func (b *Bundle) superfluous(where, ref string) *definition.Error {
	return &definition.Error{Pos: host.Position{File: b.File}, Rule: definition.RuleUnknownReference,
		Message: fmt.Sprintf("%s has %q, to which the definition does not refer", where, abridged(ref)), Hint: "send what the definition names and nothing else"}
}

// file returns a file of an upstream, nil for none.
func (b *Bundle) file(u *host.Upstream, what string, name host.Setting[string], used map[string]bool, errs *definition.Errors) []byte {
	if name.Value == "" {
		return nil
	}
	problem := func(rule, message, hint string) *definition.Error {
		return &definition.Error{Pos: name.Pos, Path: definition.KeyPath("upstreams", u.Name) + ".tls." + what, Rule: rule, Message: message, Hint: hint}
	}
	text, ok := b.textFile(name.Value, used, problem, errs)
	if !ok {
		return nil
	}
	return []byte(text)
}

// textFile returns the content of a file that was sent, and reports one that was not.
func (b *Bundle) textFile(name string, used map[string]bool, problem func(rule, message, hint string) *definition.Error, errs *definition.Errors) (string, bool) {
	ref := path.Clean(name)
	text, ok := b.Files[ref]
	if !ok {
		*errs = append(*errs, problem(RuleMissingFile, fmt.Sprintf("the file %q was not sent", name), fmt.Sprintf("files must hold it under %q", ref)))
		return "", false
	}
	used["file "+ref] = true
	return text, true
}

// source is code that is loaded from its blob when it is needed.
func (c *Catalog) source(name, abi string, code Code) *host.Source {
	return &host.Source{
		Name: name, Runtime: code.Runtime, ABI: abi, Exports: code.Exports, Digest: code.Digest, MapDigest: code.SourceMap,
		Load: func(ctx context.Context) (text, sourceMap []byte, err error) {
			if text, err = c.load(ctx, code.Digest, maxCode); err == nil && code.SourceMap != "" {
				sourceMap, err = c.load(ctx, code.SourceMap, maxSourceMap)
			}
			return text, sourceMap, err
		},
	}
}

// magic begins every WebAssembly binary (core specification, section 5.5.16).
const magic = "\x00asm"

// inspect returns what a blob is: its size, and the runtime that its first bytes ask for.
func (c *Catalog) inspect(ctx context.Context, digest string) (Code, error) {
	blob, err := c.opts.Blobs.Stat(ctx, digest)
	if err != nil {
		return Code{}, err
	}
	if blob.Size == 0 {
		return Code{}, errors.New("it is empty")
	}
	if blob.Size > maxCode {
		return Code{}, fmt.Errorf("it has %d bytes, and %d are the most", blob.Size, maxCode)
	}
	r, err := c.opts.Blobs.Open(ctx, digest)
	if err != nil {
		return Code{}, err
	}
	defer r.Close()
	start := make([]byte, len(magic))
	n, err := io.ReadFull(r, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Code{}, err
	}
	code := Code{Runtime: host.RuntimeJS, Digest: digest, Size: blob.Size}
	if bytes.Equal(start[:n], []byte(magic)) {
		code.Runtime = host.RuntimeWasm
	}
	return code, nil
}
