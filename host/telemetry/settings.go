package telemetry

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The exporters of traces (OpenTelemetry specification, "Environment Variable Specification").
const (
	exporterOTLP    = "otlp"
	exporterConsole = "console"
	exporterNone    = "none"
)

// The transports of OTLP.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
)

// settings are the OTEL_* variables, checked.
type settings struct {
	disabled     bool // OTEL_SDK_DISABLED
	exporter     string
	otlp         otlpSettings // when exporter is otlp
	sampler      sdktrace.Sampler
	batch        []sdktrace.BatchSpanProcessorOption
	resource     *resource.Resource
	metrics      bool
	traceContext bool
	baggage      bool
	warnings     []string // settings that are standard, but that Postern does not follow
}

// environment reads variables and remembers what is wrong with them.
type environment struct {
	get  func(string) string
	errs []error
}

func (e *environment) str(name string) string { return strings.TrimSpace(e.get(name)) }

func (e *environment) fail(name, value, want string) {
	e.errs = append(e.errs, fmt.Errorf("%s=%q: %s", name, value, want))
}

// first returns the first variable that is set, and its name.
func (e *environment) first(names ...string) (name, value string) {
	for _, n := range names {
		if v := e.str(n); v != "" {
			return n, v
		}
	}
	return "", ""
}

// oneOf returns the variable's value, def when it is not set.
func (e *environment) oneOf(def string, allowed []string, names ...string) string {
	name, v := e.first(names...)
	if name == "" {
		return def
	}
	if v = strings.ToLower(v); !slices.Contains(allowed, v) {
		e.fail(name, v, "use one of "+strings.Join(allowed, ", "))
		return def
	}
	return v
}

// number returns a variable that counts something, at least min; ok is false when it is not set.
func (e *environment) number(min int, names ...string) (n int, ok bool) {
	name, v := e.first(names...)
	if name == "" {
		return 0, false
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < min {
		e.fail(name, v, fmt.Sprintf("use a whole number, at least %d", min))
		return 0, false
	}
	return n, true
}

func readSettings(opts Options) (*settings, error) {
	e := &environment{get: opts.Environ}
	s := &settings{}
	s.disabled = strings.EqualFold(e.str("OTEL_SDK_DISABLED"), "true")
	s.exporter = e.exporter()
	if s.exporter == exporterOTLP {
		s.otlp = e.otlp()
	}
	s.sampler = e.sampler()
	s.batch = e.batch()
	e.propagators(s)
	e.otherSignals(s)
	var err error
	if s.resource, err = e.resource(opts); err != nil {
		e.errs = append(e.errs, err)
	}
	if s.disabled {
		s.exporter, s.metrics = exporterNone, false
	}
	return s, errors.Join(e.errs...)
}

// exporter says where traces go. The specification's default is otlp; Postern's is none, so that it calls nobody unasked.
func (e *environment) exporter() string {
	def := exporterNone
	if name, _ := e.first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"); name != "" {
		def = exporterOTLP
	}
	return e.oneOf(def, []string{exporterOTLP, exporterConsole, exporterNone}, "OTEL_TRACES_EXPORTER")
}

func (e *environment) sampler() sdktrace.Sampler {
	name := e.oneOf("parentbased_always_on", []string{"always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}, "OTEL_TRACES_SAMPLER")
	root, parentBased := strings.CutPrefix(name, "parentbased_")
	var s sdktrace.Sampler
	switch root {
	case "always_on":
		s = sdktrace.AlwaysSample()
	case "always_off":
		s = sdktrace.NeverSample()
	case "traceidratio":
		ratio := 1.0
		if arg := e.str("OTEL_TRACES_SAMPLER_ARG"); arg != "" {
			var err error
			if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
				e.fail("OTEL_TRACES_SAMPLER_ARG", arg, "use a ratio from 0 to 1")
			}
		}
		s = sdktrace.TraceIDRatioBased(ratio)
	}
	if parentBased {
		s = sdktrace.ParentBased(s)
	}
	return s
}

func (e *environment) batch() []sdktrace.BatchSpanProcessorOption {
	var opts []sdktrace.BatchSpanProcessorOption
	if n, ok := e.number(0, "OTEL_BSP_SCHEDULE_DELAY"); ok {
		opts = append(opts, sdktrace.WithBatchTimeout(time.Duration(max(n, 1))*time.Millisecond)) // with 0 the SDK never rests
	}
	if n, ok := e.number(0, "OTEL_BSP_EXPORT_TIMEOUT"); ok {
		opts = append(opts, sdktrace.WithExportTimeout(time.Duration(n)*time.Millisecond))
	}
	queue, size := sdktrace.DefaultMaxQueueSize, sdktrace.DefaultMaxExportBatchSize
	if n, ok := e.number(1, "OTEL_BSP_MAX_QUEUE_SIZE"); ok {
		queue = n
	}
	if n, ok := e.number(1, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"); ok {
		size = n
	}
	// The specification wants a batch no larger than the queue; a small queue alone is not a mistake.
	return append(opts, sdktrace.WithMaxQueueSize(queue), sdktrace.WithMaxExportBatchSize(min(size, queue)))
}

func (e *environment) propagators(s *settings) {
	v := e.str("OTEL_PROPAGATORS")
	if v == "" {
		v = "tracecontext,baggage"
	}
	for name := range strings.SplitSeq(v, ",") {
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "tracecontext":
			s.traceContext = true
		case "baggage":
			s.baggage = true
		case "none", "":
		case "b3", "b3multi", "jaeger", "xray", "ottrace":
			// Operators set one list for all their services; a format beside ours is no reason not to start.
			s.warnings = append(s.warnings, "OTEL_PROPAGATORS: "+name+" is not supported, tracecontext and baggage are")
		default:
			e.fail("OTEL_PROPAGATORS", v, strconv.Quote(name)+" is no propagator: use tracecontext, baggage or none")
		}
	}
}

// otherSignals reads where metrics and logs should go. Metrics are pulled from /metrics, and logs are written to
// Output; what asks for more is said, and does not stop the gateway.
func (e *environment) otherSignals(s *settings) {
	allowed := []string{"prometheus", exporterOTLP, exporterConsole, exporterNone}
	v := e.oneOf("prometheus", allowed, "OTEL_METRICS_EXPORTER")
	s.metrics = v != exporterNone
	if v == exporterOTLP || v == exporterConsole {
		s.warnings = append(s.warnings, "OTEL_METRICS_EXPORTER: metrics are served at /metrics only")
	}
	if v := e.oneOf(exporterNone, allowed[1:], "OTEL_LOGS_EXPORTER"); v != exporterNone {
		s.warnings = append(s.warnings, "OTEL_LOGS_EXPORTER: the log is written to standard error only")
	}
}

func (e *environment) resource(opts Options) (*resource.Resource, error) {
	service := opts.Service
	if service == "" {
		service = "postern"
	}
	attrs := []attribute.KeyValue{attribute.String("service.name", service)}
	if opts.Version != "" {
		attrs = append(attrs, attribute.String("service.version", opts.Version))
	}
	for _, kv := range e.pairs("OTEL_RESOURCE_ATTRIBUTES") {
		attrs = append(attrs, attribute.String(kv[0], kv[1]))
	}
	if v := e.str("OTEL_SERVICE_NAME"); v != "" {
		attrs = append(attrs, attribute.String("service.name", v))
	}
	// Where a key stands twice, the last one holds.
	sdk := resource.NewSchemaless(attribute.String("telemetry.sdk.name", "opentelemetry"),
		attribute.String("telemetry.sdk.language", "go"), attribute.String("telemetry.sdk.version", sdkVersion()))
	return resource.Merge(sdk, resource.NewSchemaless(attrs...))
}

// pairs reads the first variable that is set as a list of key=value, the values percent-encoded (W3C Baggage, section 3).
func (e *environment) pairs(names ...string) [][2]string {
	name, v := e.first(names...)
	if name == "" {
		return nil
	}
	var out [][2]string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		key, value, ok := strings.Cut(item, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		decoded, err := url.PathUnescape(value)
		if !ok || key == "" || err != nil {
			// The value may be a credential, so that only the key is said.
			e.errs = append(e.errs, fmt.Errorf("%s: the entry %q is not key=value with a percent-encoded value", name, key))
			continue
		}
		out = append(out, [2]string{key, decoded})
	}
	return out
}
