package admin

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/access"
)

// What Amazon's Lambda allows (AWS SDK for Go, service/lambda 1.114, documentation of Invoke: 6 MB for synchronous and 1 MB for
// asynchronous invocations, which were 256 KB until October 2025; the exact numbers of bytes are what its errors say). Of an
// asynchronous request a host takes a little less, for it must be kept as one document.
const (
	maxPayload       = 6 << 20                  // bytes of a synchronous request
	maxPayloadLater  = host.MaxDocument - 4<<10 // bytes of an asynchronous request; the rest says what is called
	maxPayloadAnswer = maxPayload + 100         // bytes of a response
	maxClientContext = 3583                     // bytes of base64 text
	maxLogTail       = 4 << 10                  // bytes of log that a response has
	unhandled        = "Unhandled"              // X-Amz-Function-Error
	latest           = "$LATEST"                // the newest version, which Amazon's own tools write for a function without a qualifier
	maxFunctionName  = 256                      // characters of a name in any of its forms; the longest that a host has are 241
	responseTooLarge = "Function.ResponseSizeTooLarge"
)

func lambdaOperations() []operation {
	const functions, function = lambdaPath + "functions", lambdaPath + "functions/{function}"
	list := operation{id: "lambdaListFunctions", method: http.MethodGet, path: functions, do: (*call).lambdaList,
		lambda: true, query: []string{"Marker", "MaxItems", "FunctionVersion", "MasterRegion"}}
	slash := list
	slash.id, slash.path = "lambdaListFunctionsSlash", functions+"/{$}" // botocore asks this
	return []operation{list, slash,
		{id: "lambdaGetFunction", method: http.MethodGet, path: function, do: (*call).lambdaGet, lambda: true, query: []string{"Qualifier"}},
		{id: "lambdaInvoke", method: http.MethodPost, path: function + "/invocations", action: access.Invoke, do: (*call).lambdaInvoke,
			lambda: true, query: []string{"Qualifier"}, limit: maxPayload},
	}
}

// exception returns an error with the name and status that Amazon's Lambda has for it.
func exception(kind host.Kind, status int, name, format string, args ...any) *fault {
	f := faultf(kind, status, format, args...)
	f.lambda = name
	return f
}

// lambdaInvoke is the Invoke operation of Amazon's Lambda.
func (c *call) lambdaInvoke() (*reply, error) {
	name, qualifier, err := c.lambdaFunction()
	if err != nil {
		return nil, err
	}
	kind := c.r.Header.Get("X-Amz-Invocation-Type")
	switch kind {
	case "", "RequestResponse", "Event", "DryRun":
	default:
		return nil, exception(host.Invalid, http.StatusBadRequest, "InvalidParameterValueException",
			"X-Amz-Invocation-Type must be RequestResponse, Event or DryRun, and not %.80q", kind)
	}
	now := Call{Function: name, Qualifier: qualifier, RequestID: c.id}
	if now.Payload, err = c.payload(kind); err != nil {
		return nil, err
	}
	if now.ClientContext, err = c.clientContext(); err != nil {
		return nil, err
	}
	switch kind {
	case "DryRun":
		if _, err := c.Catalog.Version(c.r.Context(), name, qualifier); err != nil {
			return nil, err
		}
		return &reply{}, nil // 204
	case "Event":
		now.ClientContext = nil // "for synchronous invocations only"
		id, err := c.Gateway.InvokeLater(c.r.Context(), now)
		if err != nil {
			return nil, err
		}
		c.w.Header().Set("X-Amzn-Requestid", id)
		c.w.WriteHeader(http.StatusAccepted)
		return nil, nil
	}
	result, err := c.Gateway.Invoke(c.r.Context(), now)
	if err != nil {
		return nil, err
	}
	c.writeResult(result)
	return nil, nil
}

// payload is the event that a request has: JSON of any kind.
func (c *call) payload(kind string) ([]byte, error) {
	data, err := c.readBody()
	if err != nil {
		return nil, err
	}
	if kind == "Event" && len(data) > maxPayloadLater {
		return nil, faultf(host.TooLarge, 0, "%d byte payload is too large for the Event invocation type (limit %d bytes)", len(data), maxPayloadLater)
	}
	if len(data) > 0 && (!utf8.Valid(data) || !json.Valid(data)) {
		return nil, exception(host.Invalid, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json: it is not one JSON value in UTF-8")
	}
	return data, nil
}

// clientContext is what the client says of itself.
func (c *call) clientContext() (json.RawMessage, error) {
	text := c.r.Header.Get("X-Amz-Client-Context")
	if text == "" {
		return nil, nil
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(text) > maxClientContext || !json.Valid(data) {
		return nil, exception(host.Invalid, http.StatusBadRequest, "InvalidRequestContentException",
			"X-Amz-Client-Context must be JSON in base64, of at most %d characters", maxClientContext)
	}
	return data, nil
}

// lambdaName is the name of a function in any of its forms: NAME, ACCOUNT:function:NAME, or an ARN, each with :QUALIFIER or without.
var lambdaName = regexp.MustCompile(`^(?:arn:[a-z0-9-]+:lambda:[a-z0-9-]*:[0-9]*:function:|(?:[0-9]*:)?function:)?` +
	`([A-Za-z0-9_-]{1,64})(?::(\$LATEST|[A-Za-z0-9_-]{1,128}))?$`)

// lambdaFunction reads a function's name, with the parameter Qualifier. Partition, region and account are not looked at: a host has one
// of each.
func (c *call) lambdaFunction() (name, qualifier string, err error) {
	text := c.r.PathValue("function")
	parts := lambdaName.FindStringSubmatch(text)
	if parts == nil || len(text) > maxFunctionName {
		return "", "", exception(host.Invalid, http.StatusBadRequest, "InvalidParameterValueException", "%.200q is not the name or ARN of a function", text)
	}
	name, qualifier = parts[1], c.query.Get("Qualifier")
	if parts[2] != "" {
		if qualifier != "" && qualifier != parts[2] {
			return "", "", exception(host.Invalid, http.StatusBadRequest, "InvalidParameterValueException",
				"the function name has the qualifier %q, and the parameter Qualifier is %q", parts[2], qualifier)
		}
		qualifier = parts[2]
	}
	qualifier, err = c.lambdaQualifier(name, qualifier)
	return name, qualifier, err
}

// lambdaQualifier checks a qualifier, and makes $LATEST the number that it is.
func (c *call) lambdaQualifier(function, qualifier string) (string, error) {
	switch {
	case qualifier == latest:
		f, err := c.Catalog.Function(c.r.Context(), function)
		return strconv.Itoa(f.Version), err
	case qualifier != "" && !names["alias"].MatchString(qualifier):
		return "", exception(host.Invalid, http.StatusBadRequest, "InvalidParameterValueException", "%.200q is not an alias or a version", qualifier)
	}
	return qualifier, nil
}

// writeResult answers a synchronous invocation.
func (c *call) writeResult(result *CallResult) {
	payload, failed := result.Payload, result.Error
	if len(payload) > maxPayloadAnswer {
		failed = unhandled
		payload, _ = json.Marshal(map[string]string{"errorType": responseTooLarge, // two texts always marshal
			"errorMessage": "Response payload size (" + strconv.Itoa(len(payload)) + " bytes) exceeded maximum allowed payload size (" + strconv.Itoa(maxPayloadAnswer) + " bytes)."})
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-Requestid", result.RequestID)
	h.Set("X-Amz-Executed-Version", versionText(result.Version))
	if failed != "" {
		h.Set("X-Amz-Function-Error", failed)
	}
	if strings.EqualFold(c.r.Header.Get("X-Amz-Log-Type"), "Tail") {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(tail(result.Log, maxLogTail)))
	}
	h.Set("Content-Length", strconv.Itoa(len(payload)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(payload) // the client left, and nobody is there to be told
}

// tail is the end of a log, and not from the middle of a character.
func tail(log []byte, n int) []byte {
	if len(log) <= n {
		return log
	}
	log = log[len(log)-n:]
	for len(log) > 0 && !utf8.RuneStart(log[0]) {
		log = log[1:]
	}
	return log
}

func versionText(version int) string {
	if version == 0 {
		return latest
	}
	return strconv.Itoa(version)
}

// exceptions are Lambda's names for what can go wrong.
var exceptions = map[string]string{
	host.Invalid.String():         "InvalidParameterValueException",
	host.Unauthenticated.String(): "UnrecognizedClientException",
	host.Forbidden.String():       "AccessDeniedException",
	host.NotFound.String():        "ResourceNotFoundException",
	host.Conflict.String():        "ResourceConflictException",
	host.TooLarge.String():        "RequestTooLargeException",
	host.Unsupported.String():     "UnsupportedMediaTypeException",
	host.Throttled.String():       "TooManyRequestsException",
}

// writeException answers with an error in the form that AWS's SDKs read.
func (c *call) writeException(p *Problem, f *fault) {
	name, found := exceptions[p.Kind]
	if !found {
		name = "ServiceException"
	}
	if f != nil && f.lambda != "" {
		name = f.lambda
	}
	side := "User"
	if p.Status >= http.StatusInternalServerError {
		side = "Service"
	}
	if p.Kind == host.Unauthenticated.String() {
		p.Status = http.StatusForbidden // as Amazon has it; a 401 is not among its answers
	}
	body := map[string]string{"Type": side, "message": p.Detail}
	if p.Kind == host.Throttled.String() {
		body["Reason"] = "ReservedFunctionConcurrentInvocationLimitExceeded"
		if c.who.By == "" { // too many failed logins
			body["Reason"] = "CallerRateLimitExceeded"
		}
	}
	c.w.Header().Set("X-Amzn-Errortype", name)
	c.writeJSON(p.Status, "application/json", body)
}
