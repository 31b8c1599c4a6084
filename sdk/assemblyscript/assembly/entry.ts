import { Answer } from "./answer";
import { AuthorizerEvent, Decision } from "./authorizer";
import { LiveRequest, LiveResponse, RequestEdits, ResponseEdits } from "./filter";
import { Request, Response } from "./function";
import * as host from "./host";
import { parse, problem, Value } from "./json";
import { MappingInput, MappingOutput } from "./mapping";

/** Whether a call is running: an instance that starts has none to report to. Lazy, since abort may be needed before this file's turn has come. */
// @ts-ignore: decorator
@lazy let calling: bool = false;

/** The event of this call; null where it is not JSON. */
function event(): Value | null {
  calling = true;
  const meta = host.value(host.Source.Meta);
  const event = parse(meta.ptr, meta.length);
  if (event == null) host.report("Error", problem(), "");
  return event;
}

/** Writes an answer, and returns what the entry must. */
function end(answer: Answer): i32 {
  if (answer.failure == null) answer.finish();
  const failure = answer.failure;
  calling = false;
  if (failure == null) return 0;
  host.report(answer.failureType, failure, "");
  return 1;
}

/** Answers the request, or the call by name, of this call. Its result is that of the export `handle`. */
export function serve(answer: (request: Request) => Response): i32 {
  const meta = event();
  return meta == null ? 1 : end(answer(new Request(meta)));
}

/** Decides the event of this call. Its result is that of the export `authorize`. */
export function decide(answer: (event: AuthorizerEvent) => Decision): i32 {
  const meta = event();
  return meta == null ? 1 : end(answer(new AuthorizerEvent(meta)));
}

/** Maps the body of this call. Its result is that of the exports `map_request` and `map_response`. */
export function mapBody(answer: (input: MappingInput) => MappingOutput): i32 {
  const meta = event();
  return meta == null ? 1 : end(answer(new MappingInput(meta)));
}

/** Filters the request of this call. Its result is that of the export `filter_request`. What it leaves in globals, the second half finds, for the same
 * exchange. */
export function filterRequest(answer: (request: LiveRequest) => RequestEdits): i32 {
  const meta = event();
  return meta == null ? 1 : end(answer(new LiveRequest(meta)));
}

/** Filters the response of this call. Its result is that of the export `filter_response`. */
export function filterResponse(answer: (response: LiveResponse) => ResponseEdits): i32 {
  const meta = event();
  return meta == null ? 1 : end(answer(new LiveResponse(meta)));
}

/** The marker: a plugin exports it, to say that it speaks version 1 of the ABI. */
export function postern_abi_1(): void {}

/** What a throw and a failed assertion do, see asconfig.json: the host gets to know what was said, and where, and the instance ends. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const text = message == null || message.length == 0 ? "aborted" : message;
  const at = file == null ? "" : file + ":" + line.toString() + ":" + column.toString();
  if (calling) host.report("abort", text, at);
  else host.logLine(8, text + " at " + at);
  unreachable();
}
