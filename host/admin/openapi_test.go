package admin

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/spec"
)

// A description is spec/admin.openapi.yaml.
type description struct {
	mu       sync.Mutex // of the compiler, which is for one at a time
	doc      map[string]any
	compiler *jsonschema.Compiler
}

const docURL = "mem:///admin.openapi.json"

func describe(t testing.TB) *description {
	t.Helper()
	data, err := yaml.YAMLToJSON(spec.AdminOpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	d := &description{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(data, &d.doc); err != nil {
		t.Fatal(err)
	}
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	d.compiler.AssertFormat()
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource(docURL, raw); err != nil {
		t.Fatal(err)
	}
	return d
}

// at returns what stands at a path of keys, nil for nothing.
func at(v any, keys ...string) any {
	for _, key := range keys {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	return v
}

// resolve follows a $ref.
func (d *description) resolve(t testing.TB, v any) map[string]any {
	t.Helper()
	if ref, ok := at(v, "$ref").(string); ok {
		v = at(d.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		if v == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	}
	object, _ := v.(map[string]any)
	return object
}

// pathOf is an operation's path as OpenAPI writes it.
func pathOf(op operation) string { return strings.TrimSuffix(op.path, "{$}") }

func TestDescriptionHasEveryOperation(t *testing.T) {
	d := describe(t)
	seen := map[string]bool{}
	for _, op := range operations() {
		method := strings.ToLower(op.method)
		seen[method+" "+pathOf(op)] = true
		entry := at(d.doc, "paths", pathOf(op), method)
		if entry == nil {
			t.Errorf("%s %s (%s) is not described", op.method, op.path, op.id)
			continue
		}
		d.checkOperation(t, op, at(d.doc, "paths", pathOf(op)), entry)
	}
	for path, item := range at(d.doc, "paths").(map[string]any) {
		for method := range item.(map[string]any) {
			if method != "parameters" && !seen[method+" "+path] {
				t.Errorf("%s %s is described and not there", method, path)
			}
		}
	}
}

func (d *description) checkOperation(t *testing.T, op operation, item, entry any) {
	t.Helper()
	if got := at(entry, "operationId"); got != op.id {
		t.Errorf("%s: operationId %v", op.id, got)
	}
	role := map[access.Action]any{access.Read: "viewer", access.Contents: "deployer", access.Change: "deployer", access.Invoke: "deployer", access.Administer: "admin"}[op.action]
	if op.public {
		role = nil
	}
	if got := at(entry, "x-postern-role"); got != role {
		t.Errorf("%s: x-postern-role %v, want %v", op.id, got, role)
	}
	security, _ := at(entry, "security").([]any)
	if _, set := entry.(map[string]any)["security"]; set != (op.public || op.local) || op.local && len(security) != 3 || op.public && len(security) != 0 {
		t.Errorf("%s: security %v", op.id, security)
	}
	var query, path []string
	match := false
	both, _ := at(item, "parameters").([]any)
	own, _ := at(entry, "parameters").([]any)
	for _, p := range append(slices.Clone(both), own...) {
		p := d.resolve(t, p)
		switch p["in"] {
		case "header":
			match = match || p["name"] == "If-Match"
		case "query":
			query = append(query, p["name"].(string))
		case "path":
			name := p["name"].(string)
			path = append(path, "{"+name+"}")
			if pattern := at(p, "schema", "pattern"); !op.lambda && name != "number" && pattern != names[name].String() {
				t.Errorf("%s: %s is described by %v and read by %s", op.id, name, pattern, names[name])
			}
		}
	}
	if match != (op.change && !op.unversioned) {
		t.Errorf("%s: If-Match is described: %v", op.id, match)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(op.parameters())), slices.Sorted(slices.Values(query))); diff != "" {
		t.Errorf("%s: parameters of the query (-code +description):\n%s", op.id, diff)
	}
	var wild []string
	for segment := range strings.SplitSeq(pathOf(op), "/") {
		if strings.HasPrefix(segment, "{") {
			wild = append(wild, segment)
		}
	}
	if diff := cmp.Diff(wild, path); diff != "" {
		t.Errorf("%s: parameters of the path (-code +description):\n%s", op.id, diff)
	}
	_, ndjson := at(entry, "responses", "200", "content", TypeNDJSON).(map[string]any)
	if _, made := at(entry, "responses", "201", "content", TypeNDJSON).(map[string]any); op.long && !ndjson && !made {
		t.Errorf("%s tells its progress, and its description does not say so", op.id)
	}
}

// schemas are the Go types behind the schemas.
var schemas = map[string]reflect.Type{
	"Project": reflect.TypeFor[catalog.Project](), "API": reflect.TypeFor[catalog.API](), "Stage": reflect.TypeFor[catalog.Stage](),
	"Canary": reflect.TypeFor[catalog.Canary](), "Move": reflect.TypeFor[catalog.Move](), "Deployment": reflect.TypeFor[catalog.Deployment](),
	"Function": reflect.TypeFor[catalog.Function](), "Version": reflect.TypeFor[catalog.Version](), "FunctionConfig": reflect.TypeFor[catalog.FunctionConfig](),
	"SecretRef": reflect.TypeFor[catalog.SecretRef](), "AsyncConfig": reflect.TypeFor[catalog.AsyncConfig](), "LimitsConfig": reflect.TypeFor[catalog.LimitsConfig](), "Alias": reflect.TypeFor[catalog.Alias](),
	"Secret": reflect.TypeFor[catalog.Secret](), "Bundle": reflect.TypeFor[catalog.Bundle](), "Code": reflect.TypeFor[catalog.Code](),
	"Input": reflect.TypeFor[catalog.Input](), "Plan": reflect.TypeFor[catalog.Plan](), "Difference": reflect.TypeFor[catalog.Difference](),
	"Problem": reflect.TypeFor[Problem](), "ProblemError": reflect.TypeFor[ProblemError](), "Waited": reflect.TypeFor[Waited](), "Whoami": reflect.TypeFor[Whoami](),
	"Status": reflect.TypeFor[Status](), "URL": reflect.TypeFor[URL](), "FullStatus": reflect.TypeFor[FullStatus](), "Part": reflect.TypeFor[Part](),
	"Plugin": reflect.TypeFor[Plugin](), "Crash": reflect.TypeFor[pipeline.Crash](), "Pool": reflect.TypeFor[pipeline.PoolStatus](), "PluginHealth": reflect.TypeFor[PluginHealth](), "PluginList": reflect.TypeFor[List[Plugin]](),
	"BlobInfo": reflect.TypeFor[BlobInfo](), "DeployInput": reflect.TypeFor[DeployInput](), "StageInput": reflect.TypeFor[StageInput](),
	"RollbackInput": reflect.TypeFor[RollbackInput](), "UploadInput": reflect.TypeFor[UploadInput](), "AliasInput": reflect.TypeFor[AliasInput](),
	"Token": reflect.TypeFor[Token](), "NewToken": reflect.TypeFor[NewToken](), "Key": reflect.TypeFor[Key](), "NewKey": reflect.TypeFor[NewKey](),
	"CredentialInput": reflect.TypeFor[CredentialInput](), "AuditEntry": reflect.TypeFor[AuditEntry](), "ProgressLine": reflect.TypeFor[ProgressLine](),
	"DeadLetter": reflect.TypeFor[DeadLetter](), "LogLine": reflect.TypeFor[LogLine](), "Restored": reflect.TypeFor[Restored](),
	"FunctionConfiguration": reflect.TypeFor[functionConfiguration](), "FunctionListing": reflect.TypeFor[functionList](), "FunctionAnswer": reflect.TypeFor[functionAnswer](),

	"ProjectList": reflect.TypeFor[List[catalog.Project]](), "APIList": reflect.TypeFor[List[catalog.API]](), "StageList": reflect.TypeFor[List[catalog.Stage]](),
	"DeploymentList": reflect.TypeFor[List[catalog.Deployment]](), "FunctionList": reflect.TypeFor[List[catalog.Function]](), "VersionList": reflect.TypeFor[List[catalog.Version]](),
	"AliasList": reflect.TypeFor[List[catalog.Alias]](), "SecretList": reflect.TypeFor[List[catalog.Secret]](), "TokenList": reflect.TypeFor[List[Token]](),
	"KeyList": reflect.TypeFor[List[Key]](), "AuditEntryList": reflect.TypeFor[List[AuditEntry]](), "DeadLetterList": reflect.TypeFor[List[DeadLetter]](), "PartList": reflect.TypeFor[List[Part]](),
}

// schemaOnly are schemas of what has no type: maps of text that a handler writes.
var schemaOnly = []string{"Exception", "Health", "Readiness"}

func TestSchemasHaveEveryField(t *testing.T) {
	d := describe(t)
	described := at(d.doc, "components", "schemas").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(described)) {
		if _, err := d.compiler.Compile(docURL + "#/components/schemas/" + name); err != nil {
			t.Errorf("schema %s: %v", name, err)
		}
		if schemas[name] == nil && !slices.Contains(schemaOnly, name) {
			t.Errorf("schema %s stands for no type", name)
		}
	}
	for name, typ := range schemas {
		schema, ok := described[name].(map[string]any)
		if !ok {
			t.Errorf("%v has no schema %s", typ, name)
			continue
		}
		want, required := map[string]string{}, []string{}
		for f := range typ.Fields() {
			tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if tag == "" {
				tag = f.Name
			}
			if f.Anonymous {
				if !strings.Contains(jsonText(schema["allOf"]), "/"+f.Name+`"`) {
					t.Errorf("%s: the fields of %s are not among allOf", name, f.Name)
				}
				continue
			}
			want[tag] = kindName(f.Type)
			if !strings.Contains(options, "omit") {
				required = append(required, tag)
			}
		}
		got := map[string]string{}
		for property, s := range schema["properties"].(map[string]any) {
			got[property] = d.kindOf(t, s)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: fields and their kinds (-type +schema):\n%s", name, diff)
		}
		var listed []string
		list, _ := schema["required"].([]any)
		for _, r := range list {
			listed = append(listed, r.(string))
		}
		slices.Sort(required)
		slices.Sort(listed)
		if !slices.Equal(required, listed) {
			t.Errorf("%s: required are %v in the type and %v in the schema", name, required, listed)
		}
	}
}

func jsonText(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

// kindName is the JSON type of a Go type; "" for any.
func kindName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "string"
	case t == reflect.TypeFor[json.RawMessage]():
		return ""
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindName(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Interface:
		return ""
	}
	return "integer"
}

func (d *description) kindOf(t testing.TB, schema any) string {
	kind, _ := d.resolve(t, schema)["type"].(string)
	return kind
}

// check validates a response against its operation's description.
func (d *description) check(t testing.TB, op *operation, a answer) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	entry := at(d.doc, "paths", pathOf(*op), strings.ToLower(op.method))
	response := at(entry, "responses", a.code())
	if response == nil {
		if response = d.resolve(t, at(entry, "responses", "default")); a.status < 400 {
			t.Errorf("%s answered %d, which is not described", op.id, a.status)
			return
		}
	}
	content, _ := at(response, "content").(map[string]any)
	if a.status == http.StatusNoContent || len(content) == 0 || op.method == http.MethodHead {
		if len(a.body) > 0 {
			t.Errorf("%s answered %d with a body: %s", op.id, a.status, a.body)
		}
		return
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	media, ok := content[kind]
	if !ok {
		t.Errorf("%s answered %d as %q, and is described as %v", op.id, a.status, kind, slices.Sorted(maps.Keys(content)))
		return
	}
	if at(media, "schema", "type") == "string" || at(media, "schema", "contentMediaType") != nil {
		return
	}
	pointer := docURL + "#/paths/" + escapePointer(pathOf(*op)) + "/" + strings.ToLower(op.method) + "/responses/" + a.code()
	if at(entry, "responses", a.code()) == nil {
		ref, _ := at(entry, "responses", "default", "$ref").(string)
		pointer = docURL + ref
	}
	schema, err := d.compiler.Compile(pointer + "/content/" + escapePointer(kind) + "/schema")
	if err != nil {
		t.Fatalf("%s: %v", op.id, err)
	}
	for line := range bytes.Lines(a.lines(kind)) {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			t.Errorf("%s answered %d: %v\n%s", op.id, a.status, err, line)
		}
	}
}

// escapePointer writes a key for a JSON pointer in a URI's fragment (RFC 6901).
func escapePointer(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(key)
}
