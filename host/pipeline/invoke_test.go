package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/server/servertest"
)

const invoked = `
functions:
	act: {plugin: ./act.js, timeout: 25s, maxResult: 1000B}
	slow: {plugin: ./slow.js, timeout: 2s, concurrency: 1}
	echo: {plugin: ./echo.wasm, timeout: 25s}
	hostile: {plugin: ./hostile.wasm, timeout: 25s}
	spins: {plugin: ./hostile.wasm, timeout: 2s}
`

var invokedFiles = map[string]string{
	"act.js": `export const handler = async (e, c) => {
		switch (e?.do) {
		case "log": console.log("one"); console.warn("two", {a: 1}); return "done";
		case "much": for (let i = 0; i < 900; i++) console.log(i + " " + "x".repeat(100)); return;
		case "long": console.log("first"); for (let i = 0; i < 20; i++) console.log("y".repeat(8000)); console.log("last"); return;
		case "throw": console.log("before"); throw new TypeError("an order is no number");
		case "large": return "x".repeat(1001);
		case "context": return [c.awsRequestId, c.clientContext];
		case "stream": return {statusCode: 200, body: new Uint8Array([91, 49, 93])};
		default: return e;
		}
	}`,
	"slow.js": `export const handler = () => { console.log("waiting"); return new Promise((done) => setTimeout(done, 60000)) }`,
}

func buildInvoked(t *testing.T) (*workbench, *pipeline.Pipeline) {
	t.Helper()
	files := map[string]string{"echo.wasm": servertest.Guest(t, "echo.wasm"), "hostile.wasm": servertest.Guest(t, "hostile.wasm")}
	for name, text := range invokedFiles {
		files[name] = text
	}
	w := newWorkbench(t, nil)
	return w, w.build(t, load(t, project(invoked, files)))
}

func TestInvoke(t *testing.T) {
	w, p := buildInvoked(t)
	for payload, want := range map[string]string{`{"a":1}`: `{"a":1}`, "": "null", `"x"`: `"x"`, `{"do":"stream"}`: "[1]"} {
		r, err := p.Invoke(t.Context(), pipeline.Call{Function: "act", Payload: []byte(payload)})
		if err != nil || r.Err != nil || string(r.Payload) != want || r.RequestID == "" || r.Duration <= 0 || r.Version != 0 {
			t.Errorf("%s: %+v %v", payload, r, err)
		}
	}
	r, err := p.Invoke(t.Context(), pipeline.Call{Function: "act", Payload: []byte(`{"do":"context"}`), RequestID: "call-1", ClientContext: []byte(`{"custom":{"b":2}}`)})
	if err != nil || string(r.Payload) != `["call-1",{"custom":{"b":2}}]` {
		t.Errorf("%+v %v", r, err)
	}
	line := w.log.Wait(t, "the invocation's line", func(l servertest.Line) bool { return l.Text("msg") == "invocation" && l.Text("request_id") == "call-1" })
	if line.Text("function") != "act" || line.Text("level") != "INFO" || line.Text("error") != "" {
		t.Errorf("%v", line)
	}
	r, err = p.Invoke(t.Context(), pipeline.Call{Function: "echo", Payload: []byte(`{"in":"wasm"}`)})
	if err != nil || r.Err != nil || len(r.Payload) == 0 || r.Memory == 0 {
		t.Errorf("a Wasm guest: %+v %v", r, err)
	}
}

func TestInvokeKeepsTheLog(t *testing.T) {
	_, p := buildInvoked(t)
	call := func(do string) *pipeline.CallResult {
		t.Helper()
		r, err := p.Invoke(t.Context(), pipeline.Call{Function: "act", Payload: []byte(`{"do":"` + do + `"}`), RequestID: "r1"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var got []string
	for line := range strings.Lines(string(call("log").Log)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 4 || len(fields[0]) != len("2006-01-02T15:04:05.000Z") || fields[1] != "r1" {
			t.Fatalf("%q", line)
		}
		got = append(got, fields[2]+" "+fields[3])
	}
	if want := "INFO one|WARN two { a: 1 }"; strings.Join(got, "|") != want {
		t.Errorf("%q, want %q", got, want)
	}
	if r := call("throw"); r.Err == nil || !strings.Contains(string(r.Log), "before") {
		t.Errorf("of a call that failed: %+v", r)
	}
	for do, last := range map[string]string{"much": "899 " + strings.Repeat("x", 100), "long": "last"} {
		log := string(call(do).Log)
		if len(log) > 64<<10 || len(log) < 50<<10 || !strings.HasSuffix(log, "\t"+last+"\n") || !strings.HasPrefix(log, "20") {
			t.Errorf("%s: %d bytes, from %.60q", do, len(log), log)
		}
	}
	// Each call has its own.
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			id := fmt.Sprint("call-", i)
			r, err := p.Invoke(t.Context(), pipeline.Call{Function: "act", Payload: []byte(`{"do":"log"}`), RequestID: id})
			if err != nil || strings.Count(string(r.Log), "\t"+id+"\t") != 2 || strings.Count(string(r.Log), "\n") != 2 {
				t.Errorf("%s: %+v %v", id, r, err)
			}
		})
	}
	wait.Wait()
}

func TestInvokeFailures(t *testing.T) {
	w, p := buildInvoked(t)
	for name, c := range map[string]struct {
		function, payload string
		kind              host.Kind
		guest             string // the GuestError's type; "" for none
	}{
		"throws":    {"act", `{"do":"throw"}`, host.Internal, "TypeError"},
		"too large": {"act", `{"do":"large"}`, host.TooLarge, ""},
		"timeout":   {"slow", `{}`, host.Timeout, ""},
		"a trap":    {"hostile", `"trap"`, host.Internal, "trap"},
		"memory":    {"hostile", `"Memory"`, host.Internal, "memory"},
		"a loop":    {"spins", `"loop"`, host.Timeout, "timeout"},
		"an exit":   {"hostile", `"x"`, host.Internal, "exit"},
		"its word":  {"hostile", `"error"`, host.Internal, "ValueError"},
		"no end":    {"hostile", `"B"`, host.TooLarge, ""},
		"cut":       {"hostile", `"Trap"`, host.Internal, "trap"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := p.Invoke(t.Context(), pipeline.Call{Function: c.function, Payload: []byte(c.payload), RequestID: name})
			if err != nil {
				t.Fatalf("it was called: %v", err)
			}
			var guest *host.GuestError
			if r.Err == nil || host.KindOf(r.Err) != c.kind || c.guest != "" && (!errors.As(r.Err, &guest) || guest.Type != c.guest) || r.Payload != nil || r.Duration <= 0 {
				t.Errorf("%+v", r)
			}
			line := w.log.Wait(t, "the invocation's line", func(l servertest.Line) bool { return l.Text("request_id") == name && l.Text("msg") == "invocation" })
			if line.Text("level") != "ERROR" || line.Text("error") == "" {
				t.Errorf("%v", line)
			}
		})
	}
}

// TestInvokeOfABusyFunction holds the one instance, and calls again.
func TestInvokeOfABusyFunction(t *testing.T) {
	w, p := buildInvoked(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wait sync.WaitGroup
	for i := range 2 { // each for 2 s, so that a third waits for its whole timeout
		wait.Go(func() {
			if r, err := p.Invoke(ctx, pipeline.Call{Function: "slow", RequestID: fmt.Sprint("holds-", i)}); err == nil && r.Err == nil {
				t.Errorf("%+v", r)
			}
		})
	}
	w.log.Wait(t, "that the instance is busy", func(l servertest.Line) bool { return l.Text("msg") == "waiting" })
	var refused atomic.Int64
	for range 8 {
		wait.Go(func() {
			if _, err := p.Invoke(t.Context(), pipeline.Call{Function: "slow"}); host.KindOf(err) == host.Throttled {
				refused.Add(1)
			}
		})
	}
	wait.Wait()
	if refused.Load() == 0 {
		t.Error("nobody was refused")
	}
}
