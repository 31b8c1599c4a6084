import { Bytes } from "./bytes";
import { findMember, isWhole, open, parse, position, next, quotedText, skip, take } from "./reader";

export { MAX_DEPTH, parse, problem } from "./reader";

/** What a Value is. */
export enum Kind { Null, Bool, Int, Float, String, Array, Object }

/** A value of JSON. What is not there reads as null, so that `event.get("a").get("b").text()` needs no check. Members keep their order.
 *
 * What was parsed stays text until it is asked for: a member is looked for in the text, and nothing is made of its neighbours. */
export class Value {
  /** What it is. */
  kind: Kind = Kind.Null;
  private bits: i64 = 0; // of a number or a truth
  private str: string = "";
  private list: Array<Value> | null = null; // items, or the values of members
  private names: Array<string> | null = null;
  private source: ArrayBuffer | null = null; // a number as it was written, or a string, list or object that is still text
  private start: i32 = 0; // in it
  private end: i32 = 0;

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

  /** A value of text that is known to be JSON. */
  static __of(source: ArrayBuffer, start: i32, end: i32): Value {
    const v = new Value(), p = changetype<usize>(source) + start, c = <i32>load<u8>(p);
    switch (c) {
      case 0x6e: return v;
      case 0x74: case 0x66:
        v.kind = Kind.Bool;
        v.bits = c == 0x74 ? 1 : 0;
        return v;
      case 0x7b: v.kind = Kind.Object; break;
      case 0x5b: v.kind = Kind.Array; break;
      case 0x22: v.kind = Kind.String; break;
      default: {
        const text = String.UTF8.decodeUnsafe(p, end - start), whole = text.length <= 18 && isWhole(p, end - start); // of which all fit
        v.kind = whole ? Kind.Int : Kind.Float;
        v.bits = whole ? I64.parseInt(text) : reinterpret<i64>(F64.parseFloat(text));
      }
    }
    v.source = source;
    v.start = start;
    v.end = end;
    return v;
  }

  /** Whether it is null, or not there. */
  get isNull(): bool { return this.kind == Kind.Null; }

  /** Whether an object has a member of that name. */
  has(name: string): bool { return this.find(name) != null; }

  /** A member; null's value where there is none, or this is no object. Of equal names, the last one counts. */
  get(name: string): Value {
    const v = this.find(name);
    return v == null ? new Value() : v;
  }

  private find(name: string): Value | null {
    if (this.kind != Kind.Object) return null;
    const source = this.source;
    if (source != null) return findMember(source, this.start, this.end, name);
    const i = this.names!.lastIndexOf(name);
    return i < 0 ? null : this.list![i];
  }

  /** Makes items or members of what is still text. */
  private expand(): void {
    const source = this.source;
    if (source == null || this.kind <= Kind.String) return;
    const list = new Array<Value>(), names = new Array<string>();
    open(source, this.start + 1, this.end);
    while (next() != 0x7d && next() != 0x5d) {
      if (this.kind == Kind.Object) {
        names.push(quotedText()!);
        take(0x3a);
        next();
      }
      const start = position();
      skip();
      list.push(Value.__of(source, start, position()));
      take(0x2c);
    }
    this.list = list;
    if (this.kind == Kind.Object) this.names = names;
    this.source = null;
  }

  /** An item of a list, or the value of an object's member at that place among its keys; null's value where there is none. */
  at(i: i32): Value {
    return i < 0 || i >= this.length ? new Value() : this.list![i];
  }

  /** How many items or members there are. */
  get length(): i32 {
    this.expand();
    const list = this.list;
    return list == null ? 0 : list.length;
  }

  /** The names of an object's members, in order. */
  keys(): Array<string> {
    this.expand();
    const names = this.names;
    return names == null ? [] : names.slice();
  }

  /** The text of a string, and `other` of anything else. */
  text(other: string = ""): string {
    if (this.kind != Kind.String) return other;
    const source = this.source;
    if (source != null) {
      open(source, this.start, this.end);
      this.str = quotedText()!;
      this.source = null;
    }
    return this.str;
  }

  /** The text of a string, and null of anything else. */
  textOrNull(): string | null { return this.kind == Kind.String ? this.text() : null; }

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
    this.expand();
    if (this.kind != Kind.Object) {
      this.kind = Kind.Object;
      this.list = [];
      this.names = [];
      this.source = null;
    }
    const i = this.names!.lastIndexOf(name);
    if (i >= 0) {
      this.list![i] = v;
      return this;
    }
    this.names!.push(name);
    this.list!.push(v);
    return this;
  }

  /** Adds an item to a list. Of anything else, it becomes one. */
  push<T>(value: T): Value {
    this.expand();
    if (this.kind != Kind.Array) {
      this.kind = Kind.Array;
      this.list = [];
      this.names = null;
      this.source = null;
    }
    this.list!.push(Value.from<T>(value));
    return this;
  }

  /** JSON. What was parsed, and not changed since, is as it was written: a number has all its digits. */
  toString(): string {
    const out = new Bytes();
    this.write(out);
    return out.toString();
  }

  /** Writes it as JSON. What JSON has no number for, as NaN, is null. */
  write(out: Bytes): void {
    const source = this.source;
    if (source != null) {
      out.raw(changetype<usize>(source) + this.start, this.end - this.start);
      return;
    }
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
