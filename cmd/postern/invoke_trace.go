package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern/postern/host"
)

// The formats of a trace.
const (
	traceText = "text"
	traceAWS  = "aws"
)

// printTrace writes what happened to a request.
func printTrace(w io.Writer, events []host.TraceEvent, format string) {
	if format == traceAWS {
		printExecutionLog(w, events)
		return
	}
	for _, e := range events {
		fmt.Fprintf(w, "%s%s\n", e.Name, traceHead(e))
		for _, f := range e.Header {
			fmt.Fprintf(w, "  %s: %s\n", f.Name, f.Value)
		}
		if text := traceBody(e); text != "" {
			fmt.Fprintf(w, "  | %s\n", strings.ReplaceAll(text, "\n", "\n  | "))
		}
	}
}

// traceHead is what stands beside an event's name.
func traceHead(e host.TraceEvent) string {
	var parts []string
	if e.Name == host.TraceRoute && e.Target != "" {
		parts = append(parts, "api "+e.Target)
	} else if e.Target != "" {
		parts = append(parts, e.Target)
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	if e.Status != 0 {
		parts = append(parts, fmt.Sprint(e.Status))
	}
	for _, p := range e.Params {
		parts = append(parts, p.Name+"="+p.Value)
	}
	if e.Latency > 0 {
		parts = append(parts, "after "+e.Latency.Round(10*time.Microsecond).String())
	}
	if len(parts) == 0 {
		return ""
	}
	return "  " + strings.Join(parts, ", ")
}

// traceBody is a body for people: its text, or how long it is.
func traceBody(e host.TraceEvent) string {
	switch n := int64(len(e.Body)); {
	case n == 0 && e.Length < 0:
		return "(a body that streams)"
	case n == 0 && e.Length == 0:
		return ""
	case !utf8.Valid(e.Body) && n == e.Length:
		return fmt.Sprintf("(%d bytes that are no text)", n)
	case e.Length > n:
		return strings.ToValidUTF8(string(e.Body), "\uFFFD") + fmt.Sprintf("\n(the first %d of %d bytes)", n, e.Length)
	}
	return string(e.Body)
}

// printExecutionLog writes the lines that Amazon's test-invoke has (reference 1.15, "Execution log").
func printExecutionLog(w io.Writer, events []host.TraceEvent) {
	var params []host.Param
	failed, answered := false, false
	for _, e := range events {
		line := func(format string, args ...any) {
			fmt.Fprintf(w, "%s : %s\n", e.Time.UTC().Format("Mon Jan 02 15:04:05 UTC 2006"), fmt.Sprintf(format, args...))
		}
		switch e.Name {
		case host.TraceRoute:
			line("Starting execution for request: %s", e.ID)
			params = e.Params
		case host.TraceRequest:
			method, target, _ := strings.Cut(e.Target, " ")
			path, query, _ := strings.Cut(target, "?")
			line("HTTP Method: %s, Resource Path: %s", method, path)
			line("Method request path: %s", braces(paramFields(params)))
			line("Method request query string: %s", braces(queryFields(query)))
			line("Method request headers: %s", braces(e.Header))
			line("Method request body before transformations: %s", traceBody(e))
		case host.TraceEndpointRequest:
			_, uri, ok := strings.Cut(e.Target, " ")
			if !ok {
				uri = e.Target
			}
			line("Endpoint request URI: %s", uri)
			line("Endpoint request headers: %s", braces(e.Header))
			line("Endpoint request body after transformations: %s", traceBody(e))
			line("Sending request to %s", uri)
		case host.TraceEndpointResponse:
			line("Received response. Status: %d, Integration latency: %d ms", e.Status, e.Latency.Milliseconds())
			line("Endpoint response headers: %s", braces(e.Header))
			line("Endpoint response body before transformations: %s", traceBody(e))
			answered = true
		case host.TraceFailure:
			failed = true
			reason := "Execution failed"
			if e.Status >= 500 {
				reason = "Execution failed due to configuration error"
			}
			line("%s: %s", reason, e.Detail)
		case host.TraceResponse:
			if answered && !failed {
				line("Method response body after transformations: %s", traceBody(e))
				line("Method response headers: %s", braces(e.Header))
				line("Successfully completed execution")
			}
			line("Method completed with status: %d", e.Status)
		}
	}
}

// braces writes fields as Java prints a map.
func braces(h host.Header) string {
	parts := make([]string, len(h))
	for i, f := range h {
		parts[i] = f.Name + "=" + f.Value
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func paramFields(params []host.Param) host.Header {
	var h host.Header
	for _, p := range params {
		h.Add(p.Name, p.Value)
	}
	return h
}

func queryFields(query string) host.Header {
	var h host.Header
	for name, value := range host.QueryParams(query) {
		h.Add(name, value)
	}
	return h
}
