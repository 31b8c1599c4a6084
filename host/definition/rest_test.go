package definition_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// parse parses a definition and returns what is wrong with it.
func parse(t *testing.T, name string, data []byte, opts definition.Options) (*host.Snapshot, definition.Errors) {
	t.Helper()
	s, err := definition.Parse(name, data, opts)
	var errs definition.Errors
	if err != nil && !errors.As(err, &errs) {
		t.Fatal(err)
	}
	return s, errs
}

func TestREST(t *testing.T) {
	for _, file := range definitions(t, "rest") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, errs := parse(t, "postern.yaml", data, definition.Options{})
			if len(errs) > 0 {
				for _, e := range errs {
					if e.Pos.Line < 1 || e.Pos.Column < 1 || e.Rule == "" || e.Path == "" {
						t.Errorf("incomplete: %+v", e)
					}
				}
				golden(t, strings.TrimSuffix(file, ".yaml")+".txt", errs.Error()+"\n")
				return
			}
			text, err := json.MarshalIndent(s, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".json", string(text)+"\n")
		})
	}
}

// shop is the larger example.
func shop(t *testing.T) *host.Snapshot {
	t.Helper()
	data, err := os.ReadFile("testdata/rest/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, errs := parse(t, "postern.yaml", data, definition.Options{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return s
}

func routeOf(t *testing.T, s *host.Snapshot, api, key string) *host.Route {
	t.Helper()
	for _, a := range s.APIs {
		for _, r := range a.Routes {
			if a.Name == api && r.Key == key {
				return r
			}
		}
	}
	t.Fatalf("no route %s of %s", key, api)
	return nil
}

// TestRESTIntegrations holds what integrations mean to what the reference says, by hand.
func TestRESTIntegrations(t *testing.T) {
	s := shop(t)
	type want struct {
		Type      host.IntegrationType
		Proxy     bool
		Function  string
		Qualifier string
		Format    string
		Method    string
		Mock      bool
		Service   string
	}
	for key, w := range map[string]want{
		"shop GET /orders":               {Type: host.IntegrationFunction, Proxy: true, Function: "get-order", Format: "1.0"},
		"shop POST /orders":              {Type: host.IntegrationHTTP, Method: "POST"},
		"shop ANY /files/{name}":         {Type: host.IntegrationHTTP, Proxy: true},
		"shop GET /files/{name}/{rest+}": {Type: host.IntegrationUpstream},
		"shop GET /static":               {Type: host.IntegrationMock, Proxy: true, Mock: true},
		"shop GET /mock":                 {Type: host.IntegrationMock},
		"shop GET /by-arn":               {Type: host.IntegrationFunction, Proxy: true, Function: "get-order", Format: "1.0"},
		"shop POST /by-name":             {Type: host.IntegrationFunction, Function: "get-order", Format: "1.0"},
		"shop POST /queue":               {Type: host.IntegrationService, Method: "POST", Service: "sqs eu-west-1  123456789012/orders "},
		"shop GET /proxied":              {Type: host.IntegrationHTTP, Proxy: true, Method: "GET"},
		"web POST /queue":                {Type: host.IntegrationService, Format: "1.0", Service: "sqs eu-west-1 SendMessage  SQS-SendMessage"},
		"web GET /fn":                    {Type: host.IntegrationFunction, Function: "get-order", Format: "1.0"},
		"web GET /moved":                 {Type: host.IntegrationHTTP},
	} {
		t.Run(key, func(t *testing.T) {
			api, key, _ := strings.Cut(key, " ")
			c := routeOf(t, s, api, key).Integration
			got := want{c.Type, c.Proxy, c.Function, c.Qualifier, c.PayloadFormat, c.Method, c.Mock != nil, ""}
			if call := c.Service; call != nil {
				got.Service = strings.Join([]string{call.Service, call.Region, call.Action, call.Path, call.Subtype}, " ")
				if call.Access == nil || call.Access.AccessKeyID.Env != "KEY_ID" || call.Access.SecretAccessKey.File != "./aws.secret" || call.Access.Endpoint != "http://127.0.0.1:4566" {
					t.Errorf("access = %+v", call.Access)
				}
			}
			if diff := cmp.Diff(w, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if shared := routeOf(t, s, "web", "POST /queue").Integration.Service.Access; shared != routeOf(t, s, "shop", "POST /queue").Integration.Service.Access {
		t.Error("two integrations have each an access of its own")
	}
}

// TestRESTAuthorizers: the default type, where a token stands, and how long results are kept (reference 1.1, 1.7).
func TestRESTAuthorizers(t *testing.T) {
	got := map[string]string{}
	for _, a := range shop(t).APIs[1].Authorizers {
		got[a.Name] = strings.Join([]string{a.Type, strings.Join(a.IdentitySources, ","), a.ResultTTL.Value.String(), a.PayloadFormat, a.Function}, " ")
	}
	want := map[string]string{
		"by-token":   "TOKEN method.request.header.X-Token 5m0s 1.0 ",
		"by-default": "TOKEN method.request.header.Authorization 5m0s 1.0 get-order",
		"by-request": "REQUEST $request.querystring.a,method.request.header.B 0s 1.0 get-order",
		"uncached":   "REQUEST  0s 1.0 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTextFiles checks what of a definition stands in files, and that the revision goes by its content.
func TestTextFiles(t *testing.T) {
	s := shop(t)
	var got []string
	for f := range definition.TextFiles(s) {
		got = append(got, f.Ref+" "+f.Path)
		f.Set([]byte(`{"a": 1}`))
	}
	want := []string{
		`./mappings/create.vtl apis.shop.routes["POST /orders"].request.mapping["application/json"]`,
		`./mappings/created.vtl apis.shop.routes["POST /orders"].responses[0].mapping["application/json"]`,
		`./mappings/create.vtl apis.web.routes["GET /moved"].request.mapping["application/json"]`,
		`./models/order.json apis.shop.models.Order`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	before := definition.Revision(s)
	for f := range definition.TextFiles(s) {
		old := f.Content()
		if string(old) != `{"a": 1}` {
			t.Errorf("%s has %q", f.Ref, old)
		}
		f.Set([]byte("other"))
		if definition.Revision(s) == before {
			t.Errorf("the revision does not go by %s", f.Ref)
		}
		f.Set(old)
	}
	for secret, at := range definition.Secrets(s) {
		old := secret.Value
		secret.Value = "other"
		if definition.Revision(s) == before {
			t.Errorf("the revision does not go by %s", at)
		}
		secret.Value = old
	}
	for u := range definition.Uses(s) {
		if u.Plugin.Ref == "" {
			t.Errorf("%s is no plugin", u.Path)
		}
	}
}
