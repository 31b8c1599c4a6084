package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/postern/postern/host"
)

// invocationType is the mapped header field by which a method calls its function later (reference 1.4, "Async Lambda").
const invocationType = "X-Amz-Invocation-Type"

// A payloadIntegration calls a function with what the request's mapping made as its whole event, and answers with its whole result: Amazon's
// type AWS. An error of the function's is an answer too, as Lambda writes it: the method's responses select by its message (reference 1.4.3).
type payloadIntegration struct {
	function *callee
	name     string // with the qualifier, for calls that are made later
	alias    string
	limit    int64 // bytes of an event
	later    func(context.Context, Call) error
}

// Invoke calls the function.
func (f *payloadIntegration) Invoke(ctx context.Context, in *host.Invocation) (*host.Result, error) {
	payload, err := readAll(in.Request.Body, f.limit)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(payload)) == 0 {
		payload = []byte("{}")
	}
	if !json.Valid(payload) {
		return nil, &host.Error{Op: "call " + f.name, Kind: host.Invalid, Code: host.BadRequestBody,
			Err: &host.Disclosure{Message: "Could not parse request body into json", Err: errors.New("what is to be its event is not JSON")}}
	}
	if strings.EqualFold(in.Request.Header.Get(invocationType), "Event") {
		err := f.later(ctx, Call{Function: f.name, Qualifier: f.alias, Payload: payload, RequestID: in.Exchange.ID})
		if err != nil {
			return nil, functionFailure(err)
		}
		return answerOf(nil), nil
	}
	traceEvent(in.Exchange, f.function, payload)
	result, version, err := f.function.call(ctx, in.Exchange, host.Event{Meta: payload}, nil)
	var out []byte
	if err == nil {
		out, err = version.wholeResult(result)
	}
	if err != nil {
		err = version.answer(ctx, err)
		if ctx.Err() != nil || bodyError(err) != nil || errors.Is(err, host.Unavailable) || errors.As(err, new(*answered)) {
			return nil, functionFailure(err) // the function has nothing to do with it, or the definition has its own answer
		}
		in.Exchange.Err = err // for the log: the client may get a 200
		out = FailurePayload(err)
	}
	return answerOf(out), nil
}

// answerOf is a function's result as a response.
func answerOf(payload []byte) *host.Result {
	resp := &host.Response{Status: 200, Length: int64(len(payload)), Body: io.NopCloser(bytes.NewReader(payload))}
	resp.Header.Add("Content-Type", "application/json")
	resp.Header.Add("Content-Length", strconv.Itoa(len(payload)))
	return &host.Result{Response: resp}
}

// maxLater bounds the asynchronous calls that are under way in the background, without a store.
const maxLater = 1000

// later calls a function behind the answer: by the host's queue, or where there is none at once, in the background, with a
// hold on this pipeline. It fails when the function cannot be called at all.
func (p *Pipeline) later(ctx context.Context, call Call) error {
	if p.queue != nil {
		return p.queue(ctx, call)
	}
	if p.waiting.Add(1) > maxLater || !p.Acquire() {
		p.waiting.Add(-1)
		return &host.Error{Op: "call " + call.Function, Kind: host.Unavailable, Err: errors.New("too many asynchronous calls are under way")}
	}
	go func() {
		defer p.Release()
		defer p.waiting.Add(-1)
		if _, err := p.Invoke(context.WithoutCancel(ctx), call); err != nil {
			p.telemetry.Logger.Error("an asynchronous call failed", "function", call.Function, "request_id", call.RequestID, "error", err)
		}
	}()
	return nil
}
