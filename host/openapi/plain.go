package openapi

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/document"
	"github.com/postern/postern/host/mapping"
)

// maxServer is how long the URL of a server may be, in bytes: it becomes part of every route.
const maxServer = 2048

const tooLong = "the URL of the server has more than 2048 bytes"

// plainIntegration makes an integration of an operation of a document without extensions: its server is the upstream.
func (r *reader) plainIntegration(o *operation) {
	if o.path == defaultPath && r.opts.Protocol == host.ProtocolHTTP {
		r.unsupported(o.pos, "path", defaultPath+" is the default route, which a server has not: name its integration ("+extension+"integration)")
		return
	}
	if problem := pathProblem(o.written); problem != "" {
		r.unsupported(o.pos, "path", problem)
		return
	}
	s := r.server(o)
	if s.problem != "" {
		r.unsupported(s.pos, "servers", s.problem)
		return
	}
	uri := s.url + upstreamPath(o.written)
	if _, err := mapping.ParseURI(uri); err != nil {
		r.unsupported(o.pos, "path", "nothing can be sent to "+document.Quote(uri)+": "+causeOf(err))
		return
	}
	integration := document.NewObject(o.pos)
	r.text(integration, "http", s.pos, uri)
	o.route.Set("integration", o.pos, integration)
}

// causeOf is what an error says below what was tried.
func causeOf(err error) string {
	var e *host.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

var wholeParameter = regexp.MustCompile(`^\{([^{}]*?)\+?\}$`)

// pathProblem says why a route cannot have a path. What no definition can have, and what can be told there as well, is not its business.
func pathProblem(path string) string {
	if strings.ContainsAny(path, "?#") {
		return "a path has no query and no fragment: routes are told apart by method and path alone"
	}
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return "a path has no space: write it percent-encoded, %20"
	}
	for segment := range strings.SplitSeq(path, "/") {
		if !strings.ContainsAny(segment, "{}") {
			continue
		}
		m := wholeParameter.FindStringSubmatch(segment)
		switch {
		case m == nil:
			return "the segment " + document.Quote(segment) + " is not one parameter alone, and a parameter is a whole segment: write {name}, which is passed on as it is"
		case !parameterName.MatchString(m[1]):
			return "the parameter " + document.Quote(m[1]) + " has no name that a route can have: names are letters, digits, and . _ $ -"
		}
	}
	return ""
}

// upstreamPath is a path as a URI has it.
func upstreamPath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if !strings.HasPrefix(s, "{") {
			segments[i] = mapping.EscapePath(s)
		}
	}
	return strings.Join(segments, "/")
}

// A server answers the operations of a document already.
type server struct {
	pos      host.Position
	url      string // without a slash at its end
	problem  string // why nothing can be sent there; "" otherwise
	findings []Finding
}

// server returns the server of an operation: its own, its path's or the document's.
func (r *reader) server(o *operation) *server {
	if r.opts.Server != "" {
		s := &server{pos: o.pos}
		s.set(r.opts.Server)
		return s
	}
	if r.version == swagger2 {
		return r.swaggerServer(o)
	}
	for _, of := range []*document.Node{o.node, o.item, r.root} {
		list := of.Get("servers")
		if r.is(list, document.List, "servers") && len(list.Items) > 0 {
			return r.found(list, of == r.root, func() *server { return r.firstServer(list) })
		}
	}
	return &server{pos: o.pos, problem: "nothing says where requests go: add servers: [{url: https://…}] with the address of the upstream, or import it with --server"}
}

// found returns the server that stands at a node, which is read once. What is to be known of it is told of the API if it is the document's, and of the
// operation otherwise.
func (r *reader) found(at *document.Node, whole bool, read func() *server) *server {
	s, known := r.servers[at]
	if !known {
		s = read()
		if r.servers == nil {
			r.servers = map[*document.Node]*server{}
		}
		r.servers[at] = s
	}
	switch {
	case s.problem != "":
	case !whole:
		r.op.Findings = append(r.op.Findings, s.findings...)
	case !known:
		r.report.Findings = append(r.report.Findings, s.findings...)
	}
	return s
}

// firstServer reads the first of a list of servers.
func (r *reader) firstServer(list *document.Node) *server {
	first := r.deref(list.Items[0])
	if !r.is(first, document.Object, "servers") {
		return &server{pos: list.Items[0].Pos, problem: "the server is none"}
	}
	s := &server{pos: first.Pos}
	if u := first.Get("url"); r.is(u, document.Text, "url") {
		s.pos = u.Pos
	}
	text, problem := r.serverURL(first)
	if s.problem = problem; problem == "" {
		s.set(text)
	}
	if len(list.Items) > 1 && s.problem == "" {
		s.differs(list.Items[1].Pos, "of several servers the first is used, "+document.Quote(s.url)+": an upstream in postern.yaml can have several targets")
	}
	return s
}

// swaggerServer puts the server of an operation of Swagger 2.0 together.
func (r *reader) swaggerServer(o *operation) *server {
	address := r.root.Member("host")
	if address == nil || !r.is(address.Value, document.Text, "host") || address.Value.Text == "" {
		return &server{pos: o.pos, problem: "nothing says where requests go: add host: with the address of the upstream, and schemes: [https]"}
	}
	list, whole := o.node.Get("schemes"), false
	if list == nil {
		list, whole = r.root.Get("schemes"), true
	}
	return r.found(list, whole, func() *server {
		s := &server{pos: address.Value.Pos}
		schemes, scheme := r.texts(list, "schemes"), "https"
		switch {
		case len(schemes) == 0:
			s.differs(s.pos, "nothing says by which scheme the upstream is reached, and https is taken: add schemes: [http] if it is the other")
		case slices.Contains(schemes, "https"):
		case slices.Contains(schemes, "http"):
			scheme = "http"
		default:
			s.pos = list.Pos
			s.problem = "the schemes are " + document.Quote(strings.Join(schemes, ", ")) + ", and requests go to http and https alone"
			return s
		}
		s.set(scheme + "://" + address.Value.Text + "/" + strings.TrimPrefix(r.textOf(r.root, "basePath"), "/"))
		return s
	})
}

func (s *server) differs(pos host.Position, message string) {
	s.findings = append(s.findings, Finding{Different, "servers", message, pos})
}

// set makes text the server's URL, or says why it cannot be.
func (s *server) set(text string) {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxServer:
		s.problem = tooLong
	case err != nil:
		s.problem = "the server's URL " + document.Quote(text) + " is none"
	case u.Scheme == "":
		s.problem = "the server " + document.Quote(text) + " is relative to where the document was published, which it does not say: write https:// and a host before it, or import it with --server"
	case u.Scheme != "http" && u.Scheme != "https":
		s.problem = "the server " + document.Quote(text) + " must begin with http:// or https://: requests go to these alone"
	case u.Host == "":
		s.problem = "the server " + document.Quote(text) + " has no host"
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		s.problem = "the server " + document.Quote(text) + " has a query or fragment, and paths follow it: remove it"
	case u.User != nil:
		s.problem = "the server's URL has a user or password, which does not belong into a document: remove it"
	case strings.ContainsAny(text, "{}"):
		s.problem = "the server's URL " + document.Quote(text) + " has braces that are no variable"
	default:
		s.url = strings.TrimRight(u.Scheme+text[len(u.Scheme):], "/")
		if _, err := mapping.ParseURI(s.url); err != nil {
			s.problem = "the server's URL " + document.Quote(text) + " is none that requests can go to: " + causeOf(err)
		}
		if executeAPI.MatchString(u.Host) {
			s.differs(s.pos, "the server is the API itself, where API Gateway runs it, and requests go there: to run it here, export it with extensions")
		}
	}
}

var serverVariable = regexp.MustCompile(`\{([^{}]*)\}`)

// serverURL returns the URL of a server, with the defaults of its variables, or why it has none.
func (r *reader) serverURL(s *document.Node) (text, problem string) {
	template := r.textOf(s, "url")
	if template == "" {
		return "", "the server has no URL"
	}
	if len(template) > maxServer {
		return "", tooLong
	}
	var out strings.Builder
	end := 0
	for _, at := range serverVariable.FindAllStringSubmatchIndex(template, -1) {
		name := template[at[2]:at[3]]
		value := s.Get("variables").Get(name).Get("default")
		if !r.is(value, document.Text, "default") {
			return "", "the variable {" + name + "} in the URL of the server has no default: write one below variables"
		}
		out.WriteString(template[end:at[0]])
		fill := value.Text
		if strings.HasSuffix(template[:at[0]], "/") { // as exports of API Gateway have it: /{basePath}, whose default is "/prod"
			fill = strings.TrimPrefix(fill, "/")
		}
		if end = at[1]; out.Len()+len(fill) > maxServer {
			return "", tooLong
		}
		out.WriteString(fill)
	}
	return out.String() + template[end:], ""
}
