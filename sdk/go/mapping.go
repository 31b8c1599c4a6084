package postern

import (
	"encoding/json"
	"io"
)

// A MappingInput is a body that is to be turned into another, and the request around it.
type MappingInput struct {
	Params         MappingParams     `json:"params"`
	Context        map[string]any    `json:"context"` // Amazon's $context
	StageVariables map[string]string `json:"stageVariables"`
	Response       *MappingResponse  `json:"response"` // of the integration; nil for a request mapping

	Body io.Reader       `json:"-"` // never nil
	Raw  json.RawMessage `json:"-"` // the whole description, for what is not above
}

// MappingParams are the request's parameters.
type MappingParams struct {
	Path        map[string]string `json:"path"`
	QueryString map[string]string `json:"querystring"`
	Header      map[string]string `json:"header"`
}

// Get returns a parameter by name, looked for in path, query and header, in this order.
func (p *MappingParams) Get(name string) string {
	for _, m := range []map[string]string{p.Path, p.QueryString, p.Header} {
		if v, ok := m[name]; ok {
			return v
		}
	}
	return ""
}

// A MappingResponse is the head of the integration's response.
type MappingResponse struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
}

func (in *MappingInput) field(d *decoder, key string) {
	switch key {
	case "params":
		d.object(in.Params.field)
	case "context":
		in.Context = d.anyMap()
	case "stageVariables":
		in.StageVariables = d.textMap()
	case "response":
		if d.null() {
			return
		}
		in.Response = &MappingResponse{}
		d.object(in.Response.field)
	default:
		d.skip()
	}
}

func (p *MappingParams) field(d *decoder, key string) {
	switch key {
	case "path":
		p.Path = d.textMap()
	case "querystring":
		p.QueryString = d.textMap()
	case "header":
		p.Header = d.textMap()
	default:
		d.skip()
	}
}

func (r *MappingResponse) field(d *decoder, key string) {
	switch key {
	case "status":
		r.Status = int(d.integer())
	case "headers":
		r.Headers = d.textMap()
	default:
		d.skip()
	}
}

// JSON decodes the body.
func (in *MappingInput) JSON(v any) error { return json.NewDecoder(in.Body).Decode(v) }

// A MappingOutput is the new body, and what else is to be changed.
type MappingOutput struct {
	Body        []byte
	ContentType string // of Body; empty leaves it
	Request     RequestOverride
	Response    ResponseOverride
}

// A RequestOverride replaces parameters of the request to the integration.
type RequestOverride struct {
	Header      map[string]string `json:"header,omitempty"`
	QueryString map[string]string `json:"querystring,omitempty"`
	Path        map[string]string `json:"path,omitempty"`
}

// A ResponseOverride replaces parts of the head of the response.
type ResponseOverride struct {
	Status int               `json:"status,omitempty"`
	Header map[string]string `json:"header,omitempty"`
}

type mappingMeta struct {
	ContentType      string           `json:"contentType,omitempty"`
	RequestOverride  RequestOverride  `json:"requestOverride,omitzero"`
	ResponseOverride ResponseOverride `json:"responseOverride,omitzero"`
}

// IsZero reports whether nothing is replaced.
func (o RequestOverride) IsZero() bool { return len(o.Header)+len(o.QueryString)+len(o.Path) == 0 }

// IsZero reports whether nothing is replaced.
func (o ResponseOverride) IsZero() bool { return o.Status == 0 && len(o.Header) == 0 }

// MapRequest maps the body of this call with fn, and returns what the entry map_request must return.
func MapRequest(fn func(in *MappingInput) (*MappingOutput, error)) int32 { return mapBody(fn) }

// MapResponse maps the body of this call with fn, and returns what the entry map_response must return.
func MapResponse(fn func(in *MappingInput) (*MappingOutput, error)) int32 { return mapBody(fn) }

func mapBody(fn func(in *MappingInput) (*MappingOutput, error)) int32 {
	return run(func() error {
		in := &MappingInput{Raw: meta(), Body: bodyReader{}}
		if err := decode(in.Raw, in.field); err != nil {
			return err
		}
		out, err := fn(in)
		if err != nil {
			return err
		}
		if out == nil {
			out = &MappingOutput{}
		}
		if err := writeMetaJSON(mappingMeta{out.ContentType, out.Request, out.Response}); err != nil {
			return err
		}
		return writeBody(out.Body)
	})
}
