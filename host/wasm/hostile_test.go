package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
	"github.com/postern/postern/host/wasm/engine"
)

// Whatever a guest does, its caller gets an error of the right kind, and the next call works.
func TestHostile(t *testing.T) {
	for _, test := range []struct {
		name, act string
		kind      host.Kind
		guest     string   // the type of the GuestError; "" when there is none
		says      []string // in the error's text, for people
		stack     string
		discards  bool
	}{
		{"trap", "t", host.Internal, "trap", []string{"unreachable"}, "act", true},
		{"loop", "l", host.Timeout, "timeout", []string{"500ms", "postern.yaml:7:9"}, "loop", true},
		{"sleep", "h", host.Timeout, "timeout", []string{"500ms"}, "", true},
		{"recursion", "r", host.Internal, "stack", []string{"stack overflow"}, "", true},
		{"memory", "M", host.Internal, "memory", []string{"4 MiB (default)", "unreachable"}, "act", true},
		{"malformed", "j", host.Internal, "result", []string{"not JSON", "invalid character"}, "", true},
		{"negative length", "n", host.Internal, "trap", []string{"meta_write: negative length -5"}, "act", true},
		{"pointer outside", "p", host.Internal, "trap", []string{"meta_write: 32 bytes at 4294967280 are outside the memory of 131072 bytes"}, "act", true},
		{"pointer to write to", "P", host.Internal, "trap", []string{"body_read: 1000 bytes at 131000"}, "act", true},
		{"exit", "x", host.Internal, "exit", []string{"code 3"}, "going down", true},
		{"body over the limit", "b", host.TooLarge, "", []string{"limit passed: maxResult 1 MiB (default); the result's body is larger"}, "", false},
		{"reported", "e", host.Internal, "ValueError", []string{"the value is wrong"}, "at frame one", false},
		{"refused", "E", host.Internal, "Error", []string{"returned 7"}, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			rt, p := openGuest(t, "hostile")
			entries := []string{host.EntryMapRequest, host.EntryHandle}
			if test.act == "b" || test.act == "r" {
				// What a function writes is not bounded, and it is let go of while its stack overflows, which takes a while.
				entries = entries[:1]
			}
			for _, entry := range entries {
				_, _, err := ask(p, entry, `"`+test.act+`"`, nil, &effects{})
				if !errors.Is(err, test.kind) {
					t.Fatalf("%s: got %v; want kind %v", entry, err, test.kind)
				}
				for _, text := range test.says {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("%s: %q does not say %q", entry, err, text)
					}
				}
				checkGuestError(t, err, test.guest, test.stack)
				waitFor(t, func() bool { return rt.Stats().Leased == 0 })
				if idle := rt.Stats().Instances; (idle == 0) != test.discards {
					t.Errorf("%s: %d instances are kept; want the instance discarded: %v", entry, idle, test.discards)
				}
				if got, _, err := ask(p, entry, `"k"`, nil, &effects{}); err != nil || got != `{"ok":true}` {
					t.Errorf("%s: the next call: %s, %v", entry, got, err)
				}
			}
		})
	}
}

func checkGuestError(t *testing.T, err error, kind, stack string) {
	t.Helper()
	var guest *host.GuestError
	if errors.As(err, &guest) != (kind != "") {
		t.Fatalf("%v: a GuestError is in it: %v", err, kind == "")
	}
	if kind == "" {
		return
	}
	if guest.Type != kind || !strings.Contains(guest.Stack, stack) {
		t.Errorf("got %+v; want type %s and a stack with %q", guest, kind, stack)
	}
	if strings.Contains(guest.Stack+guest.Message, ".go:") || strings.Contains(guest.Message, "wazero") {
		t.Errorf("the host shows through: %+v", guest)
	}
}

// What a guest tries in vain, and may survive.
func TestRefused(t *testing.T) {
	_, p := openGuest(t, "hostile")
	for name, test := range map[string]struct{ act, want string }{
		"memory.grow beyond the limit":   {"m", "-1"},
		"table.grow beyond the limit":    {"g", "-1"},
		"spans beyond the limit":         {"s", "-9"},
		"randomness beyond the limit":    {"z", "-3"},
		"a request that is none":         {"F", "-8"},
		"nothing at all, from a mapping": {"0", "{}"},
		"ordinary":                       {"k", `{"ok":true}`},
	} {
		if got, _, err := ask(p, host.EntryMapRequest, `"`+test.act+`"`, nil, &effects{}); err != nil || got != test.want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, test.want)
		}
	}
	for entry, want := range map[string]string{host.EntryHandle: "null", host.EntryMapRequest: "{}"} {
		if got, _, err := ask(p, entry, `"0"`, nil, &effects{}); err != nil || got != want {
			t.Errorf("%s that writes nothing: %s, %v; want %s", entry, got, err, want)
		}
	}
	if _, _, err := ask(p, host.EntryAuthorize, `"0"`, nil, &effects{}); !errors.Is(err, host.Internal) {
		t.Errorf("an authorizer that writes nothing: %v", err)
	}
	if meta, body, err := ask(p, host.EntryMapRequest, `"O"`, nil, &effects{}); err != nil || meta != `{"ok":true}` || body != "going down" {
		t.Errorf("meta after body: %s %s, %v", meta, body, err)
	}
}

func TestTrapInMidStream(t *testing.T) {
	_, p := openGuest(t, "hostile")
	for range 20 {
		// Call may learn of the trap before it has handed out anything, and then hands out nothing.
		meta, body, err := ask(p, host.EntryHandle, `"T"`, nil, &effects{})
		if meta != "" && (meta != `{"ok":true}` || body != "going down") || !errors.Is(err, host.Internal) {
			t.Errorf("got %s %q, %v", meta, body, err)
		}
	}
}

func TestLogFlood(t *testing.T) {
	_, p := openGuest(t, "hostile")
	fx := &effects{}
	if _, _, err := ask(p, host.EntryAuthorize, `"f"`, nil, fx); err != nil {
		t.Fatal(err)
	}
	if n := len(fx.logs); n != host.DefaultLogLines+1 || fx.logs[0] != "INFO going down" || !strings.Contains(fx.logs[n-1], "more than 1000 lines in one call (limits.logLines: default)") {
		t.Errorf("%d lines; the last: %s", n, fx.logs[n-1])
	}
	cfg := host.PluginConfig{Name: "flood", Limits: limits()}
	cfg.Limits.LogBytes = host.Setting[int64]{Value: 105, Pos: host.Position{File: "postern.yaml", Line: 8, Column: 3}}
	small := open(t, compile(t, newRuntime(t, wasm.Options{}), "flood", guestCode(t, "hostile")), cfg)
	fx = &effects{}
	if _, _, err := ask(small, host.EntryAuthorize, `"f"`, nil, fx); err != nil || len(fx.logs) != 11 || !strings.Contains(fx.logs[10], "more than 105 bytes of lines in one call (limits.logBytes: postern.yaml:8:3)") {
		t.Errorf("%q, %v", fx.logs, err)
	}
	fx = &effects{}
	if _, _, err := ask(p, host.EntryAuthorize, `"x"`, nil, fx); err == nil || len(fx.logs) != 1 || fx.logs[0] != "WARN going down" {
		t.Errorf("standard error: %q, %v", fx.logs, err)
	}
}

// The span that a guest left open ends with its call.
func TestSpansEnd(t *testing.T) {
	_, p := openGuest(t, "hostile")
	fx := &effects{}
	if _, _, err := ask(p, host.EntryAuthorize, `"s"`, nil, fx); err != nil {
		t.Fatal(err)
	}
	if len(fx.spans) != 64 || fx.spans[0] != "going: the call ended before the span" {
		t.Errorf("%d spans: %q", len(fx.spans), fx.spans[:min(1, len(fx.spans))])
	}
}

func TestCompileRefuses(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	echo := guestCode(t, "echo")
	for name, test := range map[string]struct {
		code []byte
		abi  string
		says []string
	}{
		"empty":               {nil, "", []string{"truncated"}},
		"truncated header":    {echo[:6], "", []string{"truncated"}},
		"truncated":           {echo[:len(echo)-20], "", []string{"truncated"}},
		"no wasm":             {[]byte("#!/bin/sh\n"), "", []string{"not a WebAssembly module", "23 21 2f 62"}},
		"a future version":    {append([]byte("\x00asm\x02\x00\x00\x00"), echo[8:]...), "", []string{"version 02 00 00 00"}},
		"damaged code":        {damage(echo), "", []string{"compile"}},
		"too large":           {append(bytes.Clone(echo), make([]byte, engine.MaxCode)...), "", []string{"16777216"}},
		"a component":         {[]byte("\x00asm\x0d\x00\x01\x00"), "", []string{"component", "postern_abi_1"}},
		"proxy-wasm":          {guestCode(t, "is_proxywasm"), "", []string{"is a proxy-wasm 0.2.1 plugin; this version runs Postern's own ABI"}},
		"http-wasm":           {guestCode(t, "is_httpwasm"), "", []string{"is an http-wasm plugin"}},
		"Extism":              {guestCode(t, "is_extism"), "", []string{"is an Extism plugin"}},
		"not WASI alone":      {guestCode(t, "command_imports"), "", []string{"it imports postern.meta_write, and a WASI command may import"}},
		"no command":          {echo, "cgi", []string{"no WASI command", "_start"}},
		"no command either":   {guestCode(t, "is_reactor"), "stdio", []string{"no WASI command"}},
		"a reactor":           {guestCode(t, "is_reactor"), "", []string{"no ABI that is known"}},
		"unknown imports":     {guestCode(t, "bad_imports"), "", []string{"env.nobody (i32)->()", "postern.now ()->i32 (it is offered as ()->i64)", "postern.clock (a global"}},
		"an entry's type":     {guestCode(t, "bad_entry"), "", []string{"export handle has type (i32)->i32; it must be ()->i32"}},
		"no entry":            {guestCode(t, "no_entry"), "", []string{"exports no entry"}},
		"no memory":           {guestCode(t, "no_memory"), "", []string{`"memory"`}},
		"an unknown abi":      {echo, "cgi2", []string{`"cgi2"`}},
		"another abi, forced": {guestCode(t, "is_command"), "postern", []string{"exports no entry"}},
	} {
		_, err := rt.Compile(context.Background(), host.Source{Name: "guest.wasm", ABI: test.abi, Code: test.code})
		if !errors.Is(err, host.Invalid) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, text := range test.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q does not say %q", name, err, text)
			}
		}
	}
}

// damage turns an opcode of the last function into one that does not exist.
func damage(code []byte) []byte {
	code = bytes.Clone(code)
	at := bytes.LastIndex(code, []byte{0x0b, 0x00}) // the end of a function before the name section
	at = bytes.LastIndexByte(code[:at], 0x10)       // a call
	code[at] = 0xff
	return code
}

func TestOpenRefuses(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	big := compile(t, rt, "big_memory", guestCode(t, "big_memory"))
	_, err := big.Open(context.Background(), host.PluginConfig{Name: "big", Limits: limits()})
	if !errors.Is(err, host.Invalid) || !strings.Contains(err.Error(), "131072000 bytes of memory; the limit is 4 MiB (default)") {
		t.Errorf("a memory that starts over the limit: %v", err)
	}
	loop := compile(t, rt, "start_loop", guestCode(t, "start_loop"))
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := loop.Open(ctx, host.PluginConfig{Name: "loop", Limits: limits()}); !errors.Is(err, host.Timeout) {
		t.Errorf("a start without end: %v", err)
	}
	call := compile(t, rt, "start_call", guestCode(t, "start_call"))
	if _, err := call.Open(context.Background(), host.PluginConfig{Name: "call", Limits: limits()}); err == nil || !strings.Contains(err.Error(), "meta_write: used while the guest starts") {
		t.Errorf("a call's function while it starts: %v", err)
	}
}

// At most Concurrency guests run; a caller waits for its turn, and no longer than it can.
func TestConcurrency(t *testing.T) {
	rt := newRuntime(t, wasm.Options{})
	cfg := host.PluginConfig{Name: "hostile", Limits: limits()}
	cfg.Limits.Concurrency = host.Default(1)
	p := open(t, compile(t, rt, "hostile", guestCode(t, "hostile")), cfg)
	out, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(`"B"`)}, &effects{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Call(ctx, host.EntryAuthorize, host.Event{Meta: []byte(`"k"`)}, &effects{}); !errors.Is(err, host.Unavailable) {
		t.Errorf("while the only instance is busy: %v", err)
	}
	_ = out.Body.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if got, _, err := ask(p, host.EntryAuthorize, `"k"`, nil, &effects{}); err != nil || got != `{"ok":true}` {
					t.Errorf("got %s, %v", got, err)
				}
			}
		})
	}
	all.Wait()
	if n := rt.Stats().Instances; n != 1 {
		t.Errorf("%d instances", n)
	}
}

// A caller that leaves is told so, and not that the plugin was slow.
func TestCallerLeaves(t *testing.T) {
	_, p := openGuest(t, "hostile")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := p.Call(ctx, host.EntryAuthorize, host.Event{Meta: []byte(`"l"`)}, &effects{})
	if !errors.Is(err, context.Canceled) || errors.Is(err, host.Timeout) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = p.Call(ctx, host.EntryAuthorize, host.Event{Meta: []byte(`"l"`)}, &effects{})
	if !errors.Is(err, host.Timeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline: %v", err)
	}
	if got, _, err := ask(p, host.EntryAuthorize, `"k"`, nil, &effects{}); err != nil || got != `{"ok":true}` {
		t.Errorf("the next call: %s, %v", got, err)
	}
}

// panicking are effects with a defect.
type panicking struct{ effects }

func (*panicking) Log(context.Context, slog.Level, string) { panic("disk on fire") }
func (*panicking) Rand(p []byte)                           { p[len(p)] = 0 }
func (*panicking) Span(context.Context, string) func(string) {
	return func(string) { panic("disk on fire") }
}

// A defect of the host's fails one call, and does not show the guest's author the host's stack.
func TestHostPanics(t *testing.T) {
	rt, p := openGuest(t, "hostile")
	for act, says := range map[string]string{"f": "a host function failed: disk on fire", "R": "a host function failed: runtime error", "x": "the host failed: disk on fire", "s": "the host failed: disk on fire"} {
		for _, entry := range []string{host.EntryAuthorize, host.EntryHandle} {
			_, _, err := ask(p, entry, `"`+act+`"`, nil, &panicking{})
			if !errors.Is(err, host.Internal) || !strings.Contains(err.Error(), says) || host.Crashed(err) {
				t.Errorf("%s: got %v; a guest that crashed: %v", act, err, host.Crashed(err))
			}
			waitFor(t, func() bool { return rt.Stats().Leased == 0 })
			if got, _, err := ask(p, entry, `"k"`, nil, &effects{}); err != nil || got != `{"ok":true}` {
				t.Errorf("after %s: %s, %v", act, got, err)
			}
		}
	}
}
