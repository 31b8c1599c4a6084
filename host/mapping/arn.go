package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/postern/postern/host"
)

// An ARN is what the URI of an AWS or AWS_PROXY integration names: a function, or one call of a service.
type ARN struct {
	Function  string // a name, or with ${stageVariables.x}; "" of a service
	Qualifier string // an alias, a version, $LATEST, or with ${stageVariables.x}; "" for none
	Streaming bool   // the function's response streams

	Service *host.ServiceCall // without Subtype and Access; nil of a function
}

const (
	maxARN = 4096 // bytes, far beyond what the parts may have together

	functionsPath    = "2015-03-31/functions/"
	functionsEnd     = "/invocations"
	streamingPath    = "2021-11-15/functions/"
	streamingEnd     = "/response-streaming-invocations"
	variableAsName   = `\$\{stageVariables\.[A-Za-z0-9_]+\}`
	arnShape         = "arn:aws:apigateway:REGION:SERVICE:path/PATH or …:action/ACTION"
	functionARNShape = "arn:aws:lambda:REGION:ACCOUNT:function:NAME"
)

var (
	partitions = []string{"aws", "aws-cn", "aws-us-gov"}

	regionName    = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$`)
	serviceName   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	subdomainName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	accountNumber = regexp.MustCompile(`^[0-9]{12}$`)
	functionName  = regexp.MustCompile(`^([A-Za-z0-9_-]|` + variableAsName + `)+$`)
	qualifierName = regexp.MustCompile(`^(\$LATEST|([A-Za-z0-9_-]|` + variableAsName + `)+)$`)
	actionName    = regexp.MustCompile(`^([A-Za-z0-9]|` + variableAsName + `)+$`)
)

// ParseARN reads the URI of an AWS or AWS_PROXY integration (API Gateway API reference, "PutIntegration", uri):
//
//	arn:aws:apigateway:REGION:[SUBDOMAIN.]SERVICE:path/PATH
//	arn:aws:apigateway:REGION:[SUBDOMAIN.]SERVICE:action/ACTION[&NAME=VALUE…]
//	arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION/invocations
//	arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]
//
// The last is what http APIs have; FUNCTION is one of these, or NAME[:QUALIFIER] alone. The partitions are aws, aws-cn and aws-us-gov.
// Stage variables may stand in path, action, name and qualifier, and {param} in path and in an action's values. Slashes before a
// path are dropped. Errors have Kind Invalid.
func ParseARN(text string) (ARN, error) {
	arn, err := parseARN(text)
	if err != nil {
		return ARN{}, &host.Error{Op: "ARN " + shorten(text), Kind: host.Invalid, Err: err}
	}
	return arn, nil
}

func parseARN(text string) (ARN, error) {
	if len(text) > maxARN {
		return ARN{}, fmt.Errorf("it has more than %d bytes", maxARN)
	}
	parts := strings.SplitN(text, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return ARN{}, errors.New("it does not look like " + arnShape)
	}
	if err := checkPartition(parts[1], parts[3]); err != nil {
		return ARN{}, err
	}
	if parts[2] == "lambda" {
		return parseFunction(text)
	}
	if parts[2] != "apigateway" {
		return ARN{}, fmt.Errorf("%q is neither apigateway nor lambda; an integration looks like %s", parts[2], arnShape)
	}
	call := &host.ServiceCall{Region: parts[3], Service: parts[4]}
	if i := strings.LastIndexByte(parts[4], '.'); i >= 0 {
		if call.Subdomain, call.Service = parts[4][:i], parts[4][i+1:]; !subdomainName.MatchString(call.Subdomain) {
			return ARN{}, fmt.Errorf("%q is no subdomain", call.Subdomain)
		}
	}
	if !serviceName.MatchString(call.Service) {
		return ARN{}, fmt.Errorf("%q is no service's name", call.Service)
	}
	kind, rest, _ := strings.Cut(parts[5], "/")
	switch kind {
	case "action":
		call.Action = rest
		return ARN{Service: call}, checkAction(rest)
	case "path":
		call.Path = strings.TrimLeft(rest, "/")
	default:
		return ARN{}, fmt.Errorf("%q is neither path/ nor action/", shorten(parts[5]))
	}
	if call.Service == "lambda" && call.Subdomain == "" {
		if arn, invokes, err := parseInvocation(call.Path); invokes {
			return arn, err
		}
	}
	_, err := ParsePath("/" + call.Path)
	return ARN{Service: call}, cause(err)
}

// checkAction reads NAME[&NAME=VALUE…].
func checkAction(action string) error {
	name, _, _ := strings.Cut(action, "&")
	if !actionName.MatchString(name) {
		return fmt.Errorf("%q is no action's name", shorten(name))
	}
	_, err := ParsePath("/?Action=" + action)
	return cause(err)
}

// parseInvocation reads a path of Lambda's API, and reports whether it is that of Invoke or InvokeWithResponseStream.
func parseInvocation(path string) (arn ARN, invokes bool, err error) {
	streaming := false
	rest, ok := strings.CutPrefix(path, functionsPath)
	end := functionsEnd
	if !ok {
		rest, ok = strings.CutPrefix(path, streamingPath)
		end, streaming = streamingEnd, true
	}
	if !ok {
		return ARN{}, false, nil
	}
	if rest, ok = strings.CutSuffix(rest, end); !ok {
		return ARN{}, false, nil
	}
	if strings.HasPrefix(rest, "arn:") {
		arn, err = parseFunction(rest)
	} else {
		arn, err = functionOf(rest)
	}
	arn.Streaming = streaming
	return arn, true, err
}

// parseFunction reads the ARN of a function.
func parseFunction(text string) (ARN, error) {
	parts := strings.SplitN(text, ":", 7)
	if len(parts) < 7 || parts[0] != "arn" || parts[2] != "lambda" || parts[5] != "function" {
		return ARN{}, fmt.Errorf("%q does not look like %s", shorten(text), functionARNShape)
	}
	if err := checkPartition(parts[1], parts[3]); err != nil {
		return ARN{}, err
	}
	if !accountNumber.MatchString(parts[4]) {
		return ARN{}, fmt.Errorf("%q is no account: it has twelve digits", shorten(parts[4]))
	}
	return functionOf(parts[6])
}

// functionOf reads NAME[:QUALIFIER].
func functionOf(text string) (ARN, error) {
	name, qualifier, qualified := strings.Cut(text, ":")
	if !functionName.MatchString(name) {
		return ARN{}, fmt.Errorf("%q is no function's name", shorten(name))
	}
	if qualified && !qualifierName.MatchString(qualifier) {
		return ARN{}, fmt.Errorf("%q is neither an alias nor a version", shorten(qualifier))
	}
	return ARN{Function: name, Qualifier: qualifier}, nil
}

func checkPartition(partition, region string) error {
	if !slices.Contains(partitions, partition) {
		return fmt.Errorf("%q is no partition: there are %s", shorten(partition), strings.Join(partitions, ", "))
	}
	if !IsRegion(region) {
		return fmt.Errorf("%q is no region's name, as us-east-1 is", shorten(region))
	}
	return nil
}

// IsRegion reports whether s has the form of a region's name, as us-east-1 has: that it names one is not checked.
func IsRegion(s string) bool { return len(s) <= 32 && regionName.MatchString(s) }

// cause takes the operation off an error of this package.
func cause(err error) error {
	var e *host.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// shorten keeps what somebody else wrote from filling a log.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
