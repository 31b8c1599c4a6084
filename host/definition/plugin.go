package definition

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

const (
	minMemory = 64 << 10 // bytes, one Wasm page
	maxMemory = 4 << 30  // bytes, all that 32-bit addresses reach
	maxBuffer = 1 << 30  // bytes of a body or result that is buffered; more would be a slip of the pen
	anySize   = 1 << 50  // bytes of a body that may stream through
)

// extensions are the files that can be plugins, with their runtimes. Everything without an extension is a folder.
var extensions = map[string]string{
	".wasm": host.RuntimeWasm,
	".js":   host.RuntimeJS, ".mjs": host.RuntimeJS, ".cjs": host.RuntimeJS,
	".ts": host.RuntimeJS, ".mts": host.RuntimeJS, ".cts": host.RuntimeJS,
}

var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (b *builder) function(e *entry[functionDef]) *host.Function {
	f := &host.Function{Name: e.Key, URL: e.Value.URL.or(false), Async: b.async(e.Key, &e.Value.Async), Pos: e.pos}
	if f.URL && !hostLabel.MatchString(e.Key) {
		b.add(e.Value.URL.place, RuleConflict, "the name "+quote(e.Key)+" cannot become part of a host name").
			Hint = "name the function with lower-case letters, digits and hyphens, at most 63, or remove url"
	}
	f.Plugin = b.plugin(&e.Value.settingsDef, e.Key, functionRole(e.Key))
	if e.Value.Isolation.written() || f.Plugin.ABI == host.ABICGI || f.Plugin.ABI == host.ABIStdio {
		return f
	}
	if f.Plugin.Isolation = ""; f.Plugin.Runtime != "" {
		f.Plugin.Isolation = DefaultIsolation(f.Plugin.Runtime)
	}
	return f
}

// async decodes what becomes of asynchronous calls. The limits are Lambda's.
func (b *builder) async(function string, def *asyncDef) host.Async {
	a := host.Async{
		Retries:    host.Default(host.DefaultAsyncRetries),
		MaxAge:     b.duration(def.MaxAge, host.DefaultAsyncMaxAge, host.MinAsyncMaxAge),
		DeadLetter: def.DeadLetter.Value,
	}
	if def.Retries.written() {
		a.Retries = setting(int(def.Retries.Value), def.Retries.place)
	}
	if a.MaxAge.Value > host.DefaultAsyncMaxAge {
		b.add(def.MaxAge.place, RuleInvalidValue, "maxAge must be at most 6h")
	}
	switch to := a.DeadLetter; {
	case def.DeadLetter.written() && to == function:
		b.add(def.DeadLetter.place, RuleConflict, "a function cannot be its own dead letter").Hint = "name another function, or remove it: what is given up is kept for a reader"
	case !b.opts.Host:
		b.reference(def.DeadLetter, "function", b.functions)
	}
	return a
}

// filters returns filters in the order of the file.
func (b *builder) filters(api string, l *list[pluginDef]) []*host.Filter {
	var filters []*host.Filter
	for i := range l.items {
		def := &l.items[i]
		p := b.plugin(&def.settingsDef, def.Plugin.Value, pluginRole(api, def.Plugin.Value))
		if !def.Concurrency.written() {
			p.Limits.Concurrency = host.Default(host.DefaultFilterConcurrency)
		}
		b.onlyABI(&def.settingsDef, &p, "filters", host.ABIPostern)
		filters = append(filters, &host.Filter{Plugin: p, Pos: def.pos})
	}
	return filters
}

// plugin decodes what stands beside every plugin. A folder's runtime stays "" until it is known what it holds.
func (b *builder) plugin(def *settingsDef, name string, r role) host.PluginConfig {
	p := host.PluginConfig{
		Name:      name,
		Ref:       def.Plugin.Value,
		Runtime:   b.runtime(def),
		ABI:       def.ABI.Value,
		Env:       stringMap(&def.Env),
		Secrets:   b.secrets(&def.Secrets),
		Limits:    b.limits(def, r),
		Isolation: host.Isolation(def.Isolation.or(string(host.IsolationPooled))),
		OnError:   b.onError(&def.OnError, r),
		KV:        def.KV.or(r.kv),
		Egress:    stringsOf(&def.Egress),
		Pos:       def.Plugin.pos,
	}
	command := p.ABI == host.ABICGI || p.ABI == host.ABIStdio
	if command {
		p.Isolation = b.commandIsolation(def)
	}
	switch {
	case p.Runtime == host.RuntimeJS, p.Runtime == host.RuntimeQuickJS:
		b.scripted(def, &p)
		b.mapSize(def, &p)
	case command:
		b.notForCommands(def)
		p.Limits.HostCalls = host.Default[int64](0)
	default:
		b.mapSize(def, &p)
	}
	for _, v := range def.Egress.items {
		b.origin(v, "the egress", webSchemes, true)
	}
	if def.Config.written() {
		raw, err := json.Marshal(def.Config.node.Plain())
		if err != nil {
			b.add(def.Config.place, RuleInvalidValue, "config cannot be written as JSON: "+err.Error())
		}
		p.Config = raw
	}
	return p
}

// commandIsolation is fresh: a command ends with each call.
func (b *builder) commandIsolation(def *settingsDef) host.Isolation {
	if iso := def.Isolation.Value; iso == string(host.IsolationPooled) || iso == string(host.IsolationReset) {
		b.add(def.Isolation.place, RuleConflict, "a command (abi: "+def.ABI.Value+") runs anew for each call, and is never "+iso).Hint = "remove it"
	}
	return host.IsolationFresh
}

// notForCommands reports the settings that a command could never see: it has no host function but WASI's (spec/wasi.md).
func (b *builder) notForCommands(def *settingsDef) {
	const own = "build the plugin for Postern's own ABI"
	for _, setting := range []struct {
		at         place
		name, hint string
	}{
		{def.Secrets.place, "secrets", own},
		{def.Config.place, "config", "write it as env, or " + own},
		{def.Egress.place, "egress", own},
		{def.KV.place, "kv", own},
		{def.Limits.Fetches.place, "limits.fetches", own},
		{def.Limits.FetchBytes.place, "limits.fetchBytes", own},
		{def.Limits.KVBytes.place, "limits.kvBytes", own},
	} {
		if setting.at.written() {
			b.add(setting.at, RuleConflict, "a command (abi: "+def.ABI.Value+") has no "+setting.name).Hint = setting.hint
		}
	}
	if at := def.Limits.HostCalls.place; at.written() {
		b.add(at, RuleUnsupported, "host calls of a command (abi: "+def.ABI.Value+") are not counted: they are WASI's").Hint = "remove it; limits.fuel and timeout bound what a command does"
	}
}

// onlyABI reports a carrier that has no way to speak a contract, and takes it away: what else would be said of it follows from this.
func (b *builder) onlyABI(def *settingsDef, p *host.PluginConfig, what string, fit ...string) {
	abi := p.ABI
	if abi == "" || slices.Contains(fit, abi) {
		return
	}
	p.ABI = ""
	uses := "functions"
	if abi == host.ABIStdio {
		uses = "functions, authorizers and mappings"
	}
	e := b.add(def.ABI.place, RuleConflict, "abi: "+abi+" is for "+uses+", not for "+what)
	if e.Hint = "build the plugin for Postern's own ABI"; slices.Contains(fit, host.ABIStdio) {
		e.Hint = "write abi: stdio, or build the plugin for Postern's own ABI"
	}
}

// runtime checks the reference and returns what runs it, "" where only its folder can tell.
func (b *builder) runtime(def *settingsDef) string {
	ref := def.Plugin
	if def.Runtime.Value == host.RuntimeJS && b.opts.Scripts == host.RuntimeQuickJS {
		b.add(def.Runtime.place, RuleUnsupported, "this host runs the scripts that it is given on quickjs, and not on js, which cannot cap their memory").
			Hint = "remove runtime, or let the host's administrator start it with --allow-goja"
	}
	if !ref.written() {
		return def.Runtime.Value
	}
	runtime, ok := b.pluginRef(ref)
	switch {
	case !ok || runtime == "":
		return def.Runtime.Value
	case runtime == host.RuntimeJS && def.Runtime.Value == host.RuntimeQuickJS: // a script runs on either
		return host.RuntimeQuickJS
	case runtime == host.RuntimeJS && !def.Runtime.written():
		return cmp.Or(b.opts.Scripts, runtime)
	case def.Runtime.written() && def.Runtime.Value != runtime:
		b.add(def.Runtime.place, RuleConflict, fmt.Sprintf("%s runs on %s, not on %s", quote(ref.Value), runtime, def.Runtime.Value)).Hint = "remove it"
	}
	return runtime
}

// What names code that is on a host: loosely, so that a slip is told as what it is, and as it must be.
var (
	uploaded     = regexp.MustCompile(`^(sha256:.*|[A-Za-z0-9_-]+@[^/]*)$`)
	savedBlob    = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	qualifier    = regexp.MustCompile(`^([1-9][0-9]{0,8}|[A-Za-z0-9_-]{0,127}[A-Za-z_-][A-Za-z0-9_-]{0,127})$`)
)

// IsUploaded reports whether a plugin's reference names code that is on a host, rather than a file or folder.
func IsUploaded(ref string) bool { return uploaded.MatchString(ref) }

// hostOnly reports something that only a host knows, where there is none.
func (b *builder) hostOnly(at place, what, hint string) bool {
	if !b.opts.Host {
		b.add(at, RuleNeedsHost, what+", which only a host has").Hint = hint
	}
	return b.opts.Host
}

// uploadedRef checks a reference to code that is on a host: name@version, name@alias or sha256:HEX.
func (b *builder) uploadedRef(ref val[string]) bool {
	if !b.hostOnly(ref.place, quote(ref.Value)+" names an uploaded plugin", "apply the project to a host (postern apply), or refer to a file or folder") {
		return false
	}
	name, q, ok := strings.Cut(ref.Value, "@")
	if !ok {
		if !savedBlob.MatchString(ref.Value) {
			b.add(ref.place, RuleInvalidValue, quote(ref.Value)+" is not sha256: and the 64 lower-case hexadecimal digits of a digest")
		}
		return true
	}
	b.qualified(ref.place, name, q)
	return true
}

// qualified checks the form of a function's name with a qualifier.
func (b *builder) qualified(at place, name, q string) {
	switch {
	case !functionName.MatchString(name):
		b.add(at, RuleInvalidValue, quote(name)+" is not the name of a function: it must be letters, digits, _ and -, at most 64")
	case len(q) > 128 || !qualifier.MatchString(q):
		e := b.add(at, RuleInvalidValue, quote(q)+" is neither a version nor an alias")
		e.Hint = "write " + name + "@3 for a version, or " + name + "@" + host.AliasLive + " for an alias (letters, digits, _ and -, at most 128)"
	}
}

// pluginRef checks the shape of a reference; its file is host/project's to find.
func (b *builder) pluginRef(ref val[string]) (runtime string, ok bool) {
	switch s := ref.Value; {
	case s == "":
		return "", false
	case IsUploaded(s):
		return "", b.uploadedRef(ref)
	case strings.Contains(s, "://"):
		b.add(ref.place, RuleUnsupported, "plugins from URLs are not supported by this version of Postern").Hint = "refer to a file or folder"
		return "", false
	case !b.projectFile(ref):
		return "", false
	}
	base := path.Base(ref.Value)
	ext := path.Ext(base)
	runtime, known := extensions[strings.ToLower(ext)]
	switch {
	case known, ext == "", ext == ".", base == "..":
		return runtime, true
	case ext == ".vtl":
		b.add(ref.place, RuleInvalidValue, quote(ref.Value)+" is a template, which can be a mapping alone").Hint = "write it as a plugin, in JavaScript for example"
	default:
		e := b.add(ref.place, RuleInvalidValue, quote(ref.Value)+" is not a plugin: it must be a .wasm, .js or .ts file, or a folder")
		if slices.Contains([]string{".go", ".rs", ".c", ".zig", ".py", ".json", ".toml", ".mod"}, ext) {
			e.Hint = "did you mean its folder, " + quote(path.Dir(ref.Value)) + "?"
		}
	}
	return "", false
}

// projectFile checks that a path stays in the project: relative, with slashes, and not above it.
func (b *builder) projectFile(v val[string]) bool {
	s := v.Value
	if !v.written() || s == "" {
		return false
	}
	problem, hint := "", "write it relative to the definition, such as ./"+path.Base(strings.ReplaceAll(s, `\`, "/"))
	switch clean := path.Clean(s); {
	case strings.Contains(s, `\`):
		problem, hint = "has a backslash", "write "+quote(strings.ReplaceAll(s, `\`, "/"))
	case strings.HasPrefix(s, "/") || strings.HasPrefix(s, "~") || len(s) > 1 && s[1] == ':':
		problem = "is not a relative path"
	case clean == ".." || strings.HasPrefix(clean, "../"):
		problem, hint = "leaves the project's folder", "copy it into the project"
	case strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }):
		problem, hint = "has control characters", ""
	default:
		return true
	}
	b.add(v.place, RuleInvalidValue, "the path "+quote(s)+" "+problem).Hint = hint
	return false
}

// secrets returns where the secrets come from, sorted by name.
func (b *builder) secrets(d *dict[secretDef]) []host.Secret {
	var secrets []host.Secret
	for i := range d.entries {
		secrets = append(secrets, b.secret(d.entries[i].Key, &d.entries[i].Value))
	}
	slices.SortFunc(secrets, func(a, b host.Secret) int { return strings.Compare(a.Name, b.Name) })
	return secrets
}

func (b *builder) secret(name string, def *secretDef) host.Secret {
	b.projectFile(def.File)
	at := def.File.pos
	switch {
	case def.Env.written():
		at = def.Env.pos
	case def.Store.written():
		at = def.Store.pos
		b.hostOnly(def.Store.place, "the secret "+quote(def.Store.Value)+" is in the store",
			"apply the project to a host (postern apply), or read it from a file or variable: {file: ./name.secret}, {env: NAME}")
	}
	return host.Secret{Name: name, File: def.File.Value, Env: def.Env.Value, Store: def.Store.Value, Pos: at}
}
