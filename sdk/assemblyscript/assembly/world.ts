import { Body } from "./body";
import { Bytes, decode, encode } from "./bytes";
import { Fields } from "./answer";
import { fieldsOf } from "./filter";
import { ErrorKind, Failure } from "./failure";
import * as host from "./host";
import { parse, problem, Value } from "./json";

/** The plugin's configuration, the `config:` beside it in the definition. Null's value where there is none. */
export function config(): Value {
  const text = host.value(host.Source.Config);
  const value = text.length > 0 ? parse(text.ptr, text.length) : null;
  return value == null ? new Value() : value;
}

/** A variable of the plugin's `env:`; null where there is none of that name. */
export function env(name: string): string | null {
  const text = host.value(host.Source.Env, name);
  return text.length < 0 ? null : text.text();
}

/** A secret that the definition declares for this plugin; null where it declares none of that name. */
export function secret(name: string): string | null {
  const text = host.value(host.Source.Secret, name);
  return text.length < 0 ? null : text.text();
}

/** Milliseconds since 1970 in UTC. */
export function now(): i64 { return host.nanoseconds() / 1000000; }

/** Bytes that nobody can foresee. */
export function random(length: i32): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += MAX_RANDOM) {
    // The host gives no more at once (spec/abi.md, "Limits"). Bytes that can be foreseen would be worse than none.
    assert(host.fill(bytes.dataStart + i, min(MAX_RANDOM, length - i)) >= 0, "there are no random bytes");
  }
  return bytes;
}

const MAX_RANDOM: i32 = 65536;

/** What Math.random begins with, see asconfig.json. */
export function seed(): f64 { return reinterpret<f64>(load<u64>(random(8).dataStart) >>> 12 | 0x3ff0000000000000); }

/** The W3C traceparent of this call's span; empty when nothing is traced. A fetch does not send it by itself. */
export function traceParent(): string {
  const text = host.value(host.Source.TraceParent);
  return text.length > 0 ? text.text() : "";
}

/** What the host tells of this call beside its event. All but the deadline is for functions alone. */
export class Context {
  /** When the call's time is over, in milliseconds since 1970. */
  deadline: i64 = 0;
  /** The id of this call. */
  requestId: string = "";
  /** The function's name. */
  functionName: string = "";
  /** The function's version; `$LATEST` outside of a store. */
  functionVersion: string = "";
  /** The function's ARN, with the qualifier that the caller gave. */
  functionArn: string = "";
  /** What the caller of a function by name told of itself. */
  client: Value = new Value();

  /** How many milliseconds of the call's time are left. */
  get remaining(): i64 { return max(0, this.deadline - now()); }
}

/** The context of this call. */
export function context(): Context {
  const text = host.value(host.Source.Context), c = new Context();
  const value = text.length > 0 ? parse(text.ptr, text.length) : null;
  if (value == null) return c;
  const fn = value.get("function");
  c.deadline = value.get("deadline").integer();
  c.requestId = value.get("requestId").text();
  c.functionName = fn.get("name").text();
  c.functionVersion = fn.get("version").text();
  c.functionArn = fn.get("arn").text();
  c.client = value.get("client");
  return c;
}

/** Lines for the host's log. */
export namespace log {
  /** For who looks for a fault. */
  export function debug(line: string): void { host.logLine(-4, line); }
  /** For the record. */
  export function info(line: string): void { host.logLine(0, line); }
  /** Something is odd. */
  export function warn(line: string): void { host.logLine(4, line); }
  /** Something is broken. */
  export function error(line: string): void { host.logLine(8, line); }
}

/** What trace() does, see asconfig.json: a line for the log, with up to five numbers. */
export function trace(message: string, n: i32 = 0, a0: f64 = 0, a1: f64 = 0, a2: f64 = 0, a3: f64 = 0, a4: f64 = 0): void {
  const numbers = [a0, a1, a2, a3, a4];
  for (let i = 0; i < min(n, 5); i++) message += " " + numbers[i].toString();
  log.debug(message);
}

/** A part of the call's trace, below the call's own span. What is not ended by the end of the call, the host ends as failed. */
export class Span {
  private constructor(private id: i32) {}

  /** Opens a span. */
  static start(name: string): Span { return new Span(host.startSpan(name)); }

  /** Ends it; with a text, as failed. */
  end(error: string = ""): void { host.endSpan(this.id, error); }
}

/** The plugin's own metrics, which the host exports. Names are letters, digits, `_` and `.`, at most 63, a letter first; a plugin has at most 32 of
 * them. */
export namespace metric {
  /** Adds to a counter. */
  export function count(name: string, amount: f64 = 1): Failure | null { return host.checked(host.measure(0, name, amount)); }
  /** Sets a gauge. */
  export function gauge(name: string, value: f64): Failure | null { return host.checked(host.measure(1, name, value)); }
  /** Records in a histogram. */
  export function record(name: string, value: f64): Failure | null { return host.checked(host.measure(2, name, value)); }
}

/** An HTTP request to a server outside: `new Fetch("https://pay.example/charges", "POST").header("x-shop", "7").text("sum=12").send()`. */
export class Fetch {
  private headers: Fields = new Fields();
  private body: Uint8Array = new Uint8Array(0);

  constructor(private url: string, private method: string = "GET") {}

  /** Adds a header field. */
  header(name: string, value: string): Fetch { this.headers.add(name, value); return this; }

  /** Sets the body, of at most 10 MiB. */
  bytes(bytes: Uint8Array): Fetch { this.body = bytes; return this; }

  /** Sets the body, in UTF-8. */
  text(text: string): Fetch { return this.bytes(encode(text)); }

  /** Sends it, and waits for the head of the answer. Redirects are not followed. */
  send(): Fetched {
    const meta = new Bytes(), fetched = new Fetched();
    meta.key("method");
    meta.quoted(this.method);
    meta.key("url");
    meta.quoted(this.url);
    if (this.headers.length > 0) this.headers.writePairs(meta, "headers");
    meta.end();
    const handle = host.openFetch(meta.ptr, meta.length, this.body.dataStart, this.body.length);
    fetched.failure = host.checked(handle);
    if (handle < 0) return fetched;
    fetched.body = new Body(handle);
    const text = host.value(host.Source.FetchHead, "", "", handle);
    const head = text.length > 0 ? parse(text.ptr, text.length) : null;
    if (head == null) {
      fetched.failure = new Failure(ErrorKind.Json, problem());
      return fetched;
    }
    fetched.status = <i32>head.get("status").integer();
    fetched.headers = fieldsOf(head.get("headers"));
    return fetched;
  }
}

/** What came of a fetch. */
export class Fetched {
  /** Why there is no answer; null when there is one. What the egress list does not allow is Denied, the end of the call's time Timeout, and a server
   * that cannot be reached Failed. */
  failure: Failure | null = null;
  /** The status. */
  status: i32 = 0;
  /** Header fields. */
  headers: Fields = new Fields();
  /** The body, which streams. */
  body: Body = new Body();
}

/** The plugin's own small map, which outlives its instances and versions. Keys are 1 to 512 bytes, values at most 64 KiB. */
export namespace kv {
  /** Revision for a write: whatever there is. */
  export const ANY: i64 = -1;
  /** Revision for a write: there must be none. */
  export const ABSENT: i64 = 0;

  /** The entry of a key. */
  export function get(key: string): Entry {
    const piece = host.value(host.Source.Entry, key), entry = new Entry();
    if (piece.length >= 0) {
      entry.found = true;
      entry.value = piece.bytes();
      entry.revision = host.revision();
    } else if (piece.length != <i32>ErrorKind.NotFound) {
      entry.failure = host.checked(piece.length);
    }
    return entry;
  }

  /** Sets an entry. It is gone after `ttl` milliseconds, which the host rounds up to seconds; 0 keeps it. Where the entry that is there has not the
   * revision that is asked for, that is a Conflict; a value, or all of the map, over its limit is TooLarge. */
  export function put(key: string, value: Uint8Array, ttl: i64 = 0, revision: i64 = ANY): Written {
    const written = new Written();
    written.failure = host.checked(host.putEntry(key, value, ttl, revision));
    if (written.failure == null) written.revision = host.revision();
    return written;
  }

  /** Sets an entry to a text. */
  export function putText(key: string, value: string, ttl: i64 = 0, revision: i64 = ANY): Written { return put(key, encode(value), ttl, revision); }

  /** Removes an entry, of that revision where one is given. There being none is no failure then. */
  export function remove(key: string, revision: i64 = ANY): Failure | null { return host.checked(host.deleteEntry(key, revision)); }

  /** All keys that begin so, sorted by their bytes. */
  export function keys(prefix: string): Keys {
    const keys = new Keys();
    while (true) {
      const after = keys.list.length > 0 ? keys.list[keys.list.length - 1] : "";
      const piece = host.value(host.Source.Keys, prefix, after);
      keys.failure = host.checked(piece.length);
      if (piece.length < 0) return keys;
      const page = parse(piece.ptr, piece.length);
      if (page == null) return keys;
      for (let i = 0; i < page.length; i++) keys.list.push(page.at(i).text());
      if (page.length < PAGE) return keys;
    }
  }
}

/** How many keys the host gives at once (spec/abi.md, kv_keys). */
const PAGE: i32 = 1000;

/** An entry of the map. */
export class Entry {
  /** Why it could not be read; null when it could. */
  failure: Failure | null = null;
  /** Whether there is one. */
  found: bool = false;
  /** Its value. */
  value: Uint8Array = new Uint8Array(0);
  /** What a later write may ask for: above zero, and never that of an earlier value of its key. */
  revision: i64 = 0;

  /** Its value as text; empty where that is not UTF-8. */
  get text(): string {
    const text = decode(this.value);
    return text == null ? "" : text;
  }
}

/** What came of a write to the map. */
export class Written {
  /** Why it did not happen; null when it did. */
  failure: Failure | null = null;
  /** The entry's revision. */
  revision: i64 = 0;
}

/** Keys of the map. */
export class Keys {
  /** Why they could not be read; null when they could. */
  failure: Failure | null = null;
  /** The keys. */
  list: Array<string> = [];
}
