package pipeline_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/server/servertest"
	"github.com/postern/postern/host/telemetry/otlptest"
)

const greeting = `
apis:
	main:
		root: true
		routes:
			GET /default: {integration: {function: greet}}
			GET /canary: {integration: {function: greet}}
			GET /two: {integration: {function: greet}}
			POST /mapped: {request: {mapping: {$default: ./map.js}}, integration: {function: greet}}
functions:
	greet: {plugin: ./v1.js, url: true, timeout: 25s}
	greet2: {plugin: ./v2.js, url: true, timeout: 25s}
	other: {plugin: ./v1.js}
`

func greeter(version string) string {
	return `export const handler = (e, c) => { console.log("asked"); return ["` + version + `", c.functionName, c.functionVersion, c.invokedFunctionArn].join(" ") }`
}

// greetings is a snapshot with two versions of greet. live is the first; half has both; /canary and /two name a qualifier.
func greetings(t *testing.T) *host.Snapshot {
	t.Helper()
	s := load(t, project(greeting, map[string]string{"v1.js": greeter("one"), "v2.js": greeter("two"), "map.js": `export const map_request = () => "mapped"`}))
	for i, f := range s.Functions[:2] {
		f.Name, f.Version, f.Plugin.Name = "greet", i+1, "greet"
	}
	s.Functions[2].Version = 1
	s.Aliases = []*host.Alias{{Function: "greet", Name: "half", Version: 1, Second: 2, Weight: 0.5}, {Function: "greet", Name: "live", Version: 1},
		{Function: "other", Name: "live", Version: 1}}
	for _, r := range s.APIs[0].Routes {
		r.Integration.Qualifier = map[string]string{"GET /canary": "half", "GET /two": "2"}[r.Key]
	}
	return s
}

const greetARN = "arn:postern:lambda:local:000000000000:function:greet"

func TestFunctionVersions(t *testing.T) {
	w := newWorkbench(t, nil)
	p := w.build(t, greetings(t))
	for path, want := range map[string]string{
		"x/default":                 "one greet 1 " + greetARN,
		"x/two":                     "two greet 2 " + greetARN + ":2",
		"greet.function.localhost/": "one greet 1 " + greetARN,
	} {
		if got := ask(t, p, path); got.body != want {
			t.Errorf("%s: %+v, want %q", path, got, want)
		}
	}
	const n = 2000
	got := map[string]int{}
	for range n {
		got[ask(t, p, "x/canary").body]++
	}
	one, two := got["one greet 1 "+greetARN+":half"], got["two greet 2 "+greetARN+":half"]
	if one+two != n || one < n/3 || two < n/3 {
		t.Errorf("of two versions, half each: %v", got)
	}
	for _, a := range p.Addresses("http", "127.0.0.1:80") {
		if a.Function != nil && a.Function.Version != 1 {
			t.Errorf("the URL is of version %d", a.Function.Version)
		}
	}
}

func TestFunctionURLOfTwoVersions(t *testing.T) {
	s := greetings(t)
	s.Aliases[1].Version, s.Aliases[1].Second, s.Aliases[1].Weight = 2, 1, 0.5
	p := newWorkbench(t, nil).build(t, s)
	got := map[string]int{}
	for range 400 {
		body, _, _ := strings.Cut(ask(t, p, "greet.function.localhost/").body, " ")
		got[body]++
	}
	if got["one"]+got["two"] != 400 || got["one"] < 100 || got["two"] < 100 {
		t.Errorf("%v", got)
	}
}

// TestVersionsAreTold looks at the log and the spans.
func TestVersionsAreTold(t *testing.T) {
	r := otlptest.New(t)
	w := newWorkbench(t, map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_EXPORTER_OTLP_ENDPOINT": r.HTTP(), "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})
	p := w.build(t, greetings(t))
	for path, want := range map[string]map[string]string{
		"x/default":                  {"function": "greet", "version": "1", "alias": "live", "api": "main", "stage": "$default", "route": "GET /default"},
		"x/two":                      {"function": "greet", "version": "2", "alias": "", "api": "main", "stage": "$default", "route": "GET /two"},
		"greet.function.localhost/a": {"function": "greet", "version": "1", "alias": "live", "api": "greet", "stage": "$default", "route": "$default"},
	} {
		reply := ask(t, p, path)
		line := w.line(t, reply)
		guest := w.log.Wait(t, "the guest's line", func(l servertest.Line) bool { return l.Text("msg") == "asked" && l.Text("request_id") == reply.id })
		for key, value := range want {
			if line.Text(key) != value || guest.Text(key) != value {
				t.Errorf("%s: %s is %q, and for the guest %q, want %q", path, key, line.Text(key), guest.Text(key), value)
			}
		}
		if guest.Text("plugin") != "greet" {
			t.Errorf("%v", guest)
		}
		span := r.WaitForTrace(t, line.Text("trace_id"), 3).Find("plugin greet").Attributes
		if span["postern.function"] != "greet" || span["postern.function.version"] != want["version"] || span["postern.function.alias"] != want["alias"] {
			t.Errorf("%s: the span has %v", path, span)
		}
	}
}

func TestFunctionsOfFolders(t *testing.T) {
	s := load(t, project(greeting, map[string]string{"v1.js": greeter("one"), "v2.js": greeter("two"), "map.js": `export const map_request = () => "mapped"`}))
	p := newWorkbench(t, nil).build(t, s)
	for path, want := range map[string]string{
		"x/default":                 "one greet $LATEST " + greetARN,
		"greet.function.localhost/": "one greet $LATEST " + greetARN,
	} {
		if got := ask(t, p, path); got.body != want {
			t.Errorf("%s: %+v, want %q", path, got, want)
		}
	}
}

func TestFunctionsThatAreUnknown(t *testing.T) {
	w := newWorkbench(t, nil)
	for _, c := range []struct{ name, qualifier, want string }{
		{"greet", "3", "the function greet has no version 3"},
		{"greet", "0", "no alias"},
		{"greet", "hal", `did you mean "half"?`},
		{"gret", "", `did you mean "greet"?`},
		{"nothing-like-it", "", `there is no function "nothing-like-it"`},
	} {
		s := greetings(t)
		at := &s.APIs[0].Routes[0].Integration
		at.Function, at.Qualifier = c.name, c.qualifier
		_, err := w.tryBuild(t, s)
		var typed *host.Error
		if !errors.As(err, &typed) || typed.Kind != host.Invalid || typed.Pos != at.Pos || typed.Pos.IsZero() || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:%s: %v", c.name, c.qualifier, err)
		}
		p := w.build(t, greetings(t))
		_, err = p.Invoke(t.Context(), pipeline.Call{Function: c.name, Qualifier: c.qualifier})
		if host.KindOf(err) != host.NotFound || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("invoke %s:%s: %v", c.name, c.qualifier, err)
		}
	}
}

func TestInvokeChoosesTheVersion(t *testing.T) {
	p := newWorkbench(t, nil).build(t, greetings(t))
	for qualifier, want := range map[string]int{"": 1, "live": 1, "2": 2, "1": 1} {
		r, err := p.Invoke(t.Context(), pipeline.Call{Function: "greet", Qualifier: qualifier})
		if err != nil || r.Err != nil || r.Version != want || !strings.Contains(string(r.Payload), " "+strconv.Itoa(want)+" ") {
			t.Errorf("%q: %+v %v", qualifier, r, err)
		}
	}
}
