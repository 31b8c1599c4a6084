// A function, an authorizer, two mappings and a filter in one, which use all that the SDK has. The conformance suite holds it to the contracts.

import {
  AuthorizerEvent, Body, config, context, Decision, decide, env, ErrorKind, Failure, Fetch, filterRequest, filterResponse, kv, LiveRequest, LiveResponse,
  log, mapBody, MappingInput, MappingOutput, metric, now, random, Request, RequestEdits, Response, ResponseEdits, secret, serve, Span, traceParent, Value, Writer,
} from "../../assembly";

export { postern_abi_1 } from "../../assembly";

export function handle(): i32 { return serve(answer); }
export function authorize(): i32 { return decide(verdict); }
export function map_request(): i32 { return mapBody(mapOrder); }
export function map_response(): i32 { return mapBody(mapCreated); }
export function filter_request(): i32 { return filterRequest(filterOrder); }
export function filter_response(): i32 { return filterResponse(filterAnswer); }

// An instance keeps its globals.
let calls: i32 = 0;
let kept: string = "";
let seen: string = ""; // by the first half of a filter
const hoarded: Array<Uint8Array> = [];

function answer(request: Request): Response {
  calls++;
  if (!request.json.has("rawPath")) return Response.value(Value.object().set("echo", request.json));
  const path = request.path;
  if (path == "/order") {
    return Response.json(201, Value.object().set("id", request.pathParameter("id")).set("who", request.authorizer.get("user")));
  }
  if (path == "/calls") return Response.text(200, calls.toString());
  if (path == "/echo") return echo(request);
  if (path == "/ticks") return ticks();
  if (path == "/world") return world();
  if (path == "/fetch") return fetch(request);
  if (path == "/kv") return map(request);
  if (path == "/context") return about();
  if (path == "/error") return Response.fail("no stock");
  if (path == "/panic" || path == "/exit") throw new Error("the shelf fell over");
  if (path == "/spin") while (true) calls++;
  if (path == "/deep") return Response.text(200, deep(0).toString());
  if (path == "/hoard") while (true) hoarded.push(new Uint8Array(1 << 20).fill(0x78));
  if (path == "/keep") return keep(argument(request, "value"));
  if (path == "/binary") return binary();
  return new Response(404);
}

function argument(request: Request, name: string): string {
  const value = request.query(name);
  return value == null ? "" : value;
}

/** Passes the request's body back, a piece at a time. */
function echo(request: Request): Response {
  const response = new Response(200), out = response.send();
  return out.copy(request.body) ? response : Response.fail("the echo broke off");
}

function ticks(): Response {
  const response = new Response(200).header("content-type", "text/event-stream").cookie("a=b"), out = response.send();
  for (let i = 0; i < 3; i++) {
    out.text("tick " + i.toString() + "\n");
    if (i < 2) out.flush();
  }
  return response;
}

/** Shows what the plugin sees of the world. */
function world(): Response {
  const bytes = random(8);
  let hex = "";
  for (let i = 0; i < bytes.length; i++) hex += bytes[i].toString(16).padStart(2, "0");
  log.info("looked around");
  Span.start("look").end();
  Span.start("fail").end("it broke");
  const failure = metric.count("looks", 1);
  if (failure != null) return Response.fail(failure.message);
  const shown = Value.object()
    .set("issuer", config().get("issuer"))
    .set("secret", secret("TOKEN"))
    .set("missing", secret("OTHER") == null)
    .set("color", env("COLOR"))
    .set("now", now())
    .set("random", hex)
    .set("trace", traceParent());
  return Response.json(200, shown);
}

/** Passes the request on to the URL in its query, and the answer back. */
function fetch(request: Request): Response {
  const sent = request.body.bytes();
  if (sent == null) return Response.fail(request.body.problem);
  const fetched = new Fetch(argument(request, "url"), "POST").header("x-from", "conformance").bytes(sent).send();
  const failure = fetched.failure;
  if (failure != null) return refused(failure);
  const body = fetched.body.bytes(), broken = fetched.body.failure;
  fetched.body.close();
  if (broken != null) return refused(broken);
  const response = new Response(fetched.status), mark = fetched.headers.get("x-seen");
  if (body != null) response.bytes(body);
  return mark == null ? response : response.header("x-seen", mark);
}

function refused(failure: Failure): Response {
  if (failure.is(ErrorKind.Denied)) return Response.text(403, "denied");
  if (failure.is(ErrorKind.Timeout)) return Response.text(504, "timeout");
  return Response.fail(failure.message);
}

/** Works on the plugin's map as the query says. */
function map(request: Request): Response {
  const op = argument(request, "op"), key = argument(request, "key"), asked = request.query("revision");
  const revision = asked == null ? kv.ANY : I64.parseInt(asked);
  if (op == "get") {
    const entry = kv.get(key);
    if (entry.failure != null) return unwritten(entry.failure!);
    return entry.found ? new Response(200).header("x-revision", entry.revision.toString()).bytes(entry.value) : new Response(404);
  }
  if (op == "put") {
    const ttl = request.query("ttl");
    const written = kv.putText(key, argument(request, "value"), ttl == null ? 0 : I64.parseInt(ttl) * 1000, revision);
    return written.failure != null ? unwritten(written.failure!) : new Response(200).header("x-revision", written.revision.toString());
  }
  if (op == "delete") {
    const failure = kv.remove(key, revision);
    return failure != null ? unwritten(failure) : new Response(204);
  }
  const keys = kv.keys(argument(request, "prefix")), list = Value.array();
  if (keys.failure != null) return unwritten(keys.failure!);
  for (let i = 0; i < keys.list.length; i++) list.push(keys.list[i]);
  return Response.json(200, list);
}

function unwritten(failure: Failure): Response {
  if (failure.is(ErrorKind.Conflict)) return new Response(409);
  if (failure.is(ErrorKind.TooLarge)) return new Response(413);
  return Response.fail(failure.message);
}

function about(): Response {
  const c = context();
  return Response.json(200, Value.object().set("function", c.functionName).set("version", c.functionVersion).set("requestId", c.requestId).set("remaining", c.remaining > 0));
}

/** Calls itself without end; what is done after it keeps the compiler from making a loop of it. */
function deep(n: i32): i32 {
  calls += n;
  return deep(n + 1) ^ calls;
}

/** Keeps a value for the next call, and answers the one before. */
function keep(value: string): Response {
  const before = kept;
  kept = value;
  return Response.text(200, before);
}

function binary(): Response {
  const bytes = new Uint8Array(256);
  for (let i = 0; i < 256; i++) bytes[i] = <u8>i;
  return new Response(200).header("content-type", "application/octet-stream").bytes(bytes);
}

function verdict(event: AuthorizerEvent): Decision {
  const token = event.header("authorization");
  if (token == null || token == "") return Decision.unauthorized();
  if (token == "Bearer demo") return Decision.allow().context("user", "demo");
  if (token == "Bearer policy") return Decision.policy("p").allowing([event.routeArn]);
  return Decision.deny();
}

function mapOrder(input: MappingInput): MappingOutput {
  const order = input.body.json();
  if (order == null) return MappingOutput.fail(input.body.problem);
  const output = MappingOutput.json(Value.object().set("sku", order.get("item").text().toUpperCase()));
  const id = input.pathParameter("id");
  return id == null ? output : output.requestPath("id", id);
}

function mapCreated(input: MappingInput): MappingOutput {
  return new MappingOutput().responseStatus(input.responseStatus + 1).responseHeader("x-mapped", "yes");
}

function filterOrder(request: LiveRequest): RequestEdits {
  seen = request.method + " " + request.path + " " + request.requestId;
  if (request.path == "/early") return RequestEdits.answer(new Response(403).cookie("a=b").bytes(Uint8Array.wrap(String.UTF8.encode("no"))));
  if (request.path == "/as-it-is") return new RequestEdits();
  if (request.path == "/panic") throw new Error("the shelf fell over");
  const id = request.pathParameter("id");
  const edits = new RequestEdits().method("PUT").path("/new").query("").host("other.example").removeHeader("x-old");
  edits.setHeader("x-param", id == null ? "" : id).addHeader("x-a", "1").addHeader("x-a", "2");
  return upper(request.body, edits.send()) ? edits : RequestEdits.fail("the body broke off");
}

function filterAnswer(response: LiveResponse): ResponseEdits {
  const type = response.headers.get("content-type");
  const edits = new ResponseEdits().status(response.status + 1);
  edits.setHeader("x-seen", seen).setHeader("x-type", type == null ? "" : type).setHeader("x-sent", response.requestMethod);
  return upper(response.body, edits.send()) ? edits : ResponseEdits.fail("the body broke off");
}

/** Passes a body on in capitals, a piece at a time. */
function upper(body: Body, out: Writer): bool {
  const piece = new Uint8Array(4096);
  while (true) {
    const n = body.read(piece);
    if (n <= 0) return n == 0;
    for (let i = 0; i < n; i++) {
      if (piece[i] >= 0x61 && piece[i] <= 0x7a) piece[i] -= 0x20;
    }
    if (!out.write(piece.subarray(0, n))) return false;
  }
}
