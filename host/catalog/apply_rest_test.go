package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host"
)

// TestApplyTemplates: templates go with a bundle, keys of services with its secrets, and a deployment has both as they were.
func TestApplyTemplates(t *testing.T) {
	c := newCatalog(t)
	const text = `
functions:
  who: {plugin: ./who.js}
apis:
  a:
    authorizers: {caller: {function: who}}
    routes:
      POST /a:
        authorizer: caller
        request: {mapping: {application/json: ./maps/a.vtl}}
        integration: {http: "https://example.com"}
      POST /b:
        integration: {type: AWS_PROXY, subtype: SQS-PurgeQueue, parameters: {QueueUrl: $request.body}}
aws: {region: us-east-1, accessKeyId: {file: ./id}, secretAccessKey: {file: ./key}}
`
	in := inputOf(t, c, text, nil)
	_, err := c.Apply(t.Context(), "p", in, Change{})
	for _, want := range []struct{ rule, path string }{
		{RuleMissingFile, `apis.a.routes["POST /a"].request.mapping["application/json"]`},
		{RuleMissingSecret, "aws.accessKeyId"}, {RuleMissingSecret, "aws.secretAccessKey"},
	} {
		if !hasRule(err, want.rule, want.path) {
			t.Errorf("%v: no %s of %s", err, want.rule, want.path)
		}
	}
	in.Bundle.Files = map[string]string{"maps/a.vtl": "first"}
	in.Secrets = map[string]string{"id": "AKIA", "key": "hush"}
	apply(t, c, "p", in)
	first := compose(t, c).Snapshot
	routes := first.APIs[0].Routes
	if got := routes[0].Mappings[0].Template.Text; got != "first" {
		t.Errorf("the template is %q", got)
	}
	access := routes[1].Integration.Service.Access
	if access.AccessKeyID.Value.Reveal() != "AKIA" || access.SecretAccessKey.Value.Reveal() != "hush" {
		t.Errorf("the keys are %q and %q", access.AccessKeyID.Value.Reveal(), access.SecretAccessKey.Value.Reveal())
	}
	if encoded, err := json.Marshal(first); err != nil || strings.Contains(string(encoded)+fmt.Sprintf("%+v", *access), "hush") {
		t.Errorf("a key is shown, or %v", err)
	}
	wantKind(t, c.DeleteFunction(t.Context(), "who", Change{}), host.Conflict)

	in.Bundle.Files = map[string]string{"maps/a.vtl": "second"}
	plan := apply(t, c, "p", in)
	if got := strings.Join(lines(plan), "\n"); !strings.Contains(got, "route POST /a: mapping application/json template") {
		t.Errorf("the plan does not tell of the template:\n%s", got)
	}
	second := compose(t, c).Snapshot
	if got := second.APIs[0].Routes[0].Mappings[0].Template.Text; got != "second" || first.Revision == second.Revision {
		t.Errorf("the template is %q", got)
	}
	in.Bundle.Files = map[string]string{"maps/a.vtl": "second", "maps/b.vtl": "nobody asks"}
	if _, err := c.Apply(t.Context(), "p", in, Change{}); err == nil || !strings.Contains(err.Error(), `files has "maps/b.vtl"`) {
		t.Errorf("a file too many: %v", err)
	}
}
