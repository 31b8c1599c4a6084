// The host functions of spec/abi.md, with lengths in bytes and pointers into this plugin's memory.

import { Failure } from "./failure";

// @ts-ignore: decorator
@external("postern", "meta_read") declare function meta_read(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "body_read") declare function body_read(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "config_read") declare function config_read(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "env_read") declare function env_read(name: usize, nameLength: i32, ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "secret_read") declare function secret_read(name: usize, nameLength: i32, ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "context_read") declare function context_read(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "reason_read") declare function reason_read(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "traceparent_read") declare function traceparent_read(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "meta_write") declare function meta_write(ptr: usize, length: i32): i32;
// @ts-ignore: decorator
@external("postern", "body_write") declare function body_write(ptr: usize, length: i32): i32;
// @ts-ignore: decorator
@external("postern", "body_flush") declare function body_flush(): i32;
// @ts-ignore: decorator
@external("postern", "error") declare function error(kind: usize, kindLength: i32, text: usize, textLength: i32, stack: usize, stackLength: i32): i32;
// @ts-ignore: decorator
@external("postern", "log") declare function log_(level: i32, ptr: usize, length: i32): i32;
// @ts-ignore: decorator
@external("postern", "now") declare function now_(): i64;
// @ts-ignore: decorator
@external("postern", "random") declare function random_(ptr: usize, length: i32): i32;
// @ts-ignore: decorator
@external("postern", "fetch") declare function fetch_(meta: usize, metaLength: i32, body: usize, bodyLength: i32): i32;
// @ts-ignore: decorator
@external("postern", "fetch_meta_read") declare function fetch_meta_read(handle: i32, ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "fetch_body_read") declare function fetch_body_read(handle: i32, ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "fetch_close") declare function fetch_close(handle: i32): i32;
// @ts-ignore: decorator
@external("postern", "span_start") declare function span_start(ptr: usize, length: i32): i32;
// @ts-ignore: decorator
@external("postern", "span_end") declare function span_end(id: i32, ptr: usize, length: i32): i32;
// @ts-ignore: decorator
@external("postern", "kv_get") declare function kv_get(key: usize, keyLength: i32, ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "kv_revision") declare function kv_revision(): i64;
// @ts-ignore: decorator
@external("postern", "kv_put") declare function kv_put(key: usize, keyLength: i32, ptr: usize, length: i32, ttl: i64, revision: i64): i32;
// @ts-ignore: decorator
@external("postern", "kv_delete") declare function kv_delete(key: usize, keyLength: i32, revision: i64): i32;
// @ts-ignore: decorator
@external("postern", "kv_keys") declare function kv_keys(prefix: usize, prefixLength: i32, after: usize, afterLength: i32, ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("postern", "metric") declare function metric_(kind: i32, name: usize, nameLength: i32, value: f64): i32;

/** A value that a host function gives: of the form (…, ptr, cap) -> length. */
export const enum Source { Meta, Config, Env, Secret, Context, Reason, TraceParent, FetchHead, Entry, Keys }

/** Where values are read to: the next one overwrites it. Most fit as it is. */
let room = new ArrayBuffer(4096);

/** Reads a value, of which a source may want to know of which key, after which, or of which handle, and returns its length; below zero, it is a failure. */
function read(source: Source, key: ArrayBuffer, after: ArrayBuffer, handle: i32): i32 {
  let n = readOnce(source, key, after, handle);
  if (n > room.byteLength) {
    room = new ArrayBuffer(n);
    n = readOnce(source, key, after, handle);
  }
  return n;
}

function readOnce(source: Source, key: ArrayBuffer, after: ArrayBuffer, handle: i32): i32 {
  const ptr = changetype<usize>(room), cap = room.byteLength, k = changetype<usize>(key);
  switch (source) {
    case Source.Meta: return meta_read(ptr, cap);
    case Source.Config: return config_read(ptr, cap);
    case Source.Env: return env_read(k, key.byteLength, ptr, cap);
    case Source.Secret: return secret_read(k, key.byteLength, ptr, cap);
    case Source.Context: return context_read(ptr, cap);
    case Source.Reason: return reason_read(ptr, cap);
    case Source.TraceParent: return traceparent_read(ptr, cap);
    case Source.FetchHead: return fetch_meta_read(handle, ptr, cap);
    case Source.Entry: return kv_get(k, key.byteLength, ptr, cap);
    default: return kv_keys(k, key.byteLength, changetype<usize>(after), after.byteLength, ptr, cap);
  }
}

const none = new ArrayBuffer(0);

function utf8(text: string): ArrayBuffer {
  return String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
}

/** A value that was read: bytes that the next reading overwrites, or the negative result. */
export class Piece {
  constructor(public ptr: usize, public length: i32) {}

  /** It as text, which the host has as UTF-8. */
  text(): string {
    return String.UTF8.decodeUnsafe(this.ptr, this.length);
  }

  /** A copy of it. */
  bytes(): Uint8Array {
    const copy = new Uint8Array(this.length);
    memory.copy(copy.dataStart, this.ptr, this.length);
    return copy;
  }
}

/** Reads a value. */
export function value(source: Source, key: string = "", after: string = "", handle: i32 = 0): Piece {
  const n = read(source, key.length > 0 ? utf8(key) : none, after.length > 0 ? utf8(after) : none, handle);
  return new Piece(changetype<usize>(room), n);
}

/** Makes a failure of a negative result, with the host's reason; null of any other. */
export function checked(result: i32): Failure | null {
  if (result >= 0) return null;
  const reason = value(Source.Reason);
  return new Failure(result, reason.length > 0 ? reason.text() : "");
}

export function readBody(ptr: usize, cap: i32): i32 { return body_read(ptr, cap); }
export function writeMeta(ptr: usize, length: i32): i32 { return meta_write(ptr, length); }
export function writeBody(ptr: usize, length: i32): i32 { return body_write(ptr, length); }
export function flushBody(): i32 { return body_flush(); }

export function report(kind: string, text: string, stack: string): void {
  const k = utf8(kind), t = utf8(text), s = utf8(stack);
  error(changetype<usize>(k), k.byteLength, changetype<usize>(t), t.byteLength, changetype<usize>(s), s.byteLength);
}

export function logLine(level: i32, line: string): void {
  const l = utf8(line);
  log_(level, changetype<usize>(l), l.byteLength);
}

export function nanoseconds(): i64 { return now_(); }
export function fill(ptr: usize, length: i32): i32 { return random_(ptr, length); }

export function openFetch(meta: usize, metaLength: i32, body: usize, bodyLength: i32): i32 {
  return fetch_(meta, metaLength, body, bodyLength);
}

export function readFetch(handle: i32, ptr: usize, cap: i32): i32 { return fetch_body_read(handle, ptr, cap); }
export function closeFetch(handle: i32): void { fetch_close(handle); }

export function startSpan(name: string): i32 {
  const n = utf8(name);
  return span_start(changetype<usize>(n), n.byteLength);
}

export function endSpan(id: i32, text: string): void {
  const t = utf8(text);
  span_end(id, changetype<usize>(t), t.byteLength);
}

export function putEntry(key: string, value: Uint8Array, ttl: i64, revision: i64): i32 {
  const k = utf8(key);
  return kv_put(changetype<usize>(k), k.byteLength, value.dataStart, value.length, ttl, revision);
}

export function deleteEntry(key: string, revision: i64): i32 {
  const k = utf8(key);
  return kv_delete(changetype<usize>(k), k.byteLength, revision);
}

export function revision(): i64 { return kv_revision(); }

export function measure(kind: i32, name: string, amount: f64): i32 {
  const n = utf8(name);
  return metric_(kind, changetype<usize>(n), n.byteLength, amount);
}
