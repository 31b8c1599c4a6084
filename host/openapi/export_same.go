package openapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping"
)

// same says what parts of a definition mean, so that two that are written in different ways, and mean the same, are known as the same. What it
// does not know it takes as it is written.
type same struct{ protocol host.Protocol }

// A fact is a key of an API or route, or a name below one that is byName. What it means is "" for what is as good as left out.
type fact struct{ key, name string }

type facts map[fact]string

func (f facts) set(key, name, value string) {
	if value != "" {
		f[fact{key, name}] = value
	}
}

// written is a value as it is written; "" without anything in it.
func written(n *document.Node) string {
	if n == nil || n.Shape == document.Null || n.Shape >= document.List && len(n.Items)+len(n.Members) == 0 {
		return ""
	}
	return string(document.JSON(n))
}

func (s same) api(n *document.Node) facts {
	f := facts{}
	for _, m := range n.Members {
		switch m.Key {
		case "routes", "protocol":
		case "minimumCompressionSize":
			if size, ok := bytesOf(m.Value); ok {
				f.set(m.Key, "", fmt.Sprint(size))
			} else {
				f.set(m.Key, "", written(m.Value))
			}
		case "cors":
			f.set(m.Key, "", s.cors(m.Value))
		case "authorizers":
			for _, a := range m.Value.Members {
				f.set(m.Key, a.Key, s.authorizer(a.Value))
			}
		case "models":
			for _, model := range m.Value.Members {
				f.set(m.Key, model.Key, s.schema(model.Value, model.Key))
			}
		case "gatewayResponses":
			for _, g := range m.Value.Members {
				f.set(m.Key, g.Key, "is"+textOf(g.Value, "statusCode")+written(g.Value.Get("parameters"))+written(g.Value.Get("templates")))
			}
		default:
			f.set(m.Key, "", written(m.Value))
		}
	}
	return f
}

func (s same) cors(n *document.Node) string {
	out := "cors"
	for _, key := range []string{"allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders"} {
		out += written(n.Get(key)) + ","
	}
	age, _ := durationOf(n.Get("maxAge"))
	return out + fmt.Sprint(age, isTrue(n.Get("allowCredentials")))
}

func (s same) authorizer(n *document.Node) string {
	if n.Get("function") == nil || n.Get("plugin") != nil {
		return written(n)
	}
	a := authorizerOf(s.protocol, n)
	if a.kind != "token" && a.validation != "" { // which no definition has
		return written(n)
	}
	return fmt.Sprintf("%q %+v", textOf(n, "function"), a)
}

// schema is a schema without the order of its keys, in which references are all written in one way.
func (s same) schema(n *document.Node, model string) string {
	var plain func(n *document.Node) any
	plain = func(n *document.Node) any {
		switch n.Shape {
		case document.List:
			list := []any{}
			for _, item := range n.Items {
				list = append(list, plain(item))
			}
			return list
		case document.Object:
			object := map[string]any{}
			for _, m := range n.Members {
				if object[m.Key] = plain(m.Value); m.Key != "$ref" || m.Value.Shape != document.Text {
					continue
				}
				if at := amazonModel.FindString(m.Value.Text); at != "" {
					name, inside, _ := strings.Cut(m.Value.Text[len(at):], "#")
					object[m.Key] = name + "#" + inside
				} else if inside, ok := strings.CutPrefix(m.Value.Text, "#"); ok {
					object[m.Key] = model + "#" + inside
				}
			}
			return object
		}
		return n.Scalar
	}
	text, err := json.Marshal(plain(withoutDraft(n)))
	if err != nil {
		return written(n)
	}
	return string(text)
}

// route is what a route is, but for its integration.
func (s same) route(key string, n *document.Node) facts {
	f := facts{}
	for _, m := range n.Members {
		switch m.Key {
		case "integration":
		case "streaming":
			if isTrue(m.Value) {
				f.set(m.Key, "", "true")
			}
		case "request":
			for _, inner := range m.Value.Members {
				f.set(m.Key, inner.Key, s.request(key, &inner))
			}
		case "methodResponses":
			out := ""
			for _, r := range m.Value.Members {
				out += r.Key + " " + written(r.Value.Get("headers")) + ","
			}
			f.set(m.Key, "", out)
		case "responses":
			f.set(m.Key, "", s.responses(n, m.Value))
		default:
			f.set(m.Key, "", written(m.Value))
		}
	}
	return f
}

func (s same) request(route string, m *document.Member) string {
	switch m.Key {
	case "parameters": // those of the path are there, said or not
		out := document.NewObject(m.Pos)
		names := pathParameters(route)
		for _, p := range m.Value.Members {
			if name, ok := strings.CutPrefix(p.Key, "method.request.path."); !ok || !slices.Contains(names, name) {
				out.Members = append(out.Members, p)
			}
		}
		return written(out)
	case "validate":
		var what []string
		for _, v := range m.Value.Items {
			what = append(what, v.Text)
		}
		slices.Sort(what)
		return strings.Join(slices.Compact(what), ",")
	}
	return written(m.Value)
}

// responses are rules. In a REST API the one without a match is tried when no other matches, wherever it stands.
func (s same) responses(route, list *document.Node) string {
	var rules, others []string
	calls := callsFunction(route.Get("integration")) || route.Get("integration").Get("function") != nil
	for _, rule := range list.Items {
		match, status := textOf(rule, "match"), textOf(rule, "status")
		rest := s.protocol == host.ProtocolREST
		switch {
		case status != "" || !rest:
		case calls:
			status = "200"
		case literalStatus.MatchString(match):
			status = match
		}
		out := fmt.Sprintf("%q %s %s %s %s", match, status, written(rule.Get("parameters")), textOf(rule, "contentHandling"), written(rule.Get("mapping")))
		if rest && match == "" {
			others = append(others, out)
		} else {
			rules = append(rules, out)
		}
	}
	return strings.Join(append(rules, others...), "\n")
}

// integration is where a route's requests go, and how.
func (s same) integration(route *document.Node) string {
	n := route.Get("integration")
	kind := strings.ToUpper(textOf(n, "type"))
	proxy := route.Get("request").Get("mapping") == nil && route.Get("responses") == nil
	if kind != "" {
		proxy = strings.HasSuffix(kind, "_PROXY")
	}
	if s.protocol != host.ProtocolREST {
		proxy = kind == "HTTP_PROXY" && !onlyParameters(route) // which definitions refuse, and do not beside http:
	}
	method := strings.TrimPrefix(httpMethod(n), "ANY")
	passthrough := textOf(n, "passthroughBehavior")
	if passthrough == "" {
		passthrough = host.PassthroughWhenNoMatch
	}
	timeout, _ := durationOf(n.Get("timeout"))
	return fmt.Sprintf("%s proxy=%t %s timeout=%d %s %s insecure=%t", s.target(n, kind, method), proxy, passthrough, timeout,
		textOf(n, "contentHandling"), written(n.Get("parameters")), isTrue(n.Get("tlsConfig").Get("insecureSkipVerification")))
}

func (s same) target(n *document.Node, kind, method string) string {
	format := ""
	if s.protocol != host.ProtocolREST {
		format = payloadFormatOf(n)
	}
	uri := textOf(n, "uri")
	switch arn, err := mapping.ParseARN(uri); {
	case n.Get("function") != nil:
		name, qualifier, _ := strings.Cut(textOf(n, "function"), "@")
		return fmt.Sprintf("function %q %q %s", name, qualifier, format)
	case n.Get("subtype") != nil:
		return fmt.Sprintf("subtype %q", textOf(n, "subtype"))
	case strings.HasPrefix(kind, "AWS") && err == nil && arn.Service == nil:
		return fmt.Sprintf("function %q %q %s", arn.Function, strings.TrimPrefix(arn.Qualifier, "$LATEST"), format)
	case strings.HasPrefix(kind, "AWS"):
		return fmt.Sprintf("service %q %s", uri, method)
	case kind == "MOCK":
		return kind
	case strings.HasPrefix(kind, "HTTP"):
		return fmt.Sprintf("http %q %s", uri, method)
	case n.Get("http") != nil:
		return fmt.Sprintf("http %q %s", textOf(n, "http"), method)
	}
	return written(n)
}

// onlyParameters reports whether nothing is done beside an integration but to map parameters of responses.
func onlyParameters(route *document.Node) bool {
	responses := route.Get("responses")
	return route.Get("request").Get("mapping") == nil && (responses == nil || !slices.ContainsFunc(responses.Items, func(rule *document.Node) bool {
		return rule.Get("mapping") != nil || rule.Get("parameters") == nil
	}))
}
