package cloudformation

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// Whole groups of resources, by how their types begin. The longest that fits counts.
var groups = map[string]note{
	"AWS::ApiGateway::UsagePlan":            keysNote,
	"AWS::ApiGateway::ApiKey":               keysNote,
	"AWS::ApiGateway::DomainName":           domain,
	"AWS::ApiGateway::BasePathMapping":      domain,
	"AWS::ApiGateway::ClientCertificate":    {openapi.Unsupported, "client certificate", "no certificate is shown to integrations"},
	"AWS::ApiGateway::VpcLink":              {openapi.Different, "VPC link", "there is none: URIs are called from where the host runs"},
	"AWS::ApiGateway::Documentation":        {openapi.Different, "documentation", "it is not served"},
	"AWS::ApiGateway::Account":              {openapi.Different, "logs", "logs are set up for the whole host"},
	"AWS::ApiGateway::":                     {openapi.Unsupported, "gateway", "this type of resource is not read"},
	"AWS::ApiGatewayV2::DomainName":         domain,
	"AWS::ApiGatewayV2::ApiMapping":         domain,
	"AWS::ApiGatewayV2::RoutingRule":        domain,
	"AWS::ApiGatewayV2::VpcLink":            {openapi.Different, "VPC link", "there is none: URIs are called from where the host runs"},
	"AWS::ApiGatewayV2::":                   {openapi.Unsupported, "gateway", "this type of resource is not read: it is of WebSocket APIs, or overrides what another makes"},
	"AWS::Serverless::Application":          {openapi.Unsupported, "application", "templates within templates are not read: import each by itself"},
	"AWS::CloudFormation::Stack":            {openapi.Unsupported, "stack", "templates within templates are not read: import each by itself"},
	"AWS::Serverless::GraphQLApi":           {openapi.Unsupported, "GraphQL", "APIs of GraphQL are not read"},
	"AWS::AppSync::":                        {openapi.Unsupported, "GraphQL", "APIs of GraphQL are not read"},
	"AWS::Serverless::LayerVersion":         {openapi.Different, "layers", "layers are not added: put the modules that functions import from it into their folders"},
	"AWS::Lambda::LayerVersion":             {openapi.Different, "layers", "layers are not added: put the modules that functions import from it into their folders"},
	"AWS::Lambda::Permission":               {openapi.Supported, "permissions", "APIs of a definition may call its functions"},
	"AWS::Lambda::Alias":                    {openapi.Different, "alias", "aliases are made on a host, by `postern function promote`"},
	"AWS::Lambda::Version":                  {openapi.Different, "version", "versions are made on a host, when code is uploaded"},
	"AWS::Lambda::Url":                      {openapi.Unsupported, "function URL", "write url: true below the function"},
	"AWS::Lambda::EventSourceMapping":       {openapi.Unsupported, "event", "functions are not called by streams and queues here"},
	"AWS::Lambda::EventInvokeConfig":        {openapi.Unsupported, "event", "write what becomes of failed events below async of the function"},
	"AWS::Lambda::":                         {openapi.Unsupported, "function", "this type of resource is not read"},
	"AWS::Events::Rule":                     {openapi.Unsupported, "event", "functions are not called by events here"},
	"AWS::Scheduler::":                      {openapi.Unsupported, "event", "functions are not called by schedules here"},
	"AWS::WAFv2::":                          {openapi.Unsupported, "firewall", "requests are not filtered by these rules: put a firewall in front of the host"},
	"AWS::WAFRegional::":                    {openapi.Unsupported, "firewall", "requests are not filtered by these rules: put a firewall in front of the host"},
	"AWS::CloudFront::":                     {openapi.Different, "distribution", "it is not part of the gateway, and is not made"},
	"AWS::Cognito::":                        {openapi.Different, "Cognito", "it is not part of the gateway, and is not made: tokens of user pools are not checked here"},
	"AWS::IAM::":                            {openapi.Different, "permissions", "there are no roles and policies here: functions reach what egress and secrets give them"},
	"AWS::CertificateManager::Certificate":  {openapi.Different, "certificate", "the host has certificates of its own"},
	"AWS::CloudFormation::WaitCondition":    {openapi.Different, "stack", "there is nothing to wait for"},
	"AWS::CloudFormation::CustomResource":   {openapi.Unsupported, "custom resource", "code that runs when a stack is made is not run"},
	"Custom::":                              {openapi.Unsupported, "custom resource", "code that runs when a stack is made is not run"},
	"AWS::CDK::Metadata":                    {openapi.Supported, "CDK", "it says which constructs the template was made of, and nothing else"},
	"AWS::Logs::":                           {openapi.Different, "logs", "logs are set up for the whole host"},
	"AWS::CloudWatch::":                     {openapi.Different, "metrics", "metrics are those of the host"},
	"AWS::ApplicationAutoScaling::":         {openapi.Different, "scaling", "the host does not scale by itself"},
	"AWS::CodeDeploy::":                     {openapi.Different, "deployment", "versions are shifted by `postern function promote --weight`"},
	"AWS::Serverless::Connector":            {openapi.Different, "permissions", "there are no roles and policies here: functions reach what egress and secrets give them"},
	"AWS::Serverless::StateMachine":         {openapi.Different, "state machine", "it is not part of the gateway, and is not made"},
	"AWS::Serverless::SimpleTable":          {openapi.Different, "table", "it is not part of the gateway, and is not made"},
	"AWS::Serverless::CapacityProvider":     {openapi.Different, "capacity", "functions run on the host"},
	"AWS::Serverless::WebSocketApi":         {openapi.Unsupported, "WebSocket API", "it is not read: write an API of protocol websocket, whose route keys are the same"},
	"AWS::Serverless::":                     {openapi.Unsupported, "resource", "this type of resource is not read"},
	"AWS::ElasticLoadBalancingV2::Listener": {openapi.Different, "load balancer", "it is not part of the gateway, and is not made"},
}

// others names every resource that nothing was made of.
func (t *template) others() {
	for _, r := range t.resources {
		if r.used {
			continue
		}
		best, length := note{openapi.Different, r.kind, "it is not part of the gateway, and is not made"}, 0
		for begin, n := range groups {
			if strings.HasPrefix(r.kind, begin) && len(begin) > length {
				best, length = n, len(begin)
			}
		}
		t.find(best.verdict, r.pos, cmp.Or(best.subject, r.kind), r.id+" ("+r.kind+"): "+best.message)
	}
	if all := t.root.Get("Resources"); len(t.apiList) == 0 && len(t.of(typeServerlessFunction))+len(t.of(typeFunction)) == 0 {
		t.find(openapi.Unsupported, all.Pos, "template", "it has no APIs and no functions")
	}
}

// assemble makes the definition of what was read.
func (t *template) assemble() {
	if t.stopped {
		return
	}
	functions := t.result.Definition.Get("functions")
	t.result.Definition = document.NewObject(t.root.Pos)
	t.result.Definition.Set("version", t.root.Pos, document.NewInteger(t.root.Pos, 1))
	apis, region := document.NewObject(t.root.Pos), ""
	for _, a := range t.apiList {
		if a.unread {
			t.result.Reports = append(t.result.Reports, &openapi.Report{API: a.name, Findings: a.findings})
			continue
		}
		read := t.assembleAPI(a)
		apis.Set(a.name, a.res.pos, read.API)
		region = cmp.Or(region, read.Region)
	}
	if len(apis.Members) > 0 {
		t.result.Definition.Set("apis", apis.Pos, apis)
	}
	if region != "" {
		t.result.Definition.Set("aws", t.root.Pos, t.awsAccess(region))
	}
	if len(functions.Members) > 0 {
		t.result.Definition.Set("functions", functions.Pos, functions)
	}
}

// awsAccess is how services are called: with the keys that AWS's own tools take.
func (t *template) awsAccess(region string) *document.Node {
	pos := t.root.Pos
	access := object(pos, "region", document.NewText(pos, region))
	access.Set("accessKeyId", pos, object(pos, "env", document.NewText(pos, "AWS_ACCESS_KEY_ID")))
	access.Set("secretAccessKey", pos, object(pos, "env", document.NewText(pos, "AWS_SECRET_ACCESS_KEY")))
	return access
}

// assembleAPI reads the document of an API.
func (t *template) assembleAPI(a *api) *openapi.Result {
	if a.doc.Get("info") == nil {
		info := object(a.res.pos, "title", document.NewText(a.res.pos, a.name))
		set(info, "version", a.res.pos, "1")
		a.doc.Set("info", a.res.pos, info)
	}
	if a.doc.Get("paths") == nil && a.managed {
		a.doc.Set("paths", a.res.pos, document.NewObject(a.res.pos))
	}
	read, err := openapi.Read(a.doc, openapi.Options{
		Protocol: a.protocol, AllowUnsupported: true, Unqualified: true, Region: t.opts.Region, AccountID: t.opts.AccountID, Partition: t.opts.Partition,
	})
	var errs document.Errors
	if errors.As(err, &errs) {
		t.errs = append(t.errs, errs...)
	}
	read.Report.API = a.name
	read.Report.Findings = append(read.Report.Findings, a.findings...)
	t.result.Reports = append(t.result.Reports, read.Report)
	if len(a.stages.Members) > 0 { // without any there are those that such an API has by itself
		read.API.Set("stages", a.stages.Pos, a.stages)
	}
	return read
}

// sort puts findings in the order of the template.
func (t *template) sort() {
	order := func(list []openapi.Finding) {
		slices.SortStableFunc(list, func(a, b openapi.Finding) int {
			return cmp.Or(strings.Compare(a.Pos.File, b.Pos.File), a.Pos.Line-b.Pos.Line, a.Pos.Column-b.Pos.Column, strings.Compare(a.Subject+a.Message, b.Subject+b.Message))
		})
	}
	order(t.result.Findings)
	for _, r := range t.result.Reports {
		order(r.Findings)
	}
}

// refuseUnsupported makes errors of what does not run.
func (t *template) refuseUnsupported() {
	refuse := func(path string, findings []openapi.Finding) {
		for _, f := range findings {
			if f.Verdict == openapi.Unsupported {
				t.errs = append(t.errs, &document.Error{Pos: f.Pos, Path: path, Rule: document.RuleUnsupported, Message: f.Subject + ": " + f.Message})
			}
		}
	}
	refuse("", t.result.Findings)
	for _, r := range t.result.Reports {
		refuse("", r.Findings)
		for _, o := range r.Operations {
			refuse(o.Key, o.Findings)
		}
	}
}
