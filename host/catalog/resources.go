package catalog

import (
	"encoding/json"
	"time"

	"github.com/postern/postern/host"
)

// The types below are the resources as the admin API shows them, in JSON. Times are RFC 3339 in UTC, durations are Go's ("1m30s"),
// sizes are bytes.

// A Project is a definition file that was applied, with all that it owns.
type Project struct {
	Name      string    `json:"name"`
	ARN       string    `json:"arn"`
	Revision  uint64    `json:"revision"` // 1, 2, …: of its applies that changed something
	Digest    string    `json:"digest"`   // of the Bundle that was applied last
	APIs      []string  `json:"apis"`
	Functions []string  `json:"functions"`
	Domains   []string  `json:"domains"`
	Applied   time.Time `json:"applied"`
	By        string    `json:"by"`
	Message   string    `json:"message,omitempty"`
}

// An API is the head of one: its newest definition is what the next deployment is made of.
type API struct {
	Name       string        `json:"name"`
	ID         string        `json:"id"` // the name: it is unique on a host, and what hosts, events and ARNs have
	ARN        string        `json:"arn"`
	Protocol   host.Protocol `json:"protocol"`
	Project    string        `json:"project,omitempty"` // that owns it; "" for one that was made by the admin API
	Root       bool          `json:"root,omitempty"`    // answers at /
	Revision   uint64        `json:"revision"`          // 1, 2, …: of its head and stages
	Digest     string        `json:"digest"`            // of its definition and code: equal digests behave alike
	Stages     []Stage       `json:"stages"`            // sorted by name
	Deployment int           `json:"deployment"`        // the number of the newest; 0 for none
	Created    time.Time     `json:"created"`
	Updated    time.Time     `json:"updated"`
}

// A Stage points at one deployment, or at two with a canary.
type Stage struct {
	API        string            `json:"api"`
	Name       string            `json:"name"`
	ARN        string            `json:"arn"`
	Deployment int               `json:"deployment"`
	Variables  map[string]string `json:"variables,omitempty"`
	Canary     *Canary           `json:"canary,omitempty"`
	AutoDeploy bool              `json:"autoDeploy,omitempty"` // a new head is deployed here at once
	History    []Move            `json:"history,omitempty"`    // where it pointed before, newest first, MaxHistory at most
	Updated    time.Time         `json:"updated"`
	By         string            `json:"by,omitempty"`
}

// A Canary takes a share of a stage's requests to another deployment, or to other variables.
type Canary struct {
	Deployment int               `json:"deployment"`
	Percent    float64           `json:"percent"`             // 0 to 100
	Variables  map[string]string `json:"variables,omitempty"` // that replace the stage's of the same name
}

// A Move is a place where a stage or an alias pointed before.
type Move struct {
	Deployment int       `json:"deployment,omitempty"`
	Version    int       `json:"version,omitempty"`
	Until      time.Time `json:"until"`
	By         string    `json:"by,omitempty"`
}

// A Deployment is an immutable, numbered copy of an API's definition.
type Deployment struct {
	API         string    `json:"api"`
	Number      int       `json:"number"`
	ID          string    `json:"id"`     // the first ten digits of Digest
	Digest      string    `json:"digest"` // of the definition and its code, as API.Digest
	Description string    `json:"description,omitempty"`
	Stages      []string  `json:"stages"` // that point at it, canaries too
	Created     time.Time `json:"created"`
	By          string    `json:"by,omitempty"`
}

// A Function is a name for versions of code.
type Function struct {
	Name     string    `json:"name"`
	ARN      string    `json:"arn"`
	Project  string    `json:"project,omitempty"` // that owns it; "" for one that was uploaded
	Runtime  string    `json:"runtime"`           // of the newest version
	Version  int       `json:"version"`           // the newest
	Live     int       `json:"live,omitempty"`    // the version of the alias live; 0 for none
	URL      bool      `json:"url,omitempty"`     // whether the live version answers at a URL of its own
	Aliases  []Alias   `json:"aliases"`           // sorted by name
	Revision uint64    `json:"revision"`          // 1, 2, …: of its versions and aliases
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
}

// A Version is immutable code with an immutable configuration.
type Version struct {
	Function string         `json:"function"`
	Version  int            `json:"version"`
	ARN      string         `json:"arn"`
	Runtime  string         `json:"runtime"`
	Digest   string         `json:"digest"` // SHA-256 of the code
	Size     int64          `json:"size"`   // bytes of the code
	Config   FunctionConfig `json:"config"`
	Message  string         `json:"message,omitempty"`
	Created  time.Time      `json:"created"`
	By       string         `json:"by,omitempty"`
}

// A FunctionConfig is what stands beside a function's code, in the words of postern.yaml. Keys that are left out have its defaults.
type FunctionConfig struct {
	Runtime     string               `json:"runtime,omitempty"` // quickjs, for a script; all else the code tells
	ABI         string               `json:"abi,omitempty"`
	Timeout     string               `json:"timeout,omitempty"`
	Memory      string               `json:"memory,omitempty"`
	Concurrency int                  `json:"concurrency,omitempty"`
	MaxResult   string               `json:"maxResult,omitempty"`
	Limits      *LimitsConfig        `json:"limits,omitempty"`
	Isolation   string               `json:"isolation,omitempty"`
	OnError     json.RawMessage      `json:"onError,omitempty"` // a mode, or an answer {status, body}
	Env         map[string]string    `json:"env,omitempty"`
	Secrets     map[string]SecretRef `json:"secrets,omitempty"`
	Egress      []string             `json:"egress,omitempty"`
	KV          string               `json:"kv,omitempty"`
	Config      json.RawMessage      `json:"config,omitempty"`
	URL         bool                 `json:"url,omitempty"`
	Async       *AsyncConfig         `json:"async,omitempty"`
}

// A SecretRef says where a secret's value comes from. Exactly one is set.
type SecretRef struct {
	Env   string `json:"env,omitempty"`   // an environment variable of the host
	File  string `json:"file,omitempty"`  // a file of the project, whose value apply has put into the store
	Store string `json:"store,omitempty"` // a secret of the store
}

// LimitsConfig is the limits of a function in the words of postern.yaml. 0 and "" stand for the defaults.
type LimitsConfig struct {
	Fuel        int64  `json:"fuel,omitempty"`
	HostCalls   int64  `json:"hostCalls,omitempty"`
	Fetches     int64  `json:"fetches,omitempty"`
	FetchBytes  string `json:"fetchBytes,omitempty"`
	LogLines    int64  `json:"logLines,omitempty"`
	LogBytes    string `json:"logBytes,omitempty"`
	Headers     int64  `json:"headers,omitempty"`
	HeaderBytes string `json:"headerBytes,omitempty"`
	KVBytes     string `json:"kvBytes,omitempty"`
}

// AsyncConfig is host.Async in the words of postern.yaml.
type AsyncConfig struct {
	Retries    *int   `json:"retries,omitempty"`
	MaxAge     string `json:"maxAge,omitempty"`
	DeadLetter string `json:"deadLetter,omitempty"`
}

// An Alias is a name for one version, or for two with a share each.
type Alias struct {
	Function string    `json:"function"`
	Name     string    `json:"name"`
	ARN      string    `json:"arn"`
	Version  int       `json:"version"`
	Second   int       `json:"second,omitempty"`  // gets Weight of the calls
	Weight   float64   `json:"weight,omitempty"`  // more than 0 and less than 1
	History  []Move    `json:"history,omitempty"` // newest first, MaxHistory at most
	Updated  time.Time `json:"updated"`
	By       string    `json:"by,omitempty"`
}

// A Secret is a value that is kept sealed. It is never shown.
type Secret struct {
	Name    string    `json:"name"`
	Project string    `json:"project,omitempty"` // of a file that apply has put here
	Rev     uint64    `json:"revision"`
	Updated time.Time `json:"updated"`
	By      string    `json:"by,omitempty"`
	UsedBy  []string  `json:"usedBy,omitempty"` // functions and APIs
}

// MaxHistory is how many moves a stage or alias remembers.
const MaxHistory = 50
