package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/telemetry/otlptest"
)

const shop = `
apis:
	shop:
		root: true
		authorizers:
			knows: {plugin: ./knows.js}
		filters: [{plugin: ./stamp.js}]
		stages: {prod: {variables: {color: VARIABLE}}}
		routes:
			GET /: {integration: {mock: {body: BODY}}}
			GET /tell: {authorizer: knows, integration: {function: tell}}
			GET /NEW: {integration: {mock: {body: new}}}
functions:
	tell: {plugin: ./tell.js}
`

// shopAt is a snapshot of one deployment, whose stage prod has a variable.
func shopAt(t *testing.T, number int, body, variable, route string) *host.Snapshot {
	t.Helper()
	s := load(t, project(shop, map[string]string{
		"tell.js":  `export const handler = (e) => [e.stageVariables.color, e.requestContext.stage, e.requestContext.authorizer.lambda.by].join(" ")`,
		"knows.js": `export const authorize = () => ({isAuthorized: true, context: {by: "` + body + `"}})`,
		"stamp.js": `export const filter_response = (response) => { response.headers.set("x-by", "` + body + `") }`,
	}, "BODY", body, "VARIABLE", variable, "NEW", route))
	s.APIs[0].Stages[0].Deployment = number
	return s
}

// withCanary is deployment 1 with deployment 2 as the canary of its stage.
func withCanary(t *testing.T, percent float64) *host.Snapshot {
	t.Helper()
	s, next := shopAt(t, 1, "old", "blue", "was"), shopAt(t, 2, "new", "green", "is").APIs[0]
	// The function is of neither deployment.
	s.APIs[0].Stages[0].Canary = &host.Canary{Percent: percent, API: next, Stage: next.Stages[0]}
	return s
}

func TestCanaryShare(t *testing.T) {
	w := newWorkbench(t, nil)
	const n = 1000
	for _, c := range []struct {
		percent  float64
		min, max int // of n
	}{{0, 0, 0}, {100, n, n}, {10, n / 20, n / 5}, {62.5, n / 2, n * 3 / 4}, {0.001, 0, n / 100}} {
		p := w.build(t, withCanary(t, c.percent), func(cfg *pipeline.Config) { cfg.AccessLog = false })
		got := map[string]int{}
		for range n {
			got[ask(t, p, "x/prod/").body]++
		}
		if got["new"] < c.min || got["new"] > c.max || got["old"] != n-got["new"] {
			t.Errorf("%v%%: %v", c.percent, got)
		}
	}
}

func TestCanaryIsTold(t *testing.T) {
	r := otlptest.New(t)
	w := newWorkbench(t, map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_EXPORTER_OTLP_ENDPOINT": r.HTTP(), "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})
	for percent, want := range map[float64]struct{ body, tell, deployment, canary string }{
		0:   {"old", "blue prod old", "1", ""},
		100: {"new", "green prod new", "2", "true"},
	} {
		p := w.build(t, withCanary(t, percent))
		reply := ask(t, p, "x/prod/")
		line := w.line(t, reply)
		if reply.body != want.body || reply.by != want.body || line.Text("deployment") != want.deployment || line.Text("canary") != want.canary ||
			line.Text("stage") != "prod" || line.Text("api") != "shop" {
			t.Errorf("%v%%: %+v, %v", percent, reply, line)
		}
		span := r.WaitForTrace(t, line.Text("trace_id"), 4).Find("GET /")
		if a := span.Attributes; a["postern.deployment"] != want.deployment || a["postern.canary"] != want.canary || a["postern.stage"] != "prod" {
			t.Errorf("%v%%: the span has %v", percent, a)
		}
		if got := ask(t, p, "x/prod/tell"); got.body != want.tell {
			t.Errorf("%v%%: variables and authorizer: %+v, want %q", percent, got, want.tell)
		}
		for path, ours := range map[string]bool{"x/prod/is": percent == 100, "x/prod/was": percent == 0} {
			if got := ask(t, p, path); (got.status == 200) != ours {
				t.Errorf("%v%%: %s: %+v", percent, path, got)
			}
		}
	}
	for _, metric := range strings.Split(metricsText(t, w), "\n") {
		if strings.HasPrefix(metric, "http_server_request_duration_seconds_count") && strings.Contains(metric, `http_route="/"`) {
			if !strings.Contains(metric, `postern_stage="prod"`) || !strings.HasSuffix(metric, " 2") {
				t.Errorf("the canary is not counted with its stage: %s", metric)
			}
		}
	}
}

func TestCanaryThatIsWrong(t *testing.T) {
	w := newWorkbench(t, nil)
	s := withCanary(t, 1)
	s.APIs[0].Stages[0].Canary.API.Routes[0].Integration = host.IntegrationConfig{Type: host.IntegrationFunction, Function: "nobody"}
	if _, err := w.tryBuild(t, s); err == nil || !strings.Contains(fmt.Sprint(err), "nobody") {
		t.Errorf("built: %v", err)
	}
}
