package telemetry

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto.
const (
	scopeSpansSpans = 2

	spanTraceID, spanSpanID, spanTraceState, spanParentID, spanName, spanKind       = 1, 2, 3, 4, 5, 6
	spanStart, spanEnd, spanAttributes, spanDroppedAttributes, spanEvents           = 7, 8, 9, 10, 11
	spanDroppedEvents, spanLinks, spanDroppedLinks, spanStatus, spanFlags           = 12, 13, 14, 15, 16
	eventTime, eventName, eventAttributes                                           = 1, 2, 3
	linkTraceID, linkSpanID, linkAttributes, linkFlags                              = 1, 2, 4, 6
	statusMessage, statusCode                                                       = 2, 3
	pairKey, pairValue                                                              = 1, 2
	valueString, valueBool, valueInt, valueDouble, valueArray, valueMap, valueBytes = 1, 2, 3, 4, 5, 6, 7
	arrayValues                                                                     = 1
)

// An encoder appends fields in protobuf's wire format. Those with the zero value are left out, as proto3 wants.
type encoder []byte

func (e encoder) bytes(field protowire.Number, b []byte) encoder {
	return protowire.AppendBytes(protowire.AppendTag(e, field, protowire.BytesType), b)
}

func (e encoder) text(field protowire.Number, s string) encoder {
	if s == "" {
		return e
	}
	return protowire.AppendString(protowire.AppendTag(e, field, protowire.BytesType), s)
}

func (e encoder) varint(field protowire.Number, n uint64) encoder {
	if n == 0 {
		return e
	}
	return protowire.AppendVarint(protowire.AppendTag(e, field, protowire.VarintType), n)
}

func (e encoder) time(field protowire.Number, t time.Time) encoder {
	return e.fixed64(field, uint64(max(0, t.UnixNano())))
}

func (e encoder) fixed64(field protowire.Number, n uint64) encoder {
	return protowire.AppendFixed64(protowire.AppendTag(e, field, protowire.Fixed64Type), n)
}

func (e encoder) fixed32(field protowire.Number, n uint32) encoder {
	return protowire.AppendFixed32(protowire.AppendTag(e, field, protowire.Fixed32Type), n)
}

// nested appends what fill appends as a message of its own. The length stands before it, and takes one byte in nearly all;
// where it takes more, the message moves up.
func (e encoder) nested(field protowire.Number, fill func(encoder) encoder) encoder {
	e = append(protowire.AppendTag(e, field, protowire.BytesType), 0)
	start := len(e)
	e = fill(e)
	n := len(e) - start
	if extra := protowire.SizeVarint(uint64(n)) - 1; extra > 0 {
		e = append(e, make([]byte, extra)...)
		copy(e[start+extra:], e[start:start+n])
	}
	protowire.AppendVarint(e[:start-1], uint64(n))
	return e
}

func (e encoder) attributes(field protowire.Number, kvs []attribute.KeyValue) encoder {
	for i := range kvs {
		e = e.nested(field, func(e encoder) encoder { return appendPair(e, &kvs[i]) })
	}
	return e
}

// appendSpan appends a span that has ended.
func appendSpan(e encoder, s *span) encoder {
	id, spanID := s.context.TraceID(), s.context.SpanID()
	e = e.bytes(spanTraceID, id[:]).bytes(spanSpanID, spanID[:])
	if state := s.context.TraceState(); state.Len() > 0 {
		e = e.text(spanTraceState, state.String())
	}
	if p := s.parent.SpanID(); p.IsValid() {
		e = e.bytes(spanParentID, p[:])
	}
	e = e.text(spanName, s.name).varint(spanKind, uint64(s.kind)) // both enumerations are in the same order
	e = e.time(spanStart, s.start).time(spanEnd, s.end)
	e = e.attributes(spanAttributes, s.attributes.list).varint(spanDroppedAttributes, uint64(s.dropped))
	for _, event := range s.events {
		e = e.nested(spanEvents, func(e encoder) encoder {
			return e.time(eventTime, event.time).text(eventName, event.name).attributes(eventAttributes, event.attributes)
		})
	}
	e = e.varint(spanDroppedEvents, uint64(s.droppedEvents))
	for _, link := range s.links {
		e = e.nested(spanLinks, func(e encoder) encoder { return appendLink(e, link) })
	}
	e = e.varint(spanDroppedLinks, uint64(s.droppedLinks))
	e = e.nested(spanStatus, func(e encoder) encoder {
		return e.text(statusMessage, s.statusText).varint(statusCode, statusNumber(s.status))
	})
	return e.fixed32(spanFlags, flags(s.context.TraceFlags(), s.parent))
}

func appendLink(e encoder, link trace.Link) encoder {
	id, spanID := link.SpanContext.TraceID(), link.SpanContext.SpanID()
	return e.bytes(linkTraceID, id[:]).bytes(linkSpanID, spanID[:]).attributes(linkAttributes, link.Attributes).
		fixed32(linkFlags, flags(link.SpanContext.TraceFlags(), link.SpanContext))
}

func statusNumber(c codes.Code) uint64 {
	switch c {
	case codes.Ok:
		return uint64(tracepb.Status_STATUS_CODE_OK)
	case codes.Error:
		return uint64(tracepb.Status_STATUS_CODE_ERROR)
	}
	return uint64(tracepb.Status_STATUS_CODE_UNSET)
}

// flags are the W3C flags, and whether the parent is remote, which is always known.
func flags(f trace.TraceFlags, parent trace.SpanContext) uint32 {
	n := uint32(f) | uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	if parent.IsRemote() {
		n |= uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	return n
}

func appendPair(e encoder, kv *attribute.KeyValue) encoder {
	return e.text(pairKey, string(kv.Key)).nested(pairValue, func(e encoder) encoder { return appendValue(e, kv.Value) })
}

// appendValue appends an AnyValue. Its fields are a oneof: the zero value says which type it is, and is written too.
func appendValue(e encoder, v attribute.Value) encoder {
	switch v.Type() {
	case attribute.STRING:
		return protowire.AppendString(protowire.AppendTag(e, valueString, protowire.BytesType), v.AsString())
	case attribute.INT64:
		return protowire.AppendVarint(protowire.AppendTag(e, valueInt, protowire.VarintType), uint64(v.AsInt64()))
	case attribute.BOOL:
		return protowire.AppendVarint(protowire.AppendTag(e, valueBool, protowire.VarintType), protowire.EncodeBool(v.AsBool()))
	case attribute.FLOAT64:
		return e.fixed64(valueDouble, math.Float64bits(v.AsFloat64()))
	case attribute.BYTESLICE:
		return e.bytes(valueBytes, v.AsByteSlice())
	case attribute.MAP:
		return e.nested(valueMap, func(e encoder) encoder { return e.attributes(arrayValues, v.AsMap()) })
	case attribute.SLICE:
		return appendArray(e, v.AsSlice(), func(v attribute.Value) attribute.Value { return v })
	case attribute.STRINGSLICE:
		return appendArray(e, v.AsStringSlice(), attribute.StringValue)
	case attribute.INT64SLICE:
		return appendArray(e, v.AsInt64Slice(), attribute.Int64Value)
	case attribute.BOOLSLICE:
		return appendArray(e, v.AsBoolSlice(), attribute.BoolValue)
	case attribute.FLOAT64SLICE:
		return appendArray(e, v.AsFloat64Slice(), attribute.Float64Value)
	}
	return e // empty
}

func appendArray[T any](e encoder, items []T, value func(T) attribute.Value) encoder {
	return e.nested(valueArray, func(e encoder) encoder {
		for _, item := range items {
			e = e.nested(arrayValues, func(e encoder) encoder { return appendValue(e, value(item)) })
		}
		return e
	})
}
