package aws_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/aws"
)

// Reference 1.4, "HTTP API subtypes" [GUIDE]. What moto knows is in TestMoto; here is what goes out.
func TestCall(t *testing.T) {
	server, arrived := verifier(t)
	s := sender(t)
	json := func(version, target, body string) seen {
		return seen{Method: "POST", Target: "/", Type: "application/x-amz-json-" + version, Amz: target, Body: body,
			Signed: []string{"content-type", "host", "x-amz-date", "x-amz-target"}}
	}
	tests := []struct {
		name, subtype string
		values        map[string]string
		service       string
		region        string
		want          seen
	}{
		{"a message", "SQS-SendMessage", map[string]string{"QueueUrl": "u", "MessageBody": `a "b"`, "DelaySeconds": "5", "MessageAttributes": `{"a":{"DataType":"String"}}`},
			"sqs", where, json("1.0", "AmazonSQS.SendMessage", `{"DelaySeconds":5,"MessageAttributes":{"a":{"DataType":"String"}},"MessageBody":"a \"b\"","QueueUrl":"u"}`)},
		{"names with commas", "SQS-ReceiveMessage", map[string]string{"QueueUrl": "u", "AttributeNames": "A,B", "MessageAttributeNames": `["C"]`, "Region": "us-west-2"},
			"sqs", "us-west-2", json("1.0", "AmazonSQS.ReceiveMessage", `{"AttributeNames":["A","B"],"MessageAttributeNames":["C"],"QueueUrl":"u"}`)},
		{"an event", "EventBridge-PutEvents", map[string]string{"Source": "s", "DetailType": "t", "Detail": "{}", "Time": "2024-02-03T04:05:06.5Z"},
			"events", where, json("1.1", "AWSEvents.PutEvents", `{"Entries":[{"Detail":"{}","DetailType":"t","Source":"s","Time":1706933106.5}]}`)},
		{"the time of a request", "EventBridge-PutEvents", map[string]string{"Source": "s", "DetailType": "t", "Detail": "{}", "Time": "1706933106500"},
			"events", where, json("1.1", "AWSEvents.PutEvents", `{"Entries":[{"Detail":"{}","DetailType":"t","Source":"s","Time":1706933106.5}]}`)},
		{"a record", "Kinesis-PutRecord", map[string]string{"StreamName": "s", "PartitionKey": "p", "Data": "YQ=="},
			"kinesis", where, json("1.1", "Kinesis_20131202.PutRecord", `{"Data":"YQ==","PartitionKey":"p","StreamName":"s"}`)},
		{"an execution that is waited for", "StepFunctions-StartSyncExecution", map[string]string{"StateMachineArn": "a", "Input": "{}", "TraceHeader": "t"},
			"states", where, json("1.0", "AWSStepFunctions.StartSyncExecution", `{"input":"{}","stateMachineArn":"a","traceHeader":"t"}`)},
		{"a configuration", "AppConfig-GetConfiguration", map[string]string{"Application": "a/b", "Environment": "e", "Configuration": "c d", "ClientId": "i&j", "ClientConfigurationVersion": "3"},
			"appconfig", where, seen{Method: "GET", Target: "/applications/a%2Fb/environments/e/configurations/c%20d?client_id=i%26j&client_configuration_version=3",
				Signed: []string{"host", "x-amz-date"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, err := subtype(t, s, access(server.URL), test.subtype, test.values)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != 202 || a.body != "{}" {
				t.Errorf("the answer is %+v", a)
			}
			test.want.Service, test.want.Region = test.service, test.region
			if diff := cmp.Diff(test.want, <-arrived); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCallErrors(t *testing.T) {
	s := sender(t)
	message := func(name, value string) map[string]string {
		return map[string]string{"QueueUrl": "u", "MessageBody": "b", name: value}
	}
	tests := []struct {
		name, subtype string
		values        map[string]string
		want          string
	}{
		{"nothing", "SQS-SendMessage", nil, "QueueUrl"},
		{"a required one is missing", "SQS-SendMessage", map[string]string{"QueueUrl": "u"}, "MessageBody"},
		{"a required one is empty", "SQS-SendMessage", message("QueueUrl", ""), "QueueUrl"},
		{"an optional one is empty", "SQS-SendMessage", message("MessageGroupId", ""), "MessageGroupId"},
		{"one is unknown", "SQS-SendMessage", message("Body", "x"), "Body"},
		{"no number", "SQS-SendMessage", message("DelaySeconds", "1.5"), "whole number"},
		{"a number that is too large", "SQS-SendMessage", message("DelaySeconds", "99999999999"), "whole number"},
		{"no object", "SQS-SendMessage", message("MessageAttributes", "[]"), "JSON object"},
		{"null for an object", "SQS-SendMessage", message("MessageAttributes", "null"), "JSON object"},
		{"no list of strings", "SQS-ReceiveMessage", map[string]string{"QueueUrl": "u", "AttributeNames": "[1]"}, "array of strings"},
		{"a region that is a host", "SQS-SendMessage", message("Region", "evil.example/"), "no region's name"},
		{"no base64", "Kinesis-PutRecord", map[string]string{"StreamName": "s", "PartitionKey": "p", "Data": "{}"}, "base64"},
		{"no time", "EventBridge-PutEvents", map[string]string{"Source": "s", "DetailType": "t", "Detail": "{}", "Time": "now"}, "RFC 3339"},
		{"a name that climbs", "AppConfig-GetConfiguration", map[string]string{"Application": "..", "Environment": "e", "Configuration": "c", "ClientId": "i"}, "climbs"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := subtype(t, s, access("http://127.0.0.1:1"), test.subtype, test.values)
			var e *host.Error
			if !errors.As(err, &e) || e.Kind != host.Invalid || !strings.Contains(err.Error(), test.want) {
				t.Errorf("have %v, want Kind Invalid and %q", err, test.want)
			}
		})
	}
	t.Run("no region at all", func(t *testing.T) {
		a := access("http://127.0.0.1:1")
		a.Region = ""
		if _, err := subtype(t, s, a, "SQS-SendMessage", map[string]string{"QueueUrl": "u", "MessageBody": "b"}); !errors.Is(err, host.Invalid) {
			t.Errorf("have %v, want Kind Invalid", err)
		}
	})
}

// A refusal may be long, and is no answer for the client.
func TestServiceRefuses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"NoSuchQueue"}`+strings.Repeat("\xff", 1<<20))
	}))
	defer server.Close()
	_, err := subtype(t, sender(t), access(server.URL), "SQS-PurgeQueue", map[string]string{"QueueUrl": "u"})
	var e *host.Error
	if !errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.IntegrationFailure || !strings.Contains(err.Error(), "NoSuchQueue") || len(err.Error()) > 16<<10 {
		t.Errorf("have %T of %d bytes", err, len(err.Error()))
	}
}

func TestWrongWay(t *testing.T) {
	s := sender(t)
	c, err := aws.NewClient(&host.ServiceCall{Service: "sqs", Path: "x", Access: access("")}, "", s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(t.Context(), nil); !errors.Is(err, host.Internal) {
		t.Errorf("a path is called as a subtype: %v", err)
	}
	if c, err = aws.NewClient(&host.ServiceCall{Subtype: "SQS-PurgeQueue", Access: access("")}, "", s); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Invoke(t.Context(), &host.Invocation{Request: &host.Request{}}); !errors.Is(err, host.Internal) {
		t.Errorf("a subtype is called as a path: %v", err)
	}
}

func TestCheckSubtype(t *testing.T) {
	tests := []struct {
		name, subtype string
		parameters    []string
		want          string // "" for none
	}{
		{"all", "SQS-DeleteMessage", []string{"QueueUrl", "ReceiptHandle", "Region"}, ""},
		{"the required ones", "StepFunctions-StopExecution", []string{"ExecutionArn"}, ""},
		{"one is missing", "SQS-DeleteMessage", []string{"QueueUrl"}, "ReceiptHandle"},
		{"one is unknown", "SQS-PurgeQueue", []string{"QueueUrl", "queueurl"}, `"queueurl"`},
		{"no subtype", "", nil, "AppConfig-GetConfiguration"},
		{"an unknown one", "S3-PutObject", nil, "AppConfig-GetConfiguration"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := aws.CheckSubtype(test.subtype, test.parameters)
			if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("have %v, want %q", err, test.want)
			}
		})
	}
	if names := aws.Subtypes(); len(names) != 10 {
		t.Errorf("the subtypes are %v", names)
	}
}
