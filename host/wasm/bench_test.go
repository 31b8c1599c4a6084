package wasm_test

import (
	"context"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

const (
	benchAuthorize = `{"version":"2.0","type":"REQUEST","routeArn":"arn:aws:execute-api:us-east-1:000000000000:orders/$default/GET/orders/7","identitySource":["Bearer demo"],"routeKey":"GET /orders/{id}","rawPath":"/orders/7","rawQueryString":"","headers":{"accept":"*/*","authorization":"Bearer demo","host":"localhost:8080","user-agent":"curl/8"},"requestContext":{"accountId":"","apiId":"orders","domainName":"localhost","http":{"method":"GET","path":"/orders/7","protocol":"HTTP/1.1","sourceIp":"127.0.0.1","userAgent":"curl/8"},"requestId":"x","routeKey":"GET /orders/{id}","stage":"$default","timeEpoch":1}}`
	benchHandle    = `{"version":"2.0","rawPath":"/order","pathParameters":{"id":"7"},"requestContext":{"authorizer":{"lambda":{"user":"demo"}}}}`
)

// BenchmarkCall compares calls of warm instances: the first line is the ratio's base.
func BenchmarkCall(b *testing.B) {
	code, err := goGuest()
	if err != nil {
		b.Fatal(err)
	}
	var base float64
	for _, bench := range []struct {
		name        string
		code        []byte
		entry, meta string
	}{
		{"wat-nothing", guestCode(b, "hostile"), host.EntryAuthorize, `"k"`},
		{"wat-authorizer", guestCode(b, "authorizer"), host.EntryAuthorize, benchAuthorize},
		{"wat-function", guestCode(b, "echo"), host.EntryHandle, benchHandle},
		{"go-authorizer", code, host.EntryAuthorize, benchAuthorize},
		{"go-function", code, host.EntryHandle, benchHandle},
	} {
		b.Run(bench.name, func(b *testing.B) {
			rt := newRuntime(b, wasm.Options{})
			p := open(b, compile(b, rt, bench.name, bench.code), goConfig())
			fx := &effects{}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ask(p, bench.entry, bench.meta, nil, fx); err != nil {
					b.Fatal(err)
				}
			}
			each := float64(b.Elapsed()) / float64(b.N)
			if base == 0 {
				base = each
			}
			b.ReportMetric(each/base, "x-nothing")
		})
	}
}

// BenchmarkColdStart is a new instance for each call, over the same call warm.
func BenchmarkColdStart(b *testing.B) {
	code, err := goGuest()
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		code []byte
	}{{"wat", guestCode(b, "authorizer")}, {"go", code}} {
		var warm float64
		for _, isolation := range []host.Isolation{host.IsolationPooled, host.IsolationFresh} {
			b.Run(bench.name+"-"+string(isolation), func(b *testing.B) {
				cfg := goConfig()
				cfg.Isolation = isolation
				rt := newRuntime(b, wasm.Options{})
				p := open(b, compile(b, rt, bench.name, bench.code), cfg)
				for b.Loop() {
					if _, _, err := ask(p, host.EntryAuthorize, benchAuthorize, nil, &effects{}); err != nil {
						b.Fatal(err)
					}
				}
				each := float64(b.Elapsed()) / float64(b.N)
				if isolation == host.IsolationPooled {
					warm = each
				}
				b.ReportMetric(each/warm, "x-warm")
			})
		}
	}
}

// BenchmarkCommand is a program that starts and ends for each call, over a function that stays.
func BenchmarkCommand(b *testing.B) {
	code, err := goCommand()
	if err != nil {
		b.Fatal(err)
	}
	var stays float64
	for _, bench := range []struct {
		name, abi, meta string
		code            []byte
	}{
		{"wat-function", "", benchHandle, guestCode(b, "echo")},
		{"wat-cgi", host.ABICGI, request("/"), guestCode(b, "command_echo")},
		{"wat-stdio", host.ABIStdio, `{}`, guestCode(b, "is_command")},
		{"go-cgi", host.ABICGI, request("/zero"), code},
		{"go-stdio", host.ABIStdio, `{"do":"allow"}`, code},
	} {
		b.Run(bench.name, func(b *testing.B) {
			rt := newRuntime(b, wasm.Options{})
			p := open(b, compileAs(b, rt, bench.abi, bench.code), commandConfig())
			fx := &effects{}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ask(p, host.EntryHandle, bench.meta, nil, fx); err != nil {
					b.Fatal(err)
				}
			}
			each := float64(b.Elapsed()) / float64(b.N)
			if stays == 0 {
				stays = each
			}
			b.ReportMetric(each/stays, "x-function")
		})
	}
}

// BenchmarkBody sends 64 MiB through a guest that answers with what it gets.
func BenchmarkBody(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(streamers)) {
		guest := streamers[name]
		b.Run(name, func(b *testing.B) {
			rt := newRuntime(b, wasm.Options{})
			cfg := commandConfig()
			cfg.Config = []byte(`"c"`)
			p := open(b, compile(b, rt, name, guestCode(b, guest.guest)), cfg)
			b.SetBytes(large)
			for b.Loop() {
				out, err := p.Call(context.Background(), guest.entry, host.Event{Meta: []byte(guest.meta), Body: &source{n: large}}, &effects{})
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, out.Body); err != nil || n != large {
					b.Fatal(n, err)
				}
				_ = out.Body.Close()
			}
		})
	}
}

// BenchmarkCompile loads a Go guest: compiled anew, and from the cache on disk.
func BenchmarkCompile(b *testing.B) {
	code, err := goGuest()
	if err != nil {
		b.Fatal(err)
	}
	load := func(opts wasm.Options) time.Duration {
		rt := newRuntime(b, opts)
		begun := time.Now()
		m, err := rt.Compile(context.Background(), host.Source{Name: "goguest", Code: code})
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(begun)
		_ = m.Close(context.Background())
		return took
	}
	cached := wasm.Options{CacheDir: b.TempDir() + "/cache"}
	load(cached)
	var anew, again time.Duration
	for b.Loop() {
		anew += load(wasm.Options{})
		again += load(cached)
	}
	b.ReportMetric(float64(anew)/float64(b.N)/1e6, "ms-anew")
	b.ReportMetric(float64(again)/float64(b.N)/1e6, "ms-cached")
	b.ReportMetric(float64(anew)/float64(again), "x-faster")
}
