package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// Check says whether documents of a store, with the blobs beside them, are a state that a catalog can read: the root has a format that this
// version knows, each document of a resource is there, decodes and agrees with itself, and so do the versions and bundles that these
// name; all their code, source maps and schemas are there; and the secrets decode, which stay sealed. One resource is held at a time. What is
// wrong has Kind Invalid, and what a newer version has written Unsupported; what blobs fails with keeps its Kind.
func Check(ctx context.Context, documents map[host.Key][]byte, blobs host.Blobs) error {
	for _, key := range slices.Sorted(maps.Keys(documents)) {
		name, below := strings.CutPrefix(string(key), string(secretsKey)+"/")
		if !below && key != secretsKey {
			continue
		}
		doc, err := decodeSecret(name, host.Entry{Key: key, Value: documents[key]})
		if err != nil || !below || len(doc.Sealed) == 0 {
			return wrong(fmt.Sprintf("the secret %q", abridged(name)), "its document is damaged")
		}
	}
	value, deployed := documents[stateKey]
	if !deployed {
		return nil
	}
	r, err := parseRoot(value, host.Invalid)
	if err != nil {
		return err
	}
	k := &checker{blobs: blobs, done: map[reading]bool{}, domains: map[string]string{}}
	for _, kd := range slices.Sorted(maps.Keys(r.Documents)) {
		for _, name := range sortedKeys(r.Documents[kd]) {
			if err := k.resource(ctx, kd, name, r.Documents[kd][name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// wrong is the error of a state that nobody could read.
func wrong(what, format string, args ...any) error {
	return refuse(host.Invalid, "read "+what, format, args...)
}

// A checker checks one state.
type checker struct {
	blobs   host.Blobs
	done    map[reading]bool
	domains map[string]string // projects by the domains that they have
}

// A reading is what was read as something, and is not read again: many may name it.
type reading struct{ as, digest string }

// first reports whether a blob is met as something for the first time.
func (k *checker) first(as, digest string) bool {
	r := reading{as, digest}
	if k.done[r] {
		return false
	}
	k.done[r] = true
	return true
}

// checkBlob reads a document, and has check look at it.
func checkBlob[T any](ctx context.Context, k *checker, what, digest string, check func(*T) error) error {
	doc := new(T)
	value, err := loadFrom(ctx, k.blobs, digest, maxDocument)
	switch {
	case errors.Is(err, host.NotFound):
		return wrong(what, "its document %.12q is not there", digest)
	case errors.Is(err, host.TooLarge):
		return wrong(what, "its document %.12q has more than %d bytes", digest, maxDocument)
	case err != nil:
		return err
	}
	if err := decode(value, doc); err != nil {
		return wrong(what, "its document %.12q is damaged, or of a newer version of Postern: %w", digest, err)
	}
	return check(doc)
}

func (k *checker) resource(ctx context.Context, kd kind, name, digest string) error {
	what := fmt.Sprintf("the %.20s %q", kd, abridged(name))
	if name == "" || kd != kindAPI && !functionName.MatchString(name) { // the names of projects have the same pattern
		return wrong(what, "there can be none of that name")
	}
	if kd != kindProject && !k.first(string(kd), digest) { // two projects must not have one domain, so each is looked at
		return nil
	}
	switch kd {
	case kindProject:
		return checkBlob(ctx, k, what, digest, func(p *projectDoc) error { return k.project(ctx, what, p) })
	case kindAPI:
		return checkBlob(ctx, k, what, digest, func(a *apiDoc) error { return k.api(ctx, what, a) })
	case kindFunction:
		return checkBlob(ctx, k, what, digest, func(f *functionDoc) error { return k.function(ctx, what, f) })
	case kindRetired:
		return checkBlob(ctx, k, what, digest, func(r *retired) error { return k.meta(ctx, what, &r.meta) })
	}
	return wrong(what, "this version knows no resources of that kind")
}

// meta checks what all documents have. named are the bundles that the rest of the document names: Collect would take one that is not
// among those of its meta.
func (k *checker) meta(ctx context.Context, what string, m *meta, named ...string) error {
	if m.Created.IsZero() {
		return wrong(what, "its document is damaged: it does not say when it was made")
	}
	needed := map[string]bool{}
	for _, digest := range m.Bundles {
		needed[digest] = true
	}
	for _, digest := range named {
		if !needed[digest] {
			return wrong(what, "its document is damaged: the bundle %.12q is not among those that it needs", digest)
		}
	}
	for _, digest := range m.Bundles {
		if !k.first("bundle", digest) {
			continue
		}
		what := "the bundle of " + what
		err := checkBlob(ctx, k, what, digest, func(b *Bundle) error {
			for _, ref := range sortedKeys(b.Code) {
				if err := k.code(ctx, what, b.Code[ref]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) project(ctx context.Context, what string, p *projectDoc) error {
	for _, d := range p.Domains {
		if other, taken := k.domains[d.Name]; taken {
			return wrong(what, "it has the domain %q, as %s has", abridged(d.Name), other)
		}
		k.domains[d.Name] = what
	}
	for _, file := range sortedKeys(p.Secrets) {
		if len(p.Secrets[file].Sealed) == 0 {
			return wrong(what, "the value of its file %q is damaged", abridged(file))
		}
	}
	return k.meta(ctx, what, &p.meta, p.Bundle)
}

func (k *checker) api(ctx context.Context, what string, a *apiDoc) error {
	switch a.Protocol {
	case host.ProtocolHTTP, host.ProtocolREST, host.ProtocolWebSocket:
	default:
		return wrong(what, "its document is damaged: there is no protocol %.20q", a.Protocol)
	}
	bundles, last := []string{a.Head.Bundle}, 0
	for i := range a.Deployments {
		d := &a.Deployments[i]
		if d.Number <= last || d.Number > a.Last {
			return wrong(what, "its document is damaged: its deployments are not in the order of their numbers")
		}
		last = d.Number
		bundles = append(bundles, d.Bundle)
	}
	stages := map[string]bool{}
	for _, s := range a.Stages {
		if stages[s.Name] || !stagePattern.MatchString(s.Name) {
			return wrong(what, "its document is damaged: it cannot have a stage %q, or not twice", abridged(s.Name))
		}
		stages[s.Name] = true
	}
	return k.meta(ctx, what, &a.meta, bundles...)
}

func (k *checker) function(ctx context.Context, what string, doc *functionDoc) error {
	if err := k.meta(ctx, what, &doc.meta); err != nil {
		return err
	}
	if len(doc.Versions) == 0 {
		return wrong(what, "its document is damaged: it has no version")
	}
	last := 0
	for _, ref := range doc.Versions {
		if ref.Number <= last || ref.Number > doc.Last {
			return wrong(what, "its document is damaged: its versions are not in the order of their numbers")
		}
		last = ref.Number
		if !k.first(fmt.Sprintf("version %d", ref.Number), ref.Document) {
			continue
		}
		what := fmt.Sprintf("version %d of %s", ref.Number, what)
		err := checkBlob(ctx, k, what, ref.Document, func(v *versionDoc) error {
			if v.Number != ref.Number {
				return wrong(what, "its document is that of version %d", v.Number)
			}
			return k.code(ctx, what, v.Code)
		})
		if err != nil {
			return err
		}
	}
	name := ""
	for _, a := range doc.Aliases {
		if a.Name <= name || doc.ref(a.Version) == nil || a.Second != 0 && doc.ref(a.Second) == nil {
			return wrong(what, "its document is damaged: its alias %q is out of order, or points at a version that is not there", abridged(a.Name))
		}
		name = a.Name
	}
	return nil
}

// code checks that the blobs of code are there.
func (k *checker) code(ctx context.Context, what string, code Code) error {
	for _, digest := range code.blobs() {
		if !k.first("code", digest) {
			continue
		}
		_, err := k.blobs.Stat(ctx, digest)
		if errors.Is(err, host.NotFound) {
			return wrong(what, "its code, source map or schema %.12q is not there", digest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
