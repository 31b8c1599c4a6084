package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

const (
	maxProblems = 100
	maxQuoted   = 200 // bytes of a value that is told
)

// A Violation is how a body differs from its model.
type Violation struct {
	Problems []string // in the order of the places in the body; the first hundred
}

// Error returns all problems in brackets: the value of $context.error.validationErrorString.
func (v *Violation) Error() string { return "[" + strings.Join(v.Problems, ", ") + "]" }

// problems tells what is wrong in the words of the validator that Amazon's messages show (from memory: no recording has them).
func problems(err *jsonschema.ValidationError) []string {
	type problem struct{ at, text string }
	var found []problem
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(found) >= 10*maxProblems {
			return
		}
		if text := describe(e); text != "" {
			found = append(found, problem{strings.Join(e.InstanceLocation, "/"), text})
			return
		}
		for _, cause := range e.Causes {
			walk(cause)
		}
	}
	walk(err)
	sort.SliceStable(found, func(i, j int) bool {
		if found[i].at != found[j].at {
			return found[i].at < found[j].at
		}
		return found[i].text < found[j].text
	})
	var texts []string
	for _, p := range slices.Compact(found) {
		if len(texts) < maxProblems {
			texts = append(texts, p.text)
		}
	}
	return texts
}

// describe returns the text for one error, "" for one that only holds others.
func describe(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		return ""
	case *kind.AnyOf:
		return fmt.Sprintf("instance failed to match at least one required schema among %d", len(e.Causes))
	case *kind.OneOf:
		if len(k.Subschemas) > 1 {
			return fmt.Sprintf("instance failed to match exactly one schema (matched %d)", len(k.Subschemas))
		}
		return fmt.Sprintf("instance failed to match exactly one schema (matched 0 out of %d)", len(e.Causes))
	case *kind.Not:
		return "instance matched a schema which it should not have"
	case *kind.Type:
		return fmt.Sprintf("instance type (%s) does not match any allowed primitive type (allowed: %s)", k.Got, allowed(k.Want))
	case *kind.Required:
		return fmt.Sprintf("object has missing required properties (%s)", list(k.Missing))
	case *kind.AdditionalProperties:
		return fmt.Sprintf("object instance has properties which are not allowed by the schema: %s", list(k.Properties))
	case *kind.Enum:
		return fmt.Sprintf("instance value (%s) not found in enum (possible values: %s)", value(k.Got), value(k.Want))
	case *kind.Pattern:
		return fmt.Sprintf("ECMA 262 regex %s does not match input string %s", value(k.Want), value(k.Got))
	case *kind.Format:
		return fmt.Sprintf("string %s is invalid against requested format %s", value(k.Got), k.Want)
	case *kind.Dependency:
		return fmt.Sprintf("property %s of object has missing property dependencies (missing: %s)", value(k.Prop), list(k.Missing))
	}
	if text := describeSize(e.ErrorKind); text != "" {
		return text
	}
	return oneLine(e)
}

func describeSize(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("string is too short (length: %d, required minimum: %d)", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("string is too long (length: %d, maximum allowed: %d)", k.Got, k.Want)
	case *kind.Minimum:
		return fmt.Sprintf("numeric instance is lower than the required minimum (minimum: %s, found: %s)", ratio(k.Want), ratio(k.Got))
	case *kind.Maximum:
		return fmt.Sprintf("numeric instance is greater than the required maximum (maximum: %s, found: %s)", ratio(k.Want), ratio(k.Got))
	case *kind.ExclusiveMinimum:
		return fmt.Sprintf("numeric instance is not strictly greater than the required minimum %s", ratio(k.Want))
	case *kind.ExclusiveMaximum:
		return fmt.Sprintf("numeric instance is not strictly lower than the required maximum %s", ratio(k.Want))
	case *kind.MultipleOf:
		return fmt.Sprintf("numeric instance %s is not a multiple of %s", ratio(k.Got), ratio(k.Want))
	case *kind.MinItems:
		return fmt.Sprintf("array is too short: must have at least %d elements but instance has %d elements", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("array is too long: must have at most %d elements but instance has %d elements", k.Want, k.Got)
	case *kind.UniqueItems:
		return "array must not contain duplicate elements"
	case *kind.MinProperties:
		return fmt.Sprintf("object has too few properties (found %d but schema requires at least %d)", k.Got, k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("object has too many properties (found %d but schema requires at most %d)", k.Got, k.Want)
	}
	return ""
}

// oneLine is the library's own text for a kind without one here.
func oneLine(e *jsonschema.ValidationError) string {
	text := strings.Join(strings.Fields(strings.ReplaceAll(e.Error(), modelBase, "")), " ")
	return shortened(text)
}

// allowed lists types in order; whoever takes a number takes an integer.
func allowed(types []string) string {
	types = slices.Clone(types)
	if slices.Contains(types, "number") && !slices.Contains(types, "integer") {
		types = append(types, "integer")
	}
	return list(types)
}

func list(names []string) string {
	names = slices.Sorted(slices.Values(names))
	return value(names)
}

func value(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return shortened(string(text))
}

func shortened(text string) string {
	if len(text) <= maxQuoted {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuoted], "") + "…"
}

func ratio(r *big.Rat) string {
	if r == nil {
		return "?"
	}
	if r.IsInt() {
		return shortened(r.Num().String())
	}
	return shortened(strings.TrimRight(r.FloatString(12), "0"))
}
