package js_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// tracing is the effects with a span recorder.
type tracing struct {
	*effects
	events []string
}

func (t *tracing) Span(_ context.Context, name string) func(string) {
	t.events = append(t.events, "start "+name)
	return func(errorText string) { t.events = append(t.events, strings.TrimSpace("end "+name+" "+errorText)) }
}

func (*tracing) TraceParent() string { return "00-aa-bb-01" }

func TestSpans(t *testing.T) {
	const body = `{
		const outer = context.startSpan("outer");
		const inner = context.startSpan("inner");
		inner.end(new Error("it failed"));
		inner.end();
		outer.end();
		context.startSpan("left open");
		return new Response(context.traceparent);
	}`
	for name, script := range map[string]string{
		"function": "export const handler = async (event, context) => { const Response = String;" + strings.Replace(body, "new Response(context.traceparent)", "context.traceparent", 1) + "}",
		"fetch":    "export default { fetch(request, env, context) " + body + "}",
	} {
		t.Run(name, func(t *testing.T) {
			fx := &tracing{effects: &effects{}}
			meta := `{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"GET"}}}`
			out, err := open(t, "spans.js", script).Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(meta)}, fx)
			if err != nil {
				t.Fatal(err)
			}
			text := string(out.Meta)
			if out.Body != nil {
				b, _ := io.ReadAll(out.Body)
				text += string(b)
			}
			if !strings.Contains(text, "00-aa-bb-01") {
				t.Errorf("the script does not see the traceparent: %s", text)
			}
			want := []string{"start outer", "start inner", "end inner Error: it failed", "end outer", "start left open", "end left open"}
			if diff := cmp.Diff(want, fx.events); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOverrideTyposAreErrors(t *testing.T) {
	p := open(t, "map.js", `export function map_request(input, context) { context.requestOverride.headers = {a: "b"}; return "" }`)
	_, err := p.Call(context.Background(), host.EntryMapRequest, host.Event{Meta: []byte(`{"params":{},"context":{},"stageVariables":{}}`)}, &effects{})
	if err == nil || !strings.Contains(err.Error(), `has no "headers"; it has header, querystring, path`) {
		t.Errorf("error: %v", err)
	}
}
