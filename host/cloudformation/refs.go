package cloudformation

import (
	"maps"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/openapi"
)

// noValue is the pseudo parameter that takes a property away.
const noValue = "AWS::NoValue"

// ref evaluates Ref: a parameter, a pseudo parameter or a resource. It is nil for AWS::NoValue.
func (t *template) ref(v *document.Node) *document.Node {
	if !t.is(v, document.Text, "Ref") {
		if v == nil || v.Shape == document.Null {
			t.wrong(nullPos(v), document.RuleRequired, "Ref names nothing", "")
		}
		return unknown(nullPos(v), "Ref")
	}
	name := v.Text
	if name == noValue {
		return nil
	}
	if strings.HasPrefix(name, "AWS::") {
		return t.pseudo(v)
	}
	if p := t.root.Get("Parameters").Member(name); p != nil {
		return t.parameter(p, v.Pos)
	}
	if r := t.resource(v); r != nil {
		return t.made(v.Pos, t.identity(r, v.Pos))
	}
	return unknown(v.Pos, name)
}

func nullPos(n *document.Node) (pos host.Position) {
	if n != nil {
		pos = n.Pos
	}
	return pos
}

// pseudo is the value of a pseudo parameter.
func (t *template) pseudo(v *document.Node) *document.Node {
	values := map[string]string{
		"AWS::Region": t.opts.Region, "AWS::AccountId": t.opts.AccountID, "AWS::Partition": t.opts.Partition, "AWS::StackName": t.opts.StackName, "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackId": "arn:" + t.opts.Partition + ":cloudformation:" + t.opts.Region + ":" + t.opts.AccountID + ":stack/" + t.opts.StackName + "/00000000-0000-0000-0000-000000000000",
	}
	if value, ok := values[v.Text]; ok {
		return t.made(v.Pos, value)
	}
	if v.Text == "AWS::NotificationARNs" {
		return document.NewList(v.Pos)
	}
	t.wrong(v.Pos, document.RuleUnknownReference, "there is no pseudo parameter "+document.Quote(v.Text), document.Suggest(v.Text, append(slices.Sorted(maps.Keys(values)), noValue)))
	return unknown(v.Pos, v.Text)
}

// parameter is the value of a parameter: the one that was given, or its default.
func (t *template) parameter(p *document.Member, pos host.Position) *document.Node {
	kind := ""
	if v := p.Value.Get("Type"); t.is(v, document.Text, "Type") {
		kind = v.Text
	}
	value := p.Value.Get("Default")
	given, isGiven := t.opts.Parameters[p.Key]
	switch {
	case isGiven:
		value = document.NewText(pos, given)
	case strings.HasPrefix(kind, "AWS::SSM::Parameter::"):
		t.find(openapi.Unsupported, p.Pos, "parameter", p.Key+" is kept in a parameter store, which is not asked: give its value")
		return unknown(pos, "parameter "+p.Key)
	case value == nil || value.Shape == document.Null:
		t.wrong(p.Pos, document.RuleRequired, "the parameter "+p.Key+" has no default: it needs a value", "")
		return unknown(pos, "parameter "+p.Key)
	}
	if !t.is(value, document.Text, p.Key) {
		return unknown(pos, "parameter "+p.Key)
	}
	t.allowed(p, value)
	if p.Value.Get("NoEcho") != nil && t.isTrue(p.Value.Get("NoEcho"), "NoEcho") {
		t.find(openapi.Different, p.Pos, "secret", "the value of "+p.Key+", which is not to be shown, stands in the definition as it is: use secrets of functions")
	}
	if kind != "CommaDelimitedList" && !strings.HasPrefix(kind, "List<") {
		return t.made(pos, value.Text)
	}
	list := document.NewList(pos)
	if t.spend(pos, strings.Count(value.Text, ","), len(value.Text)) {
		for item := range strings.SplitSeq(value.Text, ",") {
			list.Items = append(list.Items, document.NewText(pos, strings.TrimSpace(item)))
		}
	}
	return list
}

// allowed reports a value of a parameter that is none of those that it may have.
func (t *template) allowed(p *document.Member, value *document.Node) {
	list := p.Value.Get("AllowedValues")
	if list == nil || list.Shape != document.List {
		return
	}
	var known []string
	for _, item := range list.Items {
		if item.Text == value.Text {
			return
		}
		known = append(known, item.Text)
	}
	t.wrong(p.Pos, document.RuleInvalidValue, document.Quote(value.Text)+" is none of the values that the parameter "+p.Key+" may have", document.Suggest(value.Text, known))
}

// resource returns the resource of that name. One that is not there is an error, and one that a condition takes away too.
func (t *template) resource(name *document.Node) *resource {
	if r := t.byID[name.Text]; r != nil {
		return r
	}
	if r := t.generated(name); r != nil {
		return r
	}
	if t.root.Get("Resources").Get(name.Text) != nil {
		t.wrong(name.Pos, document.RuleUnknownReference, "the resource "+name.Text+" is not there: its condition is not met", "")
		return nil
	}
	known := append(keys(t.root.Get("Resources")), keys(t.root.Get("Parameters"))...)
	e := document.Suggest(name.Text, known)
	if strings.HasPrefix(name.Text, "stageVariables") || strings.HasPrefix(name.Text, "context") {
		e = "write ${!" + name.Text + "...} for the text ${" + name.Text + "...}"
	}
	t.wrong(name.Pos, document.RuleUnknownReference, "there is no parameter and no resource "+document.Quote(name.Text), e)
	return nil
}

// generated returns a resource that SAM makes of another (SAM developer guide, "Generated CloudFormation resources").
func (t *template) generated(name *document.Node) *resource {
	switch name.Text {
	case implicitREST:
		return &resource{id: name.Text, kind: typeServerlessAPI, pos: name.Pos, props: document.NewObject(name.Pos), generated: true}
	case implicitHTTP:
		return &resource{id: name.Text, kind: typeServerlessHTTPAPI, pos: name.Pos, props: document.NewObject(name.Pos), generated: true}
	}
	for suffix, kind := range map[string]string{"Role": "AWS::IAM::Role", "Stage": "", "Deployment": "", "Aliaslive": "AWS::Lambda::Alias", "ApiGatewayDefaultStage": ""} {
		id, ok := strings.CutSuffix(name.Text, suffix)
		if owner := t.byID[id]; ok && owner != nil && strings.HasPrefix(owner.kind, "AWS::Serverless::") {
			if kind == "AWS::Lambda::Alias" {
				return owner
			}
			return &resource{id: name.Text, kind: kind, pos: name.Pos, props: document.NewObject(name.Pos), generated: true}
		}
	}
	return nil
}

// identity is what Ref gives of a resource: for parts of APIs its name in the template, by which they find each other.
func (t *template) identity(r *resource, pos host.Position) string {
	switch r.kind {
	case typeFunction, typeServerlessFunction:
		return t.functionName(r)
	case typeAlias, typeVersion:
		return t.qualified(r, pos)
	case typeModel:
		return t.modelName(r)
	case typeStage, typeStageV2:
		return t.textOr(r, "StageName", r.id)
	case "AWS::SQS::Queue":
		return "https://sqs." + t.opts.Region + ".amazonaws.com/" + t.opts.AccountID + "/" + t.physical(r, pos)
	case "AWS::SNS::Topic", "AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine":
		return t.arn(r, pos)
	}
	if isGateway(r.kind) {
		if t.forFunction {
			t.find(openapi.Different, pos, "address", "a function gets an address of "+r.id+" at AWS, which is another here: `postern dev` prints the addresses of APIs")
		}
		return r.id
	}
	return t.physical(r, pos)
}

// nameProperties are the properties in which resources have names, by which integrations and functions find them.
var nameProperties = map[string]string{
	"AWS::SQS::Queue": "QueueName", "AWS::SNS::Topic": "TopicName", "AWS::DynamoDB::Table": "TableName", "AWS::Serverless::SimpleTable": "TableName",
	"AWS::StepFunctions::StateMachine": "StateMachineName", "AWS::Serverless::StateMachine": "Name", "AWS::Events::EventBus": "Name", "AWS::Kinesis::Stream": "Name",
	"AWS::S3::Bucket": "BucketName", "AWS::IAM::Role": "RoleName", "AWS::Logs::LogGroup": "LogGroupName", "AWS::SSM::Parameter": "Name", "AWS::SecretsManager::Secret": "Name",
}

// physical is the name of a resource outside the gateway. One without a name gets one of AWS's when it is made, which nobody knows here.
func (t *template) physical(r *resource, pos host.Position) string {
	if property := nameProperties[r.kind]; property != "" && r.props.Get(property) != nil {
		return t.textOr(r, property, r.id)
	}
	if r.kind != "AWS::IAM::Role" && !r.generated {
		t.find(openapi.Different, pos, r.kind, "the name that "+r.id+" has at AWS is not known here: "+document.Quote(r.id)+" stands for it")
	}
	return r.id
}

// arn is the ARN of a resource, as far as integrations name such.
func (t *template) arn(r *resource, pos host.Position) string {
	begin := func(service string) string {
		return "arn:" + t.opts.Partition + ":" + service + ":" + t.opts.Region + ":" + t.opts.AccountID + ":"
	}
	switch r.kind {
	case typeFunction, typeServerlessFunction:
		return begin("lambda") + "function:" + t.functionName(r)
	case "AWS::SQS::Queue":
		return begin("sqs") + t.physical(r, pos)
	case "AWS::SNS::Topic":
		return begin("sns") + t.physical(r, pos)
	case "AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine":
		return begin("states") + "stateMachine:" + t.physical(r, pos)
	case "AWS::DynamoDB::Table", "AWS::Serverless::SimpleTable":
		return begin("dynamodb") + "table/" + t.physical(r, pos)
	case "AWS::Events::EventBus":
		return begin("events") + "event-bus/" + t.physical(r, pos)
	case "AWS::Kinesis::Stream":
		return begin("kinesis") + "stream/" + t.physical(r, pos)
	case "AWS::S3::Bucket":
		return "arn:" + t.opts.Partition + ":s3:::" + t.physical(r, pos)
	case "AWS::IAM::Role":
		return "arn:" + t.opts.Partition + ":iam::" + t.opts.AccountID + ":role/" + t.physical(r, pos)
	case "AWS::Cognito::UserPool":
		return begin("cognito-idp") + "userpool/" + r.id
	}
	t.find(openapi.Different, pos, r.kind, "the ARN that "+r.id+" has at AWS is not known here")
	return begin("unknown") + r.id
}

// getAtt evaluates Fn::GetAtt: "Name.Attribute", or a list of both.
func (t *template) getAtt(v *document.Node) *document.Node {
	if v != nil && v.Shape == document.List {
		args := t.arguments(v, "Fn::GetAtt", 2, 2)
		if args == nil || !t.is(args[0], document.Text, "Fn::GetAtt") || !t.is(args[1], document.Text, "Fn::GetAtt") {
			return unknown(v.Pos, "Fn::GetAtt")
		}
		return t.attribute(args[0], args[1].Text, args[0].Text+"."+args[1].Text)
	}
	if !t.is(v, document.Text, "Fn::GetAtt") {
		return unknown(nullPos(v), "Fn::GetAtt")
	}
	id, attribute, ok := strings.Cut(v.Text, ".")
	if !ok {
		t.wrong(v.Pos, document.RuleInvalidValue, "Fn::GetAtt needs a name and an attribute: Name.Attribute", "")
		return unknown(v.Pos, "Fn::GetAtt")
	}
	return t.attribute(document.NewText(v.Pos, id), attribute, v.Text)
}

// attribute is that of a resource; whole is how both are written.
func (t *template) attribute(id *document.Node, attribute, whole string) *document.Node {
	if known := t.byID[whole]; known != nil { // SAM: Function.Alias
		return t.made(id.Pos, t.identity(known, id.Pos))
	}
	r := t.resource(id)
	if r == nil {
		return unknown(id.Pos, whole)
	}
	switch {
	case r.isFunction() && (attribute == "Alias" || attribute == "Version" || attribute == "Arn"):
		return t.made(id.Pos, t.arn(r, id.Pos))
	case attribute == "Arn" || attribute == "TopicArn" || attribute == "TableArn":
		return t.made(id.Pos, t.arn(r, id.Pos))
	case r.kind == typeRestAPI || r.kind == typeServerlessAPI:
		if attribute == "RootResourceId" {
			return document.NewText(id.Pos, r.id+rootResource)
		}
		return document.NewText(id.Pos, r.id)
	case attribute == "QueueName" || attribute == "TopicName" || attribute == "Name" || attribute == "Ref":
		return t.made(id.Pos, t.physical(r, id.Pos))
	case attribute == "QueueUrl":
		return t.made(id.Pos, t.identity(r, id.Pos))
	case isGateway(r.kind):
		return document.NewText(id.Pos, r.id)
	}
	t.find(openapi.Different, id.Pos, r.kind, "what "+whole+" is at AWS is not known here: "+document.Quote(whole)+" stands for it")
	return t.made(id.Pos, whole)
}

// rootResource ends what stands for the root of a REST API's paths.
const rootResource = ".RootResourceId"

// qualified is the ARN of an alias or a version: that of its function, since both are made on a host.
func (t *template) qualified(r *resource, pos host.Position) string {
	name := t.text(r, "FunctionName")
	if name == nil {
		return r.id
	}
	r.used = true
	t.find(openapi.Different, r.pos, strings.ToLower(strings.TrimPrefix(r.kind, "AWS::Lambda::")), "versions and aliases are made on a host by `postern function promote`: what names "+r.id+" calls the function as it is deployed")
	if strings.HasPrefix(name.Text, "arn:") {
		return name.Text
	}
	return "arn:" + t.opts.Partition + ":lambda:" + t.opts.Region + ":" + t.opts.AccountID + ":function:" + name.Text
}
