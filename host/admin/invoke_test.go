package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/postern/postern/host/access"
)

// sdk is AWS's own client with an access key of this host.
func (f *fixture) sdk(role access.Role) (*lambda.Client, aws.Credentials) {
	f.Helper()
	key, secret, err := f.Access.CreateKey(f.Context(), access.Grant{Name: "sdk", Role: role})
	if err != nil {
		f.Fatal(err)
	}
	return f.sdkWith(key.ID, secret), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: secret}
}

func (f *fixture) sdkWith(id, secret string) *lambda.Client {
	return lambda.New(lambda.Options{Region: "eu-central-1", BaseEndpoint: aws.String(f.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")})
}

const talker = `export const handler = async (event, context) => {
	console.log("héllo from the function");
	if (event === null) return null;
	if (event.fail) throw new TypeError("no such luck");
	if (event.big) return "x".repeat(event.big);
	if (event.log) { for (let i = 0; i < event.log; i++) console.log("line " + i + " " + "é".repeat(50)); }
	return {got: event};
}
`

func TestSDKInvokes(t *testing.T) {
	f := start(t)
	f.uploaded("talk", talker)
	f.uploaded("talk", strings.Replace(talker, "got:", "second:", 1))
	f.want(200, "PUT", "/v1/functions/talk/aliases/old", AliasInput{Version: 1})
	client, _ := f.sdk(access.Deployer)
	for name, want := range map[string]string{
		"talk": "second", "talk:1": "got", "talk:old": "got", "000000000000:function:talk": "second", "function:talk:1": "got", "talk:$LATEST": "second",
		"arn:postern:lambda:local:000000000000:function:talk": "second", "arn:aws:lambda:eu-west-1:123456789012:function:talk:old": "got",
	} {
		out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"a": 1}`), LogType: types.LogTypeTail})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		version := map[string]string{"got": "1", "second": "2"}[want]
		if string(out.Payload) != `{"`+want+`":{"a":1}}` || aws.ToString(out.ExecutedVersion) != version || out.FunctionError != nil || out.StatusCode != 200 {
			t.Errorf("%s: %s, version %s, error %s", name, out.Payload, aws.ToString(out.ExecutedVersion), aws.ToString(out.FunctionError))
		}
		log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
		if err != nil || !strings.Contains(string(log), "héllo") {
			t.Errorf("%s: log %q, %v", name, log, err)
		}
	}
	out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("talk"), Qualifier: aws.String("1")})
	if err != nil || string(out.Payload) != "null" || out.LogResult != nil {
		t.Errorf("%v: %s", err, out.Payload)
	}
	out, err = client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("talk"), Payload: []byte(`{"fail": true}`)})
	if err != nil || aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), `"errorType":"TypeError"`) {
		t.Errorf("%v: %s %s", err, aws.ToString(out.FunctionError), out.Payload)
	}
	out, err = client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("talk"), Payload: []byte(`{"log": 1000}`), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	if log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)); err != nil || len(log) > maxLogTail || len(log) < maxLogTail-4 || !strings.Contains(string(log), "END RequestId") {
		t.Errorf("%d bytes of log, %v: %.100q", len(log), err, log)
	}
	out, err = client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("talk"), Payload: []byte(`{"big": 6300000}`)})
	if err != nil || aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), responseTooLarge) {
		t.Errorf("%v: %s %.200s", err, aws.ToString(out.FunctionError), out.Payload)
	}
}

func TestSDKEventDryRunAndContext(t *testing.T) {
	f := start(t)
	f.uploaded("talk", talker)
	client, _ := f.sdk(access.Deployer)
	talk := aws.String("talk")
	out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: talk, InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"later":1}`)})
	if err != nil || out.StatusCode != 202 || len(f.gate.later) != 1 || string(f.gate.later[0].Payload) != `{"later":1}` {
		t.Errorf("%v %+v %+v", err, out, f.gate.later)
	}
	out, err = client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: talk, InvocationType: types.InvocationTypeDryRun})
	if err != nil || out.StatusCode != 204 || len(f.gate.calls) != 0 {
		t.Errorf("%v %+v", err, out)
	}
	mobile := base64.StdEncoding.EncodeToString([]byte(`{"client":{"app_title":"x"}}`))
	if _, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: talk, ClientContext: &mobile}); err != nil {
		t.Fatal(err)
	}
	if got := f.gate.calls[0]; string(got.ClientContext) != `{"client":{"app_title":"x"}}` || got.RequestID == "" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"%%%", base64.StdEncoding.EncodeToString([]byte("{")), strings.Repeat("A", maxClientContext+1)} {
		_, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: talk, ClientContext: &bad})
		wantException(t, err, 400, "InvalidRequestContentException")
	}
}

// wantException expects an error of AWS's client.
func wantException(t *testing.T, err error, status int, name string) {
	t.Helper()
	var api smithy.APIError
	var response interface{ HTTPStatusCode() int }
	if !errors.As(err, &api) || api.ErrorCode() != name || !errors.As(err, &response) || response.HTTPStatusCode() != status || api.ErrorMessage() == "" {
		t.Errorf("%v, want %d %s", err, status, name)
	}
}

func TestSDKErrors(t *testing.T) {
	f := start(t)
	f.uploaded("talk", talker)
	client, _ := f.sdk(access.Deployer)
	invoke := func(c *lambda.Client, in lambda.InvokeInput) error {
		if in.FunctionName == nil {
			in.FunctionName = aws.String("talk")
		}
		_, err := c.Invoke(t.Context(), &in)
		return err
	}
	var missing *types.ResourceNotFoundException
	if err := invoke(client, lambda.InvokeInput{FunctionName: aws.String("tolk")}); !errors.As(err, &missing) || aws.ToString(missing.Type) != "User" {
		t.Errorf("%v", err)
	}
	wantException(t, invoke(client, lambda.InvokeInput{Qualifier: aws.String("9")}), 404, "ResourceNotFoundException")
	wantException(t, invoke(client, lambda.InvokeInput{InvocationType: types.InvocationTypeDryRun, Qualifier: aws.String("nope")}), 404, "ResourceNotFoundException")
	wantException(t, invoke(client, lambda.InvokeInput{Payload: []byte("{not json")}), 400, "InvalidRequestContentException")
	wantException(t, invoke(client, lambda.InvokeInput{Payload: []byte("\"\xff\"")}), 400, "InvalidRequestContentException")
	wantException(t, invoke(client, lambda.InvokeInput{InvocationType: "Sometimes"}), 400, "InvalidParameterValueException")
	wantException(t, invoke(client, lambda.InvokeInput{FunctionName: aws.String("talk:1"), Qualifier: aws.String("2")}), 400, "InvalidParameterValueException")
	for _, name := range []string{"a b", "a/b", "talk:", "talk:1:2", "arn:aws:s3:::bucket", "arn:aws:lambda:x:y:layer:z", strings.Repeat("a", 65), strings.Repeat("a", 10_000)} {
		wantException(t, invoke(client, lambda.InvokeInput{FunctionName: &name}), 400, "InvalidParameterValueException")
	}
	large := []byte(`"` + strings.Repeat("x", maxPayloadLater) + `"`)
	wantException(t, invoke(client, lambda.InvokeInput{InvocationType: types.InvocationTypeEvent, Payload: large}), 413, "RequestTooLargeException")
	if err := invoke(client, lambda.InvokeInput{Payload: large}); err != nil {
		t.Error(err)
	}
	f.gate.set(func() { f.gate.busy = true })
	var throttled *types.TooManyRequestsException
	if err := invoke(client, lambda.InvokeInput{}); !errors.As(err, &throttled) || throttled.Reason == "" {
		t.Errorf("%v", err)
	}
	wantException(t, invoke(f.sdkWith("PSTKAAAAAAAAAAAAAAAA", "secret"), lambda.InvokeInput{}), 403, "UnrecognizedClientException")
	_, known := f.sdk(access.Deployer)
	wantException(t, invoke(f.sdkWith(known.AccessKeyID, "wrong"), lambda.InvokeInput{}), 403, "InvalidSignatureException")
	viewer, _ := f.sdk(access.Viewer)
	wantException(t, invoke(viewer, lambda.InvokeInput{}), 403, "AccessDeniedException")
	a := f.want(413, "POST", "/2015-03-31/functions/talk/invocations", strings.Repeat(" ", maxPayload+1))
	if a.header.Get("X-Amzn-Errortype") != "RequestTooLargeException" {
		t.Errorf("%v", a.header)
	}
	a = f.want(403, "POST", "/2015-03-31/functions/talk/invocations", "1", "Authorization", "")
	if a.header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" {
		t.Errorf("%v", a.header)
	}
	if a := f.want(404, "GET", "/2015-03-31/layers", nil); a.header.Get("X-Amzn-Errortype") == "" {
		t.Errorf("%v", a.header)
	}
	// As every call, with a token.
	f.gate.set(func() { f.gate.busy = false })
	if a := f.want(200, "POST", "/2015-03-31/functions/talk/invocations", `{"b":2}`); string(a.body) != `{"got":{"b":2}}` {
		t.Errorf("%s", a.body)
	}
}

// TestSDKIsTooEager: who may not log in for a while is told another reason than who finds no instance.
func TestSDKIsTooEager(t *testing.T) {
	f := start(t)
	var throttled *types.TooManyRequestsException
	wrong := f.sdkWith("PSTKBBBBBBBBBBBBBBBB", "wrong")
	var err error
	for range 12 {
		_, err = wrong.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("talk")})
	}
	if !errors.As(err, &throttled) || throttled.Reason != types.ThrottleReasonCallerRateLimitExceeded {
		t.Errorf("%v", err)
	}
}

// signed is a request that AWS's signer signed at a time.
func (f *fixture) signed(creds aws.Credentials, body string, at time.Time) *http.Request {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), "POST", f.url+"/2015-03-31/functions/talk/invocations", strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(f.Context(), creds, req, hex.EncodeToString(sum[:]), "lambda", "us-east-1", at); err != nil {
		f.Fatal(err)
	}
	return req
}

func TestSignatures(t *testing.T) {
	f := start(t)
	f.uploaded("talk", talker)
	_, creds := f.sdk(access.Deployer)
	refuse := func(what string, req *http.Request) {
		t.Helper()
		if a := f.exchange(req); a.status != 403 || a.header.Get("X-Amzn-Errortype") != "InvalidSignatureException" {
			t.Errorf("%s: %d %v %s", what, a.status, a.header, a.body)
		}
	}
	refuse("an old clock", f.signed(creds, "1", time.Now().Add(-20*time.Minute)))
	refuse("a fast clock", f.signed(creds, "1", time.Now().Add(20*time.Minute)))
	tampered := f.signed(creds, "1", time.Now())
	tampered.Body = io.NopCloser(strings.NewReader("2"))
	refuse("another body", tampered)
	good := f.signed(creds, `{"c":3}`, time.Now())
	again := good.Clone(t.Context())
	again.Body = io.NopCloser(strings.NewReader(`{"c":3}`))
	if a := f.exchange(good); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	refuse("a replay", again)
}

func TestSDKListAndGet(t *testing.T) {
	f := start(t)
	for i := range 5 {
		f.uploaded("f"+strconv.Itoa(i), numbered(i))
	}
	f.want(201, "PUT", "/v1/functions/f0/config", map[string]any{"timeout": "1500ms", "env": map[string]string{"A": "b"}})
	client, _ := f.sdk(access.Viewer)
	var names []string
	pages := lambda.NewListFunctionsPaginator(client, &lambda.ListFunctionsInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Functions {
			names = append(names, aws.ToString(c.FunctionName))
			if arn := aws.ToString(c.FunctionArn); !strings.HasSuffix(arn, ":function:"+aws.ToString(c.FunctionName)) {
				t.Errorf("%s is pinned to a version", arn) // to call it would not be to call live
			}
		}
	}
	if strings.Join(names, " ") != "f0 f1 f2 f3 f4" {
		t.Errorf("%v", names)
	}
	f.uploaded("f1", numbered(9))
	var all []string
	pages = lambda.NewListFunctionsPaginator(client, &lambda.ListFunctionsInput{MaxItems: aws.Int32(1), FunctionVersion: types.FunctionVersionAll})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil || len(page.Functions) != 1 {
			t.Fatalf("%d on a page of 1, %v", len(page.Functions), err)
		}
		_, name, _ := strings.Cut(aws.ToString(page.Functions[0].FunctionArn), ":function:")
		all = append(all, name)
	}
	if strings.Join(all, " ") != "f0:1 f0:2 f1:1 f1:2 f2:1 f3:1 f4:1" {
		t.Errorf("%v", all)
	}
	f.want(200, "GET", "/2015-03-31/functions/?FunctionVersion=ALL", nil)
	f.want(400, "GET", "/2015-03-31/functions/?Marker=f0:x", nil)
	out, err := client.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("f0")})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Configuration
	if aws.ToInt32(c.Timeout) != 2 || aws.ToString(c.Version) != "2" || c.Environment.Variables["A"] != "b" || c.State != types.StateActive || c.CodeSize == 0 ||
		!strings.HasSuffix(aws.ToString(c.FunctionArn), ":function:f0") {
		t.Errorf("%+v", c)
	}
	_, err = client.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("f9")})
	wantException(t, err, 404, "ResourceNotFoundException")
}
