package pipeline_test

import (
	"strings"
	"testing"

	"github.com/postern/postern/host/server/servertest"
)

const scriptLimits = `
apis:
	main:
		root: true
		routes:
			POST /function/{how}: {integration: {function: f}}
			POST /refused/{how}: {integration: {function: refused}}
			POST /mapped: {request: {mapping: {$default: {plugin: ./map.js, runtime: RUNTIME, timeout: 20s, maxResult: 1KiB}}}, integration: {mock: {}}}
functions:
	f: {plugin: ./f.js, runtime: RUNTIME, timeout: 2s, MEMORYmaxResult: 1KiB, limits: {logLines: 3, logBytes: 1KiB}}
	refused: {plugin: ./refused.js, runtime: RUNTIME, timeout: 20s, limits: {fetches: 1}}
`

var limitedScripts = map[string]string{
	"f.js": `
export const handler = (e) => {
	switch (e.pathParameters.how) {
	case "spin": for (;;);
	case "wait": return new Promise(() => setInterval(() => {}, 1000));
	case "large": return "x".repeat(2000);
	case "hoard": { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); }
	case "lines": for (let i = 0; i < 10; i++) console.log("line", i); break;
	case "bytes": for (let i = 0; i < 3; i++) console.log("x".repeat(500)); break;
	}
	return "well";
}`,
	"map.js": `export const map_request = (input) => "x".repeat(2000)`,
	// It makes bodies that nobody reads: of one fetch that egress does not list, and of one too many.
	"refused.js": `
export const handler = async () => {
	const heard = [];
	for (let i = 0; i < 2; i++) {
		const body = new ReadableStream({pull(c) { c.enqueue(new Uint8Array(64)); }, cancel() { heard.push(i); }});
		await fetch("http://example.com/", {method: "POST", duplex: "half", body}).catch((err) => heard.push(/limits.fetches|egress/.exec(err)[0]));
	}
	return heard.join(" ");
}`,
}

// What a script passes is named with its value and its place, on both runtimes; and the next call finds the plugin well.
func TestLimitsOfScripts(t *testing.T) {
	for _, runtime := range []string{"js", "quickjs"} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			memory := map[string]string{"quickjs": "memory: 32MiB, "}[runtime] // goja has no limit of it
			g := servertest.Start(t, project(scriptLimits, limitedScripts, "RUNTIME", runtime, "MEMORY", memory), servertest.Options{})
			for _, c := range []struct{ path, limit, value string }{
				{"/function/spin", "timeout", "2s"},
				{"/function/wait", "timeout", "2s"},
				{"/function/large", "maxResult", "1024 bytes"},
				{"/function/hoard", "memory", "32 MiB"},
				{"/mapped", "maxResult", "1024 bytes"},
			} {
				if c.limit == "memory" && memory == "" {
					continue
				}
				reply := g.Do(t, "POST", c.path, "")
				line := g.Log.Request(t, reply)
				if reply.Status < 500 || line.Text("limit") != c.limit || line.Text("limit_value") != c.value || !strings.HasPrefix(line.Text("limit_origin"), "postern.yaml:") {
					t.Errorf("%s: %d, and the log says %v", c.path, reply.Status, line)
				}
				for _, part := range []string{c.limit, c.value, "postern.yaml:"} {
					if !strings.Contains(line.Text("error"), part) {
						t.Errorf("%s: the error does not name %s: %s", c.path, part, line.Text("error"))
					}
				}
				if reply := g.Do(t, "POST", "/function/well", ""); reply.Status != 200 || reply.Body != "well" {
					t.Errorf("after %s: %d %q", c.path, reply.Status, reply.Body)
				}
			}
			for how, limit := range map[string]string{"lines": "limits.logLines: postern.yaml:", "bytes": "limits.logBytes: postern.yaml:"} {
				reply := g.Do(t, "POST", "/function/"+how, "")
				request, own, told := g.Log.Request(t, reply).Text("request_id"), 0, 0
				for _, l := range g.Log.Lines() {
					switch msg := l.Text("msg"); {
					case l.Text("request_id") != request || l.Text("plugin") == "":
					case strings.Contains(msg, limit):
						told++
					case strings.HasPrefix(msg, "line ") || strings.HasPrefix(msg, "xxx"):
						own++
					}
				}
				if want := map[string]int{"lines": 3, "bytes": 2}[how]; reply.Status != 200 || own != want || told != 1 {
					t.Errorf("%s: %d, %d lines, %d that say why there are no more", how, reply.Status, own, told)
				}
			}
			if reply := g.Do(t, "POST", "/refused/x", ""); reply.Status != 200 || reply.Body != "0 egress 1 limits.fetches" {
				t.Errorf("bodies of requests that are refused: %d %q", reply.Status, reply.Body)
			}
		})
	}
}
