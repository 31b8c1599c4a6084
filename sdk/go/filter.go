package postern

import (
	"io"
	"maps"
	"slices"
	"strings"
)

// A LiveRequest is a request on its way through the gateway, as a filter sees it: what arrived, for the first half; what was sent on, for
// the second.
type LiveRequest struct {
	Method  string
	Scheme  string
	Host    string
	Path    string // below the stage, undecoded
	Query   string // undecoded
	Headers Fields
	Length  int64  // bytes of the body; -1 when unknown
	Upgrade string // "websocket", or empty

	Filtering
}

// A LiveResponse is a response on its way back, as a filter sees it.
type LiveResponse struct {
	Status  int
	Headers Fields
	Length  int64        // bytes of the body; -1 when unknown
	Request *LiveRequest // as it was sent on, without its body

	Filtering
}

// Filtering is what both halves of a filter have.
type Filtering struct {
	Context        FilterContext
	PathParameters map[string]string
	StageVariables map[string]string

	Body io.Reader // streams; never nil. Who reads of it must write a new one
	Raw  []byte    // the whole description in JSON, for what is not above
}

// A FilterContext says where a request came in, and from whom.
type FilterContext struct {
	RequestID  string
	APIID      string
	Stage      string
	RouteKey   string
	Path       string
	SourceIP   string
	Protocol   string
	DomainName string
	TimeEpoch  int64 // milliseconds
}

// Fields are a header's fields in their order: names as they came, and values.
type Fields [][2]string

// Get returns the first value of a field, in any case.
func (f Fields) Get(name string) string {
	for _, field := range f {
		if strings.EqualFold(field[0], name) {
			return field[1]
		}
	}
	return ""
}

// RequestEdits is what a filter changes of a request. The zero value changes nothing.
type RequestEdits struct {
	Method, Path, Host string // empty leaves it
	Query              *string
	HeaderEdits

	// Body, when set, writes the new body, and may read the old one meanwhile. Without it the body passes as it is.
	Body func(w *Writer) error

	// Response, when set, answers the request, which then goes no further.
	Response *Response
}

// ResponseEdits is what a filter changes of a response. The zero value changes nothing.
type ResponseEdits struct {
	Status int // 0 leaves it
	HeaderEdits

	// Body, when set, writes the new body, and may read the old one meanwhile. Without it the body passes as it is.
	Body func(w *Writer) error
}

// HeaderEdits are made in this order.
type HeaderEdits struct {
	Headers       Fields   // all fields; nil leaves them
	RemoveHeaders []string // by name, in any case
	SetHeaders    Fields   // in the place of those of that name
	AddHeaders    Fields
}

// FilterRequest filters the request of this call with fn, and returns what the entry filter_request must return. Nil edits change nothing.
// What fn leaves in package variables, FilterResponse finds, for the same exchange: both halves run on one instance. Other exchanges
// use it afterwards.
func FilterRequest(fn func(r *LiveRequest) (*RequestEdits, error)) int32 {
	return run(func() error {
		in := &filterInput{}
		if err := in.decode(); err != nil {
			return err
		}
		edits, err := fn(&in.request)
		if err != nil || edits == nil {
			return err
		}
		return edits.write()
	})
}

// FilterResponse filters the response of this call with fn, and returns what the entry filter_response must return. Nil edits change
// nothing.
func FilterResponse(fn func(r *LiveResponse) (*ResponseEdits, error)) int32 {
	return run(func() error {
		in := &filterInput{}
		if err := in.decode(); err != nil {
			return err
		}
		in.response.Filtering, in.response.Request = in.request.Filtering, &in.request
		in.request.Body = strings.NewReader("")
		edits, err := fn(&in.response)
		if err != nil || edits == nil {
			return err
		}
		return edits.write()
	})
}

func (e *RequestEdits) write() error {
	head := &encoder{}
	for _, part := range [][2]string{{"method", e.Method}, {"path", e.Path}, {"host", e.Host}} {
		if part[1] != "" {
			head.key(part[0])
			head.text(part[1])
		}
	}
	if e.Query != nil {
		head.key("query")
		head.text(*e.Query)
	}
	e.HeaderEdits.encode(head)
	if e.Response == nil {
		return writeEdits(head, e.Body)
	}
	head.key("response")
	answer := &encoder{}
	fields := e.Response.fields()
	answer.key("statusCode")
	answer.number(e.Response.status())
	answer.fields("headers", fields)
	b, err := answer.end()
	head.raw(b, err)
	if err := writeObject(head); err != nil {
		return err
	}
	return e.Response.writeContent()
}

func (e *ResponseEdits) write() error {
	head := &encoder{}
	if e.Status != 0 {
		head.key("statusCode")
		head.number(e.Status)
	}
	e.HeaderEdits.encode(head)
	return writeEdits(head, e.Body)
}

// writeEdits writes the meta, and then the new body, if there is one.
func writeEdits(head *encoder, body func(w *Writer) error) error {
	if body == nil {
		return writeObject(head)
	}
	head.key("body")
	head.bool(true)
	if err := writeObject(head); err != nil {
		return err
	}
	return body(&Writer{})
}

func (h *HeaderEdits) encode(head *encoder) {
	if h.Headers != nil && len(h.Headers) == 0 { // no field at all
		head.key("headers")
		head.raw([]byte("[]"), nil)
	}
	head.fields("headers", h.Headers)
	if len(h.RemoveHeaders) > 0 {
		head.key("removeHeaders")
		head.any(h.RemoveHeaders)
	}
	head.fields("setHeaders", h.SetHeaders)
	head.fields("addHeaders", h.AddHeaders)
}

// fields writes a list of names and values, unless it is empty.
func (e *encoder) fields(key string, list Fields) {
	if len(list) == 0 {
		return
	}
	e.key(key)
	for i, field := range list {
		open := ",["
		if i == 0 {
			open = "[["
		}
		e.b = append(e.b, open...)
		e.text(field[0])
		e.b = append(e.b, ',')
		e.text(field[1])
		e.b = append(e.b, ']')
	}
	e.b = append(e.b, ']')
}

// A filterInput is what the host says of an exchange, in either half.
type filterInput struct {
	request  LiveRequest
	response LiveResponse
}

func (in *filterInput) decode() error {
	in.request.Raw, in.request.Body = meta(), bodyReader{}
	return decode(in.request.Raw, in.field)
}

func (in *filterInput) field(d *decoder, key string) {
	switch key {
	case "request":
		d.object(in.request.field)
	case "response":
		d.object(in.response.field)
	case "context":
		d.object(in.request.Context.field)
	case "pathParameters":
		in.request.PathParameters = d.textMap()
	case "stageVariables":
		in.request.StageVariables = d.textMap()
	default:
		d.skip()
	}
}

func (r *LiveRequest) field(d *decoder, key string) {
	switch key {
	case "method":
		r.Method = d.text()
	case "scheme":
		r.Scheme = d.text()
	case "host":
		r.Host = d.text()
	case "path":
		r.Path = d.text()
	case "query":
		r.Query = d.text()
	case "headers":
		r.Headers = d.fields()
	case "length":
		r.Length = d.integer()
	case "upgrade":
		r.Upgrade = d.text()
	default:
		d.skip()
	}
}

func (r *LiveResponse) field(d *decoder, key string) {
	switch key {
	case "statusCode":
		r.Status = int(d.integer())
	case "headers":
		r.Headers = d.fields()
	case "length":
		r.Length = d.integer()
	default:
		d.skip()
	}
}

func (c *FilterContext) field(d *decoder, key string) {
	switch key {
	case "requestId":
		c.RequestID = d.text()
	case "apiId":
		c.APIID = d.text()
	case "stage":
		c.Stage = d.text()
	case "routeKey":
		c.RouteKey = d.text()
	case "path":
		c.Path = d.text()
	case "sourceIp":
		c.SourceIP = d.text()
	case "protocol":
		c.Protocol = d.text()
	case "domainName":
		c.DomainName = d.text()
	case "timeEpoch":
		c.TimeEpoch = d.integer()
	default:
		d.skip()
	}
}

// fields takes a list of names and values.
func (d *decoder) fields() (list Fields) {
	d.list('[', ']', func() {
		pair := d.texts()
		if len(pair) != 2 {
			d.fail("a name and a value")
			return
		}
		list = append(list, [2]string{pair[0], pair[1]})
	})
	return list
}

// fields returns the header of a response, cookies too.
func (res *Response) fields() Fields {
	var list Fields
	for _, name := range slices.Sorted(maps.Keys(res.Headers)) {
		list = append(list, [2]string{name, res.Headers[name]})
	}
	for _, cookie := range res.Cookies {
		list = append(list, [2]string{"set-cookie", cookie})
	}
	return list
}
