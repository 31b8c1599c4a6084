package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping/template"
	"github.com/postern/postern/host/rest"
)

// TestHeavyBodiesWait: a template, a model and a parameter mapping wait with a heavy body while there is no room, and not with a light one.
func TestHeavyBodiesWait(t *testing.T) {
	full := newHeavy()
	leave, err := full.enter(t.Context(), heavyBodies)
	if err != nil {
		t.Fatal(err)
	}
	models, err := rest.CompileModels(&host.API{})
	if err != nil {
		t.Fatal(err)
	}
	route := &host.Route{Key: "POST /", Pattern: "/", REST: &host.Method{ValidateBody: true, Models: []host.MethodModel{{MediaType: "application/json", Model: "Empty"}}}}
	route.Integration.Parameters = []host.ParameterMapping{{Target: "integration.request.header.X-A", Source: "method.request.body.a"}}
	validator, err := rest.CompileValidator(route, models)
	if err != nil {
		t.Fatal(err)
	}
	text, err := template.Compile(&host.Template{Name: "a.vtl", Text: `$input.json("$.a")`}, host.PhaseMapRequest, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	parameters, err := compileRequestParameters(route)
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]func(ctx context.Context, x *host.Exchange, body []byte) error{
		"a template": func(ctx context.Context, x *host.Exchange, body []byte) error {
			_, err := (&heavyMapper{text, full}).Map(ctx, &host.MapInput{Exchange: x, Body: body})
			return err
		},
		"a model": func(ctx context.Context, x *host.Exchange, _ []byte) error {
			_, err := (&restValidate{validator, 0, full}).Handle(ctx, x)
			return err
		},
		"a parameter": func(ctx context.Context, x *host.Exchange, _ []byte) error {
			m := &restRequest{restMethod: &restMethod{route: route, heavy: full}, parameters: parameters}
			_, err := m.parametersOf(ctx, x)
			return err
		},
	}
	try := func(size int) {
		t.Helper()
		body := append([]byte(`{"a":1}`), bytes.Repeat([]byte(" "), size)...)
		for name, use := range uses {
			x := &host.Exchange{Request: &host.Request{Method: "POST", Target: "/", Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body))}}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			waits := size > lightBody && leave != nil
			if !waits {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
			}
			if err := use(ctx, x, body); waits != errors.Is(err, host.Timeout) || !waits && err != nil {
				t.Errorf("%s, %d bytes, room taken %t: %v", name, size, leave != nil, err)
			}
			cancel()
		}
	}
	try(0)
	try(1 << 20)
	leave()
	leave = nil
	try(1 << 20)
}
