package lambda

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

const arn = "arn:postern:execute-api:local:000000000000:orders/$default/GET/orders/7"

// policy makes a result whose statements are the given JSON.
func policy(statements string) string {
	return `{"principalId":"u","policyDocument":{"Version":"2012-10-17","Statement":` + statements + `}}`
}

func statement(effect, action, resource string) string {
	return `{"Effect":"` + effect + `","Action":` + action + `,"Resource":` + resource + `}`
}

func TestAllows(t *testing.T) {
	allow := statement("Allow", `"execute-api:Invoke"`, `"*"`)
	tests := []struct {
		name, meta    string
		allowed, deny bool
	}{
		{"simple", `{"isAuthorized":true}`, true, false},
		{"simple no", `{"isAuthorized":false}`, false, false},
		{"all", policy("[" + allow + "]"), true, false},
		{"one statement without a list", policy(allow), true, false},
		{"the ARN itself", policy(statement("Allow", `"execute-api:Invoke"`, `"`+arn+`"`)), true, false},
		{"a list", policy(statement("Allow", `["a:b","execute-api:*"]`, `["x","arn:*/GET/orders/?"]`)), true, false},
		{"an asterisk crosses slashes", policy(statement("Allow", `"*"`, `"arn:*/orders*"`)), true, false},
		{"actions have no case", policy(statement("Allow", `"EXECUTE-API:invoke"`, `"*"`)), true, false},
		{"resources have", policy(statement("Allow", `"*"`, `"ARN:*"`)), false, false},
		{"another method", policy(statement("Allow", `"*"`, `"arn:*/POST/*"`)), false, false},
		{"another action", policy(statement("Allow", `"execute-api:ManageConnections"`, `"*"`)), false, false},
		{"a question mark is one character", policy(statement("Allow", `"*"`, `"arn:*/orders/7?"`)), false, false},
		{"about something else", policy("[" + statement("Allow", `"s3:*"`, `"*"`) + "]"), false, false},
		{"deny wins", policy("[" + allow + "," + statement("Deny", `"*"`, `"*/orders/7"`) + "]"), false, true},
		{"deny wins from the front", policy("[" + statement("Deny", `"*"`, `"*/orders/7"`) + "," + allow + "]"), false, true},
		{"deny of another", policy("[" + allow + "," + statement("Deny", `"*"`, `"*/orders/8"`) + "]"), true, false},
	}
	for _, test := range tests {
		v, err := ParseAuthorizerResult([]byte(test.meta), Format2)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if allowed, deny := v.Allows(arn); allowed != test.allowed || deny != test.deny {
			t.Errorf("%s: got %v, %v", test.name, allowed, deny)
		}
	}
}

func TestVerdictContext(t *testing.T) {
	v, err := ParseAuthorizerResult([]byte(`{"isAuthorized":true,"context":{"a":"s","n":12345678901234567890,"l":[1],"m":{"x":null}}}`), Format2)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": "s", "n": json.Number("12345678901234567890"), "l": []any{json.Number("1")}, "m": map[string]any{"x": nil}}
	if diff := cmp.Diff(want, v.Context); diff != "" {
		t.Error(diff)
	}
	v, err = ParseAuthorizerResult([]byte(strings.Replace(policy(statement("Allow", `"*"`, `"*"`)), `{`, `{"usageIdentifierKey":"k","context":{"a":true},`, 1)), Format1)
	if err != nil || v.PrincipalID != "u" || v.Simple || v.Context["a"] != true || v.UsageIdentifierKey != "k" {
		t.Errorf("got %+v, %v", v, err)
	}
}

// TestVerdictStrings: on rest APIs the context is text (reference 1.7, "Other").
func TestVerdictStrings(t *testing.T) {
	context := `{"usageIdentifierKey":null,"context":{"s":"t","n":12345678901234567890,"f":1.50,"b":true,"none":null},`
	v, err := ParseAuthorizerResult([]byte(strings.Replace(policy(statement("Allow", `"*"`, `"*"`)), `{`, context, 1)), Format1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"s": "t", "n": "12345678901234567890", "f": "1.50", "b": "true"}, v.Strings()); diff != "" {
		t.Error(diff)
	}
}

// TestParseAuthorizerResultRefuses: malformed, or without principal or policy: 500 (reference 1.7).
func TestParseAuthorizerResultRefuses(t *testing.T) {
	ok := statement("Allow", `"*"`, `"*"`)
	tests := []struct{ format, meta string }{
		{"3.0", policy(ok)},
		{Format2, ``}, {Format2, `null`}, {Format2, `[]`}, {Format2, `"Allow"`}, {Format2, `{`}, {Format2, `{}`},
		{Format2, `{"isAuthorized":"true"}`}, {Format2, `{"isAuthorized":null}`}, {Format2, `{"isAuthorized":1}`}, {Format2, `{"IsAuthorized":true}`},
		{Format2, `{"isAuthorized":true,"context":[]}`}, {Format2, `{"isAuthorized":true,"context":"x"}`}, {Format2, `{"isAuthorized":true,"principalId":7}`},
		{Format1, `{"isAuthorized":true}`},
		{Format1, `{"policyDocument":{"Statement":[]}}`},
		{Format1, strings.Replace(policy(ok), `"u"`, `""`, 1)}, {Format1, strings.Replace(policy(ok), `"u"`, `7`, 1)},
		{Format1, strings.Replace(policy(ok), `{`, `{"context":{"a":[1]},`, 1)}, {Format1, strings.Replace(policy(ok), `{`, `{"context":{"a":{}},`, 1)},
		{Format1, strings.Replace(policy(ok), `{`, `{"usageIdentifierKey":7,`, 1)},
		{Format1, `{"principalId":"u","policyDocument":null}`}, {Format1, `{"principalId":"u","policyDocument":"x"}`}, {Format1, `{"principalId":"u","policyDocument":{}}`},
		{Format1, policy(`[]`)}, {Format1, policy(`[null]`)}, {Format1, policy(`null`)}, {Format1, policy(`["x"]`)},
		{Format1, policy(statement("allow", `"*"`, `"*"`))}, {Format1, policy(statement("Allow", `7`, `"*"`))}, {Format1, policy(statement("Allow", `"*"`, `[]`))},
		{Format1, policy(statement("Allow", `[null]`, `"*"`))}, {Format1, policy(statement("Allow", `"*"`, `null`))},
		{Format1, policy(`{"Effect":"Allow","Action":"*"}`)}, {Format1, policy(`{"effect":"Allow","Action":"*","Resource":"*"}`)},
		{Format1, policy(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}`)}, {Format1, policy(`{"Effect":"Allow","Action":"*","NotResource":"x"}`)},
		{Format1, policy(statement("Allow", `"*"`, `"`+strings.Repeat("a", 513)+`"`))},
	}
	for _, test := range tests {
		_, err := ParseAuthorizerResult([]byte(test.meta), test.format)
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.AuthorizerConfiguration {
			t.Errorf("%s %s: got %v", test.format, test.meta, err)
		}
	}
}

func TestWildcard(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"**", "abc", true}, {"?", "", false}, {"?", "a", true}, {"a*c", "abbc", true},
		{"a*c", "abbd", false}, {"*a*b*", "xxaxxbxx", true}, {"*ab", "aab", true}, {"a?c*", "abc", true}, {"*?", "", false}, {"abc", "ab", false},
		{strings.Repeat("*a", 200) + "b", strings.Repeat("a", 2000), false}, // no backtracking into earlier asterisks
	} {
		if got := wildcard(test.pattern, test.s); got != test.want {
			t.Errorf("%q, %q: got %v", test.pattern, test.s, got)
		}
	}
}

// FuzzParseAuthorizerResult: no panic, and nothing is allowed that no Allow or isAuthorized stands for.
func FuzzParseAuthorizerResult(f *testing.F) {
	f.Add([]byte(policy(statement("Allow", `"*"`, `["a*","?"]`))), true)
	f.Add([]byte(policy(statement("Deny", `["*"]`, `"*"`))), false)
	f.Add([]byte(`{"isAuthorized":true,"context":{"a":[1]}}`), false)
	f.Fuzz(func(t *testing.T, meta []byte, one bool) {
		format := Format2
		if one {
			format = Format1
		}
		v, err := ParseAuthorizerResult(meta, format)
		if err != nil {
			return
		}
		allowed, deny := v.Allows(arn)
		if allowed && deny || v.Simple == (v.Policy != nil) || v.Simple && one {
			t.Fatalf("%s: %+v", meta, v)
		}
		if allowed && !strings.Contains(string(meta), "llow") && !strings.Contains(string(meta), "true") && !strings.Contains(string(meta), `\u`) {
			t.Fatalf("%s is allowed", meta)
		}
	})
}
