package server_test

import (
	"testing"
	"time"

	"github.com/postern/postern/host/server"
	"github.com/postern/postern/host/server/servertest"
)

const counts = `export const handler = async (event, context) => {
  const n = Number(await context.kv.get('n') ?? 0) + 1;
  await context.kv.put('n', String(n));
  return {statusCode: 200, body: String(n)};
};`

// A function's map goes with it, and a function of that name that comes later has one of its own, which works.
func TestMapsGoWithTheirFunctions(t *testing.T) {
	g := servertest.StartHost(t)
	files := map[string]string{"postern.yaml": `
apis: {main: {root: true, routes: {GET /a: {integration: {function: a}}, GET /b: {integration: {function: b}}, GET /c: {integration: {function: c}}}}}
functions: {a: {plugin: ./n.js, kv: shared}, b: {plugin: ./n.js, kv: shared}, c: {plugin: ./n.js}}
`, "n.js": counts}
	g.MustApply(t, files)
	for _, step := range []struct{ path, want string }{{"/a", "1"}, {"/b", "2"}, {"/a", "3"}, {"/c", "1"}, {"/c", "2"}} {
		answers(t, g, step.path, 200, step.want)
	}
	collect := func(want int) {
		t.Helper()
		if n, err := server.CollectMaps(t.Context(), g.Server, -time.Hour); err != nil || n != want {
			t.Errorf("%d maps were deleted, %v; want %d", n, err, want)
		}
	}
	collect(0)
	answers(t, g, "/c", 200, "3")
	if reply := g.MustAsk(t, "DELETE", "/v1/projects/test", ""); reply.Status/100 != 2 {
		t.Fatal(reply.Status, reply.Body)
	}
	collect(2)
	g.MustApply(t, files)
	for _, path := range []string{"/a", "/c"} {
		answers(t, g, path, 200, "1")
	}
}
