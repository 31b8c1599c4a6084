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
	if len(b) > 0 && b[0] == '"' {
		*s = make(Strings, 1)
		return json.Unmarshal(b, &(*s)[0])
	}
	return json.Unmarshal(b, (*[]string)(s))
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

type simpleDecision struct {
	IsAuthorized bool           `json:"isAuthorized"`
	Context      map[string]any `json:"context,omitempty"`
}

type policyDecision struct {
	PrincipalID    string         `json:"principalId"`
	PolicyDocument *Policy        `json:"policyDocument"`
	Context        map[string]any `json:"context,omitempty"`
}

// Authorize decides the event of this call with decide, and returns what the entry authorize must return. A nil decision
// denies. ErrUnauthorized answers the client with 401; another error is for the log, and the client sees 500.
func Authorize(decide func(ev *AuthorizerEvent) (*Decision, error)) int32 {
	return run(func() error {
		ev := &AuthorizerEvent{Raw: meta()}
		if err := decode(ev.Raw, ev); err != nil {
			return err
		}
		d, err := decide(ev)
		switch {
		case err != nil:
			return err
		case d == nil:
			d = Deny()
		case d.Policy != nil:
			return writeMetaJSON(policyDecision{d.PrincipalID, d.Policy, d.Context})
		}
		return writeMetaJSON(simpleDecision{d.IsAuthorized, d.Context})
	})
}
