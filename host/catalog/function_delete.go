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
		return t.putFunction(name, doc)
	})
	return err
}

// forgetVersions drops, of the functions that have changed, the oldest of the versions that nothing points at, where Options.Keep says how
// many of these stay. The newest always stays. It comes last in a transaction, as APIs may point at what they did not before.
func (t *tx) forgetVersions(ctx context.Context) error {
	keep := t.catalog.opts.Keep
	if keep == 0 {
		return nil
	}
	var pointed map[reference]bool
	for _, name := range t.names(kindFunction) {
		if t.digest(kindFunction, name) == t.before.Documents[kindFunction][name] {
			continue
		}
		doc, err := read[functionDoc](ctx, &t.state, kindFunction, name)
		if err != nil {
			return err
		}
		if len(doc.Versions) <= keep {
			continue
		}
		if pointed == nil {
			pointed = map[reference]bool{}
			if _, err := t.users(ctx, func(u use) bool {
				if u.Kind == string(kindFunction) {
					pointed[reference{u.Name, u.Qualifier}] = true
				}
				return false
			}); err != nil {
				return err
			}
		}
		doc.forget(keep, func(number int) bool { return pointed[reference{name, strconv.Itoa(number)}] })
		if err := t.putFunction(name, doc); err != nil {
			return err
		}
	}
	return nil
}

// forget drops all but so many of the versions that neither an alias nor somebody else points at.
func (d *functionDoc) forget(keep int, pointed func(number int) bool) {
	stays := map[int]bool{d.newest().Number: true}
	for i := range d.Aliases {
		stays[d.Aliases[i].Version], stays[d.Aliases[i].Second] = true, true
	}
	for i := len(d.Versions) - 1; i >= 0; i-- {
		switch n := d.Versions[i].Number; {
		case stays[n] || pointed(n):
		case keep > 0:
			keep--
		default:
			d.Versions = slices.Delete(d.Versions, i, i+1)
		}
	}
}
