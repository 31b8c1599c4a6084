package admin

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/postern/postern/host/access"
)

// An operation is one line of the admin API. spec/admin.openapi.yaml describes the same, and a test holds the two together.
type operation struct {
	id     string // operationId
	method string
	path   string        // as net/http's ServeMux takes it
	action access.Action // says who may; the zero value is access.Read
	do     func(*call) (*reply, error)

	query        []string // parameters, besides those of every change and list
	list         bool     // has pages
	change       bool     // writes: it is audited, and has the parameters of every change
	stateful     bool     // a change of the catalog's state: its response has its revision
	waits        bool     // a change that hosts serve: it has ?wait=
	long         bool     // compiles and checks: it waits for its turn, and tells its progress when asked to
	streams      bool     // holds no more than a piece of its body
	quiet        bool     // a change that alone does nothing: the audit log has only the refused ones
	sensitive    bool     // reads what the audit log is to have
	unversioned  bool     // a change of what has no revision: If-Match is refused
	lambda       bool     // answers as Amazon's Lambda does
	limit        int64    // bytes of the body; 0 is maxJSON
	bodyOptional bool
	public       bool // needs no token
	local        bool // needs none on a loopback listener
}

const lambdaPath = "/2015-03-31/"

// The parameters that kinds of operations share.
var (
	listParameters   = []string{"limit", "after"}
	changeParameters = []string{"dryRun", "force", "message"}
)

// audited reports whether the audit log has the operation.
func (op *operation) audited() bool { return op.change || op.sensitive }

// parameters are the names that the query may have.
func (op *operation) parameters() []string {
	names := append([]string(nil), op.query...)
	if op.list {
		names = append(names, listParameters...)
	}
	if op.change {
		names = append(names, changeParameters...)
	}
	if op.waits {
		names = append(names, "wait")
	}
	return names
}

// operations is the whole admin API.
func operations() []operation {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	ops := []operation{
		{id: "getHealth", method: get, path: "/healthz", public: true, do: (*call).health},
		{id: "getReadiness", method: get, path: "/readyz", public: true, do: (*call).readiness},
		{id: "getPluginHealth", method: get, path: "/healthz/plugins", local: true, do: (*call).pluginHealth},
		{id: "getMetrics", method: get, path: "/metrics", local: true, do: (*call).metrics},
		{id: "getRoot", method: get, path: "/{$}", local: true, do: (*call).root},
		{id: "getOpenAPI", method: get, path: "/v1/openapi.yaml", public: true, do: (*call).openAPI},
		{id: "whoami", method: get, path: "/v1/whoami", do: (*call).whoami},
		{id: "getStatus", method: get, path: "/v1/status", do: (*call).status},
		{id: "listParts", method: get, path: "/v1/parts", do: (*call).parts, query: []string{"api", "stage", "function"}},
		{id: "listPlugins", method: get, path: "/v1/plugins", do: (*call).plugins},

		{id: "headBlob", method: http.MethodHead, path: "/v1/blobs/{digest}", action: access.Contents, do: (*call).headBlob},
		{id: "getBlob", method: get, path: "/v1/blobs/{digest}", action: access.Contents, do: (*call).getBlob},
		{id: "putBlob", method: put, path: "/v1/blobs/{digest}", action: access.Change, do: (*call).putBlob, change: true, streams: true, quiet: true, unversioned: true, limit: maxUpload},

		{id: "listSecrets", method: get, path: "/v1/secrets", do: (*call).listSecrets, list: true, query: []string{"project", "prefix"}},
		{id: "putSecret", method: put, path: "/v1/secrets/{secret}", action: access.Change, do: (*call).putSecret, change: true, limit: maxSecret},
		{id: "deleteSecret", method: del, path: "/v1/secrets/{secret}", action: access.Change, do: (*call).deleteSecret, change: true},

		{id: "listTokens", method: get, path: "/v1/tokens", action: access.Administer, do: (*call).listTokens, list: true},
		{id: "createToken", method: post, path: "/v1/tokens", action: access.Administer, do: (*call).createToken, change: true, unversioned: true},
		{id: "deleteToken", method: del, path: "/v1/tokens/{id}", action: access.Administer, do: (*call).deleteToken, change: true, unversioned: true},
		{id: "listKeys", method: get, path: "/v1/keys", action: access.Administer, do: (*call).listKeys, list: true},
		{id: "createKey", method: post, path: "/v1/keys", action: access.Administer, do: (*call).createKey, change: true, unversioned: true},
		{id: "deleteKey", method: del, path: "/v1/keys/{id}", action: access.Administer, do: (*call).deleteKey, change: true, unversioned: true},

		{id: "listAudit", method: get, path: "/v1/audit", action: access.Administer, do: (*call).listAudit, list: true, query: []string{"by", "action", "resource", "outcome", "since"}},
		{id: "readLogs", method: get, path: "/v1/logs", do: (*call).readLogs, query: []string{"follow", "last", "api", "stage", "route", "function", "status", "level"}},
		{id: "backup", method: get, path: "/v1/backup", action: access.Administer, do: (*call).backup, sensitive: true},
		{id: "restore", method: post, path: "/v1/restore", action: access.Administer, do: (*call).restore, change: true, streams: true, unversioned: true, stateful: true, waits: true, limit: unlimited, query: []string{"withoutSecrets"}},
	}
	ops = append(ops, apiOperations()...)
	ops = append(ops, functionOperations()...)
	return append(ops, lambdaOperations()...)
}

func apiOperations() []operation {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	const project, api = "/v1/projects/{project}", "/v1/apis/{api}"
	const deployments, stage = api + "/deployments", api + "/stages/{stage}"
	return []operation{
		{id: "listProjects", method: get, path: "/v1/projects", do: (*call).listProjects, list: true, query: []string{"prefix"}},
		{id: "getProject", method: get, path: project, do: (*call).getProject},
		{id: "getBundle", method: get, path: project + "/bundle", do: (*call).getBundle},
		{id: "applyProject", method: post, path: project + "/apply", action: access.Change, do: (*call).applyProject, change: true, stateful: true, waits: true, long: true, limit: maxApply},
		{id: "deleteProject", method: del, path: project, action: access.Change, do: (*call).deleteProject, change: true, stateful: true, waits: true},

		{id: "listAPIs", method: get, path: "/v1/apis", do: (*call).listAPIs, list: true, query: []string{"project", "protocol", "prefix"}},
		{id: "getAPI", method: get, path: api, do: (*call).getAPI},
		{id: "putAPI", method: put, path: api, action: access.Change, do: (*call).putAPI, change: true, stateful: true, waits: true, long: true, limit: maxApply},
		{id: "deleteAPI", method: del, path: api, action: access.Change, do: (*call).deleteAPI, change: true, stateful: true, waits: true},

		{id: "listDeployments", method: get, path: deployments, do: (*call).listDeployments, list: true},
		{id: "createDeployment", method: post, path: deployments, action: access.Change, do: (*call).createDeployment, change: true, stateful: true, waits: true, bodyOptional: true},
		{id: "getDeployment", method: get, path: deployments + "/{number}", do: (*call).getDeployment},
		{id: "deleteDeployment", method: del, path: deployments + "/{number}", action: access.Change, do: (*call).deleteDeployment, change: true, stateful: true},

		{id: "listStages", method: get, path: api + "/stages", do: (*call).listStages, list: true, query: []string{"prefix"}},
		{id: "getStage", method: get, path: stage, do: (*call).getStage},
		{id: "putStage", method: put, path: stage, action: access.Change, do: (*call).putStage, change: true, stateful: true, waits: true},
		{id: "deleteStage", method: del, path: stage, action: access.Change, do: (*call).deleteStage, change: true, stateful: true, waits: true},
		{id: "rollbackStage", method: post, path: stage + "/rollback", action: access.Change, do: (*call).rollbackStage, change: true, stateful: true, waits: true, bodyOptional: true},
		{id: "putCanary", method: put, path: stage + "/canary", action: access.Change, do: (*call).putCanary, change: true, stateful: true, waits: true},
		{id: "deleteCanary", method: del, path: stage + "/canary", action: access.Change, do: (*call).deleteCanary, change: true, stateful: true, waits: true},
		{id: "promoteCanary", method: post, path: stage + "/canary/promote", action: access.Change, do: (*call).promoteCanary, change: true, stateful: true, waits: true, bodyOptional: true},
	}
}

func functionOperations() []operation {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	const function = "/v1/functions/{function}"
	const versions, alias, letters = function + "/versions", function + "/aliases/{alias}", function + "/dead-letters"
	return []operation{
		{id: "listFunctions", method: get, path: "/v1/functions", do: (*call).listFunctions, list: true, query: []string{"project", "prefix"}},
		{id: "getFunction", method: get, path: function, do: (*call).getFunction},
		{id: "deleteFunction", method: del, path: function, action: access.Change, do: (*call).deleteFunction, change: true, stateful: true, waits: true},
		{id: "putFunctionConfig", method: put, path: function + "/config", action: access.Change, do: (*call).putFunctionConfig, change: true, stateful: true, waits: true, long: true, query: []string{"promote"}},

		{id: "listVersions", method: get, path: versions, do: (*call).listVersions, list: true},
		{id: "createVersion", method: post, path: versions, action: access.Change, do: (*call).createVersion, change: true, stateful: true, waits: true, long: true, limit: maxUpload, query: []string{"promote", "config"}},
		{id: "getVersion", method: get, path: versions + "/{number}", do: (*call).getVersion},
		{id: "deleteVersion", method: del, path: versions + "/{number}", action: access.Change, do: (*call).deleteVersion, change: true, stateful: true},

		{id: "listAliases", method: get, path: function + "/aliases", do: (*call).listAliases, list: true, query: []string{"prefix"}},
		{id: "getAlias", method: get, path: alias, do: (*call).getAlias},
		{id: "putAlias", method: put, path: alias, action: access.Change, do: (*call).putAlias, change: true, stateful: true, waits: true},
		{id: "deleteAlias", method: del, path: alias, action: access.Change, do: (*call).deleteAlias, change: true, stateful: true, waits: true},
		{id: "rollbackAlias", method: post, path: alias + "/rollback", action: access.Change, do: (*call).rollbackAlias, change: true, stateful: true, waits: true, bodyOptional: true},

		{id: "listDeadLetters", method: get, path: letters, action: access.Contents, do: (*call).listDeadLetters, list: true},
		{id: "deleteDeadLetters", method: del, path: letters, action: access.Change, do: (*call).deleteDeadLetters, change: true, unversioned: true, query: []string{"upTo"}},
	}
}

// names are what the wildcards of paths may stand for. What a name may be is in spec/admin.md.
var names = map[string]*regexp.Regexp{
	"project":  regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`),
	"api":      regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`),
	"stage":    regexp.MustCompile(`^(\$default|[A-Za-z0-9_-]{1,128})$`),
	"function": regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`),
	"alias":    regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`),
	"number":   regexp.MustCompile(`^[1-9][0-9]{0,8}$`),
	"digest":   regexp.MustCompile(`^[0-9a-f]{64}$`),
	"secret":   regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`),
	"id":       regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`),
}

// checkNames refuses names in the path that nothing can have. A project's own secrets, which have a slash and a colon, are its apply's to change.
func (c *call) checkNames() error {
	if c.op.lambda {
		return nil // they may be ARNs
	}
	for segment := range strings.SplitSeq(c.op.path, "/") {
		name, found := strings.CutPrefix(segment, "{")
		name, _ = strings.CutSuffix(name, "}")
		if !found || name == "$" {
			continue
		}
		value := c.r.PathValue(name)
		if strings.Trim(value, ".") == "" { // most clients take such segments of a path away
			return malformed("%.80q is not a %s: it may not be of dots alone", value, name)
		}
		if !names[name].MatchString(value) {
			return malformed("%.80q is not a %s: one matches %s", value, name, names[name])
		}
	}
	return nil
}
