package recording_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/kv"
	"github.com/postern/postern/host/recording"
)

// A secret is hidden also where an encoder has escaped some of it, and another value then stands there escaped in the same way.
func TestSecretsInJSON(t *testing.T) {
	origin, _ := upstream(t)
	const code = `
export async function handle(event, context) {
	const secret = context.secrets.TOKEN;
	const json = JSON.stringify({ secret });
	const html = json.replaceAll('<', '\\u003c').replaceAll('&', '\\u0026');
	const ascii = json.replace(/[^\x00-\x7f]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
	console.log(JSON.stringify({ json }));
	const r = await fetch('%s/x', { method: 'POST', headers: { 'x-secret': encodeURIComponent(html) === '' ? '' : ascii }, body: json + html + json.replaceAll('/', '\\/') });
	await r.text();
	await context.kv.put('k', html);
	return { secret, html, ascii, nested: json };
}`
	const first, second = "pa\"ss\\wo<rd/ä&\u2028\U0001F511\n", "an\"other\\one<with/ö&\u2029\U0001F510\t"
	m := load(t, script(t, fmt.Sprintf(code, origin)))
	var store kv.Store
	fx := newEffects(origin, &store)
	fx.Plugin.Secrets = []host.Secret{{Name: "TOKEN", Value: first}}
	doc, meta, _, err := record(t, m, fx, host.Event{Meta: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"pa\\", "ss\\", "wo<", "wo\\u003c", "rd/", "rd\\"} {
		if strings.Contains(string(text), part) {
			t.Errorf("the recording has %q of the secret:\n%.3000s", part, text)
		}
	}
	for _, value := range []string{first, second} {
		out, err := recording.Replay(context.Background(), m, doc, map[string]string{"TOKEN": value})
		if err != nil || out.Divergence != nil {
			t.Fatalf("%q: %v, %+v", value, err, out)
		}
		if same := string(out.Meta) == meta; same != (value == first) {
			t.Errorf("%q: %s", value, out.Meta)
		}
	}
}
