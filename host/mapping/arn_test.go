package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/mapping"
)

const (
	gateway = "arn:aws:apigateway:us-east-1:"
	invoke  = gateway + "lambda:path/2015-03-31/functions/"
	orders  = "arn:aws:lambda:us-east-1:123456789012:function:orders"
)

// Reference 1.4, "AWS" and "Stage vars in URI" [GUIDE].
func TestParseARN(t *testing.T) {
	service := func(call host.ServiceCall) mapping.ARN {
		if call.Region == "" {
			call.Region = "us-east-1"
		}
		return mapping.ARN{Service: &call}
	}
	tests := []struct {
		name, text string
		want       mapping.ARN
	}{
		{"path", gateway + "sqs:path/123456789012/orders", service(host.ServiceCall{Service: "sqs", Path: "123456789012/orders"})},
		{"path of nothing", gateway + "sns:path//", service(host.ServiceCall{Service: "sns"})},
		{"path with slashes", gateway + "states:path///a/b", service(host.ServiceCall{Service: "states", Path: "a/b"})},
		{"path with parameters", gateway + "s3:path/{bucket}/{key}", service(host.ServiceCall{Service: "s3", Path: "{bucket}/{key}"})},
		{"path with a stage variable", gateway + "sqs:path/${stageVariables.queue}", service(host.ServiceCall{Service: "sqs", Path: "${stageVariables.queue}"})},
		{"path with a colon", gateway + "lambda:path/2015-03-31/functions/arn:x/aliases", service(host.ServiceCall{Service: "lambda", Path: "2015-03-31/functions/arn:x/aliases"})},
		{"path with a query", gateway + "sns:path/?Action=Publish", service(host.ServiceCall{Service: "sns", Path: "?Action=Publish"})},
		{"subdomain", gateway + "my.bucket.s3:path/{key}", service(host.ServiceCall{Service: "s3", Subdomain: "my.bucket", Path: "{key}"})},
		{"subdomain of another service", gateway + "runtime.sagemaker:path/endpoints/x/invocations",
			service(host.ServiceCall{Service: "sagemaker", Subdomain: "runtime", Path: "endpoints/x/invocations"})},
		{"action", gateway + "dynamodb:action/PutItem", service(host.ServiceCall{Service: "dynamodb", Action: "PutItem"})},
		{"action with parameters", gateway + "s3:action/GetObject&Bucket={bucket}&Key={key}", service(host.ServiceCall{Service: "s3", Action: "GetObject&Bucket={bucket}&Key={key}"})},
		{"action with a stage variable", gateway + "sqs:action/${stageVariables.what}", service(host.ServiceCall{Service: "sqs", Action: "${stageVariables.what}"})},
		{"China", "arn:aws-cn:apigateway:cn-north-1:sqs:path/q", service(host.ServiceCall{Region: "cn-north-1", Service: "sqs", Path: "q"})},
		{"GovCloud", "arn:aws-us-gov:apigateway:us-gov-west-1:sqs:path/q", service(host.ServiceCall{Region: "us-gov-west-1", Service: "sqs", Path: "q"})},
		{"function", invoke + orders + "/invocations", mapping.ARN{Function: "orders"}},
		{"function with slashes before", gateway + "lambda:path//2015-03-31/functions/" + orders + "/invocations", mapping.ARN{Function: "orders"}},
		{"function with an alias", invoke + orders + ":live/invocations", mapping.ARN{Function: "orders", Qualifier: "live"}},
		{"function with a version", invoke + orders + ":12/invocations", mapping.ARN{Function: "orders", Qualifier: "12"}},
		{"function with $LATEST", invoke + orders + ":$LATEST/invocations", mapping.ARN{Function: "orders", Qualifier: "$LATEST"}},
		{"function in a stage variable", invoke + "arn:aws:lambda:us-east-1:123456789012:function:${stageVariables.fn}/invocations",
			mapping.ARN{Function: "${stageVariables.fn}"}},
		{"function with stage variables", invoke + orders + "-${stageVariables.env}:${stageVariables.alias}/invocations",
			mapping.ARN{Function: "orders-${stageVariables.env}", Qualifier: "${stageVariables.alias}"}},
		{"function by its name", invoke + "orders:live/invocations", mapping.ARN{Function: "orders", Qualifier: "live"}},
		{"function whose response streams", gateway + "lambda:path/2021-11-15/functions/" + orders + "/response-streaming-invocations",
			mapping.ARN{Function: "orders", Streaming: true}},
		{"function of an http API", orders + ":live", mapping.ARN{Function: "orders", Qualifier: "live"}},
		{"function in China", "arn:aws-cn:lambda:cn-north-1:123456789012:function:orders", mapping.ARN{Function: "orders"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := mapping.ParseARN(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseARNErrors(t *testing.T) {
	tests := map[string]string{
		"empty":                           "",
		"a URL":                           "https://sqs.us-east-1.amazonaws.com/",
		"too few parts":                   "arn:aws:apigateway:us-east-1:sqs",
		"neither path nor action":         gateway + "sqs:SendMessage",
		"all of it in a stage variable":   gateway + "sqs:${stageVariables.what}",
		"unknown partition":               "arn:aws-moon:apigateway:us-east-1:sqs:path/q",
		"no region":                       "arn:aws:apigateway::sqs:path/q",
		"a region that is another host":   "arn:aws:apigateway:evil.example/:sqs:path/q",
		"a region with a variable":        "arn:aws:apigateway:${stageVariables.r}:sqs:path/q",
		"a service with a slash":          gateway + "sqs/x:path/q",
		"no service":                      gateway + ":path/q",
		"a subdomain with an at":          gateway + "a@b.sqs:path/q",
		"another service's ARN":           "arn:aws:sqs:us-east-1:123456789012:orders",
		"no action":                       gateway + "sqs:action/",
		"an action with a space":          gateway + "sqs:action/Send Message",
		"an action with open braces":      gateway + "sqs:action/SendMessage&QueueUrl={q",
		"a path with open braces":         gateway + "s3:path/{bucket",
		"a path that climbs":              gateway + "s3:path/a/../b",
		"a path with a fragment":          gateway + "s3:path/a#b",
		"a path with an unknown variable": gateway + "s3:path/${context.x}",
		"a function without account":      invoke + "arn:aws:lambda:us-east-1::function:orders/invocations",
		"a function without name":         invoke + "arn:aws:lambda:us-east-1:123456789012:function:/invocations",
		"a function with two qualifiers":  orders + ":a:b",
		"an empty qualifier":              orders + ":",
		"a layer":                         "arn:aws:lambda:us-east-1:123456789012:layer:x",
		"too long":                        gateway + "s3:path/" + strings.Repeat("a", 5000),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if arn, err := mapping.ParseARN(text); !errors.Is(err, host.Invalid) {
				t.Errorf("got %+v and %v, want Kind Invalid", arn, err)
			}
		})
	}
}

func FuzzParseARN(f *testing.F) {
	for _, seed := range []string{gateway + "sqs:path/1/q?x={a}", gateway + "b.s3:action/Get&k={v}", invoke + orders + ":live/invocations", orders + ":${stageVariables.a}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		arn, err := mapping.ParseARN(text)
		if err != nil {
			if !errors.Is(err, host.Invalid) {
				t.Errorf("%v has not Kind Invalid", err)
			}
			return
		}
		if (arn.Function == "") == (arn.Service == nil) {
			t.Fatalf("%+v is neither a function nor a service, or both", arn)
		}
		call := arn.Service
		if call == nil {
			if again, err := mapping.ParseARN(strings.TrimSuffix("arn:aws:lambda:us-east-1:123456789012:function:"+arn.Function+":"+arn.Qualifier, ":")); err != nil ||
				again.Function != arn.Function || again.Qualifier != arn.Qualifier {
				t.Errorf("%+v is read again as %+v, %v", arn, again, err)
			}
			return
		}
		if host := call.Subdomain + "." + call.Service + "." + call.Region; strings.ContainsAny(host, "/@:?#% \t\r\n\\") {
			t.Errorf("%q cannot be a host", host)
		}
		if call.Action != "" && call.Path != "" {
			t.Errorf("%+v has an action and a path", call)
		}
	})
}
