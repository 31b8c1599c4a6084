// Command conformance is a function, an authorizer, two mappings and a filter in one, which use all that the SDK has. The tests of
// host/wasm hold it to the contracts.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern/postern/sdk/go"
)

func main() {}

//go:wasmexport handle
func handle() int32 { return postern.Handle(serve) }

//go:wasmexport authorize
func authorize() int32 { return postern.Authorize(decide) }

//go:wasmexport map_request
func mapRequest() int32 { return postern.MapRequest(mapOrder) }

//go:wasmexport map_response
func mapResponse() int32 { return postern.MapResponse(mapCreated) }

//go:wasmexport filter_request
func filterRequest() int32 { return postern.FilterRequest(filterOrder) }

//go:wasmexport filter_response
func filterResponse() int32 { return postern.FilterResponse(filterAnswer) }

var (
	seen  string // by the first half of a filter
	calls int    // an instance keeps its variables
	kept  string // by /keep
	hoard [][]byte
	log   = slog.New(postern.LogHandler(slog.LevelDebug))
)

func serve(r *postern.Request) (*postern.Response, error) {
	calls++
	switch r.RawPath {
	case "/order":
		return postern.JSON(201, map[string]any{"id": r.PathParameters["id"], "who": r.RequestContext.Authorizer.Lambda["user"]}), nil
	case "/calls":
		return postern.Text(200, fmt.Sprint(calls)), nil
	case "/echo":
		return &postern.Response{Stream: func(w *postern.Writer) error {
			_, err := io.Copy(w, r.Body)
			return err
		}}, nil
	case "/ticks":
		return ticks(), nil
	case "/gate":
		return gate(r), nil
	case "/world":
		return world()
	case "/system":
		return system()
	case "/fetch":
		return fetch(r)
	case "/kv":
		return keep(r.QueryStringParameters)
	case "/context":
		return about()
	case "/keep":
		before := kept
		kept = strings.Clone(r.QueryStringParameters["value"])
		return postern.Text(200, before), nil
	case "/binary":
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		return &postern.Response{Headers: map[string]string{"content-type": "application/octet-stream"}, Body: all}, nil
	case "/deep":
		return postern.Text(200, fmt.Sprint(deep(1))), nil
	case "/error":
		return nil, fmt.Errorf("no stock: %w", os.ErrNotExist)
	case "/panic":
		panic("the shelf fell over")
	case "/exit":
		os.Exit(4)
	case "/hoard":
		for {
			hoard = append(hoard, bytes.Repeat([]byte("x"), 1<<20))
		}
	case "/spin":
		for i := 0; ; i++ {
			calls += i
		}
	}
	if r.RawPath == "" { // no request: a payload of a call by name
		return &postern.Response{Value: map[string]any{"echo": r.Raw}}, nil
	}
	return &postern.Response{Status: 404}, nil
}

// deep calls itself, and nothing that it does can be left out.
func deep(n int) int {
	if n == 0 {
		return 0
	}
	return deep(n+1) + n
}

// keep works on the plugin's map.
func keep(q map[string]string) (*postern.Response, error) {
	number := func(name string, otherwise int64) int64 {
		if n, err := strconv.ParseInt(q[name], 10, 64); err == nil {
			return n
		}
		return otherwise
	}
	revision := func(n int64) map[string]string { return map[string]string{"x-revision": strconv.FormatInt(n, 10)} }
	var err error
	switch q["op"] {
	case "get":
		var entry postern.KVEntry
		if entry, err = postern.KVGet(q["key"]); err == nil {
			return &postern.Response{Headers: revision(entry.Revision), Body: entry.Value}, nil
		}
	case "put":
		var n int64
		if n, err = postern.KVUpdate(q["key"], []byte(q["value"]), time.Duration(number("ttl", 0))*time.Second, number("revision", -1)); err == nil {
			return &postern.Response{Headers: revision(n)}, nil
		}
	case "delete":
		if err = postern.KVDeleteRevision(q["key"], number("revision", -1)); err == nil {
			return &postern.Response{Status: 204}, nil
		}
	case "keys":
		var keys []string
		if keys, err = postern.KVKeys(q["prefix"], ""); err == nil {
			return postern.JSON(200, keys), nil
		}
	}
	switch {
	case errors.Is(err, postern.ErrNotFound):
		return &postern.Response{Status: 404}, nil
	case errors.Is(err, postern.ErrConflict):
		return &postern.Response{Status: 409}, nil
	case errors.Is(err, postern.ErrTooLarge):
		return &postern.Response{Status: 413}, nil
	}
	return nil, err
}

// about tells what the host tells of the call.
func about() (*postern.Response, error) {
	c, err := postern.Context()
	if err != nil {
		return nil, err
	}
	return postern.JSON(200, map[string]any{"function": c.FunctionName, "version": c.FunctionVersion, "requestId": c.RequestID,
		"remaining": c.Deadline.After(time.Now())}), nil
}

// ticks streams a line now and the rest when its reader has it.
func ticks() *postern.Response {
	return &postern.Response{Headers: map[string]string{"content-type": "text/event-stream"}, Cookies: []string{"a=b"}, Stream: func(w *postern.Writer) error {
		for i := range 3 {
			fmt.Fprintf(w, "tick %d\n", i)
			if err := w.Flush(); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	}}
}

// gate sends an event each time that it has read a byte, the first one before.
func gate(r *postern.Request) *postern.Response {
	return &postern.Response{Headers: map[string]string{"content-type": "text/event-stream"}, Stream: func(w *postern.Writer) error {
		for {
			fmt.Fprint(w, "data: tick\n\n")
			if err := w.Flush(); err != nil {
				return err
			}
			if _, err := io.ReadFull(r.Body, make([]byte, 1)); err != nil {
				return nil
			}
		}
	}}
}

// world shows what the plugin sees of the world.
func world() (*postern.Response, error) {
	var config struct{ Issuer string }
	if err := postern.Config(&config); err != nil {
		return nil, err
	}
	secret, err := postern.Secret("TOKEN")
	if err != nil {
		return nil, err
	}
	_, missing := postern.Secret("OTHER")
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	postern.Log(slog.LevelInfo, "looked around")
	span := postern.StartSpan("look")
	span.End(nil)
	postern.StartSpan("fail").End(errors.New("it broke"))
	if err := postern.Count("looks", 1); err != nil {
		return nil, err
	}
	return postern.JSON(200, map[string]any{
		"issuer": config.Issuer, "secret": secret, "missing": errors.Is(missing, postern.ErrNotFound), "color": os.Getenv("COLOR"),
		"now": time.Now().UnixMilli(), "random": hex.EncodeToString(random), "trace": postern.TraceParent(),
	}), nil
}

// system shows what Go's own library finds of a system.
func system() (*postern.Response, error) {
	_, noFile := os.ReadFile("/etc/passwd")
	log.Info("looked around", "env", len(os.Environ()), slog.Group("at", "year", time.Now().Year() > 2000))
	postern.Log(slog.LevelError, "not good")
	fmt.Println("to standard output")
	fmt.Fprint(os.Stderr, "to standard error")
	return postern.JSON(200, map[string]any{"file": noFile == nil, "env": os.Environ(), "args": len(os.Args)}), nil
}

// fetch passes the request on to the URL in its query, and the answer back.
func fetch(r *postern.Request) (*postern.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	res, err := postern.Fetch(&postern.FetchRequest{Method: "POST", URL: r.QueryStringParameters["url"], Body: body,
		Headers: [][2]string{{"x-from", "conformance"}}})
	switch {
	case errors.Is(err, postern.ErrDenied):
		return postern.Text(403, "denied"), nil
	case errors.Is(err, postern.ErrTimeout):
		return postern.Text(504, err.Error()), nil
	}
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(res.Body) // the host closes it
	if err != nil {
		return nil, err
	}
	return &postern.Response{Status: res.Status, Headers: map[string]string{"x-seen": res.Header("x-seen")}, Body: answer}, nil
}

func decide(ev *postern.AuthorizerEvent) (*postern.Decision, error) {
	switch ev.Headers["authorization"] {
	case "":
		return nil, postern.ErrUnauthorized
	case "Bearer demo":
		return postern.Allow(map[string]any{"user": "demo"}), nil
	case "Bearer policy":
		return &postern.Decision{PrincipalID: "p", Policy: &postern.Policy{Version: "2012-10-17", Statement: []postern.Statement{
			{Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{ev.RouteARN}}}}}, nil
	}
	return postern.Deny(), nil
}

func mapOrder(in *postern.MappingInput) (*postern.MappingOutput, error) {
	var order struct{ Item string }
	if err := in.JSON(&order); err != nil {
		return nil, err
	}
	return &postern.MappingOutput{
		Body: []byte(`{"sku":"` + strings.ToUpper(order.Item) + `"}`), ContentType: "application/json",
		Request: postern.RequestOverride{Path: map[string]string{"id": in.Params.Get("id")}},
	}, nil
}

func mapCreated(in *postern.MappingInput) (*postern.MappingOutput, error) {
	return &postern.MappingOutput{Response: postern.ResponseOverride{Status: in.Response.Status + 1, Header: map[string]string{"x-mapped": "yes"}}}, nil
}

func filterOrder(r *postern.LiveRequest) (*postern.RequestEdits, error) {
	seen = r.Method + " " + r.Path + " " + r.Context.RequestID
	switch r.Path {
	case "/early":
		return &postern.RequestEdits{Response: &postern.Response{Status: 403, Cookies: []string{"a=b"}, Body: []byte("no")}}, nil
	case "/as-it-is":
		return nil, nil
	case "/panic":
		panic("the shelf fell over")
	}
	query := ""
	edits := &postern.RequestEdits{Method: "PUT", Path: "/new", Host: "other.example", Query: &query, Body: func(w *postern.Writer) error {
		return upper(w, r.Body)
	}}
	edits.Headers = slices.Clone(r.Headers)
	edits.RemoveHeaders = []string{"x-old"}
	edits.SetHeaders = postern.Fields{{"x-param", r.PathParameters["id"]}}
	edits.AddHeaders = postern.Fields{{"x-a", "1"}, {"x-a", "2"}}
	return edits, nil
}

func filterAnswer(r *postern.LiveResponse) (*postern.ResponseEdits, error) {
	edits := &postern.ResponseEdits{Status: r.Status + 1, Body: func(w *postern.Writer) error { return upper(w, r.Body) }}
	edits.SetHeaders = postern.Fields{{"x-seen", seen}, {"x-type", r.Headers.Get("content-type")}, {"x-sent", r.Request.Method}}
	return edits, nil
}

// upper passes a body on in capitals, a piece at a time.
func upper(w io.Writer, r io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if _, err := w.Write(bytes.ToUpper(buf[:n])); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
