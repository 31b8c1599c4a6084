package admin

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
	"github.com/postern/postern/host/definition"
)

// A functionConfiguration is a function as Amazon's Lambda shows it (FunctionConfiguration): the members that a host has something to say to.
type functionConfiguration struct {
	FunctionName     string
	FunctionArn      string
	Runtime          string
	Handler          string
	CodeSize         int64
	Description      string
	Timeout          int64 // seconds, rounded up
	MemorySize       int64 // MiB, rounded up; 0 where it is not capped
	LastModified     string
	CodeSha256       string // in base64
	Version          string
	PackageType      string
	State            string
	LastUpdateStatus string
	RevisionID       string               `json:"RevisionId"`
	Environment      *functionEnvironment `json:",omitempty"`
}

type functionEnvironment struct{ Variables map[string]string }

type functionList struct {
	Functions  []functionConfiguration
	NextMarker string `json:",omitempty"`
}

type functionAnswer struct {
	Configuration functionConfiguration
	Code          map[string]string
	Tags          map[string]string
}

// lambdaTime is how Lambda writes LastModified.
const lambdaTime = "2006-01-02T15:04:05.000-0700"

// Lambda's limits of ListFunctions.
const (
	maxItems     = 10_000 // that MaxItems may ask for
	maxItemsPage = 50     // that a page has
)

// lambdaList is ListFunctions: each function's live version, or else its newest; with FunctionVersion=ALL every version.
func (c *call) lambdaList() (*reply, error) {
	n := maxItemsPage
	if text := c.query.Get("MaxItems"); text != "" {
		asked, err := strconv.Atoi(text)
		if err != nil || asked < 1 || asked > maxItems {
			return nil, malformed("MaxItems must be 1 to %d", maxItems)
		}
		n = min(n, asked)
	}
	all := c.query.Get("FunctionVersion")
	if all != "" && all != "ALL" {
		return nil, malformed("FunctionVersion must be ALL")
	}
	functions, err := c.Catalog.Functions(c.r.Context())
	if err != nil {
		return nil, err
	}
	list := functionList{Functions: []functionConfiguration{}}
	for _, f := range functions {
		if f.Name <= c.query.Get("Marker") {
			continue
		}
		if len(list.Functions) >= n { // all versions of a function stand on one page
			break
		}
		versions, err := c.lambdaVersions(f, all != "")
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			list.Functions = append(list.Functions, configuration(v, v.ARN, ""))
		}
		list.NextMarker = f.Name
	}
	if len(functions) == 0 || list.NextMarker == functions[len(functions)-1].Name {
		list.NextMarker = ""
	}
	return &reply{body: list}, nil
}

func (c *call) lambdaVersions(f catalog.Function, all bool) ([]catalog.Version, error) {
	if all {
		return c.Catalog.Versions(c.r.Context(), f.Name)
	}
	number := f.Live
	if number == 0 {
		number = f.Version
	}
	v, err := c.Catalog.Version(c.r.Context(), f.Name, strconv.Itoa(number))
	return []catalog.Version{v}, err
}

// lambdaGet is GetFunction. The code itself has no address.
func (c *call) lambdaGet() (*reply, error) {
	name, qualifier, err := c.lambdaFunction()
	if err != nil {
		return nil, err
	}
	f, err := c.Catalog.Function(c.r.Context(), name)
	if err != nil {
		return nil, err
	}
	asked := qualifier
	if qualifier == "" {
		qualifier = host.AliasLive
		if f.Live == 0 {
			qualifier = strconv.Itoa(f.Version)
		}
	}
	v, err := c.Catalog.Version(c.r.Context(), name, qualifier)
	if err != nil {
		return nil, err
	}
	arn := f.ARN
	if asked != "" {
		arn += ":" + asked
	}
	return &reply{status: http.StatusOK, body: functionAnswer{
		Configuration: configuration(v, arn, strconv.FormatUint(f.Revision, 10)),
		Code:          map[string]string{"RepositoryType": "Postern"},
		Tags:          map[string]string{},
	}}, nil
}

// configuration shows a version as Lambda does.
func configuration(v catalog.Version, arn, revision string) functionConfiguration {
	sum, _ := hex.DecodeString(v.Digest) // a digest is hexadecimal
	timeout, memory := host.DefaultFunctionTimeout, int64(host.DefaultMemory)
	if text, err := json.Marshal(v.Config); err == nil {
		if f, err := definition.ParseFunction(v.Function, text); err == nil {
			timeout, memory = f.Plugin.Limits.Timeout.Value, f.Plugin.Limits.Memory.Value
		}
	}
	if v.Runtime == host.RuntimeJS {
		memory = 0 // it cannot be capped
	}
	shown := functionConfiguration{
		FunctionName: v.Function, FunctionArn: arn, Runtime: v.Runtime, Handler: host.EntryHandle, CodeSize: v.Size, Description: v.Message,
		Timeout: int64((timeout + time.Second - 1) / time.Second), MemorySize: (memory + 1<<20 - 1) >> 20,
		LastModified: v.Created.UTC().Format(lambdaTime), CodeSha256: base64.StdEncoding.EncodeToString(sum),
		Version: strconv.Itoa(v.Version), PackageType: "Zip", State: "Active", LastUpdateStatus: "Successful", RevisionID: revision,
	}
	if len(v.Config.Env) > 0 {
		shown.Environment = &functionEnvironment{v.Config.Env}
	}
	return shown
}
