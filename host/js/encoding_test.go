package js_test

import (
	"testing"

	"github.com/postern/postern/host"
)

// Of rest APIs the binary media types decide how a body stands in an event (reference 1.6 and 1.4.2): what is not UTF-8 in a text is U+FFFD [REC].
func TestBodyEncoding(t *testing.T) {
	p := open(t, "a.js", "export const handler = (e) => [e.body, e.isBase64Encoded]")
	for name, c := range map[string]struct {
		encoding   host.BodyEncoding
		body, want string
	}{
		"text":               {host.EncodingText, "a\xffb", `["a` + "\ufffd" + `b", false]`},
		"text, as if binary": {host.EncodingText, "abc", `["abc", false]`},
		"octets":             {host.EncodingBase64, "abc", `["YWJj", true]`},
		"as its type has it": {host.EncodingGuess, "abc", `["YWJj", true]`},
		"no octets":          {host.EncodingBase64, "", `[null, false]`},
	} {
		out, err := p.Call(t.Context(), host.EntryHandle, host.Event{Meta: []byte(`{"headers": {"content-type": "image/png"}}`), Body: body(c.body), Encoding: c.encoding}, &effects{})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		same(t, string(out.Meta), c.want)
	}
}
