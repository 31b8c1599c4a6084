package project_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
	"github.com/postern/postern/host/mapping/parameter"
	"github.com/postern/postern/host/mapping/template"
	"github.com/postern/postern/host/project"
)

// templated is a project with templates in files and in the definition, and with access to services.
const templated = `
apis:
  shop:
    routes:
      POST /orders:
        request: {mapping: {application/json: ./maps/create.vtl, text/plain: {template: "$input.body"}}}
        integration: {http: "https://example.com/orders"}
        responses: [{mapping: {application/json: maps/create.vtl}}]
      POST /queue:
        integration: {type: AWS_PROXY, subtype: SQS-PurgeQueue, parameters: {QueueUrl: $request.body}}
aws: {region: us-east-1, accessKeyId: {env: KEY_ID}, secretAccessKey: {file: ./aws.secret}}
`

func templatedFiles() map[string]string {
	return map[string]string{"postern.yaml": templated, "maps/create.vtl": "#set($a = 1)$a", "aws.secret": "hush\n"}
}

// withKey has the variable that templated reads.
func withKey(opts project.Options) project.Options {
	opts.Env = func(name string) (string, bool) { return "AKIA", name == "KEY_ID" }
	return opts
}

func TestTexts(t *testing.T) {
	dir := write(t, templatedFiles())
	p := load(t, dir, withKey(options(t)))
	var texts []string
	for use := range definition.Templates(p.Snapshot) {
		texts = append(texts, use.Text)
	}
	if diff := cmp.Diff([]string{"#set($a = 1)$a", "$input.body", "#set($a = 1)$a"}, texts); diff != "" {
		t.Error(diff)
	}
	access := p.Snapshot.APIs[0].Routes[1].Integration.Service.Access
	if access.AccessKeyID.Value.Reveal() != "AKIA" || access.SecretAccessKey.Value.Reveal() != "hush" {
		t.Errorf("the keys are %q and %q", access.AccessKeyID.Value.Reveal(), access.SecretAccessKey.Value.Reveal())
	}
	for _, file := range []string{"maps/create.vtl", "aws.secret"} {
		if !slices.Contains(p.Inputs, file) {
			t.Errorf("%s is not watched: %v", file, p.Inputs)
		}
	}
	put(t, dir, "maps/create.vtl", "other")
	if again := load(t, dir, withKey(options(t))); again.Snapshot.Revision == p.Snapshot.Revision {
		t.Error("another template has the same revision")
	}
}

// TestTextsGoToHosts: what an apply sends, and what an export writes, has the templates and no secret.
func TestTextsGoToHosts(t *testing.T) {
	p := load(t, write(t, templatedFiles()), withKey(hostOptions(t)))
	in := p.Input()
	if diff := cmp.Diff(map[string]string{"maps/create.vtl": "#set($a = 1)$a"}, in.Bundle.Files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"aws.secret": "hush"}, in.Secrets); diff != "" {
		t.Error(diff)
	}
	dir := filepath.Join(t.TempDir(), "out")
	done, err := project.Export(t.Context(), in.Bundle, blobsOf(p), dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"EXPORTED.md", "maps/create.vtl", "postern.yaml"}, done.Files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"aws.secret"}, done.Missing); diff != "" {
		t.Error(diff)
	}
	put(t, dir, "aws.secret", "hush\n")
	if after := load(t, dir, withKey(hostOptions(t))); after.Snapshot.Revision != p.Snapshot.Revision {
		t.Error("the export loads to another revision")
	}
}

// TestTextErrors checks that what is wrong in templates and models is told in their own lines.
func TestTextErrors(t *testing.T) {
	dir := write(t, map[string]string{
		"postern.yaml": `apis:
  shop:
    protocol: rest
    models:
      Good: ./models/good.json
      Missing: ./models/missing.json
  more:
    protocol: rest
    models:
      Broken: ./models/broken.json
  draft:
    protocol: rest
    models:
      Draft: ./models/draft.json
      Inline: {type: nothing}
      Loop: {$ref: "#/definitions/none"}
    gatewayResponses:
      DEFAULT_4XX: {statusCode: 400, parameters: {gatewayresponse.header.X: nonsense}}
    routes:
      POST /orders:
        request:
          mapping:
            application/json: ./maps/open.vtl
            text/plain:
              template: |
                #set($a = 1)
                #foreach
            text/css: ./maps/none.vtl
            text/html: ./maps/open.vtl
            text/xml: ./maps/large.vtl
        integration: {mock: {}, parameters: {integration.request.header.X: nonsense, integration.request.header.Y: "'y'"}}
        responses:
          - {status: 200, parameters: {method.response.header.X: method.request.body}}
          - {match: "(", status: 200}
          - {match: "(?!a).*", status: 200}
aws: {accessKeyId: {env: NOT_SET}, secretAccessKey: {file: ./none.secret}}
`,
		"models/good.json":   `{"type": "object"}`,
		"models/broken.json": "{\n  \"type\": \"object\",\n}",
		"models/draft.json":  `{"$schema": "https://json-schema.org/draft/2020-12/schema"}`,
		"maps/open.vtl":      "#set($a = 1)\n  #if($a\n",
		"maps/large.vtl":     strings.Repeat("x", definition.MaxText+1),
	})
	_, err := project.Load(t.Context(), dir, options(t))
	var errs definition.Errors
	if !errors.As(err, &errs) || !errors.Is(err, host.Invalid) {
		t.Fatalf("Load = %v", err)
	}
	got := map[string]string{}
	for _, e := range errs {
		got[e.Pos.String()] += e.Rule + " "
		t.Log(e)
	}
	want := map[string]string{
		"maps/open.vtl:3:1":      "template ", // where it ends
		"models/broken.json:3:1": "syntax ",
		"postern.yaml:2:3":       "required ", // no routes
		"postern.yaml:7:3":       "required ",
		"postern.yaml:6:16":      "missing-file ",
		"postern.yaml:14:14":     "model ",
		"postern.yaml:25:25":     "template ",
		"postern.yaml:28:23":     "missing-file ",
		"postern.yaml:30:23":     "unreadable-file ",
		"postern.yaml:18:51":     "invalid-value ",
		"postern.yaml:31:46":     "invalid-value ",
		"postern.yaml:33:40":     "invalid-value ",
		"postern.yaml:34:13":     "invalid-value ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTextErrorsOnce checks that a check which compiles everything again says nothing twice, and does not hide what else is wrong.
func TestTextErrorsOnce(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": `apis:
  shop:
    protocol: rest
    routes:
      GET /a:
        request: {mapping: {application/json: {template: "#foreach"}, text/plain: ./a.vtl}}
        integration: {type: MOCK, parameters: {integration.request.header.X: nonsense}}
        responses: [{status: 200}]
`, "a.vtl": "#if("})
	check := func(_ context.Context, s *host.Snapshot) error {
		r := s.APIs[0].Routes[0]
		errs := []error{&host.Error{Op: "route", Kind: host.Invalid, Pos: r.Pos, Err: errors.New("something else")}}
		for _, m := range r.Mappings {
			_, err := template.Compile(m.Template, host.PhaseMapRequest, template.Options{})
			errs = append(errs, err)
		}
		_, err := parameter.CompileRequest(r.Integration.Parameters, nil)
		return errors.Join(append(errs, err)...)
	}
	_, err := project.Validate(t.Context(), dir, options(t), check)
	_, got := problemsOf(t, err)
	want := []string{"a.vtl:1:5 template", "postern.yaml:5:7 plugin", "postern.yaml:6:58 template", "postern.yaml:7:48 invalid-value"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestParameterErrors: the mappings of http APIs are compiled too, each told at its place.
func TestParameterErrors(t *testing.T) {
	dir := write(t, map[string]string{"postern.yaml": `apis:
  web:
    routes:
      GET /a:
        integration: {http: "https://example.com", parameters: {"append:header.X": $nonsense.a, "overwrite:path": $request.path, "append:header.Via": a}}
        responses: [{match: "200", parameters: {"append:header.X": $nonsense.b, "overwrite:statuscode": "201"}}]
`})
	_, got := problems(t, dir, options(t))
	want := []string{"postern.yaml:5:65 invalid-value", "postern.yaml:5:130 invalid-value", "postern.yaml:6:49 invalid-value"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
