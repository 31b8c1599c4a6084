package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/wasm"
)

func TestStdio(t *testing.T) {
	cfg := commandConfig()
	cfg.Env = map[string]string{"TABLE": "orders"}
	_, p := openCommand(t, host.ABIStdio, cfg)
	for name, test := range map[string]struct {
		entry, in, body string
		hasBody         bool
		meta, out       string
	}{
		"by name":    {host.EntryHandle, `{"any":7}`, "", false, `{"args":["teller"],"env":["TABLE=orders"],"event":{"any":7}}`, ""},
		"text":       {host.EntryHandle, `{"version":"2.0","headers":{"Content-Type":"text/plain"}}`, "a\"é", true, `{"args":["teller"],"env":["TABLE=orders"],"event":{"body":"a\"é","headers":{"Content-Type":"text/plain"},"isBase64Encoded":false,"version":"2.0"}}`, ""},
		"bytes":      {host.EntryHandle, `{"version":"2.0"}`, "\xff\x00", true, `{"args":["teller"],"env":["TABLE=orders"],"event":{"body":"/wA=","isBase64Encoded":true,"version":"2.0"}}`, ""},
		"no body":    {host.EntryHandle, `{"version":"1.0"}`, "", true, `{"args":["teller"],"env":["TABLE=orders"],"event":{"body":null,"isBase64Encoded":false,"version":"1.0"}}`, ""},
		"nothing":    {host.EntryHandle, `{"do":"nothing"}`, "", false, `null`, ""},
		"authorizer": {host.EntryAuthorize, `{"do":"allow"}`, "", false, `{"isAuthorized":true}`, ""},
		"mapping":    {host.EntryMapRequest, `{"params":{}}`, "shout", true, `{}`, "SHOUT"},
		"an empty":   {host.EntryMapResponse, `{"params":{}}`, "", true, `{}`, ""},
	} {
		var body []byte
		if test.hasBody {
			body = []byte(test.body)
		}
		meta, out, err := ask(p, test.entry, test.in, body, &effects{})
		if err != nil || meta != test.meta || out != test.out {
			t.Errorf("%s: got %s %q, %v\nwant %s %q", name, meta, out, err, test.meta, test.out)
		}
	}
	for name, test := range map[string]struct {
		entry, in string
		kind      host.Kind
		says      string
	}{
		"exit":             {host.EntryHandle, `{"do":"fail"}`, host.Internal, "code 2"},
		"nonsense":         {host.EntryHandle, `{"do":"nonsense"}`, host.Internal, "not JSON"},
		"no verdict":       {host.EntryAuthorize, `{"do":"nothing"}`, host.Internal, "wrote nothing"},
		"too large a body": {host.EntryHandle, `{"do":"pour"}`, host.TooLarge, "maxResult 1 MiB (default)"},
	} {
		_, _, err := ask(p, test.entry, test.in, nil, &effects{})
		if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for encoding, want := range map[host.BodyEncoding]string{ // of rest APIs, reference 1.6
		host.EncodingText:   `"body":"a` + "\ufffd" + `","headers":{"Content-Type":"image/png"},"isBase64Encoded":false`,
		host.EncodingBase64: `"body":"Yf8=","headers":{"Content-Type":"image/png"},"isBase64Encoded":true`,
	} {
		in := host.Event{Meta: []byte(`{"headers":{"Content-Type":"image/png"}}`), Body: io.NopCloser(strings.NewReader("a\xff")), Encoding: encoding}
		out, err := p.Call(t.Context(), host.EntryHandle, in, &effects{})
		if err != nil || !strings.Contains(string(out.Meta), want) {
			t.Errorf("encoding %v: got %s, %v", encoding, out.Meta, err)
		}
	}
	big := bytes.Repeat([]byte("x"), host.DefaultMaxBody+1)
	if _, _, err := ask(p, host.EntryHandle, `{}`, big, &effects{}); !errors.Is(err, host.TooLarge) {
		t.Errorf("a body that no event takes: %v", err)
	}
}

// A client that is slow to send what the program must have whole keeps no instance from others.
func TestStdioWaitsBeforeItLeases(t *testing.T) {
	cfg := commandConfig()
	cfg.Limits.Concurrency = host.Default(1)
	rt := newRuntime(t, wasm.Options{})
	p := open(t, compileAs(t, rt, host.ABIStdio, guestCode(t, "is_command")), cfg)
	slow, feed := io.Pipe()
	first := make(chan error, 1)
	go func() {
		_, err := p.Call(context.Background(), host.EntryHandle, host.Event{Meta: []byte(`{}`), Body: slow}, &effects{})
		first <- err
	}()
	if _, err := io.WriteString(feed, "a part"); err != nil { // which it reads
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if _, err := p.Call(ctx, host.EntryHandle, host.Event{Meta: []byte(`{}`)}, &effects{}); err != nil {
		t.Errorf("while another client sends: %v", err)
	}
	_ = feed.Close()
	if err := <-first; err != nil {
		t.Error(err)
	}
	gone, leave := context.WithCancel(context.Background())
	leave()
	never, _ := io.Pipe()
	if _, err := p.Call(gone, host.EntryHandle, host.Event{Meta: []byte(`{}`), Body: never}, &effects{}); !errors.Is(err, host.Unavailable) {
		t.Errorf("a client that left: %v", err)
	}
}
