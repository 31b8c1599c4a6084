package js_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/js"
)

const event = `{"version":"2.0","type":"REQUEST","routeArn":"arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request","identitySource":["Bearer demo"],"routeKey":"GET /orders/{id}","rawPath":"/orders/7","rawQueryString":"parameter1=value1&parameter1=value2&parameter2=value","cookies":["cookie1","cookie2"],"headers":{"accept":"*/*","accept-encoding":"gzip, deflate","authorization":"Bearer demo","host":"api.example.com","user-agent":"curl/8.5.0","x-forwarded-for":"127.0.0.1","x-forwarded-proto":"https"},"queryStringParameters":{"parameter1":"value1,value2","parameter2":"value"},"requestContext":{"accountId":"123456789012","apiId":"api-id","domainName":"id.execute-api.us-east-1.amazonaws.com","domainPrefix":"id","http":{"method":"GET","path":"/orders/7","protocol":"HTTP/1.1","sourceIp":"192.0.2.1","userAgent":"agent"},"requestId":"id","routeKey":"GET /orders/{id}","stage":"$default","time":"12/Mar/2020:19:03:58 +0000","timeEpoch":1583348638390},"pathParameters":{"id":"7"},"stageVariables":{"stage":"dev"}}`

const authorizer = `
interface Event { headers: Record<string, string>; requestContext: { http: { method: string } } }
export async function authorize(event: Event, context: any) {
  const token = event.headers.authorization?.slice('Bearer '.length)
  if (!token) throw new Error('Unauthorized')
  return { isAuthorized: token === 'demo', context: { user: token, method: event.requestContext.http.method } }
}`

func benchCalls(b *testing.B, code, entry string, change ...func(*host.PluginConfig)) {
	p := open(b, "a.ts", code, change...)
	fx := &effects{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Call(context.Background(), entry, host.Event{Meta: []byte(event)}, fx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthorizerWarm(b *testing.B) { benchCalls(b, authorizer, "authorize", pooled) }

func BenchmarkFunctionFresh(b *testing.B) {
	benchCalls(b, "export const handler = async (event: any) => ({ statusCode: 200, body: JSON.stringify({ id: event.pathParameters.id }) })", "handle")
}

func BenchmarkFetchHandlerFresh(b *testing.B) {
	benchCalls(b, "export default { fetch: (request: Request) => Response.json({ url: request.url }) }", "handle")
}

func BenchmarkFetchHandlerWarm(b *testing.B) {
	benchCalls(b, "export default { fetch: (request: Request) => Response.json({ url: request.url }) }", "handle", pooled)
}

func BenchmarkRegexpFresh(b *testing.B) {
	benchCalls(b, `export const handler = (event: any) => /^\/orders\/(\d+)$/.exec(event.rawPath)![1]`, "handle")
}

func BenchmarkMappingWarm(b *testing.B) {
	benchCalls(b, "export const map_request = (input: any, context: any) => { context.requestOverride.header.a = 'b'; return { id: input.params('id') } }", "map_request", pooled)
}

func BenchmarkCompileAndOpen(b *testing.B) {
	src := source(b, "a.ts", authorizer)
	r := js.New(js.Options{})
	b.ReportAllocs()
	for b.Loop() {
		m, err := r.Compile(context.Background(), src)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Open(context.Background(), host.PluginConfig{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		js.New(js.Options{})
	}
}

func BenchmarkStringifyWarm(b *testing.B) {
	benchCalls(b, "export const handler = (event) => Array.from({ length: 100 }, () => event)", "handle", pooled)
}

func BenchmarkFilterBothHalves(b *testing.B) {
	p := open(b, "f.js", `export function filter_request(request, context) { context.id = request.headers.get('x-one') ?? context.requestId; request.headers.set('x-request-id', context.id) }
	export function filter_response(response, context) { response.headers.set('x-request-id', context.id) }`, pooled).(host.Pinner)
	b.ReportAllocs()
	for b.Loop() {
		pinned, err := p.Pin(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		for _, half := range [][2]string{{"filter_request", requestMeta}, {"filter_response", responseMeta}} {
			if _, err := pinned.Call(context.Background(), half[0], host.Event{Meta: []byte(half[1])}, &effects{}); err != nil {
				b.Fatal(err)
			}
		}
		pinned.Release()
	}
}

func benchStream(b *testing.B, code string) {
	const size = 16 << 20
	p := open(b, "a.js", "export default { fetch: (request) => "+code+" }", pooled, timeout(time.Minute))
	b.SetBytes(size)
	for b.Loop() {
		out := answer(b, p, &zeros{size}, &effects{})
		if n, err := io.Copy(io.Discard, out.Body); n != size || err != nil {
			b.Fatal(n, err)
		}
		_ = out.Body.Close()
	}
}

func BenchmarkStreamTransform(b *testing.B) {
	benchStream(b, "new Response(request.body.pipeThrough(new TransformStream({ transform: (c, x) => x.enqueue(c) })))")
}

func BenchmarkStreamUntouched(b *testing.B) { benchStream(b, "new Response(request.body)") }

// One chunk of 16 bytes, from the script's stream to a reader.
func BenchmarkStreamSmallChunks(b *testing.B) {
	p := open(b, "a.js", `export default { fetch: (request) => { let n = 0; const chunk = new Uint8Array(16); return new Response(new ReadableStream({ pull(c) { c.enqueue(chunk); if (++n === 1000) c.close() } })) } }`, pooled, timeout(time.Minute))
	for b.Loop() {
		out := answer(b, p, nil, &effects{})
		if n, err := io.Copy(io.Discard, out.Body); n != 16000 || err != nil {
			b.Fatal(n, err)
		}
		_ = out.Body.Close()
	}
}
