import { Bytes, isUTF8 } from "./bytes";

/** What a Value is. */
export enum Kind { Null, Bool, Int, Float, String, Array, Object }

/** How deep lists and objects may be inside one another. */
export const MAX_DEPTH: i32 = 128;

/** A value of JSON. What is not there reads as null, so that `event.get("a").get("b").text()` needs no check. Members keep their order. */
export class Value {
  /** What it is. */
  kind: Kind = Kind.Null;
  private bits: i64 = 0; // of a number or a truth
  private str: string = "";
  private list: Array<Value> | null = null; // items, or the values of members
  private names: Array<string> | null = null;

  /** An object without members. */
  static object(): Value {
    const v = new Value();
    v.kind = Kind.Object;
    v.list = [];
    v.names = [];
    return v;
  }

  /** A list without items. */
  static array(): Value {
    const v = new Value();
    v.kind = Kind.Array;
    v.list = [];
    return v;
  }

  /** A value of a string, a number, a truth or null. A Value stays what it is. */
  static from<T>(x: T): Value {
    const v = new Value();
    if (isReference<T>()) {
      if (changetype<usize>(x) == 0) return v;
      // @ts-ignore: a reference
      if (x instanceof Value) return x;
      if (isString<T>() || x instanceof String) {
        v.kind = Kind.String;
        v.str = changetype<string>(x);
        return v;
      }
      ERROR("a Value is made of strings, numbers, truths and other Values");
    } else if (isBoolean<T>()) {
      v.kind = Kind.Bool;
      v.bits = <i64>x;
    } else if (isFloat<T>()) {
      v.kind = Kind.Float;
      v.bits = reinterpret<i64>(<f64>x);
    } else {
      v.kind = Kind.Int;
      v.bits = <i64>x;
    }
    return v;
  }

  /** Reads JSON (RFC 8259). Null is anything else, and what is deeper than MAX_DEPTH; `problem()` then says where. */
  static parse(text: string): Value | null {
    const bytes = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
    return parse(changetype<usize>(bytes), bytes.byteLength);
  }

  /** Whether it is null, or not there. */
  get isNull(): bool { return this.kind == Kind.Null; }

  /** Whether an object has a member of that name. */
  has(name: string): bool { return this.find(name) >= 0; }

  /** A member; null's value where there is none, or this is no object. Of equal names, the last one counts. */
  get(name: string): Value {
    const i = this.find(name);
    return i < 0 ? NULL : this.list![i];
  }

  private find(name: string): i32 {
    const names = this.names;
    return names == null ? -1 : names.lastIndexOf(name);
  }

  /** An item of a list; null's value where there is none. */
  at(i: i32): Value {
    return i < 0 || i >= this.length ? NULL : this.list![i];
  }

  /** How many items or members there are. */
  get length(): i32 {
    const list = this.list;
    return list == null ? 0 : list.length;
  }

  /** The names of an object's members, in order. */
  keys(): Array<string> {
    const names = this.names;
    return names == null ? [] : names.slice();
  }

  /** The text of a string, and `other` of anything else. */
  text(other: string = ""): string { return this.kind == Kind.String ? this.str : other; }

  /** The text of a string, and null of anything else. */
  textOrNull(): string | null { return this.kind == Kind.String ? this.str : null; }

  /** A whole number, and `other` for anything else. */
  integer(other: i64 = 0): i64 {
    if (this.kind == Kind.Int) return this.bits;
    const f = this.number(NaN);
    // Beyond 2^53 a float says nothing of ones.
    return Math.trunc(f) == f && Math.abs(f) < 9007199254740992.0 ? <i64>f : other;
  }

  /** A number, and `other` for anything else. */
  number(other: f64 = 0): f64 {
    if (this.kind == Kind.Int) return <f64>this.bits;
    return this.kind == Kind.Float ? reinterpret<f64>(this.bits) : other;
  }

  /** Whether it is true. */
  get isTrue(): bool { return this.kind == Kind.Bool && this.bits != 0; }

  /** Sets a member of an object. Of anything else, it becomes one. */
  set<T>(name: string, value: T): Value {
    const v = Value.from<T>(value);
    if (this.kind != Kind.Object) {
      this.kind = Kind.Object;
      this.list = [];
      this.names = [];
    }
    const i = this.find(name);
    if (i < 0) this.put(name, v);
    else this.list![i] = v;
    return this;
  }

  /** Adds an item to a list. Of anything else, it becomes one. */
  push<T>(value: T): Value {
    if (this.kind != Kind.Array) {
      this.kind = Kind.Array;
      this.list = [];
      this.names = null;
    }
    this.list!.push(Value.from<T>(value));
    return this;
  }

  /** Adds a member without looking for one of its name. */
  private put(name: string, v: Value): void {
    this.names!.push(name);
    this.list!.push(v);
  }

  /** Adds what the parser has read. */
  __add(name: string, v: Value): void {
    if (this.kind == Kind.Object) this.put(name, v);
    else this.list!.push(v);
  }

  /** JSON without spaces. */
  toString(): string {
    const out = new Bytes();
    this.write(out);
    return out.toString();
  }

  /** Writes it as JSON. What JSON has no number for, as NaN, is null. */
  write(out: Bytes): void {
    switch (this.kind) {
      case Kind.Bool: out.text(this.bits != 0 ? "true" : "false"); break;
      case Kind.Int: out.text(this.bits.toString()); break;
      case Kind.Float: {
        const f = reinterpret<f64>(this.bits);
        out.text(isFinite(f) ? f.toString() : "null");
        break;
      }
      case Kind.String: out.quoted(this.str); break;
      case Kind.Array: case Kind.Object: this.writeList(out); break;
      default: out.text("null");
    }
  }

  private writeList(out: Bytes): void {
    const list = this.list!, names = this.names;
    out.byte(names == null ? 0x5b : 0x7b);
    for (let i = 0; i < list.length; i++) {
      if (i > 0) out.byte(0x2c);
      if (names != null) {
        out.quoted(names[i]);
        out.byte(0x3a);
      }
      list[i].write(out);
    }
    out.byte(names == null ? 0x5d : 0x7d);
  }
}

const NULL = new Value();
const TRUE = Value.from(true);
const FALSE = Value.from(false);

// The parser's state: one text is read at a time.
let begin: usize = 0;
let at: usize = 0;
let end: usize = 0;
let depth: i32 = 0;
let wanted: string = "";

/** What parse wanted last, and where: "JSON: want a value at byte 7". */
export function problem(): string { return wanted; }

/** Reads JSON in UTF-8. */
export function parse(ptr: usize, length: i32): Value | null {
  begin = at = ptr;
  end = ptr + length;
  depth = 0;
  wanted = "";
  if (!isUTF8(begin, end)) return wrong("UTF-8");
  const v = value();
  if (v != null && next() >= 0) return wrong("the end");
  return v;
}

function wrong(want: string): Value | null {
  if (wanted == "") wanted = "JSON: want " + want + " at byte " + (at - begin).toString();
  return null;
}

/** The next byte that is not white space; -1 at the end. */
function next(): i32 {
  while (at < end) {
    const c = <i32>load<u8>(at);
    if (c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return c;
    at++;
  }
  return -1;
}

function take(c: i32): bool {
  if (next() != c) return false;
  at++;
  return true;
}

function value(): Value | null {
  const c = next();
  switch (c) {
    case 0x7b: return nested(Value.object(), 0x7d);
    case 0x5b: return nested(Value.array(), 0x5d);
    case 0x22: {
      const s = quotedText();
      return s == null ? null : Value.from<string>(s);
    }
    case 0x74: return word("true") ? TRUE : wrong("true");
    case 0x66: return word("false") ? FALSE : wrong("false");
    case 0x6e: return word("null") ? NULL : wrong("null");
  }
  return c == 0x2d || digit(c) ? number() : wrong("a value");
}

function word(w: string): bool {
  if (<i32>(end - at) < w.length) return false;
  for (let i = 0; i < w.length; i++) {
    if (<i32>load<u8>(at + i) != w.charCodeAt(i)) return false;
  }
  at += w.length;
  return true;
}

/** Takes the items or members of a list or object up to its end. */
function nested(into: Value, close: i32): Value | null {
  if (depth == MAX_DEPTH) return wrong("less depth");
  depth++;
  at++;
  if (!take(close)) {
    while (true) {
      let name = "";
      if (into.kind == Kind.Object) {
        if (next() != 0x22) return wrong("a name");
        const s = quotedText();
        if (s == null) return null;
        name = s;
        if (!take(0x3a)) return wrong("':'");
      }
      const v = value();
      if (v == null) return null;
      into.__add(name, v);
      if (take(close)) break;
      if (!take(0x2c)) return wrong("',' or the end of the list");
    }
  }
  depth--;
  return into;
}

/** Goes to the next byte that does not stand for itself in a string, and returns it; -1 at the end. */
function special(): i32 {
  while (at < end) {
    const c = <i32>load<u8>(at);
    if (c == 0x22 || c == 0x5c || c < 0x20) return c;
    at++;
  }
  return -1;
}

/** Takes a string, which begins here. */
function quotedText(): string | null {
  at++;
  const start = at, c = special();
  if (c == 0x22) {
    at++;
    return String.UTF8.decodeUnsafe(start, at - start - 1);
  }
  if (c == 0x5c) return escapedText(start);
  wrong("'\"'");
  return null;
}

/** Takes a string that has escapes, from its first letter on. */
function escapedText(start: usize): string | null {
  while (true) { // to its end, so that there is room for all of it
    const c = special();
    if (c == 0x22) break;
    if (c != 0x5c || end - at < 2) {
      wrong("'\"'");
      return null;
    }
    at += 2;
  }
  const units = new ArrayBuffer(<i32>(at - start) << 1), close = at; // a byte makes one unit at most
  let to = changetype<usize>(units);
  at = start;
  while (at < close) {
    const c = <u32>load<u8>(at++);
    if (c == 0x5c) {
      const unit = escape();
      if (unit < 0) return null;
      store<u16>(to, <u16>unit);
      to += 2;
      continue;
    }
    let code = c;
    if (c >= 0xf0) code = (c & 7) << 18 | continued() << 12 | continued() << 6 | continued();
    else if (c >= 0xe0) code = (c & 15) << 12 | continued() << 6 | continued();
    else if (c >= 0xc0) code = (c & 31) << 6 | continued();
    if (code >= 0x10000) {
      store<u16>(to, <u16>(0xd800 | (code - 0x10000) >> 10));
      to += 2;
      code = 0xdc00 | (code & 0x3ff);
    }
    store<u16>(to, <u16>code);
    to += 2;
  }
  at = close + 1;
  return String.UTF16.decodeUnsafe(changetype<usize>(units), to - changetype<usize>(units));
}

/** Takes a byte that goes on with a letter: the text is known to be UTF-8. */
function continued(): u32 { return <u32>load<u8>(at++) & 0x3f; }

/** Takes what stands behind a backslash: a unit of UTF-16. */
function escape(): i32 {
  if (at < end) {
    const c = <i32>load<u8>(at++);
    switch (c) {
      case 0x22: case 0x5c: case 0x2f: return c;
      case 0x62: return 8;
      case 0x66: return 12;
      case 0x6e: return 10;
      case 0x72: return 13;
      case 0x74: return 9;
      case 0x75: return hex();
    }
  }
  wrong("an escape");
  return -1;
}

function hex(): i32 {
  let code = 0;
  for (let i = 0; i < 4; i++) {
    const c = at < end ? <i32>load<u8>(at) : 0;
    const low = c | 0x20;
    if (digit(c)) code = code << 4 | c - 0x30;
    else if (low >= 0x61 && low <= 0x66) code = code << 4 | low - 0x57;
    else {
      wrong("four hexadecimal digits");
      return -1;
    }
    at++;
  }
  return code;
}

function digit(c: i32): bool { return c >= 0x30 && c <= 0x39; }

function digits(): bool {
  const start = at;
  while (at < end && digit(load<u8>(at))) at++;
  return at > start;
}

function is(c: i32): bool { return at < end && <i32>load<u8>(at) == c; }

function number(): Value | null {
  const start = at;
  if (is(0x2d)) at++;
  if (is(0x30)) at++;
  else if (!digits()) return wrong("a digit");
  let whole = true;
  if (is(0x2e)) {
    whole = false;
    at++;
    if (!digits()) return wrong("a digit");
  }
  if (is(0x65) || is(0x45)) {
    whole = false;
    at++;
    if (is(0x2b) || is(0x2d)) at++;
    if (!digits()) return wrong("a digit");
  }
  const text = String.UTF8.decodeUnsafe(start, at - start);
  if (whole && text.length <= 18) return Value.from<i64>(I64.parseInt(text)); // of which all fit
  const f = F64.parseFloat(text);
  return isFinite(f) ? Value.from<f64>(f) : wrong("a number that fits");
}
