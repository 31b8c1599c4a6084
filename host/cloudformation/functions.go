package cloudformation

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// functionNotes say what becomes of the properties of functions.
var functionNotes = map[string]note{
	"FunctionName": plain, "Description": plain, "Handler": plain, "Runtime": plain, "CodeUri": plain, "InlineCode": plain, "Code": plain, "ImageUri": plain, "ImageConfig": plain, "PackageType": plain,
	"Timeout": plain, "MemorySize": plain, "Environment": plain, "Events": plain, "Tags": plain, "PropagateTags": plain, "Architectures": plain, "RuntimeManagementConfig": plain,
	"RecursiveLoop": plain, "AutoPublishAlias": plain, "AutoPublishAliasAllProperties": plain, "AutoPublishCodeSha256": plain, "VersionDescription": plain, "VersionDeletionPolicy": plain,
	"ReservedConcurrentExecutions": plain, "FunctionUrlConfig": plain, "EventInvokeConfig": plain, "AssumeRolePolicyDocument": plain, "PermissionsBoundary": plain, "RolePath": plain,
	"Role": plain, "Policies": roles, "LoggingConfig": logs, "Tracing": tracing, "TracingConfig": tracing, "PublishToLatestPublished": plain,
	"VpcConfig":                    {openapi.Different, "network", "there is no network of its own: list what the function may fetch from below egress"},
	"Layers":                       {openapi.Different, "layers", "layers are not added: put the modules that the function imports from them into its folder"},
	"DeadLetterQueue":              {openapi.Different, "dead letters", "events that fail are kept by the host, or go to a function: async.deadLetter"},
	"DeadLetterConfig":             {openapi.Different, "dead letters", "events that fail are kept by the host, or go to a function: async.deadLetter"},
	"DeploymentPreference":         {openapi.Different, "deployment", "versions are shifted by `postern function promote --weight`"},
	"ProvisionedConcurrencyConfig": {openapi.Different, "concurrency", "instances are started when they are needed"},
	"SnapStart":                    {openapi.Different, "start", "instances are started when they are needed"},
	"EphemeralStorage":             {openapi.Unsupported, "files", "functions have no file system"},
	"FileSystemConfigs":            {openapi.Unsupported, "files", "functions have no file system"},
	"KmsKeyArn":                    {openapi.Different, "encryption", "environment variables stand in the definition as they are: use secrets"},
	"SourceKMSKeyArn":              plain,
	"CodeSigningConfigArn":         {openapi.Unsupported, "code signing", "signatures of code are not checked"},
	"DurableConfig":                {openapi.Unsupported, "durable functions", "calls are not continued after an interruption"},
	"TenancyConfig":                {openapi.Unsupported, "tenancy", "instances are not kept apart by tenant"},
}

var roles = note{openapi.Different, "permissions", "functions have no role: they reach what egress and secrets of the definition give them, and nothing else"}

// functions makes a function of each resource that is one.
func (t *template) functions() {
	functions := document.NewObject(t.root.Pos)
	t.result.Definition = document.NewObject(t.root.Pos)
	t.result.Definition.Set("functions", t.root.Pos, functions)
	for _, r := range t.resources {
		if r.isFunction() {
			t.functionName(r) // what is found in it is found here, whoever asks later
		}
	}
	for _, r := range t.resources {
		if !r.isFunction() {
			continue
		}
		r.used = true
		if f := t.function(r); f != nil {
			name := t.functionName(r)
			if m := functions.Member(name); m != nil {
				t.wrong(r.pos, document.RuleConflict, "two functions are called "+document.Quote(name), "give them a FunctionName each")
				continue
			}
			functions.Set(name, r.pos, f)
			if len(functions.Members) == 1 {
				t.find(openapi.Different, r.pos, "network", "functions reach no other host until egress of the function lists its origin: "+name+", and those after it")
			}
		}
	}
}

var notInFunctionName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// functionName is the name of a function in the definition: that of the property FunctionName, or the one in the template.
func (t *template) functionName(r *resource) string {
	if name, known := t.names[r.id]; known {
		return name
	}
	t.names[r.id] = r.id // also while its own name is evaluated
	name := notInFunctionName.ReplaceAllString(t.textOr(r, "FunctionName", r.id), "-")
	if len(name) > 64 {
		name = name[:64]
	}
	t.names[r.id] = name
	return name
}

// function makes a function of the definition; nil where its code cannot run here.
func (t *template) function(r *resource) *document.Node {
	t.notes(r, functionNotes)
	f := document.NewObject(r.pos)
	code := t.code(r)
	if code == nil {
		return nil
	}
	f.Set("plugin", code.Pos, code)
	if v := t.seconds(r, "Timeout", 1, 900); v != nil {
		f.Set("timeout", v.Pos, v)
	}
	if v := t.get(r, "MemorySize"); t.is(v, document.Text, "MemorySize") && v.Text != "128" {
		t.find(openapi.Different, v.Pos, "memory", "the memory of "+r.id+" is not capped: its engine has no limit (with runtime: quickjs, memory: "+v.Text+"MiB)")
	}
	if env := t.environment(r); env != nil {
		f.Set("env", env.Pos, env)
	}
	t.concurrency(r, f)
	t.functionURL(r, f)
	t.invocations(r, f)
	return f
}

// seconds is a number of seconds as a duration.
func (t *template) seconds(r *resource, property string, least, most int) *document.Node {
	v := t.get(r, property)
	if !t.is(v, document.Text, property) {
		return nil
	}
	return t.duration(v, property, least, most)
}

func (t *template) duration(v *document.Node, property string, least, most int) *document.Node {
	n, err := strconv.Atoi(v.Text)
	if err != nil || n < least || n > most {
		t.wrong(v.Pos, document.RuleInvalidValue, property+" must be a number of seconds from "+strconv.Itoa(least)+" to "+strconv.Itoa(most)+", not "+document.Quote(v.Text), "")
		return nil
	}
	return document.NewText(v.Pos, v.Text+"s")
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// environment is a function's variables, with their places; nil for none.
func (t *template) environment(r *resource) *document.Node {
	t.forFunction = true
	defer func() { t.forFunction = false }()
	n := t.shaped(r, "Environment", document.Object)
	variables := n.Get("Variables")
	if !t.is(variables, document.Object, "Variables") || len(variables.Members) == 0 {
		return nil
	}
	env := document.NewObject(variables.Pos)
	for _, m := range variables.Members {
		switch {
		case !t.is(m.Value, document.Text, m.Key):
		case !variableName.MatchString(m.Key):
			t.find(openapi.Unsupported, m.Pos, "variable", document.Quote(m.Key)+" is no name of an environment variable")
		default:
			set(env, m.Key, m.Pos, m.Value.Text)
		}
	}
	return env
}

func (t *template) concurrency(r *resource, f *document.Node) {
	v := t.get(r, "ReservedConcurrentExecutions")
	if !t.is(v, document.Text, "ReservedConcurrentExecutions") {
		return
	}
	switch n, err := strconv.Atoi(v.Text); {
	case err != nil || n < 0:
		t.wrong(v.Pos, document.RuleInvalidValue, "ReservedConcurrentExecutions must be a whole number, not "+document.Quote(v.Text), "")
	case n == 0:
		t.find(openapi.Unsupported, v.Pos, "concurrency", "0 keeps "+r.id+" from being called: take it out instead")
	default:
		f.Set("concurrency", v.Pos, document.NewInteger(v.Pos, int64(min(n, 10_000))))
	}
}

func (t *template) functionURL(r *resource, f *document.Node) {
	n := t.shaped(r, "FunctionUrlConfig", document.Object)
	if n == nil {
		return
	}
	if auth := n.Get("AuthType"); auth == nil || auth.Text != "NONE" {
		t.find(openapi.Unsupported, n.Pos, "function URL", "requests signed by AWS keys are not checked here: "+r.id+" gets no URL")
		return
	}
	if name := t.functionName(r); hostLabel(name) != name {
		t.find(openapi.Unsupported, n.Pos, "function URL", "the name "+document.Quote(name)+" cannot be part of a host name: call the function "+document.Quote(hostLabel(name))+", and write url: true")
		return
	}
	f.Set("url", n.Pos, document.NewBool(n.Pos, true))
	for _, m := range n.Members {
		if m.Key != "AuthType" && !asksNothing(m.Value) && m.Value.Text != "BUFFERED" {
			t.find(openapi.Different, m.Pos, "function URL", m.Key+" has no counterpart: the function answers itself")
		}
	}
}

// invocations says what becomes of asynchronous calls that fail.
func (t *template) invocations(r *resource, f *document.Node) {
	n := t.shaped(r, "EventInvokeConfig", document.Object)
	if n == nil {
		return
	}
	async := document.NewObject(n.Pos)
	for _, m := range n.Members {
		switch m.Key {
		case "MaximumRetryAttempts":
			if m.Value.Shape == document.Integer {
				async.Set("retries", m.Pos, m.Value)
			} else if t.is(m.Value, document.Text, m.Key) {
				t.wrong(m.Value.Pos, document.RuleInvalidValue, "MaximumRetryAttempts must be 0, 1 or 2", "")
			}
		case "MaximumEventAgeInSeconds":
			if t.is(m.Value, document.Text, m.Key) {
				if v := t.duration(m.Value, m.Key, 60, 21600); v != nil {
					async.Set("maxAge", m.Pos, v)
				}
			}
		default:
			t.find(openapi.Different, m.Pos, "destinations", "results go nowhere; events that fail are kept by the host, or go to a function: async.deadLetter")
		}
	}
	f.Set("async", n.Pos, async)
}

// runs reports whether a runtime's code runs here.
func runs(runtime string) bool { return strings.HasPrefix(runtime, "nodejs") }

// place is the place of a property, or of its resource.
func (r *resource) place(property string) host.Position {
	if m := r.props.Member(property); m != nil {
		return m.Pos
	}
	return r.pos
}
