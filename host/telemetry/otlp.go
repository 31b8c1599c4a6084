package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"
)

// defaultExportTimeout is the OTLP exporter's (OpenTelemetry protocol exporter specification).
const defaultExportTimeout = 10 * time.Second

// otlpSettings are the OTEL_EXPORTER_OTLP_* variables. Postern reads them itself, because the exporters log a wrong
// value and go on without it.
type otlpSettings struct {
	protocol string
	endpoint *url.URL // with the path of the traces for HTTP
	headers  map[string]string
	timeout  time.Duration
	gzip     bool
	tls      *tls.Config // nil for the system's roots and no client certificate
}

func (e *environment) otlp() otlpSettings {
	o := otlpSettings{timeout: defaultExportTimeout}
	o.protocol = e.oneOf(protocolHTTP, []string{protocolGRPC, protocolHTTP},
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	o.endpoint = e.endpoint(o.protocol)
	if n, ok := e.number(1, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"); ok {
		o.timeout = time.Duration(n) * time.Millisecond
	}
	o.gzip = e.oneOf(exporterNone, []string{"gzip", exporterNone},
		"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION") == "gzip"
	if kvs := e.pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"); kvs != nil {
		o.headers = make(map[string]string, len(kvs))
		for _, kv := range kvs {
			o.headers[kv[0]] = kv[1]
		}
	}
	o.tls = e.certificates()
	return o
}

// endpoint returns where traces are sent. The variable for all signals is a base, to which HTTP adds /v1/traces; the
// one for traces is used as it is.
func (e *environment) endpoint(protocol string) *url.URL {
	const forTraces, forAll = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
	name, v := e.first(forTraces, forAll)
	if name == "" {
		v = "http://localhost:4318"
		if protocol == protocolGRPC {
			v = "http://localhost:4317"
		}
	}
	raw := v
	if protocol == protocolGRPC && !strings.Contains(v, "://") {
		// gRPC's own form, host:port. OTEL_EXPORTER_OTLP_INSECURE is for this form alone.
		scheme := "https://"
		if _, insecure := e.first("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"); strings.EqualFold(insecure, "true") {
			scheme = "http://"
		}
		v = scheme + v
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		e.fail(name, raw, "use a URL such as http://127.0.0.1:4318 or https://collector.example.com")
		return &url.URL{}
	}
	if protocol == protocolHTTP {
		if name != forTraces {
			u = u.JoinPath("v1", "traces")
		} else if u.Path == "" {
			u.Path = "/"
		}
	}
	return u
}

func (e *environment) certificates() *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	set := false
	if name, file := e.first("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"); name != "" {
		set = true
		pem, err := os.ReadFile(file)
		conf.RootCAs = x509.NewCertPool()
		if err != nil {
			e.errs = append(e.errs, fmt.Errorf("%s: %w", name, err))
		} else if !conf.RootCAs.AppendCertsFromPEM(pem) {
			e.fail(name, file, "the file has no certificate in PEM")
		}
	}
	certName, cert := e.first("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
	keyName, key := e.first("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY")
	if certName != "" || keyName != "" {
		set = true
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			e.errs = append(e.errs, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY: %w", err))
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if !set {
		return nil
	}
	return conf
}

// destination describes for people where the spans go.
func (s *settings) destination() string {
	switch {
	case s.exporter == exporterConsole:
		return "console"
	case s.otlp.protocol == protocolGRPC:
		return "OTLP/gRPC " + s.otlp.endpoint.Redacted()
	default:
		return "OTLP/HTTP " + s.otlp.endpoint.Redacted()
	}
}

func newOTLPExporter(ctx context.Context, o otlpSettings) (sdktrace.SpanExporter, error) {
	if o.protocol == protocolGRPC {
		opts := []otlptracegrpc.Option{otlptracegrpc.WithEndpointURL(o.endpoint.String()),
			otlptracegrpc.WithHeaders(o.headers), otlptracegrpc.WithTimeout(o.timeout)}
		if o.gzip {
			opts = append(opts, otlptracegrpc.WithCompressor("gzip"))
		}
		if o.tls != nil && o.endpoint.Scheme == "https" {
			opts = append(opts, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(o.tls)))
		}
		return otlptracegrpc.New(ctx, opts...)
	}
	opts := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(o.endpoint.String()),
		otlptracehttp.WithHeaders(o.headers), otlptracehttp.WithTimeout(o.timeout)}
	if o.gzip {
		opts = append(opts, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	if o.tls != nil {
		opts = append(opts, otlptracehttp.WithTLSClientConfig(o.tls))
	}
	return otlptracehttp.New(ctx, opts...)
}

func sdkVersion() string { return sdk.Version() }
