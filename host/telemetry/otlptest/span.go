package otlptest

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// A Span is one decoded span. Ids are lower-case hexadecimal; attribute values are rendered as text.
type Span struct {
	TraceID, SpanID string
	ParentID        string // "" for a root
	TraceState      string
	Name            string
	Kind            string // "internal", "server", "client", "producer", "consumer"
	Status          string // "unset", "ok" or "error"
	StatusMessage   string
	Start, End      time.Time
	Attributes      map[string]string
	Events          []Event
	Links           []string // span ids
	Resource        map[string]string
	Scope           string
}

// An Event is one event of a span.
type Event struct {
	Name       string
	Attributes map[string]string
}

// A Trace is the spans of one trace as a tree. A span whose parent is not there is a root, as the gateway's is below a
// client's span.
type Trace struct {
	ID    string
	Roots []*Node
}

// A Node is a span and its children, in the order in which they began.
type Node struct {
	Span
	Children []*Node
}

// NewTrace builds the tree of one trace from spans.
func NewTrace(id string, spans []Span) Trace {
	t := Trace{ID: id}
	nodes := map[string]*Node{}
	var all []*Node
	for _, s := range spans {
		if s.TraceID == id {
			n := &Node{Span: s}
			nodes[s.SpanID] = n
			all = append(all, n)
		}
	}
	slices.SortStableFunc(all, func(a, b *Node) int { return a.Start.Compare(b.Start) })
	for _, n := range all {
		if parent := nodes[n.ParentID]; parent != nil {
			parent.Children = append(parent.Children, n)
		} else {
			t.Roots = append(t.Roots, n)
		}
	}
	return t
}

// Find returns the first span of that name, depth first, or nil.
func (t Trace) Find(name string) *Node { return find(t.Roots, name) }

// Find returns the first span of that name below n, or n itself, or nil.
func (n *Node) Find(name string) *Node { return find([]*Node{n}, name) }

func find(nodes []*Node, name string) *Node {
	for _, n := range nodes {
		if n.Name == name {
			return n
		}
		if found := find(n.Children, name); found != nil {
			return found
		}
	}
	return nil
}

// String renders the tree with one span a line: two spaces for each level, the name, the kind unless it is internal, and
// the status when it is an error.
func (t Trace) String() string {
	var b strings.Builder
	render(&b, t.Roots, 0)
	return b.String()
}

func render(b *strings.Builder, nodes []*Node, depth int) {
	for _, n := range nodes {
		b.WriteString(strings.Repeat("  ", depth) + n.Name)
		if n.Kind != "internal" {
			b.WriteString(" " + n.Kind)
		}
		if n.Status == "error" {
			b.WriteString(" error")
		}
		b.WriteByte('\n')
		render(b, n.Children, depth+1)
	}
}

func decode(req *collector.ExportTraceServiceRequest) []Span {
	var out []Span
	for _, rs := range req.GetResourceSpans() {
		resource := attributes(rs.GetResource().GetAttributes())
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				span := decodeSpan(s)
				span.Resource, span.Scope = resource, ss.GetScope().GetName()
				out = append(out, span)
			}
		}
	}
	return out
}

func decodeSpan(s *tracepb.Span) Span {
	span := Span{
		TraceID: hex.EncodeToString(s.GetTraceId()), SpanID: hex.EncodeToString(s.GetSpanId()),
		ParentID: hex.EncodeToString(s.GetParentSpanId()), TraceState: s.GetTraceState(), Name: s.GetName(),
		Kind:          strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_")),
		Status:        strings.ToLower(strings.TrimPrefix(s.GetStatus().GetCode().String(), "STATUS_CODE_")),
		StatusMessage: s.GetStatus().GetMessage(),
		Start:         time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())),
		Attributes: attributes(s.GetAttributes()),
	}
	for _, e := range s.GetEvents() {
		span.Events = append(span.Events, Event{Name: e.GetName(), Attributes: attributes(e.GetAttributes())})
	}
	for _, l := range s.GetLinks() {
		span.Links = append(span.Links, hex.EncodeToString(l.GetSpanId()))
	}
	return span
}

func attributes(kvs []*common.KeyValue) map[string]string {
	m := make(map[string]string, len(kvs))
	for _, kv := range kvs {
		m[kv.GetKey()] = text(kv.GetValue())
	}
	return m
}

func text(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_BytesValue:
		return hex.EncodeToString(v.BytesValue)
	case *common.AnyValue_ArrayValue:
		items := make([]string, 0, len(v.ArrayValue.GetValues()))
		for _, item := range v.ArrayValue.GetValues() {
			items = append(items, text(item))
		}
		b, _ := json.Marshal(items)
		return string(b)
	case *common.AnyValue_KvlistValue:
		b, _ := json.Marshal(attributes(v.KvlistValue.GetValues()))
		return string(b)
	}
	return ""
}
