package rest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/schema"
	"github.com/postern/postern/host/rest"
)

const (
	orderModel = `{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","required":["id"],
		"properties":{"id":{"type":"integer"},"parts":{"type":"array","items":{"$ref":"https://apigateway.amazonaws.com/restapis/abc123/models/Order"}},
		"note":{"oneOf":[{"type":"string"},{"type":"null"}]}}}`
	noteModel = `{"type":"object","required":["text"]}`
)

func compileModels(t testing.TB, models ...*host.Model) *schema.Models {
	t.Helper()
	compiled, err := rest.CompileModels(&host.API{REST: &host.REST{Models: models}})
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func compileValidator(t testing.TB, method *host.Method) *rest.Validator {
	t.Helper()
	models := compileModels(t, &host.Model{Name: "Order", Schema: json.RawMessage(orderModel)}, &host.Model{Name: "Note", Schema: json.RawMessage(noteModel)})
	v, err := rest.CompileValidator(&host.Route{Key: "POST /orders", REST: method}, models)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// disclosed returns what an error tells the client, and fails where it is not of that type.
func disclosed(t *testing.T, err error, code host.ResponseType) host.Disclosure {
	t.Helper()
	var e *host.Error
	var d *host.Disclosure
	if !errors.As(err, &e) || e.Code != code || !errors.As(err, &d) {
		t.Fatalf("%v is no %s that tells the client something", err, code)
	}
	return *d
}

func TestValidateParameters(t *testing.T) { // reference 1.12: missing or blank [GUIDE], the order of the message [REC]
	method := &host.Method{ValidateParameters: true, Parameters: []host.MethodParameter{
		{In: host.InQuery, Name: "q", Required: true}, {In: host.InQuery, Name: "free"}, {In: host.InQuery, Name: "Alpha", Required: true},
		{In: host.InPath, Name: "id", Required: true}, {In: host.InHeader, Name: "X-B", Required: true}, {In: host.InHeader, Name: "X-A", Required: true},
	}}
	full := host.Header{{Name: "x-a", Value: "1"}, {Name: "X-B", Value: "1"}}
	tests := []struct {
		name, query string
		header      host.Header
		id          string
		want        string // in the brackets; "" passes
	}{
		{"all there", "q=1&Alpha=2", full, "7", ""},
		{"parted by a semicolon", "q=1;Alpha=2", full, "7", ""},
		{"nothing there", "", nil, "", "X-A, X-B, id, Alpha, q"},
		{"blank", "q=+%20&Alpha", host.Header{{Name: "X-A", Value: " \t"}, {Name: "X-B", Value: ""}}, "%20", "X-A, X-B, id, Alpha, q"},
		{"case counts in queries", "Q=1&alpha=1", full, "7", "Alpha, q"},
		{"the last value counts", "q=1&q=&Alpha=&Alpha=1", append(full.Clone(), host.Field{Name: "X-B"}), "7", "X-B, q"},
	}
	for _, test := range tests {
		x := exchange()
		x.Request.Header, x.Request.Target = test.header, "/prod/orders?"+test.query
		x.Match.Params = []host.Param{{Name: "id", Value: test.id}}
		err := compileValidator(t, method).Parameters(x)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if got := disclosed(t, err, host.BadRequestParameters).Message; got != "Missing required request parameters: ["+test.want+"]" || !errors.Is(err, host.Invalid) {
			t.Errorf("%s: %s", test.name, got)
		}
	}
}

// What no mapping ever sees is not there for validation either (reference 1.4.6 [REC]), and Host always is.
func TestValidateHeadersApart(t *testing.T) {
	v := compileValidator(t, &host.Method{ValidateParameters: true, Parameters: []host.MethodParameter{
		{In: host.InHeader, Name: "Host", Required: true}, {In: host.InHeader, Name: "Expect", Required: true}}})
	x := exchange()
	x.Request.Host = "orders.example.com"
	x.Request.Header.Set("Expect", "100-continue")
	if got := disclosed(t, v.Parameters(x), host.BadRequestParameters).Message; got != "Missing required request parameters: [Expect]" {
		t.Error(got)
	}
}

func TestValidateBody(t *testing.T) { // reference 1.12: by Content-Type, $default, else none [MEM, LS]; empty as {} [LS, AST]
	both := []host.MethodModel{{MediaType: "$default", Model: "Note"}, {MediaType: "Application/JSON", Model: "Order"}}
	json := []host.MethodModel{{MediaType: "application/json", Model: "Order"}}
	tests := []struct {
		name              string
		models            []host.MethodModel
		contentType, body string
		reads, fits       bool
	}{
		{"fits", both, "application/json; charset=utf-8", `{"id":1,"parts":[{"id":2,"parts":[]}],"note":null}`, true, true},
		{"recursion", both, "application/json", `{"id":1,"parts":[{"id":2,"parts":[{}]}]}`, true, false},
		{"no type is JSON", both, "", `{"text":""}`, true, false},
		{"the default", both, "text/plain", `{"text":""}`, true, true},
		{"the default does not fit", both, "text/plain", `{"id":1}`, true, false},
		{"none for this type", json, "text/plain", "no JSON at all", false, true},
		{"nothing", json, "", "", true, false},
		{"white space", json, "", " \n", true, false},
		{"no JSON", json, "", `{"id":`, true, false},
		{"nothing fits Empty", []host.MethodModel{{MediaType: "application/json", Model: "Empty"}}, "", "", true, true},
		{"any object fits Empty", []host.MethodModel{{MediaType: "application/json", Model: "Empty"}}, "", `{"a":1}`, true, true},
		{"Error", []host.MethodModel{{MediaType: "application/json", Model: "Error"}}, "", `{"message":"m"}`, true, true},
		{"no Error", []host.MethodModel{{MediaType: "application/json", Model: "Error"}}, "", `{"message":1}`, true, false},
	}
	for _, test := range tests {
		v := compileValidator(t, &host.Method{ValidateBody: true, Models: test.models})
		if got := v.ReadsBody(test.contentType); got != test.reads {
			t.Errorf("%s: ReadsBody is %t", test.name, got)
		}
		err := v.Body(test.contentType, []byte(test.body))
		if test.fits {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		d := disclosed(t, err, host.BadRequestBody)
		if d.Message != "Invalid request body" || !strings.HasPrefix(d.Validation, "[") || !strings.HasSuffix(d.Validation, "]") || len(d.Validation) < 5 || !errors.Is(err, host.Invalid) {
			t.Errorf("%s: %+v", test.name, d)
		}
	}
	deep := strings.Repeat(`{"parts":[`, 100_000)
	err := compileValidator(t, &host.Method{ValidateBody: true, Models: json}).Body("", []byte(deep))
	if disclosed(t, err, host.BadRequestBody); !errors.Is(err, host.TooLarge) {
		t.Errorf("too deep: %v", err)
	}
}

// Nothing is validated that the method does not ask for, whatever it declares (reference 1.12).
func TestValidatorIsAsked(t *testing.T) {
	method := &host.Method{Parameters: []host.MethodParameter{{In: host.InQuery, Name: "q", Required: true}}, Models: []host.MethodModel{{MediaType: "application/json", Model: "Order"}}}
	none := compileValidator(t, method)
	if err := errors.Join(none.Parameters(exchange()), none.Body("", nil)); none != nil || err != nil || none.ReadsBody("") {
		t.Errorf("validated unasked: %v", err)
	}
	method.ValidateParameters = true
	if v := compileValidator(t, method); v.Parameters(exchange()) == nil || v.Body("", nil) != nil {
		t.Error("parameters alone were asked for")
	}
	method.ValidateParameters, method.ValidateBody = false, true
	if v := compileValidator(t, method); v.Parameters(exchange()) != nil || v.Body("", nil) == nil {
		t.Error("the body alone was asked for")
	}
	method.Models[0].Model = "Ordr"
	pos := host.Position{File: "postern.yaml", Line: 3, Column: 5}
	_, err := rest.CompileValidator(&host.Route{Key: "POST /orders", REST: method, Pos: pos}, compileModels(t))
	var e *host.Error
	if !errors.Is(err, host.Invalid) || !errors.As(err, &e) || e.Pos != pos {
		t.Errorf("a model that is not there: %v", err)
	}
}

func TestCompileModels(t *testing.T) {
	at := func(line int) host.Position { return host.Position{File: "postern.yaml", Line: line, Column: 1} }
	_, err := rest.CompileModels(&host.API{REST: &host.REST{Models: []*host.Model{
		{Name: "A", Schema: json.RawMessage(`{"type":1}`), Pos: at(1)}, {Name: "B", Schema: json.RawMessage(`{}`), Pos: at(2)},
		{Name: "C", Schema: json.RawMessage(`{"$ref":"https://example.com/models/B"}`), Pos: at(3)}}}})
	if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "postern.yaml:1:1") || !strings.Contains(err.Error(), "postern.yaml:3:1") || strings.Contains(err.Error(), ":2:1") {
		t.Errorf("the errors are: %v", err)
	}
	own := compileModels(t, &host.Model{Name: "Empty", Schema: json.RawMessage(noteModel)}) // an export has both models in it
	if own.Validate("Empty", nil) == nil || own.Validate("Error", nil) != nil {
		t.Error("an API's own Empty does not count")
	}
}
