package catalog

import (
	"context"
	"time"
)

// Collect deletes the blobs that nothing names and that are older than age, and returns how many. What an upload or apply in progress
// has saved already is not named yet, so age must be longer than these take: an hour is safe.
func (c *Catalog) Collect(ctx context.Context, age time.Duration) (int, error) {
	before := time.Now().Add(-age)
	var old []string // first what is there, then what is named: what is saved and named in between is not among these
	for blob, err := range c.opts.Blobs.List(ctx) {
		if err != nil {
			return 0, err
		}
		if blob.Written.Before(before) {
			old = append(old, blob.Digest)
		}
	}
	if len(old) == 0 {
		return 0, nil
	}
	s, err := c.state(ctx)
	if err != nil {
		return 0, err
	}
	named, err := s.named(ctx)
	if err != nil {
		return 0, err // what cannot be read may name anything
	}
	deleted := 0
	for _, digest := range old {
		if named[digest] {
			continue
		}
		if err := c.opts.Blobs.Delete(ctx, digest, before); err != nil { // one that was saved again meanwhile stays
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

// named returns the digests of all blobs that the state needs.
func (s *state) named(ctx context.Context) (map[string]bool, error) {
	named := map[string]bool{}
	for k, documents := range s.root.Documents {
		for name, digest := range documents {
			named[digest] = true
			if err := s.nameBelow(ctx, k, name, named); err != nil {
				return nil, err
			}
		}
	}
	return named, nil
}

// nameBelow adds what the document of a resource names.
func (s *state) nameBelow(ctx context.Context, k kind, name string, named map[string]bool) error {
	m, err := s.meta(ctx, k, name)
	if err != nil {
		return err
	}
	for _, digest := range m.Bundles {
		if err := s.nameBundle(ctx, digest, named); err != nil {
			return err
		}
	}
	if k != kindFunction {
		return nil
	}
	doc, err := read[functionDoc](ctx, s, k, name)
	if err != nil {
		return err
	}
	return s.nameVersions(ctx, name, doc, named)
}

func (s *state) nameVersions(ctx context.Context, name string, doc *functionDoc, named map[string]bool) error {
	for i := range doc.Versions {
		v, err := s.version(ctx, name, &doc.Versions[i])
		if err != nil {
			return err
		}
		named[doc.Versions[i].Document] = true
		v.Code.name(named)
	}
	return nil
}

func (s *state) nameBundle(ctx context.Context, digest string, named map[string]bool) error {
	if named[digest] {
		return nil
	}
	named[digest] = true
	bundle, err := readDocument[Bundle](ctx, s, "bundle", digest)
	if err != nil {
		return err
	}
	for _, code := range bundle.Code {
		code.name(named)
	}
	return nil
}

func (c Code) name(named map[string]bool) {
	for _, digest := range c.blobs() {
		named[digest] = true
	}
}
