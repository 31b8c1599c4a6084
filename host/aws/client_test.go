package aws_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/aws"
	"github.com/postern/postern/host/sigv4"
)

// A seen is what arrived, and whether its signature was good.
type seen struct {
	Method, Target, Service, Region, Type, Amz, Body string
	Signed                                           []string
}

// verifier returns a server that verifies signatures as this host's own API does, and tells what arrived.
func verifier(t *testing.T) (*httptest.Server, chan seen) {
	arrived := make(chan seen, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signature, err := sigv4.Parse(r)
		if err == nil {
			err = signature.Verify(r, secret, sigv4.Options{Services: []string{signature.Service}})
		}
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.RequestURI, err)
			w.WriteHeader(http.StatusForbidden)
			signature = &sigv4.Signature{}
		}
		body, _ := io.ReadAll(r.Body)
		arrived <- seen{Method: r.Method, Target: r.RequestURI, Service: signature.Service, Region: signature.Region, Type: r.Header.Get("Content-Type"),
			Amz: r.Header.Get("X-Amz-Target"), Body: string(body), Signed: signature.Headers}
		w.Header().Set("X-Amzn-RequestId", "r-1")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	return s, arrived
}

// Reference 1.4, "AWS" [GUIDE], "Stage vars in URI" and "URI path vars" [GUIDE]; 1.4.6, "dropped from AWS" [REC].
func TestInvoke(t *testing.T) {
	server, arrived := verifier(t)
	s := sender(t)
	plain, amz := []string{"host", "x-amz-date"}, "x-amz-target"
	typed := []string{"content-type", "host", "x-amz-date"}
	tests := []struct {
		name string
		r    request
		want seen
	}{
		{"an action of the query protocol", request{uri: "sns:action/Publish", query: "Message=a%20b%2B&TopicArn=arn:x"},
			seen{Target: "/?Action=Publish&Message=a%20b%2B&TopicArn=arn%3Ax&Version=2010-03-31", Service: "sns", Type: "application/x-www-form-urlencoded", Signed: typed}},
		{"a version of its own, and a body", request{uri: "sns:action/Publish&Version=1", body: "{}", header: host.Header{{Name: "content-type", Value: "application/json"}}},
			seen{Target: "/?Action=Publish&Version=1", Service: "sns", Type: "application/json", Body: "{}", Signed: typed}},
		{"a mapping replaces what the URI has", request{uri: "sns:action/Publish&Message={m}&TopicArn=t", query: "Message=b", path: map[string]string{"m": "a"}},
			seen{Target: "/?Action=Publish&TopicArn=t&Message=b&Version=2010-03-31", Service: "sns", Type: "application/x-www-form-urlencoded", Signed: typed}},
		{"an action of a JSON protocol", request{uri: "dynamodb:action/PutItem", body: `{"a":1}`, header: host.Header{{Name: "Content-Type", Value: "application/json; charset=utf-8"}}},
			seen{Target: "/", Service: "dynamodb", Type: "application/x-amz-json-1.0", Amz: "DynamoDB_20120810.PutItem", Body: `{"a":1}`,
				Signed: []string{"content-type", "host", "x-amz-date", amz}}},
		{"what is mapped stays", request{uri: "events:action/PutEvents", header: host.Header{{Name: "Content-Type", Value: "application/x-amz-json-9"}, {Name: "X-Amz-Target", Value: "Mine.Own"}}},
			seen{Target: "/", Service: "events", Type: "application/x-amz-json-9", Amz: "Mine.Own", Signed: []string{"content-type", "host", "x-amz-date", amz}}},
		{"an action in a stage variable", request{uri: "states:action/${stageVariables.what}", stage: map[string]string{"what": "StartExecution"}},
			seen{Target: "/", Service: "states", Type: "application/x-amz-json-1.0", Amz: "AWSStepFunctions.StartExecution", Signed: []string{"content-type", "host", "x-amz-date", amz}}},
		{"a path", request{uri: "lambda:path/2015-03-31/functions/arn:aws:lambda:x/${stageVariables.v}", method: "GET", query: "b=2&a=1&a", stage: map[string]string{"v": "aliases"}},
			seen{Method: "GET", Target: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax/aliases?b=2&a=1&a=", Service: "lambda", Signed: plain}},
		{"a parameter stays in its segment", request{uri: "batch:path/v1/{a}/x", path: map[string]string{"a": "b/c?d&e%2Ff é"}},
			seen{Target: "/v1/b%2Fc%3Fd%26e%2Ff%20%C3%A9/x", Service: "batch", Signed: plain}},
		{"a key at S3 has slashes", request{uri: "s3:path/{bucket}/{key}", method: "PUT", body: "x", path: map[string]string{"bucket": "b", "key": "a/b%2Fc d+~.txt"}},
			seen{Method: "PUT", Target: "/b/a/b/c%20d%2B~.txt", Service: "s3", Body: "x", Signed: []string{"host", "x-amz-content-sha256", "x-amz-date"}}},
		{"a bucket has none", request{uri: "s3:path/{bucket}/{dir}/{key}", path: map[string]string{"bucket": "a/b", "dir": "c/d", "key": "e/f"}},
			seen{Target: "/a%2Fb/c/d/e/f", Service: "s3", Signed: []string{"host", "x-amz-content-sha256", "x-amz-date"}}},
		{"a bucket as a subdomain", request{uri: "my.bucket.s3:path/{key}", path: map[string]string{"key": "a/b"}},
			seen{Target: "/my.bucket/a/b", Service: "s3", Signed: []string{"host", "x-amz-content-sha256", "x-amz-date"}}},
		{"fields that are not sent, or not signed", request{uri: "batch:path/v1", header: host.Header{{Name: "Referer", Value: "r"}, {Name: "Authorization", Value: "Bearer x"},
			{Name: "X-Amz-Security-Token", Value: "t"}, {Name: "X-Amz-Date", Value: "d"}, {Name: "Host", Value: "h"}, {Name: "Traceparent", Value: "00-1"}, {Name: "Connection", Value: "x"}}},
			seen{Target: "/v1", Service: "batch", Signed: plain}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, err := call(t, s, access(server.URL), test.r)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != 202 || a.body != "{}" || a.header.Get("X-Amzn-RequestId") != "r-1" {
				t.Errorf("the answer is %+v", a)
			}
			if test.want.Region = where; test.want.Method == "" {
				test.want.Method = "POST"
			}
			if diff := cmp.Diff(test.want, <-arrived); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestInvokeErrors(t *testing.T) {
	s := sender(t)
	tests := []struct {
		name string
		r    request
		kind host.Kind
	}{
		{"a parameter that nobody gives", request{uri: "s3:path/b/{key}"}, host.Internal},
		{"an empty one", request{uri: "s3:path/b/{key}", path: map[string]string{"key": ""}}, host.Invalid},
		{"one that climbs", request{uri: "s3:path/b/{key}", path: map[string]string{"key": "../other/x"}}, host.Invalid},
		{"one that climbs when it is decoded", request{uri: "s3:path/b/{key}", path: map[string]string{"key": "a%2f%2e%2e%2fx"}}, host.Invalid},
		{"a stage variable that climbs", request{uri: "s3:path/b/${stageVariables.v}", stage: map[string]string{"v": "../x"}}, host.Internal},
		{"a body that is too large", request{uri: "s3:path/b/k", body: strings.Repeat("x", aws.MaxBody+1)}, host.TooLarge},
		{"nobody there", request{uri: "s3:path/b/k"}, host.BadGateway},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := call(t, s, access("http://127.0.0.1:1"), test.r)
			if err == nil || host.KindOf(err) != test.kind {
				t.Errorf("have %v, want Kind %v", err, test.kind)
			}
		})
	}
}

func TestNewClientErrors(t *testing.T) {
	with := func(change func(a *host.ServiceAccess)) *host.ServiceAccess {
		a := access("")
		change(a)
		return a
	}
	sqs := func(a *host.ServiceAccess) host.ServiceCall {
		return host.ServiceCall{Service: "sqs", Action: "SendMessage", Access: a}
	}
	tests := map[string]struct {
		call host.ServiceCall
		want string
	}{
		"no configuration":           {sqs(nil), "no credentials"},
		"no key":                     {sqs(with(func(a *host.ServiceAccess) { a.AccessKeyID.Value = "" })), "no credentials"},
		"no secret":                  {sqs(with(func(a *host.ServiceAccess) { a.SecretAccessKey.Value = "" })), "no credentials"},
		"a key with a line end":      {sqs(with(func(a *host.ServiceAccess) { a.AccessKeyID.Value = "a\r\nb" })), "accessKeyId"},
		"a token with one":           {sqs(with(func(a *host.ServiceAccess) { a.SessionToken.Value = "a\nb" })), "sessionToken"},
		"no region":                  {sqs(with(func(a *host.ServiceAccess) { a.Region = "" })), "no region"},
		"a region that is none":      {sqs(with(func(a *host.ServiceAccess) { a.Region = "evil.example/" })), "no region's name"},
		"an endpoint that is no URL": {sqs(with(func(a *host.ServiceAccess) { a.Endpoint = "localhost:4566" })), "no http or https URL"},
		"an endpoint with a user":    {sqs(with(func(a *host.ServiceAccess) { a.Endpoint = "http://u:p@localhost" })), "more than scheme, host and path"},
		"an action of S3":            {host.ServiceCall{Service: "s3", Action: "GetObject", Access: access("")}, "call it by path/"},
		"a path with open braces":    {host.ServiceCall{Service: "s3", Path: "{a", Access: access("")}, "{a"},
		"an unknown subtype":         {host.ServiceCall{Subtype: "SQS-Nothing", Access: access("")}, "SQS-SendMessage"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := aws.NewClient(&test.call, "", nil)
			if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("have %v, want %q", err, test.want)
			}
		})
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	a := access("")
	a.SessionToken.Value = secret
	c, err := aws.NewClient(&host.ServiceCall{Service: "sqs", Path: "x", Access: a}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, c) + fmt.Sprintf(format, *c); strings.Contains(text, secret) {
			t.Errorf("%s prints the secret", format)
		}
	}
}

// Reference 1.4, "URI path vars" [GUIDE]: what the route's path has goes into the URI by a mapping alone.
func TestRouteParametersAreNotTheURIs(t *testing.T) {
	c, err := aws.NewClient(&host.ServiceCall{Service: "s3", Path: "b/{key}", Access: access("http://127.0.0.1:1")}, "", sender(t))
	if err != nil {
		t.Fatal(err)
	}
	x := &host.Exchange{Request: &host.Request{Method: "GET", Target: "/k"}}
	x.Match.Params = []host.Param{{Name: "key", Value: "k"}}
	if _, err := c.Invoke(t.Context(), &host.Invocation{Exchange: x, Request: x.Request}); !errors.Is(err, host.Internal) {
		t.Errorf("have %v, want Kind Internal", err)
	}
	if len(x.Match.Params) != 1 {
		t.Error("the exchange is changed")
	}
}

// A client is shared by all requests of its route.
func TestConcurrentCalls(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signature, err := sigv4.Parse(r)
		if err == nil {
			err = signature.Verify(r, secret, sigv4.Options{Services: []string{"sqs"}})
		}
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	c, err := aws.NewClient(&host.ServiceCall{Subtype: "SQS-SendMessage", Access: access(server.URL)}, "", sender(t))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			values := map[string]string{"QueueUrl": "u", "MessageBody": strconv.Itoa(i), "Region": [...]string{"eu-west-1", "us-east-1"}[i%2]}
			resp, err := c.Call(t.Context(), values)
			if err != nil {
				t.Error(err)
				return
			}
			read(t, resp)
		})
	}
	group.Wait()
}
