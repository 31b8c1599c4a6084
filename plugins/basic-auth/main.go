// Command basic-auth lets in who brings a name and a password by HTTP basic authentication (RFC 7617). As an authorizer it decides; as a
// filter, which is optional, it adds to 401s the challenge that makes a browser ask.
package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/sdk/go"
)

// usersSecret is the secret that has the users.
const usersSecret = "USERS"

// defaultRealm is what a client shows when it asks for the password.
const defaultRealm = "protected"

func main() {}

//go:wasmexport authorize
func authorize() int32 { return postern.Authorize(decide) }

//go:wasmexport filter_response
func filterResponse() int32 { return postern.FilterResponse(challenge) }

// decide never says which of name and password was wrong, nor by its time.
func decide(ev *postern.AuthorizerEvent) (*postern.Decision, error) {
	name, password, ok := credentials(header(ev.Headers, "authorization"))
	if !ok {
		return nil, postern.ErrUnauthorized
	}
	text, err := postern.Secret(usersSecret)
	if err != nil {
		return nil, fmt.Errorf("the secret %s: %w", usersSecret, err)
	}
	users, err := parseUsers(text)
	if err != nil {
		return nil, fmt.Errorf("the secret %s: %w", usersSecret, err)
	}
	if !users.check(name, password) {
		return nil, postern.ErrUnauthorized
	}
	return postern.Allow(map[string]any{"user": name}), nil
}

// challenge adds WWW-Authenticate to a 401 that has none (RFC 9110, section 15.5.2).
func challenge(r *postern.LiveResponse) (*postern.ResponseEdits, error) {
	if r.Status != 401 || r.Headers.Get("www-authenticate") != "" {
		return nil, nil
	}
	config := struct {
		Realm string `json:"realm"`
	}{Realm: defaultRealm}
	if err := postern.Config(&config); err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	edits := &postern.ResponseEdits{}
	edits.SetHeaders = postern.Fields{{"www-authenticate", `Basic realm="` + config.Realm + `", charset="UTF-8"`}}
	return edits, nil
}

// header returns a field: format 1.0 has names as the client wrote them.
func header(fields map[string]string, name string) string {
	if value, ok := fields[name]; ok {
		return value
	}
	for key, value := range fields {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// credentials takes a name and a password from the value of Authorization (RFC 7617, section 2).
func credentials(value string) (name, password string, ok bool) {
	scheme, encoded, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "basic") {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(strings.Trim(encoded, " "))
	if err != nil {
		return "", "", false
	}
	name, password, ok = strings.Cut(string(decoded), ":")
	control := strings.ContainsFunc(string(decoded), func(c rune) bool { return c < ' ' || c == 0x7f })
	return name, password, ok && name != "" && !control && utf8.Valid(decoded)
}
