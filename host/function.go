package host

import (
	"fmt"
	"strconv"
)

// FunctionARN is the resource name of a function, or of what a qualifier of it means; "" for the function itself. It has the shape of
// Lambda's (AWS general reference, "Amazon Resource Names"), with a partition, region and account of Postern's own.
func FunctionARN(name, qualifier string) string {
	arn := "arn:postern:lambda:local:000000000000:function:" + name
	if qualifier != "" {
		arn += ":" + qualifier
	}
	return arn
}

// Versions is what a call of a function runs: one version, or one of two, chosen for each call.
type Versions struct {
	Alias  string    // that was named; "" for a version by its number, and outside of a store
	First  *Function // never nil
	Second *Function // nil for none
	Weight float64   // the share of the calls that Second gets
}

// Resolve finds what a qualifier of a function means: an alias, or a version's number; "" is AliasLive. Where the snapshot has
// no aliases at all, AliasLive is the function's only version. Its error has Kind NotFound.
func (s *Snapshot) Resolve(name, qualifier string) (Versions, error) {
	wanted := qualifier
	if wanted == "" {
		wanted = AliasLive
	}
	versions := s.versions(name)
	if len(versions) == 0 {
		return Versions{}, unknown(fmt.Errorf("there is no function %q", name))
	}
	for _, a := range s.Aliases {
		if a.Function == name && a.Name == wanted {
			return a.resolve(versions)
		}
	}
	if n, err := strconv.Atoi(wanted); err == nil && n > 0 {
		if f := version(versions, n); f != nil {
			return Versions{First: f}, nil
		}
		return Versions{}, unknown(fmt.Errorf("the function %s has no version %d", name, n))
	}
	if wanted == AliasLive && len(s.Aliases) == 0 && len(versions) == 1 {
		return Versions{First: versions[0]}, nil
	}
	return Versions{}, unknown(fmt.Errorf("the function %s has no alias %q", name, wanted))
}

func (a *Alias) resolve(versions []*Function) (Versions, error) {
	out := Versions{Alias: a.Name, First: version(versions, a.Version)}
	missing := out.First == nil
	if a.Second != 0 {
		out.Second, out.Weight = version(versions, a.Second), a.Weight
		missing = missing || out.Second == nil
	}
	if missing {
		return Versions{}, unknown(fmt.Errorf("the alias %s of function %s names a version that is not there", a.Name, a.Function))
	}
	return out, nil
}

func (s *Snapshot) versions(name string) []*Function {
	var list []*Function
	for _, f := range s.Functions {
		if f.Name == name {
			list = append(list, f)
		}
	}
	return list
}

func version(list []*Function, n int) *Function {
	for _, f := range list {
		if f.Version == n {
			return f
		}
	}
	return nil
}

func unknown(err error) error { return &Error{Op: "function", Kind: NotFound, Err: err} }
