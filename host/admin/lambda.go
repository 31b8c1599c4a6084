package admin

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
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
	n, after, err := c.lambdaPage()
	if err != nil {
		return nil, err
	}
	functions, err := c.Catalog.Functions(c.r.Context())
	if err != nil {
		return nil, err
	}
	all := c.query.Get("FunctionVersion") != ""
	list := functionList{Functions: []functionConfiguration{}}
	marker := ""
	for _, f := range functions {
		if f.Name < after.function || f.Name == after.function && after.version == 0 {
			continue
		}
		versions, err := c.lambdaVersions(f, all)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			if f.Name == after.function && v.Version <= after.version {
				continue
			}
			if len(list.Functions) == n {
				list.NextMarker = marker
				return &reply{body: list}, nil
			}
			arn := f.ARN
			marker = f.Name
			if all {
				arn = v.ARN
				marker += ":" + strconv.Itoa(v.Version)
			}
			list.Functions = append(list.Functions, configuration(v, arn, ""))
		}
	}
	return &reply{body: list}, nil
}

// A lambdaMarker is the last entry of the page before.
type lambdaMarker struct {
	function string
	version  int // 0 for all
}

// lambdaPage reads the parameters of a list: how many entries a page has, and behind which one it begins.
func (c *call) lambdaPage() (n int, after lambdaMarker, err error) {
	n = maxItemsPage
	if text := c.query.Get("MaxItems"); text != "" {
		asked, err := strconv.Atoi(text)
		if err != nil || asked < 1 || asked > maxItems {
			return 0, after, malformed("MaxItems must be 1 to %d", maxItems)
		}
		n = min(n, asked)
	}
	if all := c.query.Get("FunctionVersion"); all != "" && all != "ALL" {
		return 0, after, malformed("FunctionVersion must be ALL")
	}
	name, version, found := strings.Cut(c.query.Get("Marker"), ":")
	after.function = name
	if found {
		if after.version, err = strconv.Atoi(version); err != nil || after.version < 1 {
			return 0, after, malformed("Marker must be the NextMarker of another page")
		}
	}
	return n, after, nil
}

// lambdaVersions are the versions of a function that a list shows; none when it was deleted meanwhile.
func (c *call) lambdaVersions(f catalog.Function, all bool) (versions []catalog.Version, err error) {
	if all {
		versions, err = c.Catalog.Versions(c.r.Context(), f.Name)
	} else {
		versions = make([]catalog.Version, 1)
		versions[0], err = c.Catalog.Version(c.r.Context(), f.Name, shownVersion(f))
	}
	if errors.Is(err, host.NotFound) {
		return nil, nil
	}
	return versions, err
}

// shownVersion is the version that stands for a function: that which live names, or else the newest.
func shownVersion(f catalog.Function) string {
	if f.Live == 0 {
		return strconv.Itoa(f.Version)
	}
	return strconv.Itoa(f.Live)
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
		qualifier = shownVersion(f)
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
		if f, err := definition.ParseFunction(v.Function, text, ""); err == nil {
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
