package catalog

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// An aliasDoc is an alias, in the document of its function.
type aliasDoc struct {
	Name    string    `json:"name"`
	Version int       `json:"version"`
	Second  int       `json:"second,omitempty"`
	Weight  float64   `json:"weight,omitempty"`
	History []Move    `json:"history,omitempty"` // newest first
	Updated time.Time `json:"updated"`
	By      string    `json:"by,omitempty"`
}

var (
	aliasName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	onlyDigits = regexp.MustCompile(`^[0-9]+$`)
)

func (d *functionDoc) alias(name string) *aliasDoc {
	i, ok := d.findAlias(name)
	if !ok {
		return nil
	}
	return &d.Aliases[i]
}

func (d *functionDoc) findAlias(name string) (int, bool) {
	return slices.BinarySearchFunc(d.Aliases, name, func(a aliasDoc, name string) int { return strings.Compare(a.Name, name) })
}

func (d *functionDoc) aliasNames() []string {
	names := make([]string, len(d.Aliases))
	for i := range d.Aliases {
		names[i] = d.Aliases[i].Name
	}
	return names
}

func (a *aliasDoc) public(function string) Alias {
	return Alias{
		Function: function, Name: a.Name, ARN: host.FunctionARN(function, a.Name), Version: a.Version, Second: a.Second, Weight: a.Weight,
		History: a.History, Updated: a.Updated, By: a.By,
	}
}

// point makes an alias name a version, or two. Where it does already, nothing changes.
func (t *tx) point(doc *functionDoc, alias string, version, second int, weight float64) {
	i, ok := doc.findAlias(alias)
	if !ok {
		doc.Aliases = slices.Insert(doc.Aliases, i, aliasDoc{Name: alias})
	}
	a := &doc.Aliases[i]
	if a.Version == version && a.Second == second && a.Weight == weight {
		return
	}
	if ok && a.Version != version {
		a.History = slices.Insert(a.History, 0, Move{Version: a.Version, Until: t.now, By: a.By})
		a.History = a.History[:min(len(a.History), MaxHistory)]
	}
	a.Version, a.Second, a.Weight, a.Updated, a.By = version, second, weight, t.now, t.change.By
}

// SetAlias points an alias at a version, or at two; it is made if it is not there. Version 0 is the one that it has. Pointing it where it
// points changes nothing. The alias live of a project's function is the project's.
func (c *Catalog) SetAlias(ctx context.Context, function, alias string, version, second int, weight float64, change Change) (Alias, error) {
	switch {
	case !aliasName.MatchString(alias):
		return Alias{}, refuse(host.Invalid, "", "the alias's name %q must be letters, digits, _ and -, at most 128", abridged(alias))
	case onlyDigits.MatchString(alias):
		return Alias{}, refuse(host.Invalid, "", "the alias's name %q would be a version's number: it needs a letter, _ or -", alias)
	case second == 0 && weight != 0:
		return Alias{}, refuse(host.Invalid, "", "a weight needs a second version, which gets that share of the calls")
	case second != 0 && !(weight > 0 && weight < 1):
		return Alias{}, refuse(host.Invalid, "", "the weight of the second version must be more than 0 and less than 1, not %v", weight)
	}
	return c.changeAlias(ctx, function, alias, change, func(t *tx, doc *functionDoc) error {
		version := version
		if a := doc.alias(alias); version == 0 && a != nil {
			version = a.Version
		}
		for _, n := range []int{version, second} {
			if n != 0 && doc.ref(n) == nil {
				return doc.noVersion(function, n)
			}
		}
		switch version {
		case 0:
			return refuse(host.Invalid, "", "the alias %q is new, so it needs a version to point at", alias)
		case second:
			return refuse(host.Invalid, "", "the second version must be another one than the first, %d", version)
		}
		t.point(doc, alias, version, second, weight)
		return nil
	})
}

// RollbackAlias returns to the version before, and ends a second version's share if there is one instead. Doing it again goes back
// further. Conflict when there is none.
func (c *Catalog) RollbackAlias(ctx context.Context, function, alias string, change Change) (Alias, error) {
	return c.changeAlias(ctx, function, alias, change, func(t *tx, doc *functionDoc) error {
		a := doc.alias(alias)
		if a == nil {
			return missingOf(fmt.Sprintf("the function %q", function), "alias", alias, doc.aliasNames())
		}
		if a.Second != 0 {
			t.point(doc, alias, a.Version, 0, 0)
			return nil
		}
		for i, move := range a.History {
			if doc.ref(move.Version) == nil || move.Version == a.Version {
				continue // it was deleted
			}
			a.Version, a.Updated, a.By = move.Version, t.now, t.change.By
			a.History = a.History[i+1:]
			return nil
		}
		return refuse(host.Conflict, "", "the alias %s of the function %q pointed at no other version before that is still there: name the one to point at", alias, function)
	})
}

// changeAlias runs f on the function of an alias, and returns what became of the alias.
func (c *Catalog) changeAlias(ctx context.Context, function, alias string, change Change, f func(*tx, *functionDoc) error) (Alias, error) {
	var changed Alias
	err := c.changeFunction(ctx, function, change, alias == host.AliasLive, func(_ context.Context, t *tx, doc *functionDoc) error {
		if err := f(t, doc); err != nil {
			return err
		}
		changed = doc.alias(alias).public(function)
		return nil
	})
	if err != nil {
		return Alias{}, within(fmt.Sprintf("point the alias %q of the function %q", abridged(alias), abridged(function)), err)
	}
	return changed, nil
}

// DeleteAlias deletes an alias that nothing points at. live stays as long as the function.
func (c *Catalog) DeleteAlias(ctx context.Context, function, alias string, change Change) error {
	op := fmt.Sprintf("delete the alias %q of the function %q", abridged(alias), abridged(function))
	if alias == host.AliasLive {
		return refuse(host.Conflict, op, "calls without a qualifier use it, so it goes only with the function: point it at another version, or delete the function")
	}
	err := c.changeFunction(ctx, function, change, false, func(ctx context.Context, t *tx, doc *functionDoc) error {
		i, ok := doc.findAlias(alias)
		if !ok {
			if _, err := strconv.Atoi(alias); err == nil {
				return refuse(host.NotFound, op, "%s is a version's number, and no alias", alias)
			}
			return missingOf(fmt.Sprintf("the function %q", function), "alias", alias, doc.aliasNames())
		}
		from, err := t.users(ctx, func(u use) bool {
			return u.Kind == string(kindFunction) && u.Name == function && u.Qualifier == alias
		})
		if err != nil {
			return err
		}
		if len(from) > 0 {
			return inUse(op, from)
		}
		doc.Aliases = slices.Delete(doc.Aliases, i, i+1)
		return nil
	})
	return within(op, err)
}
