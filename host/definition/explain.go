package definition

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/postern/postern/host/document"
)

// unsupported names what the design has and this version does not run: "definition of the schema/key", or
// "definition/value", and the name with its verb. They are refused by name, never as an unknown key.
var unsupported = map[string]string{
	"api/openapi":              "APIs from OpenAPI documents are",
	"domain/clientCertificate": "client certificates of domains are", "domain/clientCertificates": "client certificates of domains are",
	"domain/clientCA": "client certificates of domains are", "domain/mutualTLS": "client certificates of domains are",
	"domain/tls":         "certificates and client certificates of domains are",
	"protocol/websocket": "WebSocket APIs are",
	"abi/http-wasm":      "http-wasm plugins are",
	"abi/proxy-wasm":     "proxy-wasm plugins are",
	"abi/extism":         "Extism plugins are",
}

// refuse reports something that is unsupported, and whether it is.
func (r *report) refuse(at place, name string) bool {
	what, ok := unsupported[name]
	if ok {
		r.refused = append(r.refused, at.path)
		r.add(at, RuleUnsupported, what+" not supported by this version of Postern")
	}
	return ok
}

// otherSize is how others write sizes: 64MB, 64m.
var otherSize = regexp.MustCompile(`^([0-9]+) *([kKmMgG])i?[bB]?$`)

// explain turns a finding of the schema library into errors. In a quiet place only the cause of the quiet is told.
func (r *report) explain(f finding, quiet bool) {
	switch k := f.kind.(type) {
	case *kind.Type:
		r.wrongType(f, k)
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			r.unknownKey(f, key)
		}
	case *kind.Required:
		if !quiet {
			for _, key := range k.Missing {
				r.add(place{f.key, KeyPath(f.at.path, key)}, RuleRequired, f.name+" has no "+strconv.Quote(key)).Hint = f.schema.example(f.part, key)
			}
		}
	case *kind.OneOf:
		if !quiet {
			r.integrationForms(f)
		}
	case *kind.Enum:
		if !quiet {
			r.notListed(f, k)
		}
	default:
		if !quiet {
			e := r.add(f.at, RuleInvalidValue, f.name+" "+expectation(f.part, f.kind)+not(f.node))
			if m := otherSize.FindStringSubmatch(f.node.Text); m != nil && f.def == "size" {
				e.Hint = "write " + m[1] + strings.ToUpper(m[2]) + "iB"
			}
			if best := Nearest(f.node.Text, onErrorModes); best != "" && f.def == "onError" {
				e.Hint = "did you mean " + best + "?"
			}
		}
	}
}

// not repeats a scalar for a message: `, not "5 sec"`.
func not(n *document.Node) string {
	switch {
	case n.Scalar == "":
		return ""
	case n.Shape == document.Text:
		return ", not " + quote(n.Scalar.(string))
	case n.Shape == document.List || n.Shape == document.Object:
		return ""
	case n.Shape == document.Null:
		return ", not empty"
	default:
		return ", not " + n.Text
	}
}

// expectation says what a value must be, in the schema's own words where it has some.
func expectation(part map[string]any, why jsonschema.ErrorKind) string {
	for _, key := range []string{"patternErrorMessage", "errorMessage"} {
		if s, ok := part[key].(string); ok {
			return s
		}
	}
	switch k := why.(type) {
	case *kind.Minimum, *kind.Maximum:
		return "must be from " + bound(part["minimum"]) + " to " + bound(part["maximum"])
	case *kind.MinItems, *kind.MinLength, *kind.MinProperties:
		return "must not be empty"
	case *kind.MaxLength:
		return "must have at most " + strconv.Itoa(k.Want) + " letters"
	case *kind.UniqueItems:
		return "has the same value twice: items " + strconv.Itoa(k.Duplicates[0]+1) + " and " + strconv.Itoa(k.Duplicates[1]+1)
	default:
		return "is not a value that fits here"
	}
}

func bound(v any) string {
	n, ok := v.(float64)
	if !ok {
		return "any"
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// example returns a hint with the schema's first example of a key. JSON is YAML, too.
func (s *schema) example(part map[string]any, key string) string {
	properties, _ := part["properties"].(map[string]any)
	property, _ := properties[key].(map[string]any)
	if ref, ok := property["$ref"].(string); ok && property["examples"] == nil {
		property, _ = s.at(ref)
	}
	examples, _ := property["examples"].([]any)
	if len(examples) == 0 {
		return ""
	}
	text, _ := json.Marshal(examples[0]) // it came from JSON
	return "add " + key + ": " + string(text)
}

func (r *report) unknownKey(f finding, key string) {
	m := f.node.Member(key)
	if m == nil {
		return
	}
	at := place{m.Pos, KeyPath(f.at.path, key)}
	if r.refuse(at, f.def+"/"+key) {
		return
	}
	properties, _ := f.part["properties"].(map[string]any)
	in := f.name
	if in == "the file" {
		in = "the top level"
	}
	e := r.add(at, RuleUnknownKey, quote(key)+" is not a key of "+in)
	if e.Hint = amazonsWords[key]; e.Hint == "" {
		e.Hint = r.suggest(key, slices.Collect(maps.Keys(properties)))
	}
}

// wrongType reports a value of another type, and how YAML came to read it so.
func (r *report) wrongType(f finding, k *kind.Type) {
	words := map[string]string{"string": document.Text.String(), "integer": document.Integer.String(), "number": document.Number.String(),
		"boolean": document.Bool.String(), "array": document.List.String(), "object": document.Object.String()}
	var want []string
	for _, w := range k.Want {
		if word, ok := words[w]; ok {
			want = append(want, word)
		}
	}
	message := f.name + " must be " + strings.Join(want, " or ")
	if own, ok := f.part["patternErrorMessage"].(string); ok && strings.HasPrefix(own, "must be ") {
		message = f.name + " " + own
	}
	switch {
	case f.def == "secret": // its value would stand in a log
	case f.node.Shape == document.List, f.node.Shape == document.Object:
		message += ", not " + f.node.Shape.String()
	default:
		message += not(f.node)
	}
	e := r.add(f.at, RuleWrongType, message)
	text := slices.Equal(k.Want, []string{"string"})
	switch n := f.node; {
	case f.def == "secret":
		e.Hint = "write {file: ./name.secret}, {env: NAME} or {store: name}; a secret does not stand in the definition"
	case f.def == "mappings" && n.Shape == document.Text:
		e.Hint = "write {application/json: " + n.Text + "}"
	case text && (n.Shape == document.Integer || n.Shape == document.Number || n.Shape == document.Bool):
		e.Hint = asText(f)
	case slices.Equal(k.Want, []string{"object"}) && n.Shape != document.List:
		e.Hint = asObject(f)
	case slices.Contains(k.Want, "boolean") && n.Shape == document.Text:
		e.Hint = yesOrNo(n.Scalar.(string))
	case slices.Contains(k.Want, "array") && n.Shape == document.Text:
		e.Hint = "write [" + quote(n.Scalar.(string)) + "]"
	case slices.Contains(k.Want, "integer") && n.Shape == document.Text:
		if _, err := strconv.Atoi(n.Scalar.(string)); err == nil {
			e.Hint = "write it without quotes: " + n.Scalar.(string)
		}
	}
}

// asText says how to write as text what YAML read as a number or a boolean: in quotes, but only where that would be taken.
func asText(f finding) string {
	listed := words(f.part["enum"])
	pattern, _ := f.part["pattern"].(string)
	switch n := f.node; {
	case slices.Contains(listed, n.Text), listed == nil && f.def != "plugin" && fits(pattern, n.Text):
		return "write it in quotes: " + strconv.Quote(n.Text)
	case slices.Contains(listed, "v"+n.Text):
		return "write v" + n.Text
	case listed != nil:
		return "write " + either(f.part["enum"].([]any))
	case f.def == "duration":
		return "write it with a unit: " + n.Text + "s"
	}
	if examples := words(f.part["examples"]); len(examples) > 0 {
		return "write it as " + strconv.Quote(examples[0])
	}
	return ""
}

// lead has the key of an object that people mean who write its value alone.
var lead = map[string]string{"retries": "attempts", "ejection": "failures", "circuitBreaker": "failures", "healthCheck": "path"}

// asObject says how to write an object for what stands there instead.
func asObject(f finding) string {
	key, known := lead[f.def]
	properties, _ := f.part["properties"].(map[string]any)
	property, _ := properties[key].(map[string]any)
	required, _ := f.part["required"].([]any)
	switch n := f.node; {
	case !known:
	case n.Shape == document.Integer && property["type"] == "integer", n.Shape == document.Text && property["type"] == "string":
		return "write {" + key + ": " + n.Text + "}"
	case n.Shape == document.Bool && n.Text == "true" && len(required) == 0:
		return "write {} for the defaults"
	case n.Shape == document.Bool && n.Text == "false":
		return "remove it"
	}
	return ""
}

// words returns a list of the schema's that is all text, or nil.
func words(list any) []string {
	values, _ := list.([]any)
	var out []string
	for _, v := range values {
		word, ok := v.(string)
		if !ok {
			return nil
		}
		out = append(out, word)
	}
	return out
}

func fits(pattern, text string) bool {
	matched, err := regexp.MatchString(pattern, text)
	return err == nil && matched
}

// either joins values as YAML has them: a, b or "1.0".
func either(values []any) string {
	var written []string
	for _, v := range values {
		word := fmt.Sprint(v)
		if _, text := v.(string); text && !unquoted.MatchString(word) {
			word = strconv.Quote(word)
		}
		written = append(written, word)
	}
	last := len(written) - 1
	if last <= 0 {
		return strings.Join(written, "")
	}
	return strings.Join(written[:last], ", ") + " or " + written[last]
}

// unquoted is text that YAML takes for text without quotes.
var unquoted = regexp.MustCompile(`^[A-Za-z]`)

// yesOrNo explains the words that YAML 1.1 took for booleans.
func yesOrNo(word string) string {
	switch strings.ToLower(word) {
	case "yes", "on", "y", "true":
		return "write true"
	case "no", "off", "n", "false":
		return "write false"
	}
	return ""
}

func (r *report) notListed(f finding, k *kind.Enum) {
	value := fmt.Sprint(f.node.Scalar)
	if r.refuse(f.at, f.def+"/"+value) {
		return
	}
	var known []string
	for _, w := range k.Want {
		known = append(known, fmt.Sprint(w))
	}
	encoded, _ := json.Marshal(k.Want) // strings and whole numbers, which cannot fail
	list := strings.ReplaceAll(strings.Trim(string(encoded), "[]"), ",", ", ")
	message := f.name + " must be one of " + list
	if len(known) == 1 {
		message = f.name + " must be " + list
	}
	e := r.add(f.at, RuleInvalidValue, message+not(f.node))
	e.Hint = "write " + either(k.Want)
	if best := Nearest(value, known); best != "" && f.node.Shape == document.Text {
		e.Hint = "did you mean " + strconv.Quote(best) + "?"
	}
}

// integrationForms reports an integration that has no form, or two.
func (r *report) integrationForms(f finding) {
	var has []string
	for _, form := range []string{"function", "http", "upstream", "mock", "type"} {
		if f.node.Member(form) != nil {
			has = append(has, form)
		}
	}
	if len(has) == 0 {
		r.add(place{f.key, f.at.path}, RuleRequired, "the integration says nowhere to go").Hint = "it needs one of function, http, upstream, mock or type"
		return
	}
	second := f.node.Member(has[1])
	r.add(place{second.Pos, KeyPath(f.at.path, has[1])}, RuleConflict, "the integration has "+strings.Join(has, " and ")).Hint = "keep one of them"
}
