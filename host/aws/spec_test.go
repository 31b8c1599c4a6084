package aws_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/aws"
	"github.com/postern/postern/host/definition"
)

func documented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../spec/aws-services.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The definition that the page shows is one, and its calls can be made.
func TestDocumentedDefinition(t *testing.T) {
	_, text, _ := strings.Cut(documented(t), "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("the page has no definition")
	}
	snapshot, err := definition.Parse("postern.yaml", []byte(text), definition.Options{})
	var errs definition.Errors
	if err != nil && !errors.As(err, &errs) {
		t.Fatal(err)
	}
	for _, e := range errs {
		if e.Rule != "unsupported" { // whether such an API runs is not this package's business
			t.Error(e)
		}
	}
	calls := 0
	for a := range snapshot.Definitions() {
		for _, r := range a.Routes {
			call := r.Integration.Service
			if r.Integration.Type != host.IntegrationService || call == nil {
				t.Errorf("%s calls no service", r.Key)
				continue
			}
			call.Access.AccessKeyID.Value, call.Access.SecretAccessKey.Value = keyID, secret
			if _, err := aws.NewClient(call, r.Integration.Method, nil); err != nil {
				t.Error(err)
			}
			var parameters []string
			for _, p := range r.Integration.Parameters {
				parameters = append(parameters, p.Target)
			}
			if call.Subtype != "" {
				if err := aws.CheckSubtype(call.Subtype, parameters); err != nil {
					t.Error(err)
				}
			}
			calls++
		}
	}
	if calls != 4 {
		t.Errorf("%d calls", calls)
	}
}

// The page's table of subtypes is that of the code: what must be there is enough, each of it is needed, and all may be there.
func TestDocumentedSubtypes(t *testing.T) {
	name := regexp.MustCompile("`([^`]+)`")
	var known []string
	for line := range strings.Lines(documented(t)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "-") || !strings.Contains(cells[1], "`") {
			continue
		}
		list := func(cell string) (names []string) {
			for _, match := range name.FindAllStringSubmatch(cell, -1) {
				names = append(names, match[1])
			}
			return names
		}
		subtype, required := list(cells[1])[0], list(cells[2])
		known = append(known, subtype)
		for _, parameters := range [][]string{required, slices.Concat(required, list(cells[3]), []string{"Region"})} {
			if err := aws.CheckSubtype(subtype, parameters); err != nil {
				t.Error(err)
			}
		}
		for i := range required {
			if aws.CheckSubtype(subtype, slices.Delete(slices.Clone(required), i, i+1)) == nil {
				t.Errorf("%s does not need %s", subtype, required[i])
			}
		}
	}
	if slices.Sort(known); !slices.Equal(known, aws.Subtypes()) {
		t.Errorf("the page has %v", known)
	}
}
