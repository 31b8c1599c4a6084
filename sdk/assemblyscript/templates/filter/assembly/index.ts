// A filter: it sees each request on its way in and each response on its way out.

import { filterRequest, filterResponse, LiveRequest, LiveResponse, RequestEdits, Response, ResponseEdits } from "../postern";

export { postern_abi_1 } from "../postern";

export function filter_request(): i32 { return filterRequest(incoming); }
export function filter_response(): i32 { return filterResponse(outgoing); }

/** Answers for the host what is not to reach a backend, and tells the backend the request's id. */
function incoming(request: LiveRequest): RequestEdits {
  if (request.headers.get("x-blocked") != null) return RequestEdits.answer(Response.text(403, "blocked"));
  return new RequestEdits().setHeader("x-request-id", request.requestId);
}

/** Hides what the backend says of itself. The body passes as it is. */
function outgoing(response: LiveResponse): ResponseEdits {
  return new ResponseEdits().removeHeader("server").removeHeader("x-powered-by");
}
