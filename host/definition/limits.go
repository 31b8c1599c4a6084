package definition

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/postern/postern/host"
)

// Bounds of limits beyond which a number is a slip of the pen.
const (
	maxTraffic = 1 << 40  // bytes of a call's fetches
	maxFields  = 16 << 20 // bytes of header fields
)

// A role is what a plugin is there for. It decides the defaults, and what may become of a request without the plugin.
type role struct {
	timeout time.Duration // of one call, by default
	kv      string        // the namespace of its map, by default
	closed  string        // why a request cannot go on without it; "" where it can
}

// FunctionMap is the namespace of a function's own map.
func FunctionMap(name string) string { return "functions/" + name }

// ProjectMap is the namespace, on a host, of a map that PluginConfig.KV names in a project: the projects of a host share none. The maps that
// plugins have by their place keep theirs, and so do those of what belongs to no project (""). The names of shared maps have no slash.
func ProjectMap(project, kv string) string {
	if project == "" || strings.Contains(kv, "/") {
		return kv
	}
	return "projects/" + project + "/maps/" + kv
}

func functionRole(name string) role {
	return role{timeout: host.DefaultFunctionTimeout, kv: FunctionMap(name), closed: "without the function there is no answer"}
}

func authorizerRole(api, name string) role {
	return role{timeout: host.DefaultPluginTimeout, kv: "apis/" + api + "/authorizers/" + name, closed: "it would let everybody in while the authorizer is down"}
}

// pluginRole is that of filters and mappings, which have no name but their reference.
func pluginRole(api, ref string) role {
	return role{timeout: host.DefaultPluginTimeout, kv: "apis/" + api + "/plugins/" + path.Clean(ref)}
}

// limits decodes the bounds of a plugin.
func (b *builder) limits(def *settingsDef, r role) host.Limits {
	l := &def.Limits
	return host.Limits{
		Timeout:     b.duration(def.Timeout, r.timeout, 1),
		Memory:      b.size(def.Memory, host.DefaultMemory, minMemory, maxMemory),
		Concurrency: number[int](def.Concurrency, host.DefaultConcurrency),
		MaxResult:   b.size(def.MaxResult, host.DefaultMaxResult, 1, maxBuffer),
		Fuel:        number[int64](l.Fuel, host.DefaultFuel),
		HostCalls:   number[int64](l.HostCalls, host.DefaultHostCalls),
		Fetches:     number[int64](l.Fetches, host.DefaultFetches),
		FetchBytes:  b.size(l.FetchBytes, host.DefaultFetchBytes, 1, maxTraffic),
		LogLines:    number[int64](l.LogLines, host.DefaultLogLines),
		LogBytes:    b.size(l.LogBytes, host.DefaultLogBytes, 1, maxBuffer),
		Headers:     number[int64](l.Headers, host.DefaultHeaders),
		HeaderBytes: b.size(l.HeaderBytes, host.DefaultHeaderBytes, 1, maxFields),
		KVBytes:     b.size(l.KVBytes, host.DefaultKVBytes, 1, maxBuffer),
	}
}

// number takes a whole number, whose range the schema has checked.
func number[T int | int64](v val[int64], def T) host.Setting[T] {
	if !v.written() {
		return host.Default(def)
	}
	return setting(T(v.Value), v.place)
}

// onErrorModes are those that are a word.
var onErrorModes = []string{string(host.OnErrorClosed), string(host.OnErrorOpen)}

// onError decodes what becomes of a request when the plugin crashes.
func (b *builder) onError(def *onErrorDef, r role) host.OnError {
	out := host.OnError{Mode: host.OnErrorMode(def.Mode), Status: int(def.Status.Value), Body: def.Body.Value, Pos: def.pos}
	switch {
	case !def.written():
		out.Mode = host.OnErrorClosed
	case def.Status.written():
		out.Mode = host.OnErrorAnswer
		if s := out.Status; out.Body != "" && (s == 204 || s == 205 || s == 304) { // RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5
			b.add(def.Body.place, RuleConflict, "a response with this status has no body").Hint = "remove body, or write another status"
		}
	case out.Mode == host.OnErrorOpen && r.closed != "":
		b.add(def.place, RuleConflict, "onError cannot be fail_open here: "+r.closed).Hint = "write fail_closed, or an answer such as {status: 503}"
	}
	return out
}

// scripted reports the settings that mean nothing to a script on the runtime that it has, and takes them away.
func (b *builder) scripted(def *settingsDef, p *host.PluginConfig) {
	if def.ABI.written() {
		b.add(def.ABI.place, RuleConflict, "abi is for Wasm plugins; this one is JavaScript").Hint = "remove it"
	}
	p.ABI = ""
	at := map[string]place{"memory": def.Memory.place, "isolation": def.Isolation.place,
		"limits.fuel": def.Limits.Fuel.place, "limits.hostCalls": def.Limits.HostCalls.place}
	for _, c := range withoutCaps(p) {
		b.add(at[c.key], RuleUnsupported, c.message).Hint = c.hint
	}
}

// A cannot is a setting that a script cannot have on its runtime.
type cannot struct{ key, message, hint string }

// withoutCaps takes the settings away that a script cannot have on its runtime, and returns those that were written.
func withoutCaps(p *host.PluginConfig) []cannot {
	var found []cannot
	if !p.Limits.HostCalls.Pos.IsZero() {
		found = append(found, cannot{"limits.hostCalls", "host calls are not counted on the runtime " + p.Runtime + ": they are what Wasm plugins of Postern's own ABI make",
			"remove it; limits.fetches, limits.logLines and timeout bound what a script asks for"})
	}
	p.Limits.HostCalls = host.Default[int64](0)
	if p.Runtime != host.RuntimeJS {
		return found
	}
	if !p.Limits.Memory.Pos.IsZero() {
		found = append(found, cannot{"memory", "memory cannot be capped on the runtime js: goja, its engine, has no limit",
			"remove it, or write runtime: quickjs, where it is capped"})
	}
	if !p.Limits.Fuel.Pos.IsZero() {
		found = append(found, cannot{"limits.fuel", "fuel is not counted on the runtime js: goja, its engine, has no way to",
			"remove it and set timeout, or write runtime: quickjs, where it is counted"})
	}
	if p.Isolation == host.IsolationReset {
		found = append(found, cannot{"isolation", "isolation: reset is not possible on the runtime js: goja, its engine, keeps values where nothing can put them back",
			"write isolation: fresh, or runtime: quickjs"})
		p.Isolation = host.IsolationFresh // so that it is told once
	}
	p.Limits.Memory, p.Limits.Fuel = host.Default[int64](0), host.Default[int64](0)
	return found
}

// mapSize notes how large a plugin wants its map, which all who share it must agree on.
func (b *builder) mapSize(def *settingsDef, p *host.PluginConfig) {
	if !def.Limits.KVBytes.written() {
		return
	}
	first, known := b.maps[p.KV]
	if !known {
		b.maps[p.KV] = p.Limits.KVBytes
		return
	}
	if size := p.Limits.KVBytes; size.Value != first.Value {
		e := b.add(def.Limits.KVBytes.place, RuleConflict, fmt.Sprintf("the map %s has %s here, and %s at %s", quote(p.KV), sizeText(size.Value), sizeText(first.Value), first.Pos))
		e.Hint = "it is one map: write the same size, or leave all but one out"
	}
}

// mapSizes gives all who share a map the size that one of them wants.
func (b *builder) mapSizes(s *host.Snapshot) {
	for use := range Uses(s) {
		if size, written := b.maps[use.Plugin.KV]; written {
			use.Plugin.Limits.KVBytes = size
		}
	}
}
