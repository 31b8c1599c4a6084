package cases_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern/postern/host"
)

// racing waits for recorded fetches and for timers at once, and tells in which order they came. The clock must not pass what was there at once.
const racing = `
export async function handle(event, context) {
	const heard = [];
	const hear = async (name, promise) => { await promise; heard.push(name); };
	const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
	const body = new ReadableStream({ async start(c) { await sleep(5); c.enqueue(new TextEncoder().encode('late')); c.close(); } });
	await Promise.all([
		hear('soon', sleep(1)), hear('later', sleep(60000)),
		hear('fetch', (async () => (await fetch('https://a.example/')).text())()),
		hear('kv', context.kv.put('k', 'v')),
		hear('upload', fetch('https://b.example/', { method: 'POST', body, duplex: 'half' })),
	]);
	const place = (name) => heard.indexOf(name);
	return { fetch: place('fetch') < place('soon'), kv: place('kv') < place('soon'), upload: place('soon') < place('upload') && place('upload') < place('later') };
}`

func TestTimeStandsWhileSomethingIsPending(t *testing.T) {
	const exchanges = `{"request": {"url": "https://a.example/"}, "response": {"body": "a"}},
 {"request": {"method": "POST", "url": "https://b.example/", "body": "late"}, "response": {}}`
	const text = `
-- event.json --
{}
-- call.json --
{"entry": "handle", "repeat": 5}
-- want.json --
{"fetch": true, "kv": true, "upload": true}
-- world.json --
{"fetches": [
%s
]}
`
	e := engine(t)
	for _, runtime := range []string{host.RuntimeJS, host.RuntimeQuickJS} {
		src := script(t, "racing.js", racing)
		src.Runtime = runtime
		result := subject(t, e, src).Run(t.Context(), parse(t, fmt.Sprintf(text, strings.Repeat(exchanges+",\n", 4)+exchanges)))
		if !result.Passed() {
			t.Errorf("%s: %s %+v", runtime, result.NotOffered, result.Failures)
		}
	}
}
