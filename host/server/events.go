package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/jetstream"
	"github.com/postern/postern/host/pipeline"
)

// eventsEach is how many asynchronous calls of one function run at a time. The function's own concurrency bounds them too.
const eventsEach = 16

// The reasons for which an event is given up, in Lambda's words (Lambda developer guide, "Asynchronous invocation", invocation records).
const (
	retriesExhausted = "RetriesExhausted"
	ageExceeded      = "EventAgeExceeded"
)

// An event is an asynchronous call as the queue keeps it.
type event struct {
	Qualifier     string          `json:"qualifier,omitempty"`
	RequestID     string          `json:"requestId"`
	Payload       json.RawMessage `json:"payload"`
	ClientContext json.RawMessage `json:"clientContext,omitempty"`
}

// InvokeLater keeps an event durably. It is called at least once: a host that is killed after the call and before it is noted calls again.
func (c *control) InvokeLater(ctx context.Context, call admin.Call) (string, error) {
	if _, err := c.function(call.Function, call.Qualifier); err != nil {
		return "", err
	}
	if call.RequestID == "" {
		call.RequestID = pipeline.NewRequestID()
	}
	if len(call.Payload) == 0 {
		call.Payload = []byte("null")
	}
	data, err := json.Marshal(event{call.Qualifier, call.RequestID, call.Payload, call.ClientContext})
	if err != nil {
		return "", &host.Error{Op: "invoke later", Kind: host.Invalid, Err: err}
	}
	if err := c.events.Send(ctx, jetstream.Job{Topic: call.Function, ID: call.RequestID, Data: data}); err != nil {
		return "", err
	}
	return call.RequestID, nil
}

// function is what a name means on this host now.
func (c *control) function(name, qualifier string) (*host.Function, error) {
	p, err := c.server.acquire()
	if err != nil {
		return nil, err
	}
	defer p.Release()
	versions, err := p.Snapshot().Resolve(name, qualifier)
	if err != nil {
		return nil, err
	}
	return versions.First, nil
}

// consume calls the functions of events until the gateway is closed.
func (c *control) consume() {
	for wait := firstRetry; c.ctx.Err() == nil; wait = min(2*wait, lastRetry) {
		if err := c.events.Consume(c.ctx, eventsEach, c.handle); err != nil && c.ctx.Err() == nil {
			c.log.Warn("the queue of asynchronous calls cannot be read; it is tried again", "error", err, "wait", wait.String())
		}
		c.pause(wait)
	}
}

// handle calls the function of an event, and says what becomes of the event.
func (c *control) handle(ctx context.Context, job jetstream.Job) jetstream.Verdict {
	var e event
	if err := json.Unmarshal(job.Data, &e); err != nil {
		c.log.Error("an asynchronous call cannot be read, and is dropped", "function", job.Topic, "error", err)
		return jetstream.Verdict{}
	}
	async := host.Async{Retries: host.Default(host.DefaultAsyncRetries), MaxAge: host.Default(host.DefaultAsyncMaxAge)}
	f, err := c.function(job.Topic, e.Qualifier)
	if err == nil {
		async = f.Async
	}
	age := time.Since(job.Sent)
	if age > async.MaxAge.Value {
		return c.giveUp(ctx, job, e, async, ageExceeded, nil)
	}
	result, err := c.Invoke(ctx, admin.Call{Function: job.Topic, Qualifier: e.Qualifier, Payload: e.Payload, ClientContext: e.ClientContext, RequestID: e.RequestID})
	pause := c.Retry << min(job.Attempt-1, 8)
	switch {
	case ctx.Err() != nil: // the host ends: the next one calls
		return jetstream.Verdict{Again: true}
	case err == nil && result.Error == "":
		return jetstream.Verdict{}
	case err != nil && !errors.Is(err, host.NotFound): // it was not called, which is no attempt of the function's
		c.log.Warn("an asynchronous call could not be made; it is tried again", "function", job.Topic, "request_id", e.RequestID, "error", err)
		return jetstream.Verdict{Again: true, After: min(pause, time.Minute)}
	case job.Attempt > async.Retries.Value:
		return c.giveUp(ctx, job, e, async, retriesExhausted, result)
	case age+pause > async.MaxAge.Value:
		return c.giveUp(ctx, job, e, async, ageExceeded, result)
	}
	c.log.Info("an asynchronous call failed; it is tried again", "function", job.Topic, "request_id", e.RequestID, "attempt", job.Attempt, "wait", pause.String())
	return jetstream.Verdict{Again: true, After: pause}
}

// giveUp sends an event that is not tried any more to its dead-letter function, or keeps it for a reader.
func (c *control) giveUp(ctx context.Context, job jetstream.Job, e event, async host.Async, condition string, result *admin.CallResult) jetstream.Verdict {
	letter := admin.DeadLetter{Function: job.Topic, Qualifier: e.Qualifier, RequestID: e.RequestID, Condition: condition,
		Attempts: job.Attempt, Time: time.Now().UTC(), Payload: e.Payload}
	if condition == ageExceeded && result == nil {
		letter.Attempts--
	}
	if result != nil {
		letter.Error = result.Payload
	}
	c.log.Error("an asynchronous call is given up", "function", job.Topic, "request_id", e.RequestID, "condition", condition, "attempts", letter.Attempts)
	if err := c.bury(ctx, letter, result, async.DeadLetter); err != nil {
		c.log.Error("a dead letter could not be kept; it is tried again", "function", job.Topic, "request_id", e.RequestID, "error", err)
		return jetstream.Verdict{Again: true, After: c.Retry}
	}
	return jetstream.Verdict{}
}

func (c *control) bury(ctx context.Context, letter admin.DeadLetter, result *admin.CallResult, target string) error {
	id := letter.RequestID + "-dead"
	if target == "" || target == letter.Function {
		data, err := json.Marshal(letter)
		if err != nil {
			return err
		}
		_, err = c.events.Dead().Append(ctx, jetstream.Record{Topic: letter.Function, ID: id, Data: data})
		return err
	}
	payload, err := json.Marshal(invocationRecord(letter, result))
	if err != nil {
		return err
	}
	data, err := json.Marshal(event{RequestID: id, Payload: payload})
	if err != nil {
		return err
	}
	return c.events.Send(ctx, jetstream.Job{Topic: target, ID: id, Data: data})
}

// invocationRecord is what a dead-letter function gets, in the form of Lambda's invocation records (Lambda developer guide, "Capturing
// records of Lambda asynchronous invocations").
func invocationRecord(letter admin.DeadLetter, result *admin.CallResult) map[string]any {
	arn := "arn:postern:lambda:local:000000000000:function:" + letter.Function
	if letter.Qualifier != "" {
		arn += ":" + letter.Qualifier
	}
	record := map[string]any{
		"version": "1.0", "timestamp": letter.Time.Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{"requestId": letter.RequestID, "functionArn": arn, "condition": letter.Condition, "approximateInvokeCount": letter.Attempts},
		"requestPayload": letter.Payload,
	}
	if result != nil {
		record["responseContext"] = map[string]any{"statusCode": 200, "executedVersion": fmt.Sprint(result.Version), "functionError": result.Error}
		record["responsePayload"] = json.RawMessage(result.Payload)
	}
	return record
}

// PurgeDeadLetters deletes the events of a function that were given up, up to a sequence number.
func (c *control) PurgeDeadLetters(ctx context.Context, function string, upTo uint64) error {
	return c.events.Dead().PurgeUpTo(ctx, function, upTo)
}
