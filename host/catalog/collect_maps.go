package catalog

import (
	"context"
	"strings"
	"time"

	"github.com/postern/postern/host/definition"
)

// CollectMaps deletes the maps whose function, API or project is gone, and that nobody has written since age, and returns how many. A map stays
// for as long as what it belongs to has its name, whatever becomes of the plugins in it: a plugin that is taken out and put back finds its map. One
// that functions of no project share stays while a version names it.
func (c *Catalog) CollectMaps(ctx context.Context, age time.Duration) (int, error) {
	if c.opts.Maps == nil {
		return 0, nil
	}
	before := time.Now().Add(-age)
	var old []string // first what is there, then who owns it, as with blobs
	for m, err := range c.opts.Maps.ListMaps(ctx) {
		if err != nil {
			return 0, err
		}
		if m.Written.Before(before) {
			old = append(old, m.Namespace)
		}
	}
	if len(old) == 0 {
		return 0, nil
	}
	s, err := c.state(ctx)
	if err != nil {
		return 0, err
	}
	deleted := 0
	for _, namespace := range old {
		owned, err := s.ownsMap(ctx, namespace)
		if err != nil {
			return deleted, err
		}
		if owned {
			continue
		}
		if err := c.opts.Maps.DeleteMap(ctx, namespace, before); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

// ownsMap reports whether there is what a namespace belongs to. What this version does not know belongs to another version of Postern.
func (s *state) ownsMap(ctx context.Context, namespace string) (bool, error) {
	of, rest, placed := strings.Cut(namespace, "/")
	name, _, _ := strings.Cut(rest, "/")
	switch {
	case !placed:
		return s.shares(ctx, namespace)
	case namespace == definition.FunctionMap(rest):
		return s.has(kindFunction, rest), nil
	case of == "apis":
		return s.has(kindAPI, name), nil
	case of == "projects":
		return s.has(kindProject, name), nil
	}
	return true, nil
}

// shares reports whether anything of no project names a map. An API without a project may, for all that is known without its definition.
func (s *state) shares(ctx context.Context, namespace string) (bool, error) {
	if apis, err := s.ownedBy(ctx, kindAPI, ""); err != nil || len(apis) > 0 {
		return true, err
	}
	for _, name := range s.names(kindFunction) {
		doc, err := read[functionDoc](ctx, s, kindFunction, name)
		if err != nil {
			return true, err
		}
		for i := range doc.Versions {
			v, err := s.version(ctx, name, &doc.Versions[i])
			if err != nil || v.Project == "" && v.Config.KV == namespace {
				return true, err
			}
		}
	}
	return false, nil
}
