package postern

import (
	"encoding/json"
	"fmt"
	"io"
)

// A Request is an HTTP request as a function sees it: an event in Lambda's payload format 2.0. Absent groups are nil.
type Request struct {
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"` // with the stage, unless that is $default
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies"`
	Headers               map[string]string `json:"headers"` // lower-case names; several values are joined by commas
	QueryStringParameters map[string]string `json:"queryStringParameters"`
	PathParameters        map[string]string `json:"pathParameters"`
	StageVariables        map[string]string `json:"stageVariables"`
	RequestContext        RequestContext    `json:"requestContext"`

	Body io.Reader       `json:"-"` // streams from the client; never nil
	Raw  json.RawMessage `json:"-"` // the whole event, for what is not above
}

func (r *Request) field(d *decoder, key string) {
	switch key {
	case "routeKey":
		r.RouteKey = d.text()
	case "rawPath":
		r.RawPath = d.text()
	case "rawQueryString":
		r.RawQueryString = d.text()
	case "cookies":
		r.Cookies = d.texts()
	case "headers":
		r.Headers = d.textMap()
	case "queryStringParameters":
		r.QueryStringParameters = d.textMap()
	case "pathParameters":
		r.PathParameters = d.textMap()
	case "stageVariables":
		r.StageVariables = d.textMap()
	case "requestContext":
		d.object(r.RequestContext.field)
	default:
		d.skip()
	}
}

// A RequestContext says where a request came in, and from whom.
type RequestContext struct {
	AccountID  string          `json:"accountId"`
	APIID      string          `json:"apiId"`
	DomainName string          `json:"domainName"`
	RequestID  string          `json:"requestId"`
	RouteKey   string          `json:"routeKey"`
	Stage      string          `json:"stage"`
	TimeEpoch  int64           `json:"timeEpoch"` // milliseconds
	HTTP       RequestHTTP     `json:"http"`
	Authorizer *AuthorizerData `json:"authorizer"` // nil when no authorizer stands before the route
}

func (c *RequestContext) field(d *decoder, key string) {
	switch key {
	case "accountId":
		c.AccountID = d.text()
	case "apiId":
		c.APIID = d.text()
	case "domainName":
		c.DomainName = d.text()
	case "requestId":
		c.RequestID = d.text()
	case "routeKey":
		c.RouteKey = d.text()
	case "stage":
		c.Stage = d.text()
	case "timeEpoch":
		c.TimeEpoch = d.integer()
	case "http":
		d.object(c.HTTP.field)
	case "authorizer":
		if d.null() {
			return
		}
		c.Authorizer = &AuthorizerData{}
		d.object(c.Authorizer.field)
	default:
		d.skip()
	}
}

// RequestHTTP is the request line and its sender.
type RequestHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

func (h *RequestHTTP) field(d *decoder, key string) {
	switch key {
	case "method":
		h.Method = d.text()
	case "path":
		h.Path = d.text()
	case "protocol":
		h.Protocol = d.text()
	case "sourceIp":
		h.SourceIP = d.text()
	case "userAgent":
		h.UserAgent = d.text()
	default:
		d.skip()
	}
}

// AuthorizerData is what an authorizer said of the caller.
type AuthorizerData struct {
	Lambda map[string]any `json:"lambda"` // the context that a plugin returned
}

func (a *AuthorizerData) field(d *decoder, key string) {
	if key == "lambda" {
		a.Lambda = d.anyMap()
		return
	}
	d.skip()
}

// A Response is a function's answer. The zero value is an empty 200.
type Response struct {
	Status  int // 0 is 200
	Headers map[string]string
	Cookies []string // each becomes a Set-Cookie header
	Body    []byte

	// Stream, when set, writes the body in Body's stead while the client already reads it. An error after the first
	// bytes cuts the response off.
	Stream func(w *Writer) error

	// Value, when not nil, is the whole result in JSON, and nothing else of the response counts: what a call by name answers. HandleJSON
	// is for functions that know no requests.
	Value any
}

// A Writer is the body of a response that streams.
type Writer struct{ err error }

// Write sends p; it waits while the client is slow, and fails with ErrClosed once the client has gone.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = writeBody(p)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// Flush sends what is written so far to the client, be it little.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = flushBody()
	}
	return w.err
}

// Text is a response of plain text.
func Text(status int, body string) *Response {
	return &Response{Status: status, Headers: map[string]string{"content-type": "text/plain; charset=utf-8"}, Body: []byte(body)}
}

// JSON is a response with v in JSON. What JSON cannot hold is a defect, and panics.
func JSON(status int, v any) *Response {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return &Response{Status: status, Headers: map[string]string{"content-type": "application/json"}, Body: b}
}

// Handle answers the HTTP request of this call with serve, and returns what the entry handle must return. A nil
// response is an empty 200; an error is for the log, and the client sees 500 without it.
func Handle(serve func(r *Request) (*Response, error)) int32 {
	return run(func() error {
		r := &Request{Raw: meta(), Body: bodyReader{}}
		if err := decode(r.Raw, r.field); err != nil {
			return err
		}
		res, err := serve(r)
		if err != nil {
			return err
		}
		return res.write()
	})
}

func (res *Response) write() error {
	if res == nil {
		res = &Response{}
	}
	if res.Value != nil {
		return writeMetaJSON(res.Value)
	}
	head := &encoder{}
	head.key("statusCode")
	head.number(res.status())
	if len(res.Headers) > 0 {
		head.key("headers")
		head.textMap(res.Headers)
	}
	if len(res.Cookies) > 0 {
		head.key("cookies")
		head.any(res.Cookies)
	}
	if err := writeObject(head); err != nil {
		return err
	}
	return res.writeContent()
}

func (res *Response) status() int {
	if res.Status == 0 {
		return 200
	}
	return res.Status
}

func (res *Response) writeContent() error {
	if res.Stream != nil {
		return res.Stream(&Writer{})
	}
	return writeBody(res.Body)
}

// HandleJSON answers a call by name: the event is decoded into In, and Out is the result. Out may also be a proxy
// result with statusCode, headers and body, as In may be an event of any format.
func HandleJSON[In, Out any](serve func(in In) (Out, error)) int32 {
	return run(func() error {
		var in In
		if err := json.Unmarshal(meta(), &in); err != nil {
			return fmt.Errorf("the event: %w", err)
		}
		out, err := serve(in)
		if err != nil {
			return err
		}
		return writeMetaJSON(out)
	})
}

// bodyReader reads the body of the call's input.
type bodyReader struct{}

func (bodyReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return readBody(p)
}
