package quickjs_test

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/postern/postern/host"
)

// Of rest APIs the binary media types decide how a body stands in an event (reference 1.6 and 1.4.2): what is not UTF-8 in a text is U+FFFD [REC].
func TestBodyEncoding(t *testing.T) {
	p := open(t, "export const handler = (e: any) => [e.body, e.isBase64Encoded]")
	for name, c := range map[string]struct {
		encoding   host.BodyEncoding
		body, want string
	}{
		"text":               {host.EncodingText, "a\xffb", `["a` + "\ufffd" + `b",false]`},
		"text, as if binary": {host.EncodingText, "abc", `["abc",false]`},
		"octets":             {host.EncodingBase64, "abc", `["YWJj",true]`},
		"as its type has it": {host.EncodingGuess, "abc", `["YWJj",true]`},
		"no octets":          {host.EncodingBase64, "", `[null,false]`},
	} {
		in := host.Event{Meta: []byte(`{"headers": {"content-type": "image/png"}}`), Body: io.NopCloser(strings.NewReader(c.body)), Encoding: c.encoding}
		out, err := p.Call(t.Context(), host.EntryHandle, in, &host.StartEffects{Logger: slog.New(slog.DiscardHandler), Plugin: &host.PluginConfig{}})
		if err != nil {
			t.Fatal(err)
		}
		if string(out.Meta) != c.want {
			t.Errorf("%s: got %s, want %s", name, out.Meta, c.want)
		}
	}
}
