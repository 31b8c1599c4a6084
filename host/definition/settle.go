package definition

import (
	"iter"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
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
		if auth.Function != "" {
			continue // it is the function's
		}
		all = append(all, Use{Plugin: &auth.Plugin, Path: KeyPath(at+".authorizers", auth.Name) + ".plugin"})
	}
	for _, r := range a.Routes {
		at := KeyPath(at+".routes", r.Key)
		all = append(all, usesOfFilters(r.Filters, at)...)
		for i := range r.Mappings {
			if m := &r.Mappings[i]; m.Template == nil {
				all = append(all, Use{Plugin: &m.Plugin, Path: KeyPath(at+requestMapping, m.MediaType)})
			}
		}
		for n, rule := range r.Responses {
			for i := range rule.Mappings {
				if m := &rule.Mappings[i]; m.Template == nil {
					all = append(all, Use{Plugin: &m.Plugin, Path: KeyPath(at+responseMapping(n), m.MediaType)})
				}
			}
		}
	}
	return all
}

const requestMapping = ".request.mapping"

// responseMapping is where the mappings of a rule stand in a route.
func responseMapping(rule int) string { return ".responses[" + strconv.Itoa(rule) + "].mapping" }

func usesOfFilters(filters []*host.Filter, at string) []Use {
	var all []Use
	for i, f := range filters {
		all = append(all, Use{Plugin: &f.Plugin, Path: document.IndexPath(at+".filters", i)})
	}
	return all
}

// Problem is an error at the plugin's reference.
func (u Use) Problem(rule, message, hint string) *Error {
	return &Error{Pos: u.Plugin.Pos, Path: u.Path, Rule: rule, Message: message, Hint: hint}
}

// Settle decides what the definition could not, because it did not know what its reference would come to: the runtime, the default of
// isolation, and which limits a script has not. Plugin.Source must be set. scripts is Options.Scripts. It may be called again.
func (u Use) Settle(scripts string) Errors {
	p := u.Plugin
	either := p.Runtime == host.RuntimeQuickJS && p.Source.Runtime == host.RuntimeJS // which is what scripts are written for
	if p.Runtime != "" && p.Runtime != p.Source.Runtime && !either {
		return Errors{u.Problem(RuleConflict, p.Ref+" runs on "+p.Source.Runtime+", not on "+p.Runtime, "remove runtime")}
	}
	if p.Runtime == "" {
		p.Runtime = p.Source.Runtime
		if scripts != "" && p.Runtime == host.RuntimeJS {
			p.Runtime = scripts
		}
	}
	if p.Isolation == "" {
		p.Isolation = host.IsolationPooled
		if u.Function {
			p.Isolation = DefaultIsolation(p.Runtime)
		}
	}
	if p.Runtime == host.RuntimeWasm {
		return nil
	}
	var errs Errors
	written := map[string]host.Position{"memory": p.Limits.Memory.Pos, "limits.fuel": p.Limits.Fuel.Pos, "limits.hostCalls": p.Limits.HostCalls.Pos}
	for _, c := range withoutCaps(p) {
		e := u.Problem(RuleUnsupported, c.message, c.hint)
		if pos := written[c.key]; !pos.IsZero() {
			e.Pos, e.Path = pos, u.beside(strings.Split(c.key, ".")...)
		}
		errs = append(errs, e)
	}
	if p.ABI != "" {
		errs = append(errs, u.Problem(RuleConflict, "abi is for Wasm plugins; "+p.Ref+" is JavaScript", "remove abi"))
	}
	return errs
}

// DefaultIsolation is that of a function which says nothing of it. As in Lambda, a script's globals are its own; to put them back costs
// quickjs less than to begin anew.
func DefaultIsolation(runtime string) host.Isolation {
	switch runtime {
	case host.RuntimeJS:
		return host.IsolationFresh
	case host.RuntimeQuickJS:
		return host.IsolationReset
	}
	return host.IsolationPooled
}

// beside is the path of a setting of the plugin. A reference may be written with no key of its own, as mappings' are, and the
// configuration of an uploaded function has none.
func (u Use) beside(keys ...string) string {
	at := strings.TrimSuffix(u.Path, ".plugin")
	for _, key := range keys {
		at = KeyPath(at, key)
	}
	return at
}
