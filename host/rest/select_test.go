package rest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/rest"
)

// rules makes responses of pairs: expression and status.
func rules(pairs ...any) []host.ResponseRule {
	var list []host.ResponseRule
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, host.ResponseRule{Match: pairs[i].(string), Status: pairs[i+1].(int), Pos: host.Position{File: "api.yaml", Line: i/2 + 1}})
	}
	return list
}

func selector(t testing.TB, list []host.ResponseRule, declared ...int) *rest.Selector {
	t.Helper()
	method := &host.Method{}
	for _, status := range declared {
		method.Responses = append(method.Responses, host.MethodResponse{Status: status})
	}
	s, err := rest.CompileSelector(&host.Route{Key: "GET /", Responses: list, REST: method, Pos: host.Position{File: "api.yaml", Line: 9}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func isConfigurationError(err error) bool {
	var e *host.Error
	return errors.As(err, &e) && e.Kind == host.Internal && e.Code == host.APIConfigurationError && !e.Pos.IsZero()
}

// Reference 1.4.3, first three rows. 0 is an error; whole-match is [MEM] there, and what the pattern .*foo.* of the guide is for.
func TestSelectByStatus(t *testing.T) {
	tests := []struct {
		name     string
		rules    []host.ResponseRule
		declared []int
		status   int
		want     int
	}{
		{"a literal", rules("", 200, "404", 410), nil, 404, 410},
		{"the default behind", rules("404", 410, "", 200), nil, 500, 200},
		{"the default before", rules("", 200, "5..", 502), nil, 503, 502},
		{"a 400 and only a default [REC]", rules("", 200), nil, 400, 200},
		{"the whole", rules("40", 410, "", 200), nil, 404, 200},
		{"digits", rules(`4\d{2}`, 400, `5\d{2}`, 500, "", 200), nil, 503, 500},
		{"the first in order, 1.16", rules("4..", 400, "404", 410, "", 200), nil, 404, 400},
		{"the first default", rules("", 201, "", 202), nil, 200, 201},
		{"an alternation", rules("200|201", 204, "", 500), nil, 201, 204},
		{"a look-ahead of Java's", rules("(?!2)[0-9]+", 500, "", 200), nil, 404, 500},
		{"a look-ahead that fails", rules("(?!2)[0-9]+", 500, "", 200), nil, 200, 200},
		{"possessive", rules(`4++\d`, 400, "[^4]\\d++", 500, "", 200), nil, 503, 500},
		{"none and no default", rules("404", 410), nil, 200, 0},
		{"no rules", nil, nil, 200, 0},
		{"without a status", rules("", 0), nil, 418, 418},
		{"declared", rules("", 200), []int{200, 404}, 404, 200},
		{"not declared", rules("", 201), []int{200}, 200, 0},
		{"not declared as it came", rules("", 0), []int{200}, 404, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := selector(t, test.rules, test.declared...)
			got, err := s.ByStatus(t.Context(), test.status)
			if again, aerr := s.ByStatus(t.Context(), test.status); again != got || (aerr == nil) != (err == nil) {
				t.Errorf("at first %+v, %v, then %+v, %v", got, err, again, aerr)
			}
			if test.want == 0 {
				if !isConfigurationError(err) {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil || got.Status != test.want || got.Rule == nil {
				t.Errorf("got %+v, %v; want %d", got, err, test.want)
			}
		})
	}
}

// Reference 1.4.3, "Lambda (AWS type): against errorMessage", ".* matches even null" and ".+ matches any error but not success".
func TestSelectByErrorMessage(t *testing.T) {
	tests := []struct {
		name, result string
		rules        []host.ResponseRule
		want         int
	}{
		{"success", `{"id":1}`, rules("", 200, ".+", 500), 200},
		{"any error", `{"errorMessage":"no","errorType":"E"}`, rules("", 200, ".+", 500), 500},
		{"an error without a rule", `{"errorMessage":"no"}`, rules("", 0), 200},
		{"everything", `null`, rules(".*", 202, "", 200), 202},
		{"null", `{"errorMessage":null}`, rules(".+", 500, ".*", 202), 202},
		{"a word in it", `{"errorMessage":"[BadRequest] no id"}`, rules("", 200, `.*\[BadRequest\].*`, 400), 400},
		{"the whole", `{"errorMessage":"a BadRequest"}`, rules("", 200, "BadRequest", 400), 200},
		{"JSON in it", `{"errorMessage":"{\"status\":404}"}`, rules("", 200, `.*"status":404.*`, 404), 404},
		{"a dot ends at lines, as Java's", `{"errorMessage":"a\nbad"}`, rules("", 200, ".*bad.*", 400), 200},
		{"across lines", `{"errorMessage":"a\nbad"}`, rules("", 200, `(?s).*bad.*`, 400), 400},
		{"a look-ahead", `{"errorMessage":"other"}`, rules("", 200, `(?!Bad).+`, 500), 500},
		{"a number", `{"errorMessage":42}`, rules("", 200, "42", 400), 400},
		{"a string", `"errorMessage"`, rules("", 200, ".+", 400), 200},
		{"no JSON", `{"errorMessage":"x"`, rules("", 200, ".+", 400), 200},
		{"deep", `{"errorMessage":"x","a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, rules("", 200, ".+", 400), 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := selector(t, test.rules).ByErrorMessage(t.Context(), rest.ErrorMessage([]byte(test.result)))
			if err != nil || got.Status != test.want {
				t.Errorf("got %+v, %v; want %d", got, err, test.want)
			}
		})
	}
}

// An expression that would run for ages ends, as a defect of the definition.
func TestSelectHostileExpression(t *testing.T) {
	s := selector(t, rules("(a|aa)+(a|aa)+(a|aa)+$x", 400, "", 200))
	if got, err := s.ByErrorMessage(t.Context(), strings.Repeat("a", 4000)); !isConfigurationError(err) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCompileSelectorRefuses(t *testing.T) {
	tests := map[string][]host.ResponseRule{
		"an open group":  rules("(", 200),
		"two halves":     rules("a)(b", 200),
		"too long":       rules(strings.Repeat("a", 5000), 200),
		"informational":  rules("", 100),
		"a wrong status": rules("", 999),
		"too many":       make([]host.ResponseRule, 501),
		"a wrong star":   rules("a**", 200),
		"sets in a set":  rules("[0-9&&[^4]]+", 200),
	}
	for name, list := range tests {
		_, err := rest.CompileSelector(&host.Route{Key: "GET /", Responses: list, Pos: host.Position{File: "api.yaml"}})
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Invalid || e.Pos.File == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What is wrong with an expression is said of it, not of the template in which it is tried.
func TestCompileSelectorSaysWhatIsWrong(t *testing.T) {
	_, err := rest.CompileSelector(&host.Route{Key: "GET /", Responses: rules("2[..", 200)})
	if want := `api.yaml:1: response rule: the expression "2[.." is not taken: a set is not closed`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Reference 1.4, "MOCK": the template's output must contain an integer statusCode. 0 is an error.
func TestMockStatus(t *testing.T) {
	for text, want := range map[string]int{
		`{"statusCode":200}`: 200, " {\n \"statusCode\" : 404, \"a\": [1, {\"b\": \"}\"}] }\n": 404, `{"a":{"statusCode":201},"statusCode":202}`: 202,
		`{"statusCode":200,"statusCode":201}`: 201,
		`{statusCode: 200}`:                   200, `{ statusCode:204 }`: 204, `{'statusCode': 200, 'm': 'a, "b'}`: 200, `{m: {statusCode: 500}, statusCode: 201}`: 201,
		`{"statusCode": 200, "m": oops}`: 200,
		``:                               0, `{}`: 0, `[]`: 0, `200`: 0, `null`: 0, `{"statusCode":"200"}`: 0, `{"statusCode":200.5}`: 0, `{"statusCode":2e2}`: 0, `{"statusCode":null}`: 0,
		`{"statusCode":99}`: 0, `{"statusCode":100}`: 0, `{"statusCode":600}`: 0, `{"statusCode":99999999999}`: 0, `{statusCode: "200"}`: 0, `{statusCode: +200}`: 0, `{statusCode:}`: 0,
		`{statusCode}`: 0, `statusCode: 200`: 0, `{statusCode: 200`: 0, `{statusCode: 200,}`: 0, `{: 200}`: 0, `{a: [1, statusCode: 200}`: 0, `{a: "x, statusCode: 200}`: 0, `{a: 1]}`: 0,
		strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000): 0,
	} {
		got, err := rest.MockStatus([]byte(text))
		var e *host.Error
		if want == 0 && (!errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.APIConfigurationError) || want != 0 && err != nil || got != want {
			t.Errorf("%.60q: got %d, %v; want %d", text, got, err, want)
		}
	}
}

// FuzzSelection: no panic, and whatever is selected is a rule with a status that an answer may have.
func FuzzSelection(f *testing.F) {
	f.Add(`.*bad.*`, `{"errorMessage":"bad"}`, `{"statusCode": 200}`)
	f.Add(`(?!a)[b&&[^c]]++\1`, `{statusCode: 200}`, `{'statusCode': 5, a: [}`)
	f.Add(``, `{"errorMessage":{"a":1}}`, `{"statusCode" 2`)
	f.Fuzz(func(t *testing.T, expr, result, mock string) {
		message := rest.ErrorMessage([]byte(result))
		s, err := rest.CompileSelector(&host.Route{Responses: rules(expr, 400, "", 200)})
		if err != nil && !errors.Is(err, host.Invalid) {
			t.Errorf("%v has not Kind Invalid", err)
		}
		if err == nil {
			got, err := s.ByErrorMessage(t.Context(), message)
			if err == nil && (got.Rule == nil || got.Status != got.Rule.Status) || err != nil && !errors.Is(err, host.Internal) && !errors.Is(err, host.Timeout) {
				t.Errorf("got %+v, %v", got, err)
			}
		}
		status, err := rest.MockStatus([]byte(mock))
		if err == nil && (status < 200 || status > 599 || !strings.Contains(mock, "statusCode") && !json.Valid([]byte(mock))) {
			t.Errorf("%q is %d", mock, status)
		}
	})
}

func BenchmarkSelectByStatus(b *testing.B) {
	s := selector(b, rules(`4\d{2}`, 400, "5..", 500, "", 200))
	for b.Loop() {
		if _, err := s.ByStatus(b.Context(), 200); err != nil {
			b.Fatal(err)
		}
	}
}
