/**
 * For plugins of Postern in AssemblyScript: functions, authorizers, mappings and filters, compiled to WebAssembly. README.md has an example of
 * each, and the options that asconfig.json needs.
 */

export { decide, filterRequest, filterResponse, mapBody, postern_abi_1, serve } from "./entry";
export { Fields } from "./answer";
export { AuthorizerEvent, Decision } from "./authorizer";
export { Body, Writer } from "./body";
export { Bytes, decode, encode } from "./bytes";
export { Event } from "./event";
export { ErrorKind, Failure } from "./failure";
export { LiveRequest, LiveResponse, RequestEdits, ResponseEdits } from "./filter";
export { Request, Response } from "./function";
export { Kind, MAX_DEPTH, problem, Value } from "./json";
export { MappingInput, MappingOutput } from "./mapping";
export { config, context, Context, Entry, env, Fetch, Fetched, Keys, kv, log, metric, now, random, secret, Span, traceParent, Written } from "./world";
