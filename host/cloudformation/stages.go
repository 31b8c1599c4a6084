package cloudformation

import (
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// deployment makes the stage that a deployment may have with it.
func (t *template) deployment(a *api, r *resource) {
	t.notes(r, map[string]note{"RestApiId": plain, "StageName": plain, "Description": plain, "StageDescription": plain, "DeploymentCanarySettings": canary})
	name := t.text(r, "StageName")
	if name == nil {
		return
	}
	description := t.shaped(r, "StageDescription", document.Object)
	t.addStage(a, name, description.Get("Variables"))
	t.stageSettings(description, map[string]note{"Variables": plain, "Description": plain, "Tags": plain, "DocumentationVersion": plain})
}

var canary = note{openapi.Different, "canary", "a canary is made on a host, when there are two deployments: `postern stage canary`"}

// restStage says what becomes of the settings of a stage of a REST API.
var restStage = map[string]note{
	"CacheClusterEnabled": caching, "CacheClusterSize": plain, "CachingEnabled": caching, "CacheTtlInSeconds": plain, "CacheDataEncrypted": plain, "MethodSettings": plain, "LoggingLevel": logs,
	"DataTraceEnabled": logs, "MetricsEnabled": plain, "ThrottlingRateLimit": throttle, "ThrottlingBurstLimit": throttle, "AccessLogSetting": logs, "TracingEnabled": tracing, "CanarySetting": canary,
	"ClientCertificateId": {openapi.Unsupported, "client certificate", "no certificate is shown to integrations"},
}

func (t *template) stage(a *api, r *resource) {
	known := map[string]note{"RestApiId": plain, "DeploymentId": plain, "StageName": plain, "Variables": plain, "Description": plain, "DocumentationVersion": plain, "Tags": plain}
	for name, n := range restStage {
		known[name] = n
	}
	t.notes(r, known)
	name := t.text(r, "StageName")
	if name == nil {
		t.wrong(r.pos, document.RuleRequired, r.id+" has no StageName", "")
		return
	}
	t.addStage(a, name, t.get(r, "Variables"))
	if settings := t.shaped(r, "MethodSettings", document.List); settings != nil {
		for _, item := range settings.Items {
			t.stageSettings(item, map[string]note{"HttpMethod": plain, "ResourcePath": plain})
		}
	}
}

// stageSettings says what becomes of settings that are evaluated, by methods or by stages.
func (t *template) stageSettings(n *document.Node, others map[string]note) {
	for name, what := range restStage {
		others[name] = what
	}
	for _, m := range members(n) {
		what, ok := others[m.Key]
		switch {
		case asksNothing(m.Value) || m.Value.Text == "OFF":
		case m.Key == "MethodSettings":
			for _, item := range m.Value.Items {
				t.stageSettings(item, map[string]note{"HttpMethod": plain, "ResourcePath": plain})
			}
		case !ok:
			t.find(openapi.Unsupported, m.Pos, m.Key, "this setting of a stage is not known here")
		case what != plain:
			t.find(what.verdict, m.Pos, what.subject, what.message)
		}
	}
}

// addStage adds a stage with its variables, which may come in two resources.
func (t *template) addStage(a *api, name, variables *document.Node) {
	stage := t.child(a.stages, name.Text, name.Pos)
	if !t.is(variables, document.Object, "Variables") {
		return
	}
	all := t.child(stage, "variables", variables.Pos)
	for _, m := range variables.Members {
		if t.is(m.Value, document.Text, m.Key) {
			all.Set(m.Key, m.Pos, document.NewText(m.Value.Pos, m.Value.Text))
		}
	}
}

// stageV2 adds a stage of an HTTP API.
func (t *template) stageV2(a *api, r *resource) {
	t.notes(r, map[string]note{
		"ApiId": plain, "StageName": plain, "StageVariables": plain, "AutoDeploy": plain, "DeploymentId": plain, "Description": plain, "Tags": plain, "AccessLogSettings": logs, "AccessPolicyId": plain,
		"DefaultRouteSettings": plain, "RouteSettings": plain, "ClientCertificateId": {openapi.Unsupported, "client certificate", "no certificate is shown to integrations"},
	})
	name := t.text(r, "StageName")
	if name == nil {
		t.wrong(r.pos, document.RuleRequired, r.id+" has no StageName", "")
		return
	}
	t.addStage(a, name, t.get(r, "StageVariables"))
	t.routeSettings(t.get(r, "DefaultRouteSettings"))
	for _, m := range members(t.get(r, "RouteSettings")) {
		t.routeSettings(m.Value)
	}
}

func (t *template) routeSettings(n *document.Node) {
	for _, m := range members(n) {
		switch {
		case asksNothing(m.Value):
		case strings.HasPrefix(m.Key, "Throttling"):
			t.find(throttle.verdict, m.Pos, throttle.subject, throttle.message)
		case m.Key == "LoggingLevel" && m.Value.Text != "OFF", m.Key == "DataTraceEnabled":
			t.find(logs.verdict, m.Pos, logs.subject, logs.message)
		}
	}
}

// defaultStage is the name of the stage that SAM makes for an API that it makes.
func defaultStage(protocol host.Protocol) string {
	if protocol == host.ProtocolHTTP {
		return host.DefaultRoute
	}
	return "Prod"
}
