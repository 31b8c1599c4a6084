package pipeline

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/postern/postern/host"
)

// What a span tells of a limit that a plugin passed.
const (
	limitName   = attribute.Key("postern.limit.name") // as in the user's file: "limits.fuel"
	limitValue  = attribute.Key("postern.limit.value")
	limitOrigin = attribute.Key("postern.limit.origin") // file:line:column, or "default"
)

// limitAttributes are the limits of a plugin as its calls' spans have them, made once. Times are in milliseconds and sizes in bytes.
func limitAttributes(cfg *host.PluginConfig) []attribute.KeyValue {
	const prefix = "postern.plugin.limit."
	l := &cfg.Limits
	attrs := []attribute.KeyValue{
		attribute.Int64(prefix+"timeout_ms", l.Timeout.Value.Milliseconds()),
		attribute.Int(prefix+"concurrency", l.Concurrency.Value),
		attribute.Int64(prefix+"max_result", l.MaxResult.Value),
		attribute.Int64(prefix+"fetches", l.Fetches.Value),
		attribute.Int64(prefix+"fetch_bytes", l.FetchBytes.Value),
		attribute.Int64(prefix+"log_lines", l.LogLines.Value),
		attribute.Int64(prefix+"log_bytes", l.LogBytes.Value),
		attribute.Int64(prefix+"headers", l.Headers.Value),
		attribute.Int64(prefix+"header_bytes", l.HeaderBytes.Value),
		attribute.Int64(prefix+"kv_bytes", l.KVBytes.Value),
		attribute.Int(prefix+"egress", len(cfg.Egress)), // origins
	}
	if l.HostCalls.Value > 0 { // scripts and commands have none
		attrs = append(attrs, attribute.Int64(prefix+"host_calls", l.HostCalls.Value))
	}
	if runtimeOf(cfg) != host.RuntimeJS {
		attrs = append(attrs, attribute.Int64(prefix+"memory", l.Memory.Value), attribute.Int64(prefix+"fuel", l.Fuel.Value))
	}
	return attrs
}

// limitPassed returns the limit that a plugin passed, as spans tell it; nil for none.
func limitPassed(err error) []attribute.KeyValue {
	var limit *host.LimitError
	if !errors.As(err, &limit) {
		return nil
	}
	return []attribute.KeyValue{limitName.String(limit.Limit), limitValue.String(limit.Value), limitOrigin.String(limit.Origin)}
}

// appendLimit adds the limit that a plugin passed to a line of the log.
func appendLimit(attrs []slog.Attr, err error) []slog.Attr {
	var limit *host.LimitError
	if !errors.As(err, &limit) {
		return attrs
	}
	return append(attrs, slog.String("limit", limit.Limit), slog.String("limit_value", limit.Value), slog.String("limit_origin", limit.Origin))
}

// sizeText writes bytes in the largest unit that divides them.
func sizeText(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + " " + unit.name
		}
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// readResult reads the body of a result that is needed whole, and closes it.
func readResult(body io.ReadCloser, limit host.Setting[int64]) ([]byte, error) {
	data, err := readAll(body, limit.Value)
	if err != nil && bodyError(err) == nil && errors.Is(err, host.TooLarge) && crashType(err) == "" {
		return nil, tooMuch("maxResult", sizeText(limit.Value), limit, "more bytes")
	}
	return data, err
}

// checkHeaders holds the header fields of a result to the plugin's limits, and to what can be sent: a name must be a token, and a value must
// have no control character (RFC 9110, section 5), so that no field can become two. What is wrong is a *host.GuestError that crashed.
func (p *plugin) checkHeaders(h host.Header) error {
	size := int64(0)
	for _, f := range h {
		switch {
		case !host.IsToken(f.Name):
			return badResult(fmt.Errorf("%q is no name of a header field", clip(f.Name)))
		case !host.IsFieldValue(f.Value):
			return badResult(fmt.Errorf("the value of the header field %s has a control character", f.Name))
		}
		size += int64(len(f.Name) + len(f.Value))
	}
	return p.countHeaders(len(h), size)
}

// countHeaders holds the number of header fields, and the bytes of their names and values, to the plugin's limits.
func (p *plugin) countHeaders(n int, size int64) error {
	l := &p.cfg.Limits
	fields, most := orDefault(l.Headers, host.DefaultHeaders), orDefault(l.HeaderBytes, host.DefaultHeaderBytes)
	switch {
	case int64(n) > fields:
		return tooMuch("limits.headers", strconv.FormatInt(fields, 10), l.Headers, fmt.Sprintf("%d header fields", n))
	case size > most:
		return tooMuch("limits.headerBytes", sizeText(most), l.HeaderBytes, fmt.Sprintf("%d bytes of header fields", size))
	}
	return nil
}

// tooMuch is the error of a result over a limit.
func tooMuch(name, value string, limit host.Setting[int64], detail string) error {
	passed := &host.LimitError{Limit: name, Value: value, Origin: limit.Origin(), Detail: "the result has " + detail}
	return &host.Error{Op: "result", Kind: host.TooLarge, Err: &host.GuestError{Type: host.GuestLimit, Message: passed.Error(), Limit: passed}}
}

// badResult is the error of a result that breaks the contract.
func badResult(err error) error {
	return &host.Error{Op: "result", Kind: host.Internal, Err: &host.GuestError{Type: host.GuestResult, Message: err.Error()}}
}
