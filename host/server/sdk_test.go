package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/server/servertest"
)

// sdk is a client of AWS's own with a key of that role.
func sdk(t *testing.T, g *servertest.Host, role string) *lambda.Client {
	t.Helper()
	key, err := g.Admin.CreateKey(t.Context(), admin.CredentialInput{Name: role, Role: role}, admin.Write{})
	if err != nil {
		t.Fatal(err)
	}
	return lambda.New(lambda.Options{Region: "eu-central-1", BaseEndpoint: aws.String(g.Address("admin")), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.ID, key.Secret, "")})
}

func TestLambdaClientsCallTheRunningGateway(t *testing.T) {
	g := servertest.StartHost(t)
	for _, code := range []string{
		`export const handler = (e, c) => { console.log("first " + e.n); return {version: c.functionVersion, n: e.n} };`,
		`export const handler = (e, c) => { if (e.n === 0) throw new TypeError("none"); console.log("second " + e.n); return {version: c.functionVersion, n: e.n} };`,
	} {
		g.MustUpload(t, "greet", code)
	}
	c := sdk(t, g, "deployer")
	call := func(qualifier, payload string) *lambda.InvokeOutput {
		t.Helper()
		in := &lambda.InvokeInput{FunctionName: aws.String("greet"), Payload: []byte(payload), LogType: types.LogTypeTail}
		if qualifier != "" {
			in.Qualifier = aws.String(qualifier)
		}
		out, err := c.Invoke(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for qualifier, version := range map[string]string{"": "2", "live": "2", "1": "1", "2": "2", "$LATEST": "2"} {
		out := call(qualifier, `{"n":5}`)
		if compact(out.Payload) != `{"version":"`+version+`","n":5}` || aws.ToString(out.ExecutedVersion) != version || out.FunctionError != nil {
			t.Errorf("%q: %s %+v", qualifier, out.Payload, out)
		}
		log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
		if err != nil || !strings.Contains(string(log), " 5\n") || !strings.Contains(string(log), "REPORT RequestId: ") {
			t.Errorf("%q: %q %v", qualifier, log, err)
		}
	}
	if out := call("", `{"n":0}`); aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), `"TypeError"`) {
		t.Errorf("%s %+v", out.Payload, out)
	}
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("greet"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"n":77}`)})
	if err != nil || out.StatusCode != 202 {
		t.Errorf("%+v %v", out, err)
	}
	g.Log.Wait(t, "the call later", func(l servertest.Line) bool { return strings.Contains(l.Text("msg")+l.Text("message"), "second 77") })
	var missing *types.ResourceNotFoundException
	if _, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("great")}); !errors.As(err, &missing) {
		t.Error(err)
	}
	if _, err := sdk(t, g, "viewer").Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("greet")}); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("a viewer calls: %v", err)
	}
}

// TestOperatorsSeeAndShift follows the log, asks a function at its own address, shifts an alias and is second once.
func TestOperatorsSeeAndShift(t *testing.T) {
	g := servertest.StartHost(t)
	g.MustApply(t, map[string]string{"postern.yaml": "functions: {own: {plugin: ./own.js, url: true}, quiet: {plugin: ./own.js, url: true}}\n", "own.js": says(1)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan admin.LogLine, 100)
	go func() {
		defer close(lines)
		for l, err := range g.Admin.Logs(ctx, admin.LogFilter{Function: "own", Status: "2xx", Follow: true, Last: 10}) {
			if err != nil {
				return
			}
			lines <- l
		}
	}()
	for _, name := range []string{"quiet", "own"} {
		answers(t, g, "/", 200, "1", "Host: "+name+".function.localhost")
	}
	if l := <-lines; l.Fields["function"] != "own" || l.Fields["path"] != "/" {
		t.Errorf("%+v", l)
	}
	w := admin.Write{Force: true, Wait: servertest.Patience}
	reply, err := g.Upload(t.Context(), "own", admin.TypeJavaScript, says(2), "wait=20s&force=true&promote=false")
	if err != nil || reply.Status/100 != 2 {
		t.Fatal(reply, err)
	}
	alias, err := g.Admin.SetAlias(t.Context(), "own", "live", admin.AliasInput{Version: 1, Second: 2, Weight: 0.5}, w)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for range 200 {
		seen[g.Get(t, "/", "Host: own.function.localhost").Body]++
	}
	if len(seen) != 2 || seen["1"] < 50 || seen["2"] < 50 { // 7 standard deviations
		t.Errorf("%v", seen)
	}
	f, err := g.Admin.Function(t.Context(), "own")
	if err != nil {
		t.Fatal(err)
	}
	stale := w
	stale.Revision = f.Revision
	if _, err := g.Admin.SetAlias(t.Context(), "own", "live", admin.AliasInput{Version: 2}, w); err != nil {
		t.Fatal(err, alias)
	}
	if _, err := g.Admin.SetAlias(t.Context(), "own", "live", admin.AliasInput{Version: 1}, stale); !errors.Is(err, host.Conflict) {
		t.Errorf("who was second: %v", err)
	}
	answers(t, g, "/", 200, "2", "Host: own.function.localhost")
	if err := g.Stop(); err != nil { // who follows the log does not hold it up
		t.Error(err)
	}
	for range lines {
	}
}
