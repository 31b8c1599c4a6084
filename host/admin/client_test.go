package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
)

// client returns a client of the fixture, with the admin's token.
func (f *fixture) client() *Client {
	f.Helper()
	c, err := NewClient(f.url+"/", ClientOptions{Token: f.token})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	return c
}

// must panics on an error: a test cannot go on without the value.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// collected is a list without an error.
func collected[T any](t testing.TB, items iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for item, err := range items {
		all = append(all, must(item, err))
	}
	return all
}

// saved saves a script as a blob, and describes it.
func saved(t testing.TB, c *Client, script string) *catalog.Code {
	t.Helper()
	script = "(function(module,exports,require){" + script + "})"
	digest := sha256.Sum256([]byte(script))
	code := &catalog.Code{Runtime: host.RuntimeJS, Digest: hex.EncodeToString(digest[:]), Exports: []string{"handler"}, Size: int64(len(script))}
	var told int64
	sent, err := c.SaveBlob(t.Context(), code.Digest, strings.NewReader(script), code.Size, func(done int64) { told = done })
	if err != nil || sent && told != code.Size {
		t.Fatalf("sent %v, told of %d bytes of %d: %v", sent, told, code.Size, err)
	}
	return code
}

const clientDefinition = `apis:
  shop:
    routes: {GET /x: {integration: {function: hello}}}
    stages: {$default: {}, prod: {variables: {a: b}}}
functions: {hello: {plugin: ./hello.js}}
`

// TestClientOfAProject is the way of a project from apply to delete, by the client alone.
func TestClientOfAProject(t *testing.T) {
	f := start(t)
	c, ctx := f.client(), t.Context()
	code := saved(t, c, `exports.handler=()=>({a:1})`)
	in := catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: clientDefinition, Code: map[string]catalog.Code{"hello.js": *code}}}
	plan := must(c.Apply(ctx, "shop", in, Write{DryRun: true}))
	if !plan.Changed || len(collected(t, c.Projects(ctx))) != 0 {
		t.Fatalf("a dry run that has written, or nothing to do: %+v", plan)
	}
	plan = must(c.Apply(ctx, "shop", in, Write{Message: "first", Wait: patience}))
	if p := must(c.Project(ctx, "shop")); !plan.Changed || p.Message != "first" || len(p.APIs) != 1 {
		t.Fatalf("%+v, %+v", plan, p)
	}
	if b := must(c.Bundle(ctx, "shop")); b.Text != clientDefinition {
		t.Errorf("the bundle has %q", b.Text)
	}
	if apis := collected(t, c.APIs(ctx)); len(apis) != 1 || apis[0].Name != "shop" || len(apis[0].Stages) != 2 {
		t.Errorf("%+v", apis)
	}
	body := must(c.OpenBlob(ctx, code.Digest))
	if data := must(io.ReadAll(body)); int64(len(data)) != code.Size {
		t.Errorf("a blob of %d bytes came as %d", code.Size, len(data))
	}
	_ = body.Close()
	s := must(c.Stage(ctx, "shop", "prod"))
	if s.Deployment != 1 || s.Variables["a"] != "b" {
		t.Errorf("%+v", s)
	}
	if d := collected(t, c.Deployments(ctx, "shop")); len(d) != 1 {
		t.Errorf("%+v", d)
	}
	if err := c.DeleteProject(ctx, "shop", Write{}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteProject(ctx, "shop", Write{}); !errors.Is(err, host.NotFound) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestClientOfFunctions(t *testing.T) {
	f := start(t)
	c, ctx := f.client(), t.Context()
	promote := true
	for i := range 2 {
		in := UploadInput{Code: saved(t, c, fmt.Sprintf(`exports.handler=()=>%d`, i)), Promote: &promote}
		if v := must(c.UploadFunction(ctx, "hello", in, Write{})); v.Version != i+1 {
			t.Fatalf("%+v", v)
		}
	}
	fn := must(c.Function(ctx, "hello"))
	if fn.Live != 2 || fn.Version != 2 {
		t.Errorf("%+v", fn)
	}
	a := must(c.SetAlias(ctx, "hello", "live", AliasInput{Version: 2, Second: 1, Weight: 0.25}, Write{Revision: fn.Revision}))
	if a.Second != 1 || a.Weight != 0.25 {
		t.Errorf("%+v", a)
	}
	if _, err := c.SetAlias(ctx, "hello", "live", AliasInput{Version: 1}, Write{Revision: fn.Revision}); !errors.Is(err, host.Conflict) {
		t.Errorf("a change of an older revision: %v", err)
	}
	a = must(c.RollbackAlias(ctx, "hello", "live", Write{}))
	if a.Version != 2 || a.Second != 0 {
		t.Errorf("%+v", a)
	}
	if v := collected(t, c.Versions(ctx, "hello")); len(v) != 2 {
		t.Errorf("%+v", v)
	}
	result := must(c.Invoke(ctx, Call{Function: "hello", Qualifier: "1"}))
	if string(result.Payload) != "0" || result.Error != "" || result.Version != 1 || !bytes.Contains(result.Log, []byte("START RequestId")) {
		t.Errorf("%+v, log %s", result, result.Log)
	}
	if id := must(c.InvokeLater(ctx, Call{Function: "hello", Payload: []byte(`{}`)})); id == "" {
		t.Error("a call without an id")
	}
	if _, err := c.Invoke(ctx, Call{Function: "helo"}); !errors.Is(err, host.NotFound) {
		t.Errorf("%v", err)
	}
	_, err := c.Function(ctx, "helo")
	if !errors.Is(err, host.NotFound) || !strings.Contains(err.Error(), `did you mean "hello"?`) {
		t.Errorf("%v", err)
	}
	if err := c.DeleteVersion(ctx, "hello", 2, Write{}); !errors.Is(err, host.Conflict) {
		t.Errorf("a version that live points at: %v", err)
	}
	if err := c.DeleteFunction(ctx, "hello", Write{}); err != nil {
		t.Error(err)
	}
}

// TestClientErrors: each refusal has its Kind, and what to do about it.
func TestClientErrors(t *testing.T) {
	f := start(t)
	c, ctx := f.client(), t.Context()
	in := catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: "functions:\n  shop: {plugn: ./x.js, plugin: ./y.js}\n"}}
	_, err := c.Apply(ctx, "shop", in, Write{})
	var broken definition.Errors
	var told *Problem
	if !errors.As(err, &broken) || !errors.As(err, &told) || host.KindOf(err) != host.Invalid {
		t.Fatalf("%T %v", err, err)
	}
	if e := broken[0]; e.Pos.File != "postern.yaml" || e.Pos.Line != 2 || e.Pos.Column != 10 || e.Hint == "" {
		t.Errorf("%+v", e)
	}
	viewer := must(NewClient(f.url, ClientOptions{Token: strings.TrimPrefix(f.login(access.Viewer), "Bearer ")}))
	for name, call := range map[string]func(*Client) error{
		"list":   func(c *Client) error { _, err := c.API(ctx, "x"); return err },
		"change": func(c *Client) error { return c.DeleteAPI(ctx, "x", Write{}) },
		"apply":  func(c *Client) error { _, err := c.Apply(ctx, "x", in, Write{}); return err },
		"blob":   func(c *Client) error { _, err := c.HasBlob(ctx, strings.Repeat("0", 64)); return err },
		"invoke": func(c *Client) error { _, err := c.Invoke(ctx, Call{Function: "x"}); return err },
		"logs": func(c *Client) error {
			for _, err := range c.Logs(ctx, LogFilter{}) {
				return err
			}
			return nil
		},
	} {
		anonymous := must(NewClient(f.url, ClientOptions{}))
		if err := call(anonymous); host.KindOf(err) != host.Unauthenticated {
			t.Errorf("%s without a token: %v", name, err)
		}
		if name == "list" || name == "logs" {
			continue
		}
		if err := call(viewer); host.KindOf(err) != host.Forbidden {
			t.Errorf("%s of a viewer: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "a b", strings.Repeat("x", 10_000)} {
		if _, err := c.Function(ctx, name); !errors.Is(err, host.Invalid) {
			t.Errorf("a function %.20q: %v", name, err)
		}
	}
}

func TestClientPages(t *testing.T) {
	f := start(t)
	c, ctx := f.client(), t.Context()
	for i := range 5 {
		must(c.PutSecret(ctx, fmt.Sprintf("s%d", i), "x", Write{}))
	}
	n := 0
	for s, err := range clientListOf[catalog.Secret](ctx, c, 2, nil, "v1", "secrets") {
		if err != nil || s.Name != fmt.Sprintf("s%d", n) {
			t.Errorf("%d: %+v, %v", n, s, err)
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d of 5", n)
	}
	for range c.Secrets(ctx) {
		break // a reader may leave
	}
}

func TestClientOfCredentials(t *testing.T) {
	f := start(t)
	c, ctx := f.client(), t.Context()
	made := must(c.CreateToken(ctx, CredentialInput{Name: "ci", Role: "deployer"}, Write{}))
	ci := must(NewClient(f.url, ClientOptions{Token: made.Text}))
	if me := must(ci.Whoami(ctx)); me.By != "token ci" || me.Role != "deployer" {
		t.Errorf("%+v", me)
	}
	if err := c.DeleteToken(ctx, made.ID, Write{}); err != nil {
		t.Fatal(err)
	}
	if _, err := ci.Whoami(ctx); !errors.Is(err, host.Unauthenticated) {
		t.Errorf("a token that ended: %v", err)
	}
	key := must(c.CreateKey(ctx, CredentialInput{Name: "sdk", Role: "deployer"}, Write{}))
	if key.Secret == "" || len(collected(t, c.Keys(ctx))) != 1 {
		t.Errorf("%+v", key)
	}
	if err := c.DeleteKey(ctx, key.ID, Write{}); err != nil {
		t.Error(err)
	}
	if entries := collected(t, c.Audit(ctx, nil)); len(entries) < 4 {
		t.Errorf("%+v", entries)
	}
	if clock, err := c.Health(ctx); err != nil || time.Since(clock).Abs() > time.Minute {
		t.Errorf("%v, %v", clock, err)
	}
}

// TestClientWaits: a change that is made and not live says so, beside its result.
func TestClientWaits(t *testing.T) {
	f := start(t)
	c, ctx := f.client(), t.Context()
	in := UploadInput{Code: saved(t, c, `exports.handler=()=>1`)}
	f.gate.set(func() { f.gate.parts = []Part{{Function: "hello", Desired: 1, Applied: 0, Reason: "it trapped"}} })
	v, err := c.UploadFunction(ctx, "hello", in, Write{Wait: patience})
	var late *NotLive
	if !errors.As(err, &late) || v.Version != 1 || late.Error() != "function hello: version 1 does not serve, and nothing does: it trapped" {
		t.Fatalf("%+v, %v", v, err)
	}
}

// TestClientWaitsTooLong: the change stays, and only the wait for it ended.
func TestClientWaitsTooLong(t *testing.T) {
	f := start(t)
	c, ctx := f.client(), t.Context()
	f.gate.set(func() { f.gate.stuck = true })
	_, err := c.UploadFunction(ctx, "hello", UploadInput{Code: saved(t, c, `exports.handler=()=>1`)}, Write{Wait: 10 * time.Millisecond})
	var told *Problem
	if host.KindOf(err) != host.Timeout || !errors.As(err, &told) || !told.Kept {
		t.Fatalf("%v", err)
	}
	if fn := must(c.Function(ctx, "hello")); fn.Live != 1 {
		t.Errorf("%+v", fn)
	}
}
