// A function: it answers HTTP requests, and calls by name.

import { log, Request, Response, serve, Value } from "../postern";

export { postern_abi_1 } from "../postern";

export function handle(): i32 { return serve(hello); }

/** Greets whom the route's {name} names. */
function hello(request: Request): Response {
  const name = request.pathParameter("name");
  if (name == null || name == "") return Response.text(400, "who is it?");
  log.info("greeting " + name);
  return Response.json(200, Value.object().set("message", "hello, " + name));
}
