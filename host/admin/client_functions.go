package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/catalog"
)

// Functions yields the functions, sorted by name.
func (c *Client) Functions(ctx context.Context) iter.Seq2[catalog.Function, error] {
	return clientList[catalog.Function](ctx, c, nil, "v1", "functions")
}

// Function reads one function with its aliases.
func (c *Client) Function(ctx context.Context, name string) (catalog.Function, error) {
	return clientGet[catalog.Function](ctx, c, nil, "v1", "functions", name)
}

// DeleteFunction deletes a function with its versions and aliases. Conflict while something points at it.
func (c *Client) DeleteFunction(ctx context.Context, name string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "functions", name)
}

// Versions yields a function's versions, sorted by number.
func (c *Client) Versions(ctx context.Context, function string) iter.Seq2[catalog.Version, error] {
	return clientList[catalog.Version](ctx, c, nil, "v1", "functions", function, "versions")
}

// Version reads one version.
func (c *Client) Version(ctx context.Context, function string, number int) (catalog.Version, error) {
	return clientGet[catalog.Version](ctx, c, nil, "v1", "functions", function, "versions", strconv.Itoa(number))
}

// DeleteVersion deletes a version that nothing points at.
func (c *Client) DeleteVersion(ctx context.Context, function string, number int, w Write) error {
	return clientDelete(ctx, c, w, "v1", "functions", function, "versions", strconv.Itoa(number))
}

// UploadFunction makes a version of code that is saved (SaveBlob), and the function if it is not there.
func (c *Client) UploadFunction(ctx context.Context, name string, in UploadInput, w Write) (catalog.Version, error) {
	return clientSend[catalog.Version](ctx, c, http.MethodPost, in, w, "v1", "functions", name, "versions")
}

// ConfigureFunction makes a version with the code of the newest one and this configuration, and moves live to it when promote is set.
func (c *Client) ConfigureFunction(ctx context.Context, name string, config catalog.FunctionConfig, promote bool, w Write) (catalog.Version, error) {
	r := clientRequest{method: http.MethodPut, query: w.query(), header: w.header(), long: true}
	r.query.Set("promote", strconv.FormatBool(promote))
	if err := jsonBody(&r, config); err != nil {
		return catalog.Version{}, err
	}
	return clientChange[catalog.Version](ctx, c, r, w, "v1", "functions", name, "config")
}

// Aliases yields a function's aliases, sorted by name.
func (c *Client) Aliases(ctx context.Context, function string) iter.Seq2[catalog.Alias, error] {
	return clientList[catalog.Alias](ctx, c, nil, "v1", "functions", function, "aliases")
}

// SetAlias points an alias at a version, or at two, and makes it if it is not there.
func (c *Client) SetAlias(ctx context.Context, function, alias string, in AliasInput, w Write) (catalog.Alias, error) {
	return clientSend[catalog.Alias](ctx, c, http.MethodPut, in, w, "v1", "functions", function, "aliases", alias)
}

// DeleteAlias deletes an alias.
func (c *Client) DeleteAlias(ctx context.Context, function, alias string, w Write) error {
	return clientDelete(ctx, c, w, "v1", "functions", function, "aliases", alias)
}

// RollbackAlias returns an alias to the version before.
func (c *Client) RollbackAlias(ctx context.Context, function, alias string, w Write) (catalog.Alias, error) {
	return clientSend[catalog.Alias](ctx, c, http.MethodPost, nil, w, "v1", "functions", function, "aliases", alias, "rollback")
}

// DeadLetters yields the events of a function that were given up, oldest first.
func (c *Client) DeadLetters(ctx context.Context, function string) iter.Seq2[DeadLetter, error] {
	return clientList[DeadLetter](ctx, c, nil, "v1", "functions", function, "dead-letters")
}

// PurgeDeadLetters deletes them up to a sequence number.
func (c *Client) PurgeDeadLetters(ctx context.Context, function string, upTo uint64, w Write) error {
	r := clientRequest{method: http.MethodDelete, query: w.query(), header: w.header()}
	r.query.Set("upTo", strconv.FormatUint(upTo, 10))
	_, err := clientChange[json.RawMessage](ctx, c, r, w, "v1", "functions", function, "dead-letters")
	return err
}

// Invoke calls a function by name and waits for its result; the log of the result is its last 4 KiB, with Lambda's REPORT line. What
// the function fails with is in the result. Duration and Memory are not told.
func (c *Client) Invoke(ctx context.Context, call Call) (*CallResult, error) {
	resp, err := c.invoke(ctx, call, "RequestResponse")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := &CallResult{RequestID: resp.Header.Get("X-Amzn-Requestid"), Error: resp.Header.Get("X-Amz-Function-Error")}
	out.Version, _ = strconv.Atoi(resp.Header.Get("X-Amz-Executed-Version"))          // "$LATEST" is none
	out.Log, _ = base64.StdEncoding.DecodeString(resp.Header.Get("X-Amz-Log-Result")) // a log that is lost fails no call
	out.Payload, err = c.readAnswer(ctx, resp)
	return out, err
}

// InvokeLater has a function called soon, with retries, and returns the request's id.
func (c *Client) InvokeLater(ctx context.Context, call Call) (requestID string, err error) {
	resp, err := c.invoke(ctx, call, "Event")
	if err != nil {
		return "", err
	}
	return resp.Header.Get("X-Amzn-Requestid"), resp.Body.Close()
}

// invoke is Lambda's Invoke (Lambda API reference, "Invoke").
func (c *Client) invoke(ctx context.Context, call Call, kind string) (*http.Response, error) {
	path, err := clientPath("2015-03-31", "functions", call.Function, "invocations")
	if err != nil {
		return nil, err
	}
	r := clientRequest{method: http.MethodPost, path: path, query: url.Values{}, long: true, header: http.Header{
		"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {kind}}}
	if kind == "RequestResponse" {
		r.header.Set("X-Amz-Log-Type", "Tail")
	}
	if call.Qualifier != "" {
		r.query.Set("Qualifier", call.Qualifier)
	}
	if len(call.ClientContext) > 0 {
		r.header.Set("X-Amz-Client-Context", base64.StdEncoding.EncodeToString(call.ClientContext))
	}
	r.text(string(call.Payload))
	return c.do(ctx, r)
}

// lambdaError makes an error of Lambda's form of one: a type in a header, and a message. It returns nil for another form.
func lambdaError(resp *http.Response, data []byte) error {
	var body struct{ Message string }
	if err := json.Unmarshal(data, &body); err != nil || body.Message == "" { // encoding/json finds "message" too
		return nil
	}
	kind := kindOfStatus(resp.StatusCode)
	// As with AWS, who is not known gets 403 too.
	if name := resp.Header.Get("X-Amzn-Errortype"); kind == host.Forbidden && !strings.HasPrefix(name, "AccessDenied") {
		kind = host.Unauthenticated
	}
	return &host.Error{Kind: kind, Err: errors.New(body.Message)}
}
