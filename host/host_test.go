package host_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
)

func TestHeaderKeepsOrderAndIgnoresCase(t *testing.T) {
	var h host.Header
	h.Add("Accept", "a")
	h.Add("X-One", "1")
	h.Add("accept", "b")
	if got := h.Values("ACCEPT"); !cmp.Equal(got, []string{"a", "b"}) {
		t.Errorf("Values = %q", got)
	}
	clone := h.Clone()
	h.Set("aCCept", "c")
	want := host.Header{{Name: "Accept", Value: "c"}, {Name: "X-One", Value: "1"}}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("Set (-want +got):\n%s", diff)
	}
	if len(clone) != 3 || clone.Get("Accept") != "a" {
		t.Errorf("the clone changed with its original: %v", clone)
	}
	h.Del("x-one")
	if h.Has("X-One") || len(h) != 1 {
		t.Errorf("Del left %v", h)
	}
}

func TestErrorKindIsFoundThroughTheChain(t *testing.T) {
	guest := &host.GuestError{Type: "TypeError", Message: "x is undefined"}
	err := fmt.Errorf("outer: %w", &host.Error{Op: "call", Kind: host.Timeout, Pos: host.Position{File: "a.ts", Line: 3, Column: 7}, Err: guest})
	if !errors.Is(err, host.Timeout) || errors.Is(err, host.Internal) {
		t.Error("errors.Is does not tell the kinds apart")
	}
	if host.KindOf(err) != host.Timeout || host.KindOf(io.EOF) != host.Internal {
		t.Error("KindOf is wrong")
	}
	var got *host.GuestError
	if !errors.As(err, &got) || got != guest {
		t.Error("the guest's error is lost")
	}
	if want := "outer: a.ts:3:7: call: TypeError: x is undefined"; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	secret := host.Secret{Name: "DB", Value: "hunter2"}
	encoded, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{fmt.Sprint(secret), fmt.Sprintf("%+v", secret), fmt.Sprintf("%#v", secret), fmt.Sprintf("%q", secret.Value), string(encoded)}
	for _, s := range printed {
		if strings.Contains(s, "hunter2") {
			t.Errorf("a secret printed: %s", s)
		}
	}
	if secret.Value.Reveal() != "hunter2" {
		t.Error("Reveal does not reveal")
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "%41": "A", "%4": "%4", "%": "%", "%zz": "%zz", "a%2Fb%2f": "a/b/", "%2541": "%41", "+": "+"} {
		if got := host.Unescape(in); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", in, got, want)
		}
	}
	var got []string
	for name, value := range host.QueryParams("a=1&&b=x+y%2B&c&=d") {
		got = append(got, name+":"+value)
	}
	if diff := cmp.Diff([]string{"a:1", "b:x y+", "c:", ":d"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestConnectionFields(t *testing.T) {
	for name, want := range map[string]bool{"TE": true, "Trailer": true, "upgrade": true, "Connection": true, "Keep-Alive": true, "content-LENGTH": true,
		"Proxy-Connection": true, "Transfer-Encoding": true, "Host": false, "Accept": false, "": false, "Content-Types!": false} {
		if host.IsConnectionField(name) != want {
			t.Errorf("IsConnectionField(%q) = %v", name, !want)
		}
	}
	if host.IsToken("") || host.IsToken("a b") || host.IsToken("é") || !host.IsToken("X-A_1") || host.IsFieldValue("a\r\nb") || !host.IsFieldValue("a\tb") {
		t.Error("tokens and values are told wrongly")
	}
}
