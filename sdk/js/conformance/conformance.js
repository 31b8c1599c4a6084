// The conformance guest in JavaScript: spec/conformance/README.md says what each entry does.

let calls = 0;
let kept = "";
const text = (statusCode, body, headers = {}) => ({ statusCode, headers: { "content-type": "text/plain; charset=utf-8", ...headers }, body });
const json = (statusCode, value) => ({ statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

const paths = {
  "/order": (event) => json(201, { id: event.pathParameters.id, who: event.requestContext.authorizer.lambda.user }),
  "/calls": () => text(200, String(calls)),
  "/echo": (event) => ({ statusCode: 200, body: bytesOf(event) }),
  "/ticks": () => ({ statusCode: 200, headers: { "content-type": "text/event-stream" }, cookies: ["a=b"], body: "tick 0\ntick 1\ntick 2\n" }),
  "/world": world,
  "/fetch": fetchOn,
  "/kv": keep,
  "/context": (event, context) => json(200, {
    function: context.functionName, version: context.functionVersion, requestId: context.awsRequestId, remaining: context.getRemainingTimeInMillis() > 0,
  }),
  "/error": () => { throw new Error("no stock"); },
  "/panic": () => undefined.shelf,
  "/exit": () => undefined.shelf,
  "/spin": () => { for (;;); },
  "/deep": () => { const deep = (n) => deep(n + 1) + n; return deep(0); },
  "/hoard": () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(120)); },
  "/keep": (event) => { const before = kept; kept = event.queryStringParameters.value; return text(200, before); },
  "/binary": () => ({ statusCode: 200, headers: { "content-type": "application/octet-stream" }, body: Uint8Array.from({ length: 256 }, (_, i) => i) }),
};

export async function handle(event, context) {
  calls++;
  if (event === null || typeof event !== "object" || event.rawPath === undefined) return { echo: event };
  const serve = paths[event.rawPath];
  return serve === undefined ? { statusCode: 404 } : serve(event, context);
}

function bytesOf(event) {
  return event.isBase64Encoded ? Uint8Array.from(atob(event.body), (c) => c.charCodeAt(0)) : new TextEncoder().encode(event.body ?? "");
}

function world(event, context) {
  const random = crypto.getRandomValues(new Uint8Array(8));
  console.log("looked around");
  context.startSpan("look").end();
  context.startSpan("fail").end("it broke");
  context.count("looks");
  return json(200, {
    issuer: context.config.issuer, secret: context.secrets.TOKEN, missing: context.secrets.OTHER === undefined, color: process.env.COLOR, now: Date.now(),
    random: [...random].map((b) => b.toString(16).padStart(2, "0")).join(""), trace: context.traceparent,
  });
}

async function fetchOn(event) {
  try {
    const response = await fetch(event.queryStringParameters.url, { method: "POST", body: bytesOf(event), headers: { "x-from": "conformance" } });
    return { statusCode: response.status, headers: { "x-seen": response.headers.get("x-seen") ?? "" }, body: await response.bytes() };
  } catch (error) {
    const cause = String(error.cause ?? error);
    if (/egress|denied|not allowed/i.test(cause)) return text(403, "denied");
    if (/time|late/i.test(cause)) return text(504, cause);
    throw error;
  }
}

async function keep(event, { kv }) {
  const q = event.queryStringParameters;
  const revision = q.revision === undefined ? undefined : Number(q.revision);
  try {
    switch (q.op) {
      case "get": {
        const entry = await kv.entry(q.key);
        return entry === null ? { statusCode: 404 } : text(200, entry.value, { "x-revision": String(entry.revision) });
      }
      case "put":
        return text(200, "", { "x-revision": String(await kv.put(q.key, q.value, { revision, ttl: q.ttl === undefined ? undefined : Number(q.ttl) })) });
      case "delete":
        await kv.delete(q.key, { revision });
        return { statusCode: 204 };
      case "keys":
        return json(200, await kv.keys({ prefix: q.prefix }));
    }
  } catch (error) {
    if (error.name === "ConflictError") return { statusCode: 409 };
    if (error.name === "QuotaExceededError") return { statusCode: 413 };
    throw error;
  }
}

export function authorize(event) {
  switch (event.headers.authorization) {
    case undefined:
      throw new Error("Unauthorized");
    case "Bearer demo":
      return { isAuthorized: true, context: { user: "demo" } };
    case "Bearer policy":
      return {
        principalId: "p",
        policyDocument: { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: ["execute-api:Invoke"], Resource: [event.routeArn] }] },
      };
  }
  return { isAuthorized: false };
}

export function map_request(input, context) {
  context.requestOverride.path.id = input.params("id");
  return { sku: input.json().item.toUpperCase() };
}

export function map_response(input, context) {
  context.responseOverride.status = input.response.status + 1;
  context.responseOverride.header["x-mapped"] = "yes";
}

const upper = (body) => body && body.pipeThrough(new TextDecoderStream())
  .pipeThrough(new TransformStream({ transform: (piece, out) => out.enqueue(piece.toUpperCase()) })).pipeThrough(new TextEncoderStream());

export function filter_request(request, context) {
  const url = new URL(request.url);
  context.seen = `${request.method} ${url.pathname} ${context.requestId}`;
  switch (url.pathname) {
    case "/early":
      return new Response("no", { status: 403, headers: { "set-cookie": "a=b" } });
    case "/as-it-is":
      return;
    case "/panic":
      return undefined.shelf;
  }
  const headers = new Headers(request.headers);
  headers.delete("x-old");
  headers.set("x-param", context.pathParameters.id);
  headers.append("x-a", "1");
  headers.append("x-a", "2");
  return new Request("https://other.example/new", { method: "PUT", headers, body: upper(request.body) });
}

export function filter_response(response, context) {
  const headers = new Headers(response.headers);
  headers.set("x-seen", context.seen ?? "");
  headers.set("x-type", response.headers.get("content-type") ?? "");
  headers.set("x-sent", context.request.method);
  return new Response(upper(response.body), { status: response.status + 1, headers });
}
