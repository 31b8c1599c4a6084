package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	Dead          bool            `json:"dead,omitempty"` // a dead letter of another function's: it goes to no third one
}

// InvokeLater keeps an event durably. It is called at least once: a host that is killed after the call and before it is noted calls again.
func (c *control) InvokeLater(ctx context.Context, call admin.Call) (string, error) {
	if _, err := c.function(ctx, call.Function, call.Qualifier); err != nil {
		return "", err
	}
	if call.RequestID == "" {
		call.RequestID = pipeline.NewRequestID()
	}
	if len(call.Payload) == 0 {
		call.Payload = []byte("null")
	}
	data, err := compact(event{Qualifier: call.Qualifier, RequestID: call.RequestID, Payload: call.Payload, ClientContext: call.ClientContext})
	if err != nil {
		return "", &host.Error{Op: "invoke later", Kind: host.Invalid, Err: err}
	}
	if err := c.events.Send(ctx, jetstream.Job{Topic: call.Function, ID: call.RequestID, Data: data}); err != nil {
		return "", err
	}
	return call.RequestID, nil
}

// later is InvokeLater for integrations.
func (c *control) later(ctx context.Context, call pipeline.Call) error {
	_, err := c.InvokeLater(ctx, admin.Call{Function: call.Function, Qualifier: call.Qualifier, Payload: call.Payload, RequestID: call.RequestID})
	return err
}

// compact is JSON in which no character of an event takes more room than it came with.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// function is what a name means on this host now, or in the state for a version that nothing points at.
func (c *control) function(ctx context.Context, name, qualifier string) (*host.Function, error) {
	p, err := c.server.acquire()
	if err != nil {
		return nil, err
	}
	defer p.Release()
	versions, err := p.Snapshot().Resolve(name, qualifier)
	if number, atoi := strconv.Atoi(qualifier); err != nil && atoi == nil {
		return c.catalog.ComposeVersion(ctx, name, number)
	}
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
	if f, err := c.function(ctx, job.Topic, e.Qualifier); err == nil {
		async = f.Async
	}
	letter := admin.DeadLetter{Function: job.Topic, Qualifier: e.Qualifier, RequestID: e.RequestID, Attempts: job.Attempt, Payload: e.Payload}
	result, err := c.attempt(ctx, job, e, async.MaxAge.Value)
	pause := c.Retry << min(job.Attempt-1, 8)
	switch {
	case err == nil && result.Error == "":
		return jetstream.Verdict{}
	case ctx.Err() != nil: // the host ends: the next one calls
		return jetstream.Verdict{Again: true}
	case err != nil && !errors.Is(err, host.NotFound):
		letter.Condition, letter.Attempts = ageExceeded, job.Attempt-1
	case job.Attempt > async.Retries.Value:
		letter.Condition = retriesExhausted
	case time.Since(job.Sent)+pause > async.MaxAge.Value:
		letter.Condition = ageExceeded
	default:
		c.log.Info("an asynchronous call failed; it is tried again", "function", job.Topic, "request_id", e.RequestID, "attempt", job.Attempt, "wait", pause.String())
		return jetstream.Verdict{Again: true, After: pause}
	}
	target := async.DeadLetter
	if e.Dead {
		target = ""
	}
	return c.giveUp(ctx, letter, result, target)
}

// attempt calls the function of an event. That it could not be called, since all its instances are busy or the state cannot be read, is
// no attempt of the function's: it is called again until the event is too old. An error that is not NotFound means that it is.
func (c *control) attempt(ctx context.Context, job jetstream.Job, e event, maxAge time.Duration) (*admin.CallResult, error) {
	tooOld := &host.Error{Op: "call " + job.Topic, Kind: host.Timeout, Err: errors.New("the event is too old")}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		left := maxAge - time.Since(job.Sent)
		if left <= 0 {
			return nil, tooOld
		}
		result, err := c.Invoke(ctx, admin.Call{Function: job.Topic, Qualifier: e.Qualifier, Payload: e.Payload, ClientContext: e.ClientContext, RequestID: e.RequestID})
		if err == nil || errors.Is(err, host.NotFound) || ctx.Err() != nil {
			return result, err
		}
		c.log.Warn("an asynchronous call could not be made; it is tried again", "function", job.Topic, "request_id", e.RequestID, "error", err, "wait", wait.String())
		c.pause(min(wait, left))
	}
}

// giveUp sends an event that is not tried any more to its dead-letter function, or keeps it for a reader.
func (c *control) giveUp(ctx context.Context, letter admin.DeadLetter, result *admin.CallResult, target string) jetstream.Verdict {
	letter.Time = time.Now().UTC()
	if result != nil {
		letter.Error = bounded(result.Payload)
	}
	c.log.Error("an asynchronous call is given up", "function", letter.Function, "request_id", letter.RequestID,
		"condition", letter.Condition, "attempts", letter.Attempts)
	err := c.bury(ctx, letter, result, target)
	if errors.Is(err, host.TooLarge) { // the event was just within the limit
		letter.Error = nil
		err = c.keepLetter(ctx, letter)
	}
	if errors.Is(err, host.TooLarge) {
		c.log.Error("a dead letter is too large, and is kept without its payload", "function", letter.Function, "request_id", letter.RequestID)
		letter.Payload = nil
		err = c.keepLetter(ctx, letter)
	}
	if err != nil {
		c.log.Error("a dead letter could not be kept; it is tried again", "function", letter.Function, "request_id", letter.RequestID, "error", err)
		return jetstream.Verdict{Again: true, After: c.Retry}
	}
	return jetstream.Verdict{}
}

// maxLetterError bounds what a dead letter has of what the function failed with, in bytes.
const maxLetterError = 16 << 10

// bounded is an error as callResult writes it, cut where a guest had much to say.
func bounded(payload []byte) []byte {
	if len(payload) <= maxLetterError {
		return payload
	}
	var told struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if json.Unmarshal(payload, &told) != nil {
		return nil
	}
	cut := func(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxLetterError/8)], "") } // a character may take 6 in JSON
	told.Message, told.Type = cut(told.Message)+"…", cut(told.Type)
	short, err := json.Marshal(told)
	if err != nil {
		return nil
	}
	return short
}

// bury sends a dead letter to a function, "" for none, or keeps it.
func (c *control) bury(ctx context.Context, letter admin.DeadLetter, result *admin.CallResult, target string) error {
	if target != "" && target != letter.Function {
		if _, err := c.function(ctx, target, ""); errors.Is(err, host.NotFound) {
			c.log.Warn("a dead-letter function is not there any more; the letter is kept", "function", letter.Function, "dead_letter", target)
			target = ""
		}
	}
	if target == "" || target == letter.Function {
		return c.keepLetter(ctx, letter)
	}
	payload, err := compact(invocationRecord(letter, result))
	if err != nil {
		return err
	}
	id := letterID(letter)
	data, err := compact(event{RequestID: id, Payload: payload, Dead: true})
	if err != nil {
		return err
	}
	return c.events.Send(ctx, jetstream.Job{Topic: target, ID: id, Data: data})
}

func letterID(letter admin.DeadLetter) string { return letter.RequestID + "-dead" }

// keepLetter keeps a dead letter for a reader.
func (c *control) keepLetter(ctx context.Context, letter admin.DeadLetter) error {
	data, err := compact(letter)
	if err != nil {
		return err
	}
	_, err = c.events.Dead().Append(ctx, jetstream.Record{Topic: letter.Function, ID: letterID(letter), Data: data})
	return err
}

// invocationRecord is what a dead-letter function gets, in the form of Lambda's invocation records (Lambda developer guide, "Capturing
// records of Lambda asynchronous invocations").
func invocationRecord(letter admin.DeadLetter, result *admin.CallResult) map[string]any {
	record := map[string]any{
		"version": "1.0", "timestamp": letter.Time.Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{"requestId": letter.RequestID, "functionArn": host.FunctionARN(letter.Function, letter.Qualifier), "condition": letter.Condition, "approximateInvokeCount": letter.Attempts},
		"requestPayload": letter.Payload,
	}
	if result != nil {
		record["responseContext"] = map[string]any{"statusCode": 200, "executedVersion": fmt.Sprint(result.Version), "functionError": result.Error}
		record["responsePayload"] = json.RawMessage(letter.Error)
	}
	return record
}

// PurgeDeadLetters deletes the events of a function that were given up, up to a sequence number.
func (c *control) PurgeDeadLetters(ctx context.Context, function string, upTo uint64) error {
	return c.events.Dead().PurgeUpTo(ctx, function, upTo)
}
