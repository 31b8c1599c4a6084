package definition

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host/aws"
)

// TestSubtypes holds what a definition takes to what can be called.
func TestSubtypes(t *testing.T) {
	if diff := cmp.Diff(aws.Subtypes(), slices.Sorted(maps.Keys(subtypes))); diff != "" {
		t.Errorf("(-callable +definable):\n%s", diff)
	}
	for name, s := range subtypes {
		if err := aws.CheckSubtype(name, slices.Concat(s.required, s.optional)); err != nil {
			t.Errorf("with every parameter: %v", err)
		}
		if err := aws.CheckSubtype(name, s.required); err != nil {
			t.Errorf("with those that it needs: %v", err)
		}
		for i := range s.required {
			if aws.CheckSubtype(name, slices.Concat(s.required[:i], s.required[i+1:], s.optional)) == nil {
				t.Errorf("%s does not need %s", name, s.required[i])
			}
		}
	}
}
