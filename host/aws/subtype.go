package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// A subtype is a call that http APIs make by its parameters (API Gateway developer guide, "Integration subtype reference").
type subtype struct {
	name       string
	service    string
	action     string
	hostPrefix string // of the service's own host
	parameters []parameter
}

type parameter struct {
	name     string
	kind     kind
	required bool
}

// A kind says what a parameter's text becomes in the service's request.
type kind uint8

const (
	text kind = iota
	integer
	list    // a JSON array of strings, or texts with commas between
	object  // a JSON object
	moment  // RFC 3339, or seconds or milliseconds since 1970
	blob    // base64, as it stands
	segment // of a path
	region  // names where the service is
)

const appConfig = "AppConfig-GetConfiguration"

var subtypes = []subtype{
	{name: appConfig, service: "appconfig", parameters: []parameter{
		{"Application", segment, true}, {"Environment", segment, true}, {"Configuration", segment, true}, {"ClientId", text, true},
		{"ClientConfigurationVersion", text, false}, {"Region", region, false},
	}},
	{name: "EventBridge-PutEvents", service: "events", action: "PutEvents", parameters: []parameter{
		{"Detail", text, true}, {"DetailType", text, true}, {"Source", text, true}, {"Time", moment, false}, {"EventBusName", text, false},
		{"Resources", list, false}, {"TraceHeader", text, false}, {"Region", region, false},
	}},
	{name: "Kinesis-PutRecord", service: "kinesis", action: "PutRecord", parameters: []parameter{
		{"StreamName", text, true}, {"Data", blob, true}, {"PartitionKey", text, true}, {"SequenceNumberForOrdering", text, false},
		{"ExplicitHashKey", text, false}, {"Region", region, false},
	}},
	{name: "SQS-DeleteMessage", service: "sqs", action: "DeleteMessage", parameters: []parameter{
		{"QueueUrl", text, true}, {"ReceiptHandle", text, true}, {"Region", region, false},
	}},
	{name: "SQS-PurgeQueue", service: "sqs", action: "PurgeQueue", parameters: []parameter{
		{"QueueUrl", text, true}, {"Region", region, false},
	}},
	{name: "SQS-ReceiveMessage", service: "sqs", action: "ReceiveMessage", parameters: []parameter{
		{"QueueUrl", text, true}, {"AttributeNames", list, false}, {"MaxNumberOfMessages", integer, false}, {"MessageAttributeNames", list, false},
		{"ReceiveRequestAttemptId", text, false}, {"VisibilityTimeout", integer, false}, {"WaitTimeSeconds", integer, false}, {"Region", region, false},
	}},
	{name: "SQS-SendMessage", service: "sqs", action: "SendMessage", parameters: []parameter{
		{"QueueUrl", text, true}, {"MessageBody", text, true}, {"DelaySeconds", integer, false}, {"MessageAttributes", object, false},
		{"MessageDeduplicationId", text, false}, {"MessageGroupId", text, false}, {"MessageSystemAttributes", object, false}, {"Region", region, false},
	}},
	{name: "StepFunctions-StartExecution", service: "states", action: "StartExecution", parameters: []parameter{
		{"StateMachineArn", text, true}, {"Name", text, false}, {"Input", text, false}, {"Region", region, false},
	}},
	{name: "StepFunctions-StartSyncExecution", service: "states", action: "StartSyncExecution", hostPrefix: "sync-", parameters: []parameter{
		{"StateMachineArn", text, true}, {"Name", text, false}, {"Input", text, false}, {"TraceHeader", text, false}, {"Region", region, false},
	}},
	{name: "StepFunctions-StopExecution", service: "states", action: "StopExecution", parameters: []parameter{
		{"ExecutionArn", text, true}, {"Cause", text, false}, {"Error", text, false}, {"Region", region, false},
	}},
}

// Subtypes returns the names of all subtypes, sorted.
func Subtypes() []string {
	names := make([]string, len(subtypes))
	for i := range subtypes {
		names[i] = subtypes[i].name
	}
	return names
}

// CheckSubtype says what is wrong with an integration of that subtype and parameters of these names: Kind Invalid for a subtype or a
// parameter that does not exist, and for a required one that is not there.
func CheckSubtype(name string, parameters []string) error {
	s, err := findSubtype(name)
	if err == nil && s == nil {
		err = unknownSubtype(name)
	}
	if err == nil {
		err = s.check(parameters)
	}
	if err != nil {
		return &host.Error{Op: "integration subtype", Kind: host.Invalid, Err: err}
	}
	return nil
}

// findSubtype returns nil for "".
func findSubtype(name string) (*subtype, error) {
	if name == "" {
		return nil, nil
	}
	for i := range subtypes {
		if subtypes[i].name == name {
			return &subtypes[i], nil
		}
	}
	return nil, unknownSubtype(name)
}

func unknownSubtype(name string) error {
	return fmt.Errorf("there is no subtype %q; there are %s", name, strings.Join(Subtypes(), ", "))
}

func (s *subtype) check(given []string) error {
	for _, name := range given {
		if s.find(name) == nil {
			return fmt.Errorf("%s has no parameter %q; it has %s", s.name, name, strings.Join(s.names(), ", "))
		}
	}
	for _, p := range s.parameters {
		if p.required && !slices.Contains(given, p.name) {
			return fmt.Errorf("%s needs the parameter %s", s.name, p.name)
		}
	}
	return nil
}

func (s *subtype) find(name string) *parameter {
	for i := range s.parameters {
		if s.parameters[i].name == name {
			return &s.parameters[i]
		}
	}
	return nil
}

func (s *subtype) names() []string {
	names := make([]string, len(s.parameters))
	for i, p := range s.parameters {
		names[i] = p.name
	}
	return names
}
