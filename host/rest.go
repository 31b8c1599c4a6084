package host

import "encoding/json"

// REST is what an API of the rest protocol has besides (API Gateway developer guide, "Develop REST APIs").
type REST struct {
	BinaryMediaTypes   []string           // "image/png", "image/*", "*/*": bodies of these are octets, all others text
	MinimumCompression Setting[int64]     // bytes from which responses are compressed; less than 0 compresses none
	Models             []*Model           // by name
	GatewayResponses   []*GatewayResponse // by type
}

// A Model is a JSON Schema of draft 4 that bodies are validated by.
type Model struct {
	Name   string
	Ref    string          // the path as written; "" when it stands in the definition itself
	Schema json.RawMessage // of a file, once host/project has read it
	Pos    Position
}

// A GatewayResponse is what the gateway answers itself, for one type of error. What it leaves out comes from DEFAULT_4XX or
// DEFAULT_5XX, and then from the type's own default.
type GatewayResponse struct {
	Type       ResponseType
	Status     int                // 0 leaves it
	Parameters []ParameterMapping // gatewayresponse.header.N
	Templates  []GatewayTemplate  // in the order of the file
	Pos        Position
}

// A GatewayTemplate is the body of a gateway response for one media type. It is no VTL: variables are replaced, nothing else.
type GatewayTemplate struct{ MediaType, Text string }

// A Method is what a route of a rest API has besides: what Amazon calls method request and method response.
type Method struct {
	Parameters         []MethodParameter // in the order of the file
	Models             []MethodModel     // of the request's body, in the order of the file
	ValidateParameters bool
	ValidateBody       bool
	Responses          []MethodResponse // nil declares none, and then every status may be answered
}

// A MethodParameter is a parameter of the request that the method declares.
type MethodParameter struct {
	In       ParameterPlace
	Name     string
	Required bool
}

// A ParameterPlace says where in a request a parameter is.
type ParameterPlace string

// The places of parameters, as method.request.PLACE.NAME has them.
const (
	InHeader ParameterPlace = "header"
	InPath   ParameterPlace = "path"
	InQuery  ParameterPlace = "querystring"
)

// A MethodModel is the model of bodies of one media type.
type MethodModel struct {
	MediaType string // "$default" for those that no other fits
	Model     string // a Model's name; "Empty" and "Error" always exist
}

// A MethodResponse declares a status that the method may answer.
type MethodResponse struct {
	Status  int
	Headers []string // that mappings may set
}

// A ParameterMapping puts a value somewhere else. On rest APIs the target is integration.request.PLACE.NAME,
// method.response.header.NAME or gatewayresponse.header.NAME; on http APIs it is an operation and a place, append:header.NAME.
type ParameterMapping struct {
	Target string
	Source string
	Pos    Position
}

// A Template is a mapping template of the Velocity Template Language.
type Template struct {
	Ref  string // the path as written; "" when the text stands in the definition itself
	Name string // for errors, before line and column: the file, or the place in the definition
	Text string // of a file, once host/project has read it
	Pos  Position
}

// The ways to convert bodies between octets and text (API Gateway developer guide, "Content type conversions").
const (
	ConvertToText   = "CONVERT_TO_TEXT"
	ConvertToBinary = "CONVERT_TO_BINARY"
)

// A ServiceCall is an AWS integration with anything but a function: one action of a service, or one path at it.
type ServiceCall struct {
	Service   string // "sqs"
	Region    string
	Subdomain string // of the service's host, "" for none
	Action    string // "SendMessage", with its query; "" when Path is set
	Path      string // a template, without a leading slash; "" when Action is set
	Subtype   string // of an http API: "SQS-SendMessage"; then its parameters are the integration's Parameters
	Access    *ServiceAccess
}

// ServiceAccess says where AWS services are, and who calls them.
type ServiceAccess struct {
	Endpoint        string // a URL for all services; "" is https://SERVICE.REGION.amazonaws.com
	Region          string // where an integration names none
	AccessKeyID     Secret
	SecretAccessKey Secret
	SessionToken    Secret // optional
	Pos             Position
}

// Authorizer types of rest APIs.
const (
	AuthorizerToken   = "TOKEN"
	AuthorizerRequest = "REQUEST"
)

// A Disclosure is what an error may tell the client of a rest API beside its type. It stands in the chain of an Error.
type Disclosure struct {
	Message    string // $context.error.message; "" leaves the type's own
	Validation string // $context.error.validationErrorString
	Err        error  // what the log is told; nil for no more
}

// Error returns the reason, or what the client is told.
func (d *Disclosure) Error() string {
	if d.Err != nil {
		return d.Err.Error()
	}
	return d.Message
}

// Unwrap returns the reason.
func (d *Disclosure) Unwrap() error { return d.Err }
