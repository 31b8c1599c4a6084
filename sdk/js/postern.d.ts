// Types of what a script in Postern gets and gives. spec/contracts.md and spec/javascript.md say what it means.
//
// They are ambient: name this file in tsconfig.json ("files" or "include"), or write at the top of a script
//   /// <reference path="./postern.d.ts" />
// The web API (fetch, Request, Response, crypto …) is that of TypeScript's own "lib": ["ES2022", "DOM", "DOM.Iterable"].

declare namespace Postern {
  /** Any value that JSON can hold. */
  type JSONValue = string | number | boolean | null | JSONValue[] | { [key: string]: JSONValue };

  // ---- What every call has ----

  /** What a script is told of its call, and what it may do beside fetch. `Config` is the shape of the definition's `config:`. */
  interface Context<Config = any> {
    /** The definition's `config:`, or undefined without one. */
    readonly config: Config;
    /** The secrets that the definition declares, by name; undefined for others. */
    readonly secrets: { readonly [name: string]: string | undefined };
    /** The plugin's own map, which outlives its instances and versions. */
    readonly kv: KV;
    /**
     * Adds to a counter of the plugin's, 1 without a number; the host exports it. A metric's name has letters, digits, _ and ., at most 63, a
     * letter first; a plugin has at most 32 (RangeError).
     */
    count(name: string, n?: number): void;
    /** Sets a value that goes up and down. */
    gauge(name: string, value: number): void;
    /** Records a value in a histogram. */
    record(name: string, value: number): void;
    /** The W3C traceparent of the call's span, "" when nothing is traced. fetch sends one by itself. */
    readonly traceparent: string;
    /** The request's id, or that of an invocation by name. */
    readonly awsRequestId: string;
    readonly functionName: string;
    /** Milliseconds until the host ends the call. */
    getRemainingTimeInMillis(): number;
    /** Opens a child span, which end closes; with an error, as failed. What is left open ends with the call. */
    startSpan(name: string): Span;
  }

  /** The context of a function. */
  interface FunctionContext<Config = any> extends Context<Config> {
    /** A number as text, or "$LATEST" outside of a store. */
    readonly functionVersion: string;
    /** With the qualifier that the caller named. */
    readonly invokedFunctionArn: string;
    /** What a caller by name told of itself. */
    readonly clientContext?: any;
  }

  interface Span {
    end(error?: unknown): void;
  }

  interface KVEntry {
    readonly value: string;
    /** Above zero, and never that of an earlier value of the key. */
    readonly revision: number;
  }

  interface KVPutOptions {
    /** Seconds after which the entry is gone; without it, it stays. */
    ttl?: number;
    /** What the entry's revision must be, 0 for none there; without it, whatever there is is replaced. */
    revision?: number;
  }

  /**
   * A small map: a key is 1 to 512 bytes of UTF-8, a value at most 64 KiB. What fails rejects with an Error whose name is ConflictError (the
   * entry has another revision) or QuotaExceededError (the value, or all of the map, is over its limit), a TypeError for a key that cannot be,
   * and an Error where the store cannot be reached.
   */
  interface KV {
    /** The value as UTF-8, or null for none. */
    get(key: string): Promise<string | null>;
    /** The value as bytes. */
    getBytes(key: string): Promise<Uint8Array | null>;
    /** The value as UTF-8, with its revision. */
    entry(key: string): Promise<KVEntry | null>;
    /** Sets an entry and gives its revision. */
    put(key: string, value: string | ArrayBuffer | ArrayBufferView, options?: KVPutOptions): Promise<number>;
    /** Removes an entry; with a revision, only that one. */
    delete(key: string, options?: { revision?: number }): Promise<void>;
    /** Up to 1,000 keys that begin with prefix and come after the key after, sorted by their bytes. */
    keys(options?: { prefix?: string; after?: string }): Promise<string[]>;
  }

  // ---- Functions ----

  interface RequestContext {
    accountId: string;
    apiId: string;
    authorizer?: { lambda?: { [key: string]: any } };
    domainName: string;
    domainPrefix: string;
    http: { method: string; path: string; protocol: string; sourceIp: string; userAgent: string };
    requestId: string;
    routeKey: string;
    stage: string;
    time: string;
    timeEpoch: number;
  }

  /** A request in Lambda's format 2.0. */
  interface Event {
    version: "2.0";
    routeKey: string;
    rawPath: string;
    rawQueryString: string;
    cookies?: string[];
    /** By names in lower case; several values are joined by commas. */
    headers: { [name: string]: string | undefined };
    queryStringParameters?: { [name: string]: string | undefined };
    pathParameters?: { [name: string]: string | undefined };
    stageVariables?: { [name: string]: string | undefined };
    requestContext: RequestContext;
    /** Text, or base64 where isBase64Encoded says so. */
    body?: string;
    isBase64Encoded: boolean;
  }

  /** The answer to a request in format 2.0. Any other JSON value becomes the body of a 200. */
  interface Result {
    statusCode: number;
    headers?: { [name: string]: string };
    cookies?: string[];
    /** Bytes are sent as they are. */
    body?: string | Uint8Array | ArrayBuffer;
    isBase64Encoded?: boolean;
  }

  /** `export const handler: Postern.Handler = async (event, context) => …` */
  type Handler<In = Event, Out = Result | JSONValue | void, Config = any> = (event: In, context: FunctionContext<Config>) => Out | Promise<Out>;

  /** What a fetch handler gets as env: the environment, and each secret under its name. */
  interface Env {
    [name: string]: string | undefined;
  }

  interface FetchContext<Config = any> extends FunctionContext<Config> {
    /** Keeps the call alive behind the answer. */
    waitUntil(promise: Promise<unknown>): void;
  }

  /** `export default { fetch(request, env, ctx) { … } } satisfies Postern.FetchHandler` */
  interface FetchHandler<E = Env, Config = any> {
    fetch(request: Request, env: E, ctx: FetchContext<Config>): Response | Promise<Response>;
  }

  // ---- Authorizers ----

  /** A request that somebody wants to make, in format 2.0. */
  interface AuthorizerEvent {
    version: "2.0";
    type: "REQUEST";
    routeArn: string;
    /** The values of the definition's identitySources. */
    identitySource?: string[];
    routeKey: string;
    rawPath: string;
    rawQueryString: string;
    cookies?: string[];
    headers: { [name: string]: string | undefined };
    queryStringParameters?: { [name: string]: string | undefined };
    pathParameters?: { [name: string]: string | undefined };
    stageVariables?: { [name: string]: string | undefined };
    requestContext: RequestContext;
  }

  interface Policy {
    Version: "2012-10-17";
    Statement: { Effect: "Allow" | "Deny"; Action: string | string[]; Resource: string | string[] }[];
  }

  /** context is handed to mappings and the integration. */
  type Decision =
    | { isAuthorized: boolean; context?: { [key: string]: JSONValue } }
    | { principalId: string; policyDocument: Policy; context?: { [key: string]: string | number | boolean } };

  /** `export const authorize: Postern.Authorize = …`. Throw new Error("Unauthorized") to answer 401. */
  type Authorize<Config = any> = (event: AuthorizerEvent, context: Context<Config>) => Decision | Promise<Decision>;

  // ---- Mappings ----

  interface MappingInput {
    /** The body as text. */
    readonly body: string;
    /** The body as JSON. */
    json<T = any>(): T;
    /** The value of a definite JSONPath: "$.a.b[0]". */
    path(path: string): any;
    /** A parameter by its name: of the path, then the query, then the header. */
    params(name: string): string | undefined;
    /** All parameters. */
    params(): { path: { [name: string]: string }; querystring: { [name: string]: string }; header: { [name: string]: string } };
    /** The head of the integration's response, in map_response alone. */
    readonly response?: { status: number; headers: { [name: string]: string } };
  }

  interface MappingContext<Config = any> extends Context<Config> {
    /** Set what is to be replaced of the request to the integration. */
    readonly requestOverride: { header: { [name: string]: string }; querystring: { [name: string]: string }; path: { [name: string]: string } };
    /** Set what is to be replaced of the response. */
    readonly responseOverride: { header: { [name: string]: string }; status?: number };
    readonly requestId: string;
    readonly stage: string;
    readonly identity: { sourceIp: string; [key: string]: any };
    readonly authorizer?: { [key: string]: any };
    [key: string]: any;
  }

  /** What it returns becomes the body: text and bytes as they are, anything else as JSON, nothing as an empty one. */
  type Map<Config = any> = (
    input: MappingInput,
    context: MappingContext<Config>,
    stageVariables: { [name: string]: string },
  ) => string | Uint8Array | JSONValue | void | Promise<string | Uint8Array | JSONValue | void>;

  // ---- Filters ----

  /** The same object in both halves of an exchange. What you set on it stays. */
  interface FilterContext<Config = any> extends Context<Config> {
    readonly requestId: string;
    readonly apiId: string;
    readonly stage: string;
    readonly routeKey: string;
    /** With the stage. */
    readonly path: string;
    readonly sourceIp: string;
    readonly protocol: string;
    readonly domainName: string;
    readonly timeEpoch: number;
    readonly pathParameters: { readonly [name: string]: string };
    readonly stageVariables: { readonly [name: string]: string };
    /** In the second half: the request as it was sent on, without its body. */
    readonly request?: Request;
    [key: string]: any;
  }

  /** A Request goes on instead, a Response is the answer. */
  type FilterRequest<Config = any> = (request: Request, context: FilterContext<Config>) => Request | Response | void | Promise<Request | Response | void>;

  /** A Response goes back instead. */
  type FilterResponse<Config = any> = (response: Response, context: FilterContext<Config>) => Response | void | Promise<Response | void>;
}
