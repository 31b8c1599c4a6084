package postern

import "encoding/json"

// An AuthorizerEvent is the request that somebody wants to make, in Lambda's format 2.0 for authorizers, with the fields
// of 1.0 that have other names. Absent groups are nil.
type AuthorizerEvent struct {
	Version               string            `json:"version"`
	Type                  string            `json:"type"` // REQUEST or TOKEN
	RouteARN              string            `json:"routeArn"`
	MethodARN             string            `json:"methodArn"`          // 1.0
	AuthorizationToken    string            `json:"authorizationToken"` // 1.0
	IdentitySource        Strings           `json:"identitySource"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters"`
	PathParameters        map[string]string `json:"pathParameters"`
	StageVariables        map[string]string `json:"stageVariables"`
	RequestContext        RequestContext    `json:"requestContext"`

	Raw json.RawMessage `json:"-"` // the whole event, for what is not above
}

// Strings is a list that format 1.0 writes as one string.
type Strings []string

// UnmarshalJSON takes a list or a string.
func (s *Strings) UnmarshalJSON(b []byte) error {
	d := &decoder{b: b}
	*s = d.strings()
	return d.err
}

func (d *decoder) strings() Strings {
	if d.peek() == '"' {
		return Strings{d.text()}
	}
	return d.texts()
}

func (ev *AuthorizerEvent) field(d *decoder, key string) {
	switch key {
	case "version":
		ev.Version = d.text()
	case "type":
		ev.Type = d.text()
	case "routeArn":
		ev.RouteARN = d.text()
	case "methodArn":
		ev.MethodARN = d.text()
	case "authorizationToken":
		ev.AuthorizationToken = d.text()
	case "identitySource":
		ev.IdentitySource = d.strings()
	case "routeKey":
		ev.RouteKey = d.text()
	case "rawPath":
		ev.RawPath = d.text()
	case "rawQueryString":
		ev.RawQueryString = d.text()
	case "cookies":
		ev.Cookies = d.texts()
	case "headers":
		ev.Headers = d.textMap()
	case "queryStringParameters":
		ev.QueryStringParameters = d.textMap()
	case "pathParameters":
		ev.PathParameters = d.textMap()
	case "stageVariables":
		ev.StageVariables = d.textMap()
	case "requestContext":
		d.object(ev.RequestContext.field)
	default:
		d.skip()
	}
}

// A Decision is an authorizer's answer. Set IsAuthorized, or a Policy with its PrincipalID.
type Decision struct {
	IsAuthorized bool
	PrincipalID  string
	Policy       *Policy        // overrides IsAuthorized
	Context      map[string]any // handed to the integration
}

// A Policy is an IAM policy document over execute-api:Invoke.
type Policy struct {
	Version   string      `json:"Version"` // "2012-10-17"
	Statement []Statement `json:"Statement"`
}

// A Statement allows or denies.
type Statement struct {
	Effect   string   `json:"Effect"` // Allow or Deny
	Action   []string `json:"Action"`
	Resource []string `json:"Resource"`
}

// Allow lets the request pass, and hands context, which may be nil, to the integration.
func Allow(context map[string]any) *Decision { return &Decision{IsAuthorized: true, Context: context} }

// Deny refuses the request with 403.
func Deny() *Decision { return &Decision{} }

func (d *Decision) write() error {
	e := &encoder{}
	if d.Policy != nil {
		e.key("principalId")
		e.text(d.PrincipalID)
		e.key("policyDocument")
		e.any(d.Policy)
	} else {
		e.key("isAuthorized")
		e.bool(d.IsAuthorized)
	}
	if len(d.Context) > 0 {
		e.key("context")
		e.anyMap(d.Context)
	}
	return writeObject(e)
}

// Authorize decides the event of this call with decide, and returns what the entry authorize must return. A nil decision
// denies. ErrUnauthorized answers the client with 401; another error is for the log, and the client sees 500.
func Authorize(decide func(ev *AuthorizerEvent) (*Decision, error)) int32 {
	return run(func() error {
		ev := &AuthorizerEvent{Raw: meta()}
		if err := decode(ev.Raw, ev.field); err != nil {
			return err
		}
		d, err := decide(ev)
		if err != nil {
			return err
		}
		if d == nil {
			d = Deny()
		}
		return d.write()
	})
}
