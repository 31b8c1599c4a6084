package admin

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

// The types below are the bodies of the admin API that are not resources of host/catalog or types of Gateway. spec/admin.openapi.yaml has
// the same. Times are RFC 3339 in UTC. A reader leaves out what it does not know; a host refuses what it does not know.

// A List is one page of a list.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // what ?after= of the next page is; "" on the last
}

// The sizes of a page, ?limit=.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// A Problem is why a request was refused, as application/problem+json (RFC 9457). It is an error: errors.Is(p, host.NotFound).
type Problem struct {
	Type       string         `json:"type"`                 // "about:blank": Kind says more
	Title      string         `json:"title"`                // of the status
	Status     int            `json:"status"`               // as the response's
	Kind       string         `json:"kind"`                 // a host.Kind's String
	Detail     string         `json:"detail"`               // what is wrong, and what to do about it
	Errors     []ProblemError `json:"errors,omitempty"`     // what is wrong with a definition, in the order of its lines
	ID         string         `json:"id,omitempty"`         // of an internal error: the host's log has more under it
	RetryAfter int            `json:"retryAfter,omitempty"` // seconds, as the header of that name
	Kept       bool           `json:"kept,omitempty"`       // the change was carried out and stays; only the wait for it ended
}

// A ProblemError is one thing that is wrong with a definition (definition.Error).
type ProblemError struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error returns Detail, and one line for each of Errors.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	for _, e := range p.Errors {
		b.WriteString("\n" + e.String())
	}
	return b.String()
}

// String returns "file:line:column: message (rule); hint", leaving out what is not set.
func (e ProblemError) String() string {
	var b strings.Builder
	if at := (host.Position{File: e.File, Line: e.Line, Column: e.Column}); !at.IsZero() {
		b.WriteString(at.String() + ": ")
	}
	b.WriteString(e.Message)
	if e.Rule != "" {
		b.WriteString(" (" + e.Rule + ")")
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the problem as a *host.Error, so that host.KindOf knows its Kind.
func (p *Problem) Unwrap() error {
	for k := host.Internal; k <= host.Unavailable; k++ {
		if k.String() == p.Kind {
			return &host.Error{Kind: k}
		}
	}
	return nil
}

// HeaderRevision is the header of a change's response with the revision of the state, in digits: what hosts that serve it report.
const HeaderRevision = "Postern-Revision"

// Waited is added to the body of a change that was made with ?wait=: the members of the resource, and these.
type Waited struct {
	Parts []Part `json:"parts"` // those of the resource that do not serve as they should; empty when all do
}

// Whoami is who the caller is.
type Whoami struct {
	By      string     `json:"by"`   // as histories have it: "token ci", "key PSTK…", "dev"
	Role    string     `json:"role"` // viewer, deployer or admin
	Expires *time.Time `json:"expires,omitempty"`
}

// FullStatus is the status of the host that answers, with what it serves.
type FullStatus struct {
	Status
	State uint64 `json:"state"` // the revision of the state that is wanted; 0 while nothing was ever written
	Parts []Part `json:"parts"`
}

// A BlobInfo is a saved content.
type BlobInfo struct {
	Digest string `json:"digest"` // SHA-256, in lower-case hexadecimal
	Size   int64  `json:"size"`   // bytes
}

// A DeployInput asks for a deployment of an API's head.
type DeployInput struct {
	Stage       string `json:"stage,omitempty"` // to point at it; "" for none
	Description string `json:"description,omitempty"`
}

// A StageInput is a stage as it should be. Its canary stays.
type StageInput struct {
	Deployment int               `json:"deployment,omitempty"` // 0 is the one that it has, or else the newest
	Variables  map[string]string `json:"variables,omitempty"`
	AutoDeploy bool              `json:"autoDeploy,omitempty"`
}

// A RollbackInput says where a stage returns to.
type RollbackInput struct {
	To int `json:"to,omitempty"` // a deployment; 0 is the one before
}

// An UploadInput makes a version of a function of code that is saved as a blob.
type UploadInput struct {
	Code    *catalog.Code           `json:"code,omitempty"`    // nil keeps that of the newest version
	Config  *catalog.FunctionConfig `json:"config,omitempty"`  // nil keeps that of the newest version
	Promote *bool                   `json:"promote,omitempty"` // moves live to it; nil is true
	Message string                  `json:"message,omitempty"`
}

// An AliasInput says where an alias points.
type AliasInput struct {
	Version int     `json:"version"`
	Second  int     `json:"second,omitempty"` // gets Weight of the calls
	Weight  float64 `json:"weight,omitempty"` // more than 0 and less than 1
}

// A Token is one for Authorization: Bearer. Its text is shown once.
type Token struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"` // nil for never
	By      string     `json:"by,omitempty"`

	LastUsed *time.Time `json:"lastUsed,omitempty"` // as far as the host that answers knows since it started
}

// A NewToken is a token that was just made.
type NewToken struct {
	Token
	Text string `json:"token"` // pst_…; it cannot be had again
}

// A Key is an access key, for clients that sign as AWS's do.
type Key struct {
	ID      string     `json:"id"` // PSTK…
	Name    string     `json:"name,omitempty"`
	Role    string     `json:"role"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"` // nil for never
	By      string     `json:"by,omitempty"`

	LastUsed *time.Time `json:"lastUsed,omitempty"` // as far as the host that answers knows since it started
}

// A NewKey is an access key that was just made.
type NewKey struct {
	Key
	Secret string `json:"secret"` // it cannot be had again
}

// A CredentialInput asks for a token or an access key.
type CredentialInput struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Expires *time.Time `json:"expires,omitempty"` // nil for never
}

// An AuditEntry is one change that was tried, or one refused login.
type AuditEntry struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	By       string    `json:"by"`                 // "" when the caller is not known
	From     string    `json:"from"`               // the caller's address, without its port
	Action   string    `json:"action"`             // the operation's id in admin.openapi.yaml: applyProject, putStage; or "login"
	Resource string    `json:"resource,omitempty"` // the path: "/v1/functions/greet/aliases/live"
	Subject  string    `json:"subject,omitempty"`  // the id of what was made, where the path does not have it
	Message  string    `json:"message,omitempty"`
	DryRun   bool      `json:"dryRun,omitempty"`
	Force    bool      `json:"force,omitempty"`
	Before   uint64    `json:"before,omitempty"` // the state's revision before
	After    uint64    `json:"after,omitempty"`  // and behind
	Digest   string    `json:"digest,omitempty"` // of what is there now: the project's bundle, the API's definition, a version's code
	Status   int       `json:"status"`           // of the response
	Outcome  string    `json:"outcome"`          // "ok", or the Kind that it failed with
	Detail   string    `json:"detail,omitempty"` // why it failed
	Count    int       `json:"count,omitempty"`  // of refused logins: how many more of the same there were since the last entry
}

// Restored is what a backup brought.
type Restored struct {
	Documents int       `json:"documents"`
	Blobs     int       `json:"blobs"`
	Taken     time.Time `json:"taken"`   // when the backup was made
	LeftOut   []string  `json:"leftOut"` // the keys of documents that withoutSecrets left out
}

// A ProgressLine is one line of the answer to Accept: application/x-ndjson. Exactly one member is set, and the last line has Result or Error.
type ProgressLine struct {
	Progress string          `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"` // what would be the response's body
	Error    *Problem        `json:"error,omitempty"`
}

// The media types that uploads of a function may have; application/octet-stream is looked into.
const (
	TypeWasm       = "application/wasm"
	TypeJavaScript = "text/javascript"
	TypeTypeScript = "application/typescript"
	TypeZip        = "application/zip"
	TypeOctets     = "application/octet-stream"
	TypeNDJSON     = "application/x-ndjson"
	TypeProblem    = "application/problem+json"
)

// ETag returns the entity tag of a resource's revision, as If-Match takes it.
func ETag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }
