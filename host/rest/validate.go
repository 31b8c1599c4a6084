package rest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
	"github.com/postern/postern/host/mapping/schema"
)

// The models that every rest API has (API Gateway developer guide, "Understanding data models").
const (
	emptyModel = `{"$schema":"http://json-schema.org/draft-04/schema#","title":"Empty Schema","type":"object"}`
	errorModel = `{"$schema":"http://json-schema.org/draft-04/schema#","title":"Error Schema","type":"object","properties":{"message":{"type":"string"}}}`
)

// CompileModels compiles the models of a rest API, with Empty and Error, which it may have of its own. The error joins one *host.Error for
// each model that is wrong, of Kind Invalid or TooLarge, with its position.
func CompileModels(api *host.API) (*schema.Models, error) {
	texts := map[string][]byte{"Empty": []byte(emptyModel), "Error": []byte(errorModel)}
	places := map[string]host.Position{}
	if api.REST != nil {
		for _, m := range api.REST.Models {
			texts[m.Name], places["model "+m.Name] = m.Schema, m.Pos
		}
	}
	models, err := schema.Compile(texts, schema.Limits{})
	if err == nil {
		return models, nil
	}
	all := []error{err}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		all = joined.Unwrap()
	}
	for _, err := range all {
		var e *host.Error
		if errors.As(err, &e) && e.Pos.IsZero() {
			e.Pos = places[e.Op]
		}
	}
	return nil, err
}

// A Validator is the validation of one method's requests. It is safe for concurrent use.
type Validator struct {
	required []host.MethodParameter // in the order in which messages name them
	bodies   map[string]string      // model by media type; nil validates no body
	models   *schema.Models
}

// CompileValidator compiles what a route's method validates, against the models of its API (reference 1.12). It returns nil where that is
// nothing. The error has Kind Invalid: there is no model of a name.
func CompileValidator(route *host.Route, models *schema.Models) (*Validator, error) {
	method := route.REST
	if method == nil || !method.ValidateParameters && !method.ValidateBody {
		return nil, nil
	}
	v := &Validator{models: models}
	if method.ValidateParameters {
		for _, p := range method.Parameters {
			if p.Required {
				v.required = append(v.required, p)
			}
		}
		key := func(p host.MethodParameter) string { return "method.request." + string(p.In) + "." + p.Name }
		slices.SortFunc(v.required, func(a, b host.MethodParameter) int { return strings.Compare(key(a), key(b)) })
	}
	if !method.ValidateBody {
		return v, nil
	}
	v.bodies = map[string]string{}
	for _, m := range method.Models {
		if err := models.Validate(m.Model, nil); errors.Is(err, host.NotFound) {
			return nil, &host.Error{Op: "route " + route.Key, Kind: host.Invalid, Pos: route.Pos, Err: fmt.Errorf("there is no model %q", m.Model)}
		}
		mediaType := bareType(m.MediaType)
		if _, twice := v.bodies[mediaType]; !twice { // the first counts, as of mappings
			v.bodies[mediaType] = m.Model
		}
	}
	return v, nil
}

// Parameters checks that no required parameter is missing or blank (reference 1.12 [GUIDE]). The error has Kind Invalid, Code
// BadRequestParameters, and a *host.Disclosure in its chain whose message names them: those of the header, the path, then the query, each in
// the order of their names [REC]. Names of header fields are compared without case, since the host does not keep it; a name twice is named twice.
func (v *Validator) Parameters(x *host.Exchange) error {
	if v == nil {
		return nil
	}
	var missing []string
	for _, p := range v.required {
		if strings.TrimSpace(valueOf(x, p)) == "" {
			missing = append(missing, p.Name)
		}
	}
	if missing == nil {
		return nil
	}
	message := "Missing required request parameters: [" + strings.Join(missing, ", ") + "]"
	return &host.Error{Op: "validate the request", Kind: host.Invalid, Code: host.BadRequestParameters, Err: &host.Disclosure{Message: message}}
}

// valueOf returns a parameter's last value, "" for none.
func valueOf(x *host.Exchange, p host.MethodParameter) string {
	switch p.In {
	case host.InPath:
		value, _ := x.Match.Param(p.Name)
		return host.Unescape(value)
	case host.InQuery:
		value, _ := QueryValue(x.Request.Query(), p.Name)
		return value
	}
	switch {
	case !IsVisible(p.Name):
		return ""
	case strings.EqualFold(p.Name, "Host"):
		return x.Request.Host
	}
	value := ""
	for _, f := range x.Request.Header {
		if strings.EqualFold(f.Name, p.Name) {
			value = f.Value
		}
	}
	return value
}

// ReadsBody reports whether a body of that Content-Type is validated, so that it has to be there as a whole.
func (v *Validator) ReadsBody(contentType string) bool {
	_, ok := v.model(contentType)
	return ok
}

// model returns the model of a media type, or else that of $default (reference 1.12 [MEM], 1.4.1 for a missing Content-Type).
func (v *Validator) model(contentType string) (string, bool) {
	if v == nil {
		return "", false
	}
	name, ok := v.bodies[MediaType(contentType)]
	if !ok {
		name, ok = v.bodies[mapping.DefaultMediaType]
	}
	return name, ok
}

// Body checks a body against the model of its Content-Type, where there is one; an empty body is checked as {} (reference 1.12 [LS, AST]). The
// error has Code BadRequestBody and a *host.Disclosure in its chain, with all that is wrong for $context.error.validationErrorString;
// its Kind is Invalid, or TooLarge for a body that is too deep, too large or too costly to check.
func (v *Validator) Body(contentType string, body []byte) error {
	name, ok := v.model(contentType)
	if !ok {
		return nil
	}
	err := v.models.Validate(name, body)
	if err == nil {
		return nil
	}
	kind := host.KindOf(err)
	if kind != host.Invalid && kind != host.TooLarge {
		return err
	}
	told := &host.Disclosure{Message: schema.Message, Err: err}
	var violation *schema.Violation
	if errors.As(err, &violation) {
		told.Validation = violation.Error()
	}
	return &host.Error{Op: "validate the request", Kind: kind, Code: host.BadRequestBody, Err: told}
}
