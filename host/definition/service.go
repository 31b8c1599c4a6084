package definition

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

// A subtype is an action of a service that http APIs call with parameters of its own.
type subtype struct {
	required, optional []string
}

// subtypes are those of http APIs (API Gateway developer guide, "Integration subtype reference").
var subtypes = map[string]subtype{
	"EventBridge-PutEvents": {[]string{"Detail", "DetailType", "Source"}, []string{"Time", "EventBusName", "Resources", "Region", "TraceHeader"}},
	"SQS-SendMessage": {[]string{"QueueUrl", "MessageBody"},
		[]string{"DelaySeconds", "MessageAttributes", "MessageDeduplicationId", "MessageGroupId", "MessageSystemAttributes", "Region"}},
	"SQS-ReceiveMessage": {[]string{"QueueUrl"},
		[]string{"AttributeNames", "MaxNumberOfMessages", "MessageAttributeNames", "ReceiveRequestAttemptId", "VisibilityTimeout", "WaitTimeSeconds", "Region"}},
	"SQS-DeleteMessage":                {[]string{"ReceiptHandle", "QueueUrl"}, []string{"Region"}},
	"SQS-PurgeQueue":                   {[]string{"QueueUrl"}, []string{"Region"}},
	"AppConfig-GetConfiguration":       {[]string{"Application", "Environment", "Configuration", "ClientId"}, []string{"ClientConfigurationVersion", "Region"}},
	"Kinesis-PutRecord":                {[]string{"StreamName", "Data", "PartitionKey"}, []string{"SequenceNumberForOrdering", "ExplicitHashKey", "Region"}},
	"StepFunctions-StartExecution":     {[]string{"StateMachineArn"}, []string{"Name", "Input", "Region"}},
	"StepFunctions-StartSyncExecution": {[]string{"StateMachineArn"}, []string{"Name", "Input", "Region", "TraceHeader"}},
	"StepFunctions-StopExecution":      {[]string{"ExecutionArn"}, []string{"Cause", "Error", "Region"}},
}

// subtypeServices are the services of subtypes, by what stands before the hyphen.
var subtypeServices = map[string]string{"EventBridge": "events", "SQS": "sqs", "AppConfig": "appconfig", "Kinesis": "kinesis", "StepFunctions": "states"}

// subtype decodes an action of a service with parameters of its own.
func (b *builder) subtype(def *integrationDef, c *host.IntegrationConfig) {
	c.Type, c.Pos, c.PayloadFormat = host.IntegrationService, def.Subtype.pos, "1.0"
	name := def.Subtype.Value
	service, action, _ := strings.Cut(name, "-")
	c.Service = &host.ServiceCall{Service: subtypeServices[service], Action: action, Subtype: name, Access: b.serviceAccess(def.Subtype.place)}
	known, ok := subtypes[name]
	if !ok {
		names := slices.Sorted(maps.Keys(subtypes))
		b.add(def.Subtype.place, RuleInvalidValue, "there is no subtype "+quote(name)).Hint = b.suggest(name, names)
		return
	}
	given := map[string]bool{}
	all := slices.Concat(known.required, known.optional)
	for i := range def.Parameters.entries {
		e := &def.Parameters.entries[i]
		if given[e.Key] = true; !slices.Contains(all, e.Key) {
			b.add(e.place, RuleUnknownKey, quote(e.Key)+" is not a parameter of "+name).Hint = b.suggest(e.Key, all)
		}
	}
	for _, required := range known.required {
		if !given[required] {
			b.add(place{def.Subtype.pos, KeyPath(KeyPath(def.path, "parameters"), required)}, RuleRequired, fmt.Sprintf("%s has no %q among its parameters", name, required)).
				Hint = fmt.Sprintf("add parameters: {%s: ...}", required)
		}
	}
	if b.file.AWS.Region.written() {
		c.Service.Region = b.file.AWS.Region.Value
	} else if b.file.AWS.written() && !given["Region"] {
		b.add(def.Subtype.place, RuleRequired, "nothing says in which region "+name+" is").Hint = "add region: us-east-1 to aws, or Region to parameters"
	}
}

// serviceAccess is who calls services, once for all of the file.
func (b *builder) serviceAccess(at place) *host.ServiceAccess {
	if b.access == nil && !b.file.AWS.written() {
		b.add(at, RuleRequired, "nothing says who calls AWS services").Hint = `add aws: {region: us-east-1, accessKeyId: {env: AWS_ACCESS_KEY_ID}, secretAccessKey: {env: AWS_SECRET_ACCESS_KEY}} at the top level`
	}
	return b.access
}

// aws decodes where services are, and who calls them.
func (b *builder) aws(def *awsDef) *host.ServiceAccess {
	if !def.written() {
		return nil
	}
	b.endpoint(def.Endpoint)
	return &host.ServiceAccess{
		Endpoint:        def.Endpoint.Value,
		Region:          def.Region.Value,
		AccessKeyID:     b.secret("accessKeyId", &def.AccessKeyID),
		SecretAccessKey: b.secret("secretAccessKey", &def.SecretAccessKey),
		SessionToken:    b.secret("sessionToken", &def.SessionToken),
		Pos:             def.pos,
	}
}

// endpoint checks the URL of all services, which may have a path.
func (b *builder) endpoint(v val[string]) {
	if !v.written() || v.Value == "" {
		return
	}
	problem, hint := "", "write it as http://127.0.0.1:4566"
	switch u, err := url.Parse(v.Value); {
	case err != nil:
		problem = "is not a URL"
	case !slices.Contains(webSchemes, u.Scheme) || u.Host == "":
		problem = "must begin with http:// or https://, and a host"
	case u.User != nil:
		problem, hint = "has a user or password", "write accessKeyId and secretAccessKey"
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		problem, hint = "has a query or fragment", "remove it"
	}
	if problem != "" {
		b.add(v.place, RuleInvalidValue, "the endpoint "+quote(v.Value)+" "+problem).Hint = hint
	}
}

// arn decodes the URI of an integration of type AWS or AWS_PROXY: a function of this host, or a call of a service.
func (b *builder) arn(a *host.API, def *integrationDef, c *host.IntegrationConfig) {
	c.Pos = def.URI.pos
	arn, err := mapping.ParseARN(def.URI.Value)
	if err != nil {
		b.add(def.URI.place, RuleInvalidValue, "the URI is not the ARN of a function or service: "+causeText(err))
		return
	}
	if arn.Service == nil {
		b.functionARN(a, def, arn, c)
		return
	}
	c.Type, c.Service = host.IntegrationService, arn.Service
	arn.Service.Access = b.serviceAccess(def.URI.place)
	b.stageVariables(a, def.URI)
	switch {
	case a.Protocol != host.ProtocolREST:
		b.add(def.URI.place, RuleConflict, "HTTP APIs call services by a subtype").Hint = "write subtype: SQS-SendMessage, for example, instead of uri"
	case c.Proxy:
		b.add(def.Type.place, RuleConflict, "AWS_PROXY is for functions").Hint = "write type: AWS"
	case c.Method == "":
		b.add(place{def.Type.pos, KeyPath(def.path, "method")}, RuleRequired, "an integration of type AWS has no \"method\"").Hint = "add method: POST"
	}
}

// functionARN decodes a function's ARN: what counts is its name, and its alias or version.
func (b *builder) functionARN(a *host.API, def *integrationDef, arn mapping.ARN, c *host.IntegrationConfig) {
	c.Type, c.PayloadFormat = host.IntegrationFunction, payloadFormat(a, def)
	if c.Method != "" && c.Method != "POST" {
		at := def.Method.place
		if !at.written() {
			at = def.HTTPMethod.place
		}
		b.add(at, RuleInvalidValue, "a function is called by POST, not by "+c.Method).Hint = "write method: POST"
	}
	c.Method = ""
	name, ok := b.sameEverywhere(a, def.URI, arn.Function)
	qualifier, also := b.sameEverywhere(a, def.URI, arn.Qualifier)
	if !ok || !also {
		return
	}
	if qualifier == "$LATEST" {
		qualifier = ""
	}
	if qualifier != "" {
		name += "@" + qualifier
	}
	c.Function, c.Qualifier = b.functionRef(val[string]{def.URI.place, name})
}

// sameEverywhere puts stage variables into the name of a function, which a definition knows before any stage runs: where they have
// the same value on every stage.
func (b *builder) sameEverywhere(a *host.API, v val[string], text string) (string, bool) {
	ok := true
	out := stageVariable.ReplaceAllStringFunc(text, func(variable string) string {
		name := stageVariable.FindStringSubmatch(variable)[1]
		value, set := a.Stages[0].Variables[name]
		for _, s := range a.Stages[1:] {
			if other, there := s.Variables[name]; other != value || !there {
				set = false
			}
		}
		if ok = ok && set; !set {
			e := b.add(v.place, RuleUnsupported, "the function's name has "+variable+", which is not set to one value on every stage")
			e.Hint = "write the function's name, or set the variable to the same value on every stage"
			if hint := b.variableHint(a, a.Stages[0].Name, name); hint != "" && len(a.Stages[0].Variables) == 0 {
				e.Hint = hint
			}
		}
		return value
	})
	return out, ok
}
