package parameter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern/postern/host"
)

// Request are the parameter mappings of a rest API's integration request (reference 1.4.4). It is immutable; nil has none.
type Request struct{ entries []entry }

type entry struct {
	place  host.ParameterPlace
	name   string
	source source
	pos    host.Position
}

// CompileRequest reads parameter mappings whose targets are integration.request.header.NAME, .querystring.NAME and .path.NAME. Where the method declares
// parameters, those that a mapping reads must be among them; nil declares none, and then any may be read. Errors are joined, each of Kind
// Invalid with its place.
func CompileRequest(mappings []host.ParameterMapping, declared []host.MethodParameter) (*Request, error) {
	out := &Request{}
	var errs []error
	for _, m := range mappings {
		e, err := parseRequest(m)
		if err == nil {
			err = isDeclared(&e.source, declared)
		}
		if err != nil {
			errs = append(errs, invalid(m, err))
			continue
		}
		out.entries = append(out.entries, e)
	}
	return out, errors.Join(errs...)
}

func parseRequest(m host.ParameterMapping) (entry, error) {
	rest, ok := strings.CutPrefix(m.Target, "integration.request.")
	place, name, _ := strings.Cut(rest, ".")
	e := entry{place: host.ParameterPlace(place), name: name, pos: m.Pos}
	if !ok || e.place != host.InHeader && e.place != host.InQuery && e.place != host.InPath {
		return e, fmt.Errorf("the target is none of integration.request.header.NAME, .querystring.NAME and .path.NAME")
	}
	err := checkName(name)
	if err == nil {
		e.source, err = requestSide.parse(m.Source)
	}
	if err == nil && e.place == host.InHeader {
		err = checkLiteral(&e.source)
	}
	return e, err
}

// checkLiteral refuses text that no header field can have.
func checkLiteral(s *source) error {
	if s.kind == literal && !host.IsFieldValue(s.name) {
		return errControl
	}
	return nil
}

// BodyReader returns the place of the first mapping that reads the body, and false where none does.
func (r *Request) BodyReader() (host.Position, bool) {
	if r != nil {
		for i := range r.entries {
			if r.entries[i].source.kind == fromBody {
				return r.entries[i].pos, true
			}
		}
	}
	return host.Position{}, false
}

func isDeclared(s *source, declared []host.MethodParameter) error {
	in := host.ParameterPlace("")
	switch s.kind {
	case fromPath:
		in = host.InPath
	case fromQuery, fromEveryQuery:
		in = host.InQuery
	case fromHeader, fromEveryHeader:
		in = host.InHeader
	}
	if declared == nil || in == "" {
		return nil
	}
	for _, p := range declared {
		if p.In == in && (p.Name == s.name || in == host.InHeader && strings.EqualFold(p.Name, s.name)) {
			return nil
		}
	}
	return fmt.Errorf("the method does not declare method.request.%s.%s", in, s.name)
}

// Override returns what the mappings make of an exchange's request. body gives the body, and is called only where a mapping reads it. A mapping
// whose value is missing or empty is not made. A body that begins as JSON and is none has Kind Invalid, with what the client is told.
func (r *Request) Override(x *host.Exchange, body func() ([]byte, error)) (host.Override, error) {
	var out host.Override
	if r == nil {
		return out, nil
	}
	in := &reader{x: x, header: x.Request.Header, body: body, broken: &host.Error{Op: "map the request", Kind: host.Invalid, Code: host.Default4XX,
		Err: &host.Disclosure{Message: "Invalid JSON in request body"}}}
	for i := range r.entries {
		e := &r.entries[i]
		values, err := in.values(&e.source)
		if err != nil {
			return host.Override{}, err
		}
		for _, value := range values {
			e.put(&out, value)
		}
	}
	return out, nil
}

func (e *entry) put(out *host.Override, value string) {
	switch e.place {
	case host.InHeader:
		out.Header.Add(e.name, value)
	case host.InQuery:
		out.Query.Add(e.name, value)
	default:
		if out.Path == nil {
			out.Path = map[string]string{}
		}
		out.Path[e.name] = value
	}
}

// Response are parameter mappings that make the header of a response: of an integration response, or of a gateway response. It is
// immutable; nil has none.
type Response struct{ entries []entry }

// CompileResponse reads the mappings of an integration response, whose targets are method.response.header.NAME. Its errors are CompileRequest's.
func CompileResponse(mappings []host.ParameterMapping) (*Response, error) {
	return compileResponse(mappings, "method.response.header.", &responseSide)
}

// CompileGateway reads those of a gateway response, whose targets are gatewayresponse.header.NAME (reference 1.11).
func CompileGateway(mappings []host.ParameterMapping) (*Response, error) {
	return compileResponse(mappings, "gatewayresponse.header.", &gatewaySide)
}

func compileResponse(mappings []host.ParameterMapping, prefix string, from *side) (*Response, error) {
	out := &Response{}
	var errs []error
	for _, m := range mappings {
		name, ok := strings.CutPrefix(m.Target, prefix)
		var err error
		if !ok {
			err = errors.New("the target is not " + prefix + "NAME")
		} else if !host.IsToken(name) {
			err = fmt.Errorf("%q is no name of a header field", name)
		}
		e := entry{place: host.InHeader, name: name}
		if err == nil {
			e.source, err = from.parse(m.Source)
		}
		if err == nil {
			err = checkLiteral(&e.source)
		}
		if err != nil {
			errs = append(errs, invalid(m, err))
			continue
		}
		out.entries = append(out.entries, e)
	}
	return out, errors.Join(errs...)
}

// Header returns the fields that the mappings make. from is the integration's response with its body beside it; nil for a gateway response, which reads
// the request. A body that begins as JSON and is none has Kind Internal (reference 1.4.4 [LS]). What no field can hold is Internal too.
func (r *Response) Header(x *host.Exchange, from *host.Response, body []byte) (host.Header, error) {
	var out host.Header
	if r == nil {
		return out, nil
	}
	in := &reader{x: x, header: x.Request.Header, body: func() ([]byte, error) { return body, nil },
		broken: configuration(errors.New("the integration's response begins as JSON, and is none"))}
	if from != nil {
		in.header, in.answer = from.Header, true
	}
	for i := range r.entries {
		e := &r.entries[i]
		values, err := in.values(&e.source)
		if err != nil {
			return nil, err
		}
		for _, value := range values {
			if !host.IsFieldValue(value) {
				return nil, configuration(fmt.Errorf("what is mapped to the header field %s has a control character", e.name))
			}
			out.Add(e.name, value)
		}
	}
	return out, nil
}

func configuration(err error) error {
	return &host.Error{Op: "map the response", Kind: host.Internal, Code: host.APIConfigurationError, Err: err}
}
