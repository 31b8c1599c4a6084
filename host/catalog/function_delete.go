package catalog

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/postern/postern/host"
)

// DeleteVersion deletes a version that nothing points at. Its number is not used again.
func (c *Catalog) DeleteVersion(ctx context.Context, function string, version int, change Change) error {
	op := fmt.Sprintf("delete version %d of the function %q", version, abridged(function))
	err := c.changeFunction(ctx, function, change, true, func(ctx context.Context, t *tx, doc *functionDoc) error {
		if doc.ref(version) == nil {
			return doc.noVersion(function, version)
		}
		from, err := t.users(ctx, func(u use) bool {
			return u.Kind == string(kindFunction) && u.Name == function && u.Qualifier == strconv.Itoa(version)
		})
		if err != nil {
			return err
		}
		for i := range doc.Aliases {
			if a := &doc.Aliases[i]; a.Version == version || a.Second == version {
				from = append(from, fmt.Sprintf("its alias %s", a.Name))
			}
		}
		if len(from) > 0 {
			return inUse(op, from)
		}
		if len(doc.Versions) == 1 {
			return refuse(host.Conflict, op, "it is the only one: delete the function")
		}
		doc.Versions = slices.DeleteFunc(doc.Versions, func(r versionRef) bool { return r.Number == version })
		return nil
	})
	return within(op, err)
}

// DeleteFunction deletes a function with all its versions and aliases, unless something else points at one of them.
func (c *Catalog) DeleteFunction(ctx context.Context, name string, change Change) error {
	_, err := c.change(ctx, change, func(ctx context.Context, t *tx) error {
		doc, err := read[functionDoc](ctx, &t.state, kindFunction, name)
		if err != nil {
			return err
		}
		if err := t.expect(kindFunction, name, &doc.meta); err != nil {
			return err
		}
		if err := t.owned(kindFunction, name, &doc.meta); err != nil {
			return err
		}
		return t.deleteFunction(ctx, name, doc)
	})
	return within(fmt.Sprintf("delete the function %q", abridged(name)), err)
}

// deleteFunction deletes a function that nothing points at, whoever owns it.
func (t *tx) deleteFunction(ctx context.Context, name string, doc *functionDoc) error {
	from, err := t.users(ctx, func(u use) bool { return u.Kind == string(kindFunction) && u.Name == name })
	if err != nil {
		return err
	}
	if len(from) > 0 {
		return inUse(fmt.Sprintf("delete the function %q", name), from)
	}
	t.delete(kindFunction, name)
	return t.retire(ctx, kindFunction, name, doc.Last)
}

// changeFunction runs f on a function that is there, and puts what f made of it. ownedToo says that a project's function is refused.
func (c *Catalog) changeFunction(ctx context.Context, name string, change Change, ownedToo bool, f func(context.Context, *tx, *functionDoc) error) error {
	_, err := c.change(ctx, change, func(ctx context.Context, t *tx) error {
		doc, err := read[functionDoc](ctx, &t.state, kindFunction, name)
		if err != nil {
			return err
		}
		if err := t.expect(kindFunction, name, &doc.meta); err != nil {
			return err
		}
		if ownedToo {
			if err := t.owned(kindFunction, name, &doc.meta); err != nil {
				return err
			}
		}
		if err := f(ctx, t, doc); err != nil {
			return err
		}
		return t.putFunction(ctx, name, doc)
	})
	return err
}

// forget drops the oldest of the versions that nothing points at, where Options.Keep says how many stay. The newest always stays.
func (t *tx) forget(ctx context.Context, name string, doc *functionDoc) error {
	keep := t.catalog.opts.Keep
	if keep == 0 || len(doc.Versions) <= keep {
		return nil
	}
	pointed := map[int]bool{doc.newest().Number: true}
	for i := range doc.Aliases {
		pointed[doc.Aliases[i].Version], pointed[doc.Aliases[i].Second] = true, true
	}
	_, err := t.users(ctx, func(u use) bool {
		if n, err := strconv.Atoi(u.Qualifier); err == nil && u.Kind == string(kindFunction) && u.Name == name {
			pointed[n] = true
		}
		return false
	})
	if err != nil {
		return err
	}
	for i := len(doc.Versions) - 1; i >= 0; i-- {
		switch {
		case pointed[doc.Versions[i].Number]:
		case keep > 0:
			keep--
		default:
			doc.Versions = slices.Delete(doc.Versions, i, i+1)
		}
	}
	return nil
}
