package mapping

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

const (
	accountID = "000000000000" // Postern has no accounts
	clf       = "02/Jan/2006:15:04:05 -0700"
)

// contextNames are the variables of $context (reference 1.5.1 and 1.5.2) but for authorizer.N.
var contextNames = [...]string{"accountId", "apiId", "domainName", "domainPrefix", "error.responseType", "extendedRequestId", "httpMethod",
	"identity.sourceIp", "identity.userAgent", "path", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourcePath", "routeKey",
	"stage", "status"}

func knownContext(name string) bool {
	property, ok := strings.CutPrefix(name, "authorizer.")
	return ok && property != "" || slices.Contains(contextNames[:], name)
}

// ContextValue returns a variable of $context, without the prefix, and false when it has no value. What an authorizer said is text
// whatever its type was: strings as they are, the rest as JSON (reference 1.5.1, "always stringified").
func ContextValue(x *host.Exchange, name string) (string, bool) {
	if property, ok := strings.CutPrefix(name, "authorizer."); ok {
		return authorizerValue(&x.Principal, property)
	}
	m := &x.Match
	text := ""
	switch name {
	case "accountId":
		text = accountID
	case "apiId":
		if m.API != nil {
			text = m.API.Name
		}
	case "domainName":
		text = m.Domain
	case "domainPrefix":
		text, _, _ = strings.Cut(m.Domain, ".")
	case "error.responseType":
		var e *host.Error
		if errors.As(x.Err, &e) {
			text = string(e.Code)
		}
	case "extendedRequestId", "requestId": // one and the same on HTTP APIs (reference 1.5.2)
		text = x.ID
	case "httpMethod":
		text = x.Request.Method
	case "identity.sourceIp":
		if addr := x.Request.Peer.Addr; addr.IsValid() {
			text = addr.Unmap().String()
		}
	case "identity.userAgent":
		text = x.Request.Header.Get("User-Agent")
	case "path":
		text = stagePath(m)
	case "protocol":
		text = x.Request.Peer.Protocol
	case "requestTime":
		text = x.Started.UTC().Format(clf)
	case "requestTimeEpoch":
		text = strconv.FormatInt(x.Started.UnixMilli(), 10)
	case "resourcePath":
		text = resourcePath(x)
	case "routeKey":
		if m.Route != nil {
			text = m.Route.Key
		}
	case "stage":
		if m.Stage != nil {
			text = m.Stage.Name
		}
	case "status":
		if x.Response != nil {
			text = strconv.Itoa(x.Response.Status)
		}
	}
	return text, text != ""
}

// stagePath is the path with the stage's segment or a domain's base path (reference 1.5.1). Requests below /_postern/ look like those to
// the API's own host.
func stagePath(m *host.Match) string {
	base := m.BasePath
	if strings.HasPrefix(base, "/_postern/") {
		base = ""
		if m.Stage != nil && m.Stage.Name != host.DefaultStage {
			base = "/" + m.Stage.Name
		}
	}
	return base + m.Path
}

func resourcePath(x *host.Exchange) string {
	switch r := x.Match.Route; {
	case r == nil:
		return ""
	case r.Pattern == "":
		return host.DefaultRoute
	default:
		return r.Pattern
	}
}

func authorizerValue(p *host.Principal, property string) (string, bool) {
	value, ok := p.Context[property]
	if !ok && property == "principalId" {
		return p.ID, p.ID != ""
	}
	if claim, isClaim := strings.CutPrefix(property, "claims."); isClaim && !ok {
		claims, _ := p.Context["claims"].(map[string]any)
		value = claims[claim]
	}
	return AuthorizerText(value)
}

// AuthorizerText returns what an authorizer said as the text that mappings get: strings as they are, the rest as JSON. Null has none.
func AuthorizerText(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	default:
		b, err := json.Marshal(v)
		return string(b), err == nil
	}
}
