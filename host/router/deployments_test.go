package router

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// deployments is a snapshot in which two deployments of shop and two versions of hello serve.
func deployments() *host.Snapshot {
	shop := func(stages ...string) *host.API {
		a := &host.API{Name: "shop", Root: true, DefaultEndpoint: true}
		for i, name := range stages {
			a.Stages = append(a.Stages, &host.Stage{Name: name, Deployment: i + 1})
		}
		return a
	}
	return &host.Snapshot{
		APIs: []*host.API{shop("prod"), shop("dev", "$default"), {Name: "other", DefaultEndpoint: true, Stages: []*host.Stage{{Name: "prod"}}}},
		Functions: []*host.Function{{Name: "hello", Version: 1, URL: true}, {Name: "hello", Version: 2, URL: true},
			{Name: "hello", Version: 3}, {Name: "was", Version: 1, URL: true}, {Name: "was", Version: 2}, {Name: "unpromoted", Version: 1, URL: true}},
		Aliases: []*host.Alias{{Function: "hello", Name: "live", Version: 2, Second: 3, Weight: 0.1}, {Function: "was", Name: "live", Version: 2}},
		Domains: []*host.Domain{{Name: "shop.example.com", Mappings: []host.DomainMapping{
			{Path: "/", API: "shop", Stage: "prod"}, {Path: "/dev", API: "shop", Stage: "dev"},
		}}},
	}
}

func TestDeploymentsShareTheirHosts(t *testing.T) {
	s := deployments()
	h := hosts(t, s)
	prod, rest := s.APIs[0], s.APIs[1]
	for _, c := range []struct {
		host, path string
		api        *host.API
		stage      string
	}{
		{"shop.execute-api.localhost", "/prod/a", prod, "prod"},
		{"shop.execute-api.localhost", "/dev/a", rest, "dev"},
		{"shop.execute-api.localhost", "/a", rest, "$default"},
		{"anything", "/_postern/shop/prod/a", prod, "prod"},
		{"anything", "/_postern/shop/dev/a", rest, "dev"},
		{"127.0.0.1", "/prod/a", prod, "prod"},
		{"127.0.0.1", "/dev", rest, "dev"},
		{"127.0.0.1", "/a", rest, "$default"},
		{"shop.example.com", "/a", prod, "prod"},
		{"shop.example.com", "/dev/a", rest, "dev"},
	} {
		got, ok := h.Match(c.host, c.path)
		if !ok || got.API != c.api || got.Stage.Name != c.stage {
			t.Errorf("%s%s: %+v %v", c.host, c.path, got, ok)
		}
	}
	if got, ok := h.Match("hello.function.localhost", "/"); !ok || got.Function != s.Functions[1] {
		t.Errorf("not the live version: %+v %v", got, ok)
	}
	for _, name := range []string{"was", "unpromoted"} {
		if got, ok := h.Match(name+".function.localhost", "/"); ok {
			t.Errorf("%s has a host, although its live version says no: %+v", name, got)
		}
	}
}

func TestURLsOfDeployments(t *testing.T) {
	got := map[string][]string{}
	for _, a := range hosts(t, deployments()).URLs("http", "127.0.0.1:8080") {
		name := ""
		if a.Function != nil {
			name = a.Function.Name
		} else {
			name = a.API.Name + " " + a.Stage.Name
		}
		if _, twice := got[name]; twice {
			t.Errorf("%s is listed twice", name)
		}
		got[name] = a.URLs[:1]
	}
	want := map[string][]string{
		"shop prod": {"http://127.0.0.1:8080/prod"}, "shop dev": {"http://127.0.0.1:8080/dev"}, "shop $default": {"http://127.0.0.1:8080"},
		"other prod": {"http://other.execute-api.localhost:8080/prod"}, "hello": {"http://hello.function.localhost:8080"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDeploymentsThatClash(t *testing.T) {
	for name, change := range map[string]func(*host.Snapshot){
		"a stage of two":               func(s *host.Snapshot) { s.APIs[1].Stages[0].Name = "prod" },
		"without an endpoint":          func(s *host.Snapshot) { s.APIs[1].Stages[0].Name, s.APIs[0].DefaultEndpoint = "prod", false },
		"another root":                 func(s *host.Snapshot) { s.APIs[2].Root = true },
		"a mapping of an absent stage": func(s *host.Snapshot) { s.Domains[0].Mappings[0].Stage = "none" },
	} {
		s := deployments()
		change(s)
		if _, err := NewHosts(s, "localhost"); !errors.Is(err, host.Invalid) {
			t.Errorf("%s: got %v, want Kind Invalid", name, err)
		}
	}
}
