package admin

import (
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
)

func TestSecretsAreNeverShown(t *testing.T) {
	f := start(t)
	f.want(200, "PUT", "/v1/secrets/db-password", "hunter2hunter2")
	f.want(200, "PUT", "/v1/secrets/db-password", "hunter3hunter3", "Content-Type", "application/x-www-form-urlencoded")
	all := string(f.want(200, "GET", "/v1/secrets", nil).body) + string(f.want(200, "GET", "/v1/audit", nil).body) + f.log.String()
	if strings.Contains(all, "hunter") {
		t.Error("a secret was shown")
	}
	f.wantProblem(413, host.TooLarge, "PUT", "/v1/secrets/big", strings.Repeat("x", maxSecret+1))
	f.wantProblem(400, host.Invalid, "PUT", "/v1/secrets/empty", "")
	f.want(204, "DELETE", "/v1/secrets/db-password", nil)
	f.wantProblem(404, host.NotFound, "DELETE", "/v1/secrets/db-password", nil)
}

func TestRolesAndErrorsOfLogins(t *testing.T) {
	f := start(t)
	viewer, deployer := f.login(access.Viewer), f.login(access.Deployer)
	allowed := map[string][]int{ // by viewer, deployer, admin: what is forbidden has 403
		"GET /v1/status": {200, 200, 200}, "GET /v1/secrets": {200, 200, 200}, "GET /v1/blobs/" + strings.Repeat("0", 64): {403, 404, 404},
		"PUT /v1/secrets/a": {403, 200, 200}, "DELETE /v1/apis/nope": {403, 404, 404}, "GET /v1/tokens": {403, 403, 200}, "GET /v1/audit": {403, 403, 200},
		"GET /v1/backup": {403, 403, 200}, "POST /2015-03-31/functions/nope/invocations": {403, 404, 404}, "GET /2015-03-31/functions": {200, 200, 200},
	}
	for request, codes := range allowed {
		method, path, _ := strings.Cut(request, " ")
		for i, header := range []string{viewer, deployer, "Bearer " + f.token} {
			var body any
			if method == "PUT" {
				body = "v"
			}
			if a := f.send(method, path, body, "Authorization", header); a.status != codes[i] {
				t.Errorf("%s as %v: %d, want %d: %s", request, []string{"viewer", "deployer", "admin"}[i], a.status, codes[i], a.body)
			}
		}
	}
	var who Whoami
	f.want(200, "GET", "/v1/whoami", nil, "Authorization", viewer).into(t, &who)
	if who.By != "token viewer" || who.Role != "viewer" {
		t.Errorf("%+v", who)
	}
	for _, header := range []string{"", "Bearer nonsense", "Bearer pst_" + strings.Repeat("A", 43), "Basic YTpi"} {
		a := f.want(401, "GET", "/v1/status", nil, "Authorization", header)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: no challenge", header)
		}
	}
}

func TestTooManyFailedLogins(t *testing.T) {
	f := start(t)
	f.want(200, "GET", "/v1/whoami", nil)
	wrong := "Bearer pst_" + strings.Repeat("B", 43)
	var last answer
	for range 12 {
		last = f.send("GET", "/v1/whoami", nil, "Authorization", wrong)
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", last.status, last.header)
	}
	f.want(200, "GET", "/v1/whoami", nil) // who is known is not locked out
	if strings.Contains(f.log.String(), wrong[len("Bearer "):]) {
		t.Error("the log has a token")
	}
}

func TestTokensAndKeys(t *testing.T) {
	f := start(t)
	var made NewToken
	f.want(201, "POST", "/v1/tokens", CredentialInput{Name: "ci", Role: "deployer"}).into(t, &made)
	f.want(200, "GET", "/v1/whoami", nil, "Authorization", "Bearer "+made.Text)
	f.wantProblem(409, host.Conflict, "POST", "/v1/tokens", CredentialInput{Name: "ci", Role: "deployer"})
	f.wantProblem(422, host.Invalid, "POST", "/v1/tokens", CredentialInput{Name: "x", Role: "owner"})
	f.wantProblem(422, host.Invalid, "POST", "/v1/tokens", CredentialInput{Name: "a b", Role: "viewer"})
	if body := f.want(200, "GET", "/v1/tokens", nil).body; strings.Contains(string(body), made.Text) {
		t.Error("a token is shown again")
	}
	f.want(204, "DELETE", "/v1/tokens/"+made.ID, nil)
	f.wantProblem(404, host.NotFound, "DELETE", "/v1/tokens/"+made.ID, nil)
	var key NewKey
	f.want(201, "POST", "/v1/keys", CredentialInput{Name: "sdk", Role: "deployer"}).into(t, &key)
	if body := f.want(200, "GET", "/v1/keys", nil).body; strings.Contains(string(body), key.Secret) || !strings.Contains(string(body), key.ID) {
		t.Errorf("%s", body)
	}
	f.want(204, "DELETE", "/v1/keys/"+key.ID, nil)
}
