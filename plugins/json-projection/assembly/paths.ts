// Paths to fields, and what is left of a value when they are taken, or taken out.

import { Bytes, Kind, Value } from "../../../sdk/assemblyscript/assembly";

/** Paths that have the same beginning: what stands behind it. */
export class Paths {
  /** Whether one of them ends here. */
  whole: bool = false;
  private next: Map<string, Paths> = new Map();

  /** Reads a list with commas. */
  static of(list: string): Paths {
    const paths = new Paths(), parts = list.split(",");
    for (let i = 0; i < parts.length; i++) paths.add(parts[i].trim());
    return paths;
  }

  /** Adds "items.*.name". */
  add(path: string): void {
    const names = path.split(".");
    let p: Paths = this;
    for (let i = 0; i < names.length; i++) {
      if (!p.next.has(names[i])) p.next.set(names[i], new Paths());
      p = p.next.get(names[i]);
    }
    p.whole = true;
  }

  /** Adds what goes on with a name, or with the * that stands for each, to a list. */
  follow(name: string, to: Array<Paths>): void {
    if (this.next.has("*")) to.push(this.next.get("*"));
    if (name != "*" && this.next.has(name)) to.push(this.next.get(name));
  }
}

/** What is left when all but the paths is taken out. */
export function include(value: Value, paths: Paths): Value { return project(value, [paths], true); }

/** What is left when the paths are taken out. */
export function exclude(value: Value, paths: Paths): Value { return project(value, [paths], false); }

function project(value: Value, paths: Array<Paths>, including: bool): Value {
  const out = new Bytes();
  write(value, paths, including, out);
  return Value.parse(out.toString())!; // written by rules that make JSON of JSON
}

function isNested(v: Value): bool { return v.kind == Kind.Object || v.kind == Kind.Array; }

/** Writes what is left of a value. What stays as a whole is copied as it was written. */
function write(value: Value, paths: Array<Paths>, including: bool, out: Bytes): void {
  if (!isNested(value)) return value.write(out);
  const object = value.kind == Kind.Object, names = value.keys();
  let comma = false;
  out.byte(object ? 0x7b : 0x5b);
  for (let i = 0; i < value.length; i++) {
    const member = value.at(i), on = new Array<Paths>();
    // In a list no item has a name.
    for (let k = 0; k < paths.length; k++) paths[k].follow(object ? names[i] : "*", on);
    const whole = ends(on);
    // Where a path goes on behind something that has no inside, it leads nowhere.
    if (including ? on.length == 0 || !whole && !isNested(member) : whole) continue;
    if (comma) out.byte(0x2c);
    comma = true;
    if (object) {
      out.quoted(names[i]);
      out.byte(0x3a);
    }
    if (whole || on.length == 0) member.write(out);
    else write(member, on, including, out);
  }
  out.byte(object ? 0x7d : 0x5d);
}

/** Whether a path ends here. */
function ends(paths: Array<Paths>): bool {
  for (let i = 0; i < paths.length; i++) {
    if (paths[i].whole) return true;
  }
  return false;
}
