package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

// A stack names functions as their source does, whatever the compiler made of the names.
func TestTraceNames(t *testing.T) {
	ctx := context.Background()
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(ctx) }()
	c := compileText(t, e, `(module
		(func $plain unreachable)
		(func $_ZN3std9panicking5begin17h0123456789abcdefE (param i32 i32) call $plain)
		(func $_RNvMs_NtCs1234_7mycrate3fooNtB4_3Bar3baz (result i32)
			(call $_ZN3std9panicking5begin17h0123456789abcdefE (i32.const 1) (i32.const 2)) i32.const 0)
		(func $_ZN4acme5Order5totalEid (result i32) call $_RNvMs_NtCs1234_7mycrate3fooNtB4_3Bar3baz)
		(func (export "handle") (result i32) call $_ZN4acme5Order5totalEid))`)
	p, err := c.Open(ctx, PoolConfig{Plugin: host.PluginConfig{Name: "text"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(ctx) }()
	fx := &host.StartEffects{}
	inst, err := p.Acquire(ctx, fx)
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Release()
	var guest *host.GuestError
	if err := inst.Call(ctx, "handle", make([]uint64, 1), nil, fx); !errors.As(err, &guest) {
		t.Fatalf("got %v", err)
	}
	want := []string{"plain()", "std::panicking::begin(i32,i32)", "<mycrate::foo::Bar>::baz() i32", "acme::Order::total() i32", "$4() i32"}
	if diff := cmp.Diff(want, strings.Split(guest.Stack, "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestFrame(t *testing.T) {
	for line, want := range map[string]string{
		"main.(*Order).total(i32) i32": "main.(*Order).total(i32) i32",
		"_start()":                     "_start()",
		"_Zebra(i32)":                  "_Zebra(i32)",
		"_R(i32)":                      "_R(i32)",
		"_ZN9too_short()":              "_ZN9too_short()",
		"_ZN4core3ops17h0123456789abcdefE.llvm.12()": "core::ops()",
		"_ZN3foo3barEv.cold()":                       "foo::bar()",
		"0x1f: /src/_R(old)/lib.rs:12:3":             "0x1f: /src/_R(old)/lib.rs:12:3",
		"_Z" + strings.Repeat("9", 5000):             "_Z" + strings.Repeat("9", maxFrame-2) + "…",
		strings.Repeat("é", 600) + "(i32)":           strings.Repeat("é", maxFrame/2) + "…",
	} {
		if got := frame(line); got != want {
			t.Errorf("%.60q: got %.60q (%d bytes), want %.60q", line, got, len(got), want)
		}
	}
}

// Names are the guest's to choose: none makes a text that is too long, or takes long to be read.
func FuzzFrame(f *testing.F) {
	f.Add("_ZN3std9panicking5begin17h0123456789abcdefE(i32)")
	f.Add("_RNvMs_NtCs1234_7mycrate3fooNtB4_3Bar3baz()")
	f.Add("_RINvNtC3std3mem8align_ofNtNtC3std3mem12DiscriminantE()")
	f.Add("_ZNSt6vectorIN4acme5OrderESaIS1_EE9push_backERKS1_(i32)")
	f.Add(strings.Repeat("\x97", maxFrame+9))
	f.Add("_Z" + strings.Repeat("P", 2000) + "(")
	f.Fuzz(func(t *testing.T, line string) {
		begun := time.Now()
		got := frame(line)
		if len(got) > maxFrame+len("…") || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
