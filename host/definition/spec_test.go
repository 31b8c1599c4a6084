package definition_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postern/postern/host/definition"
)

// TestPage checks that the example of the page about REST APIs is a definition, and that the page has every key of its own.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../spec/rest.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the page has no example")
	}
	if _, errs := parse(t, "postern.yaml", []byte(example), definition.Options{}); len(errs) > 0 {
		t.Error(errs)
	}
	for _, key := range []string{"binaryMediaTypes", "minimumCompressionSize", "models", "gatewayResponses", "request.parameters", "request.models", "request.validate",
		"methodResponses", "contentHandling", "passthroughBehavior", "tlsConfig", "httpMethod", "identityValidationExpression", "subtype"} {
		if !strings.Contains(string(text), "`"+key) {
			t.Errorf("the page does not have %s", key)
		}
	}
}
