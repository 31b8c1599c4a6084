package definition

import (
	"iter"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// A Use is a place of a definition where a plugin stands.
type Use struct {
	Plugin   *host.PluginConfig
	Path     string // of the reference: functions.get-order.plugin
	Function bool   // the code of a function, rather than an authorizer, a mapping or a filter
}

// Uses yields every plugin of a snapshot that one definition made, with its place.
func Uses(s *host.Snapshot) iter.Seq[Use] {
	return func(yield func(Use) bool) {
		for _, f := range s.Functions {
			if !yield(Use{&f.Plugin, KeyPath("functions", f.Name) + ".plugin", true}) {
				return
			}
		}
		for _, a := range s.APIs {
			for _, u := range usesOf(a) {
				if !yield(u) {
					return
				}
			}
		}
	}
}

func usesOf(a *host.API) []Use {
	at := KeyPath("apis", a.Name)
	all := usesOfFilters(a.Filters, at)
	for _, auth := range a.Authorizers {
		all = append(all, Use{Plugin: &auth.Plugin, Path: KeyPath(at+".authorizers", auth.Name) + ".plugin"})
	}
	for _, r := range a.Routes {
		at := KeyPath(at+".routes", r.Key)
		all = append(all, usesOfFilters(r.Filters, at)...)
		for i := range r.Mappings {
			m := &r.Mappings[i]
			all = append(all, Use{Plugin: &m.Plugin, Path: KeyPath(at+".request.mapping", m.MediaType)})
		}
		for n, rule := range r.Responses {
			for i := range rule.Mappings {
				m := &rule.Mappings[i]
				all = append(all, Use{Plugin: &m.Plugin, Path: KeyPath(at+".responses["+strconv.Itoa(n)+"].mapping", m.MediaType)})
			}
		}
	}
	return all
}

func usesOfFilters(filters []*host.Filter, at string) []Use {
	var all []Use
	for i, f := range filters {
		all = append(all, Use{Plugin: &f.Plugin, Path: indexPath(at+".filters", i)})
	}
	return all
}

// Problem is an error at the plugin's reference.
func (u Use) Problem(rule, message, hint string) *Error {
	return &Error{Pos: u.Plugin.Pos, Path: u.Path, Rule: rule, Message: message, Hint: hint}
}

// Settle decides what the definition could not, because it did not know what its reference would come to: the runtime, the default of
// isolation, and that there is no limit of memory for scripts. Plugin.Source must be set. It may be called again.
func (u Use) Settle() Errors {
	p := u.Plugin
	if p.Runtime != "" && p.Runtime != p.Source.Runtime {
		return Errors{u.Problem(RuleConflict, p.Ref+" runs on "+p.Source.Runtime+", not on "+p.Runtime, "remove runtime")}
	}
	p.Runtime = p.Source.Runtime
	if p.Isolation == "" {
		p.Isolation = host.IsolationPooled
		if u.Function && p.Runtime == host.RuntimeJS { // as in Lambda, a script's globals are its own
			p.Isolation = host.IsolationFresh
		}
	}
	if p.Runtime != host.RuntimeJS {
		return nil
	}
	var errs Errors
	if pos := p.Limits.Memory.Pos; !pos.IsZero() {
		e := u.Problem(RuleUnsupported, "memory cannot be capped for JavaScript: goja, the engine that runs it, has no limit",
			"remove it, or make it a Wasm plugin, whose memory is capped")
		e.Pos, e.Path = pos, u.beside("memory")
		errs = append(errs, e)
	}
	p.Limits.Memory = host.Default[int64](0)
	if p.ABI != "" {
		errs = append(errs, u.Problem(RuleConflict, "abi is for Wasm plugins; "+p.Ref+" is JavaScript", "remove abi"))
	}
	return errs
}

// beside is the path of a setting of the plugin. A reference may be written with no key of its own, as mappings' are, and the
// configuration of an uploaded function has none.
func (u Use) beside(key string) string {
	return KeyPath(strings.TrimSuffix(u.Path, ".plugin"), key)
}
