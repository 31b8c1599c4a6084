package server_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

// guarded is a project of two APIs: one with an authorizer and a function that has a secret, and one that needs neither.
const guarded = `
apis:
  guarded:
    protocol: http
    authorizers: {caller: {plugin: ./caller.js, identitySources: [$request.header.authorization]}}
    routes:
      GET /: {authorizer: caller, integration: {mock: {body: VERSION}}}
      GET /secret: {integration: {function: keeper}}
    stages: {$default: {}, second: {}}
  plain:
    protocol: http
    root: true
    routes:
      GET /: {integration: {mock: {body: plain}}}
    stages: {$default: {}}
functions:
  keeper: {plugin: ./keeper.js, secrets: {KEY: {store: key}}}
domains:
  guarded.example: {/: guarded/$default}
`

func guardedFiles(version string) map[string]string {
	return map[string]string{"postern.yaml": strings.ReplaceAll(guarded, "VERSION", version),
		"caller.js": "export const authorize = () => ({isAuthorized: true, context: {version: '" + version + "'}})\n",
		"keeper.js": "export const handler = (e, c) => c.secrets.KEY\n"}
}

func putSecret(t *testing.T, g *servertest.Host, name, value string) {
	t.Helper()
	if _, err := g.Admin.PutSecret(t.Context(), name, host.SecretValue(value), admin.Write{}); err != nil {
		t.Fatal(err)
	}
}

// part waits until the part of that name is told as wanted: "desired/applied" and a word of its reason.
func part(t *testing.T, g *servertest.Host, name string, numbers, reason string) {
	t.Helper()
	var told []admin.Part
	servertest.Eventually(t, name+" is "+numbers+" "+reason, func() bool {
		var err error
		if told, err = g.Admin.Parts(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, p := range told {
			called := p.Function
			if p.API != "" {
				called = p.API + "/" + p.Stage
			}
			if p.Canary {
				called += " canary"
			}
			if called == name && fmt.Sprintf("%d/%d", p.Desired, p.Applied) == numbers && strings.Contains(p.Reason, reason) && (reason == "") == (p.Reason == "") {
				return true
			}
		}
		return false
	})
}

func answers(t *testing.T, g *servertest.Host, path string, status int, body string, fields ...string) {
	t.Helper()
	if reply := g.Get(t, path, append(fields, "Authorization: me")...); reply.Status != status || body != "" && reply.Body != body {
		t.Errorf("%s %v: %d %q, and not %d %q", path, fields, reply.Status, reply.Body, status, body)
	}
}

const (
	guardedPath = "/_postern/guarded/$default/"
	secretPath  = "/_postern/guarded/$default/secret"
	byDomain    = "Host: guarded.example"
)

func TestALostSecretStopsNothingElse(t *testing.T) {
	g := servertest.StartHost(t)
	putSecret(t, g, "key", "one")
	g.MustApply(t, guardedFiles("v1"))
	answers(t, g, secretPath, 200, "one")
	part(t, g, "keeper", "1/1", "")

	putSecret(t, g, "key", "two") // rotated, without a change of the state
	servertest.Eventually(t, "the new value serves", func() bool { return g.Get(t, secretPath).Body == "two" })

	if err := g.Admin.DeleteSecret(t.Context(), "key", admin.Write{Force: true}); !errors.Is(err, host.Conflict) {
		t.Errorf("a secret that is used is deleted: %v", err)
	}
	entry, err := server.Store(g.Server).Get(t.Context(), "secrets/key")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Store(g.Server).Delete(t.Context(), entry.Key, entry.Rev); err != nil {
		t.Fatal(err)
	}
	part(t, g, "keeper", "1/1", "key")
	answers(t, g, secretPath, 200, "two") // what served goes on
	answers(t, g, guardedPath, 200, "v1")
	g.Log.Wait(t, "what does not serve", func(l servertest.Line) bool {
		return l.Text("level") == "ERROR" && strings.Contains(l.Text("msg"), "a part of the state") && l.Text("function") == "keeper"
	})
	g = g.Restart(t)
	part(t, g, "keeper", "1/0", "key")
	answers(t, g, secretPath, 500, "")
	answers(t, g, guardedPath, 200, "v1")
	answers(t, g, "/", 200, "plain")
	putSecret(t, g, "key", "three")
	part(t, g, "keeper", "1/1", "")
	answers(t, g, secretPath, 200, "three")
}

// lose deletes the blob of the code that a project has by that reference.
func lose(t *testing.T, g *servertest.Host, ref string) {
	t.Helper()
	bundle, err := g.Admin.Bundle(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Blobs(g.Server).Delete(t.Context(), bundle.Code[ref].Digest, time.Time{}); err != nil {
		t.Fatal(err)
	}
}

func TestALostAuthorizerIsItsStagesAlone(t *testing.T) {
	g := servertest.StartHost(t)
	putSecret(t, g, "key", "one")
	g.MustApply(t, guardedFiles("v1"))
	answers(t, g, guardedPath, 200, "v1", byDomain)
	lose(t, g, "caller.js")
	answers(t, g, guardedPath, 200, "v1")
	g = g.Restart(t)
	// Nothing served before: both stages refuse, and all else serves.
	for _, stage := range []string{"$default", "second"} {
		part(t, g, "guarded/"+stage, "1/0", "caller")
		answers(t, g, "/_postern/guarded/"+stage+"/", 503, "")
	}
	answers(t, g, "/", 503, "", byDomain)
	answers(t, g, "/", 200, "plain")
	part(t, g, "plain/$default", "1/1", "")
	part(t, g, "keeper", "1/1", "")
	if status, err := g.Admin.Status(t.Context()); err != nil || !status.Ready {
		t.Errorf("%+v %v", status, err)
	}

	g.MustApply(t, guardedFiles("v2"))
	part(t, g, "guarded/$default", "2/2", "")
	answers(t, g, guardedPath, 200, "v2")
	answers(t, g, "/", 200, "v2", byDomain)
}

// TestAStageThatCannotServeStays has a deployment that a host without its code cannot build: the stage stays at the one before.
func TestAStageThatCannotServeStays(t *testing.T) {
	g := servertest.StartHost(t)
	putSecret(t, g, "key", "one")
	g.MustApply(t, guardedFiles("v1"))
	g.MustApply(t, guardedFiles("v2"))
	lose(t, g, "caller.js") // of v2
	w := admin.Write{Force: true}
	if _, err := g.Admin.RollbackStage(t.Context(), "guarded", "second", 1, w); err != nil {
		t.Fatal(err)
	}
	g = g.Restart(t) // $default at 2, which is lost, and second at 1
	part(t, g, "guarded/$default", "2/0", "caller")
	part(t, g, "guarded/second", "1/1", "")
	answers(t, g, "/_postern/guarded/second/", 200, "v1")
	if _, err := g.Admin.RollbackStage(t.Context(), "guarded", "$default", 1, w); err != nil {
		t.Fatal(err)
	}
	part(t, g, "guarded/$default", "1/1", "")
	answers(t, g, guardedPath, 200, "v1")

	// A stage goes to what cannot be built, and stays. So does one with such a canary.
	if _, err := g.Admin.PutStage(t.Context(), "guarded", "$default", admin.StageInput{Deployment: 2}, w); err != nil {
		t.Log("refused by the host itself:", err)
	} else {
		part(t, g, "guarded/$default", "2/1", "caller")
	}
	answers(t, g, guardedPath, 200, "v1")
	answers(t, g, "/", 200, "v1", byDomain)
	if _, err := g.Admin.PutCanary(t.Context(), "guarded", "second", catalog.Canary{Deployment: 2, Percent: 100}, w); err != nil {
		t.Log("refused by the host itself:", err)
	} else {
		part(t, g, "guarded/second canary", "2/0", "caller")
	}
	answers(t, g, "/_postern/guarded/second/", 200, "v1")
	part(t, g, "guarded/second", "1/1", "")
}

// TestALostVersionLeavesItsAlias deletes the code of a version before an alias goes there.
func TestALostVersionLeavesItsAlias(t *testing.T) {
	g := servertest.StartHost(t)
	for n := 1; n <= 2; n++ {
		reply, err := g.Upload(t.Context(), "greet", admin.TypeJavaScript, says(n), fmt.Sprint("wait=20s&promote=", n == 1))
		if err != nil || reply.Status/100 != 2 {
			t.Fatal(reply, err)
		}
	}
	call := func(want string) {
		t.Helper()
		r, err := g.Admin.Invoke(t.Context(), admin.Call{Function: "greet"})
		if err != nil || string(r.Payload) != want {
			t.Errorf("%+v %v", r, err)
		}
	}
	v, err := g.Admin.Version(t.Context(), "greet", 2)
	if err != nil {
		t.Fatal(err)
	}
	g = g.Restart(t) // the version is open nowhere
	if err := server.Blobs(g.Server).Delete(t.Context(), v.Digest, time.Time{}); err != nil {
		t.Fatal(err)
	}
	call(`"1"`)
	if _, err := g.Admin.SetAlias(t.Context(), "greet", "live", admin.AliasInput{Version: 2}, admin.Write{}); err != nil {
		t.Log("refused by the host itself:", err)
	} else {
		part(t, g, "greet", "2/1", "not found")
	}
	call(`"1"`)
	g.MustUpload(t, "greet", says(3))
	call(`"3"`)
}
