// What reads JSON: it checks all of a text once, and then finds values in it.

import { isUTF8 } from "./bytes";
import { Value } from "./json";

/** How deep lists and objects may be inside one another. */
export const MAX_DEPTH: i32 = 128;

// The reader's state: one text is read at a time.
let begin: usize = 0;
let at: usize = 0;
let end: usize = 0;
let depth: i32 = 0;
let wanted: string = "";

/** What parse wanted last, and where: "JSON: want a value at byte 7". */
export function problem(): string { return wanted; }

/** Goes to a part of a text that has been checked. */
export function open(source: ArrayBuffer, from: i32, to: i32): void {
  begin = changetype<usize>(source);
  at = begin + from;
  end = begin + to;
}

/** Where reading is, from the text's beginning. */
export function position(): i32 { return <i32>(at - begin); }

/** Reads JSON in UTF-8: checks all of it, and makes nothing of it yet. */
export function parse(ptr: usize, length: i32): Value | null {
  const source = new ArrayBuffer(length); // of its own, since what it was read to is used again
  memory.copy(changetype<usize>(source), ptr, length);
  begin = at = changetype<usize>(source);
  end = begin + length;
  depth = 0;
  wanted = "";
  if (!isUTF8(begin, end)) wrong("UTF-8");
  else if (check() && next() >= 0) wrong("the end");
  if (wanted != "") return null;
  at = begin;
  next();
  const start = <i32>(at - begin);
  skip();
  return Value.__of(source, start, <i32>(at - begin));
}

function wrong(want: string): bool {
  if (wanted == "") wanted = "JSON: want " + want + " at byte " + (at - begin).toString();
  return false;
}

/** The next byte that is not white space; -1 at the end. */
export function next(): i32 {
  while (at < end) {
    const c = <i32>load<u8>(at);
    if (c > 0x20 || c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return c;
    at++;
  }
  return -1;
}

export function take(c: i32): bool {
  if (next() != c) return false;
  at++;
  return true;
}

/** Checks a value, and goes behind it. */
function check(): bool {
  const c = next();
  switch (c) {
    case 0x7b: return checkNested(true, 0x7d);
    case 0x5b: return checkNested(false, 0x5d);
    case 0x22: return checkString();
    case 0x74: return word("true");
    case 0x66: return word("false");
    case 0x6e: return word("null");
  }
  return c == 0x2d || digit(c) ? checkNumber() : wrong("a value");
}

function word(w: string): bool {
  if (<i32>(end - at) < w.length) return wrong(w);
  for (let i = 0; i < w.length; i++) {
    if (<i32>load<u8>(at + i) != w.charCodeAt(i)) return wrong(w);
  }
  at += w.length;
  return true;
}

function checkNested(named: bool, close: i32): bool {
  if (depth == MAX_DEPTH) return wrong("less depth");
  depth++;
  at++;
  let more = !take(close);
  while (more) {
    if (named) {
      if (next() != 0x22) return wrong("a name");
      if (!checkString()) return false;
      if (!take(0x3a)) return wrong("':'");
    }
    if (!check()) return false;
    more = !take(close);
    if (more && !take(0x2c)) return wrong("',' or the end of the list");
  }
  depth--;
  return true;
}

function checkString(): bool {
  at++;
  let c = special();
  while (c == 0x5c) {
    at++;
    if (escape() < 0) return false;
    c = special();
  }
  if (c != 0x22) return wrong("'\"'");
  at++;
  return true;
}

function checkNumber(): bool {
  const start = at;
  if (is(0x2d)) at++;
  if (is(0x30)) at++;
  else if (!digits()) return wrong("a digit");
  if (is(0x2e)) {
    at++;
    if (!digits()) return wrong("a digit");
  }
  let large = at - start > 300;
  if (is(0x65) || is(0x45)) {
    large = true;
    at++;
    if (is(0x2b) || is(0x2d)) at++;
    if (!digits()) return wrong("a digit");
  }
  if (large && !isFinite(F64.parseFloat(String.UTF8.decodeUnsafe(start, at - start)))) return wrong("a number that fits");
  return true;
}

function digit(c: i32): bool { return c >= 0x30 && c <= 0x39; }

function digits(): bool {
  const start = at;
  while (at < end && digit(load<u8>(at))) at++;
  return at > start;
}

function is(c: i32): bool { return at < end && <i32>load<u8>(at) == c; }

/** Whether a number has neither a fraction nor an exponent. */
export function isWhole(p: usize, length: i32): bool {
  for (let i = 0; i < length; i++) {
    const c = <i32>load<u8>(p + i);
    if (c != 0x2d && !digit(c)) return false;
  }
  return true;
}

/** Goes behind a value, which has been checked. */
export function skip(): void {
  let nested = 0;
  do {
    const c = <i32>load<u8>(at);
    if (c == 0x22) {
      skipString();
      continue;
    }
    at++;
    if (c == 0x7b || c == 0x5b) nested++;
    else if (c == 0x7d || c == 0x5d) nested--;
    else if (nested == 0) {
      while (at < end && isPlain(load<u8>(at))) at++;
    }
  } while (nested > 0);
}

/** Whether a byte belongs to a number or a word. */
function isPlain(c: i32): bool { return c != 0x2c && c != 0x5d && c != 0x7d && c > 0x20; }

/** Goes behind a string, which begins here and has been checked. */
function skipString(): void {
  at++;
  while (special() == 0x5c) at += 2;
  at++;
}

/** Looks for a member in the text of an object, which has been checked. */
export function findMember(source: ArrayBuffer, from: i32, to: i32, name: string): Value | null {
  open(source, from + 1, to);
  let start = -1, close = -1;
  while (next() == 0x22) {
    const key = at;
    skipString();
    const found = isName(key + 1, <i32>(at - key) - 2, name);
    take(0x3a);
    next();
    const value = at;
    skip();
    if (found) {
      start = <i32>(value - begin);
      close = <i32>(at - begin);
    }
    take(0x2c);
  }
  return start < 0 ? null : Value.__of(source, start, close);
}

/** Whether the text of a name, without its quotes, is that name. */
function isName(p: usize, length: i32, name: string): bool {
  if (length < name.length) return false; // a letter takes a byte at least
  for (let i = 0; i < length; i++) {
    const c = <i32>load<u8>(p + i);
    if (c >= 0x80 || c == 0x5c) { // letters of several bytes, and escapes
      const behind = at;
      at = p - 1;
      const same = quotedText()! == name;
      at = behind;
      return same;
    }
    if (i >= name.length || c != name.charCodeAt(i)) return false;
  }
  return true;
}

/** Goes to the next byte that does not stand for itself in a string, and returns it; -1 at the end. */
function special(): i32 {
  let p = at;
  while (p + 8 <= end) { // as long as eight bytes are left, all at once: the first is the lowest
    const bytes = load<u64>(p);
    const found = below(bytes ^ EACH * 0x22, 1) | below(bytes ^ EACH * 0x5c, 1) | below(bytes, 0x20);
    if (found != 0) {
      at = p + <usize>(ctz(found) >> 3);
      return load<u8>(at);
    }
    p += 8;
  }
  while (p < end) {
    const c = <i32>load<u8>(p);
    if (c == 0x22 || c == 0x5c || c < 0x20) {
      at = p;
      return c;
    }
    p++;
  }
  at = p;
  return -1;
}

const EACH: u64 = 0x0101010101010101;

/** The highest bit of each of eight bytes that is below n; of those behind the first perhaps that of another. */
function below(bytes: u64, n: u64): u64 { return bytes - EACH * n & ~bytes & EACH << 7; }

/** Takes a string, which begins here; null where it is none. */
export function quotedText(): string | null {
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
