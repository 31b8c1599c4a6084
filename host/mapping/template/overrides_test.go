package template

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// Reference 1.5 [REC]: overrides in all forms of the row.
func TestOverrides(t *testing.T) {
	header := func(name, value string) host.Override {
		return host.Override{Header: host.Header{{Name: name, Value: value}}}
	}
	query := func(name, value string) host.Override {
		return host.Override{Query: host.Header{{Name: name, Value: value}}}
	}
	for template, want := range map[string]host.MapOutput{
		`#set($context.requestOverride.header.foo = "bar")`:                                             {Request: header("foo", "bar")},
		`#set($context.requestOverride.header["X-Foo"] = $input.params('q'))`:                           {Request: header("X-Foo", "a b+")},
		`#set($n = "foo")#set($context.requestOverride.querystring[$n] = 5)`:                            {Request: query("foo", "5")},
		`$context.requestOverride.querystring.put("foo", "bar")`:                                        {Request: query("foo", "bar")},
		`#set($context["requestOverride"].querystring["x"] = "y")`:                                      {Request: query("x", "y")},
		`#set($p = $context.requestOverride.path)$p.put("id", $input.params('id'))`:                     {Request: host.Override{Path: map[string]string{"id": "4%202"}}},
		`#set($h = $context.get("requestOverride").get("header"))#set($h.foo = true)`:                   {Request: header("foo", "true")},
		`#set($context.requestOverride.header = {"foo": "bar"})`:                                        {Request: header("foo", "bar")},
		`$context.requestOverride.header.putAll({"foo": "bar"})`:                                        {Request: header("foo", "bar")},
		`$context.requestOverride.putAll({"header": {"foo": "bar"}})`:                                   {Request: header("foo", "bar")},
		`#set($x = $context.requestOverride.header.putIfAbsent("foo", "bar"))`:                          {Request: header("foo", "bar")},
		`#define($d)b$input.params('name')#end#set($context.requestOverride.header.foo = $d)`:           {Request: header("foo", "bx")},
		`#set($context.responseOverride.header.Location = "/x")`:                                        {Response: header("Location", "/x")},
		`#set($context.responseOverride.status = 201)`:                                                  {Response: host.Override{Status: 201}},
		`#set($context.responseOverride["status"] = "404")`:                                             {Response: host.Override{Status: 404}},
		`$context.responseOverride.put("status", 599)`:                                                  {Response: host.Override{Status: 599}},
		`#set($context.responseOverride.status = "x")#set($context.responseOverride.status = 299)`:      {Response: host.Override{Status: 299}},
		`#set($context.responseOverride.status = "2xx")`:                                                {}, // [LS]: no integer
		`#set($context.responseOverride.status = 600)#set($context.responseOverride.status = 99)`:       {}, // [LS]: outside of 100-599
		`#set($context.responseOverride.status = 103)#set($context.responseOverride.status = 200.5)`:    {}, // no answer
		`#set($context.requestOverride.header.foo = $none)$context.requestOverride.header.put("a", $n)`: {}, // null changes nothing
		`#set($context.requestOverride.status = 201)#set($context.stage = "x")#set($context.x.y = 1)`:   {},
		`#set($context.requestOverride.querystring.a = ["1", $none, 2])`:                                {Request: host.Override{Query: host.Header{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}}},
		`#set($context.requestOverride.header.a = "")`:                                                  {Request: header("a", "")},
		`$context.requestOverride.header.put("b", "1")$context.requestOverride.header.put("a", "2")`: {Request: host.Override{
			Header: host.Header{{Name: "b", Value: "1"}, {Name: "a", Value: "2"}}}},
		`$context.requestOverride.header.put("b", "1")#set($x = $context.requestOverride.header.remove("b"))`: {},
	} {
		out, err := mapBody(t, template, "")
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		if text := strings.TrimSpace(string(out.Body)); text != "" {
			t.Errorf("%s writes %q", template, text)
		}
		out.Body = nil
		if diff := cmp.Diff(want, *out); diff != "" {
			t.Errorf("%s: %s", template, diff)
		}
	}
}

func TestOverridesAreRead(t *testing.T) {
	for template, want := range map[string]string{
		`$context.requestOverride $context.requestOverride.keySet() $context.responseOverride.keySet()`:                                                                       `{path={}, header={}, querystring={}} [path, header, querystring] [header]`, // 1.5.1 [REC]
		`#set($context.requestOverride.header.Foo = 1)$context.requestOverride.header.foo $context.requestOverride.header.containsKey("FOO") $context.requestOverride.header`: `1 true {Foo=1}`,
		`#set($context.responseOverride.status = 201)#if($context.responseOverride.status > 200)$context.responseOverride#end`:                                                `{header={}, status=201}`,
		`[$context.requestOverride.header.none][$context.responseOverride.status][$context.requestOverride.none]`:                                                             `[][][]`,
		`#foreach($e in $context.requestOverride.entrySet())$e.key #end`:                                                                                                      `path header querystring `,
	} {
		out, err := mapBody(t, template, "")
		if err != nil || string(out.Body) != want {
			t.Errorf("%s\ngot  %q, %v\nwant %q", template, out.Body, err, want)
		}
	}
}

// Reference 1.5 [REC]: a response's template sees what the request's overrode. What it does not set again is not its own.
func TestEarlierOverrides(t *testing.T) {
	in := &host.MapInput{Exchange: exchange(), Status: 200,
		RequestOverride: host.Override{Header: host.Header{{Name: "X-A", Value: "1"}, {Name: "x-b", Value: "2"}, {Name: "X-B", Value: "3"}},
			Query: host.Header{{Name: "q", Value: "v"}}, Path: map[string]string{"id": "5"}},
		ResponseOverride: host.Override{Status: 202, Header: host.Header{{Name: "Location", Value: "/old"}, {Name: "Kept", Value: "k"}}}}
	tmpl := compile(t, `$context.requestOverride.header["x-a"] $context.requestOverride.header.x-b $context.requestOverride.querystring.q $context.requestOverride.path.id `+
		`$context.responseOverride.status $context.responseOverride.header.location #set($context.responseOverride.header.location = "/new")`+
		`#set($context.responseOverride.status = 203)$context.responseOverride`, host.PhaseMapResponse, Options{})
	out, err := tmpl.Map(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := host.MapOutput{Response: host.Override{Status: 203, Header: host.Header{{Name: "Location", Value: "/new"}}}}
	if text := string(out.Body); text != "1 [2, 3] v 5 202 /old{header={Location=/new, Kept=k}, status=203}" {
		t.Errorf("%q", text)
	}
	out.Body = nil
	if diff := cmp.Diff(want, *out); diff != "" {
		t.Error(diff)
	}
	out, err = compile(t, `a`, host.PhaseMapResponse, Options{}).Map(t.Context(), in)
	if err != nil || out.Response.Status != 0 || out.Response.Header != nil || out.Request.Header != nil {
		t.Error(out, err)
	}
}

// Reference 1.5: each parameter once. 1.4.4 and RFC 9110: what frames the message, and what would split it.
func TestOverridesThatFail(t *testing.T) {
	for _, template := range []string{
		`#set($context.requestOverride.querystring.a = 1)$context.requestOverride.querystring.put("a", 1)`,
		`#set($context.requestOverride.path.a = 1)#set($context.requestOverride.path["a"] = 2)`,
		`#set($context.responseOverride.status = 200)#set($context.responseOverride.status = 201)`,
		`#set($context.responseOverride.header.a = 1)#set($context.responseOverride.header = {"A": 2})`,
		`#set($context.requestOverride.header.Content-Length = 1)`,
		`#set($context.requestOverride.header["transfer-encoding"] = "chunked")`,
		`#set($context.responseOverride.header["a b"] = 1)`,
		"#set($context.responseOverride.header.a = \"x\r\ny: z\")",
		`#set($x = $context.requestOverride.header.putIfAbsent("te", "bar"))`,
		`#set($l = [])#set($context.requestOverride.header.a = $l)#foreach($i in [1..300])#set($x = $l.add("v"))#end`,
	} {
		out, err := mapBody(t, template, "")
		var e *host.Error
		if !errors.As(err, &e) || e.Kind != host.Internal || e.Code != host.APIConfigurationError || e.Pos.File != "order.vtl" {
			t.Errorf("%s: %v, %v", template, out, err)
		}
	}
}
