import { Bytes } from "./bytes";
import { Writer } from "./body";
import { checked, writeBody, writeMeta } from "./host";

/** What the answers of all contracts have: a head in JSON, and bytes beside it. */
export abstract class Answer {
  /** Why there is no answer; null when there is one. */
  failure: string | null = null;
  /** The type of that error. */
  failureType: string = "Error";
  private content: Uint8Array | null = null;
  private sent: Writer | null = null;

  /** Writes the head. */
  protected abstract head(out: Bytes): void;

  /** Whether there is no body to write. */
  protected get silent(): bool { return false; }

  protected setContent(bytes: Uint8Array | null): void { this.content = bytes; }

  protected get hasContent(): bool { return this.content != null || this.sent != null; }

  /** Sends the head, and returns what writes the body: from here on, the head stands. */
  protected begin(): Writer {
    let sent = this.sent;
    if (sent == null) {
      sent = new Writer();
      this.sent = sent;
      sent.failure = checked(this.writeHead());
    }
    return sent;
  }

  private writeHead(): i32 {
    const out = new Bytes();
    this.head(out);
    return writeMeta(out.ptr, out.length);
  }

  /** Writes what is not written yet. What fails is the call's failure. */
  finish(): void {
    const sent = this.sent;
    if (sent != null) {
      const failure = sent.failure;
      if (failure != null && this.failure == null) this.failure = failure.message;
      return;
    }
    let failed = checked(this.writeHead());
    const content = this.content;
    if (failed == null && !this.silent) {
      failed = content == null ? checked(writeBody(0, 0)) : checked(writeBody(content.dataStart, content.length));
    }
    if (failed != null) this.failure = failed.message;
  }
}

/** Writes a list of strings, unless it is empty. */
export function writeTexts(out: Bytes, key: string, list: Array<string>): void {
  if (list.length == 0) return;
  out.key(key);
  for (let i = 0; i < list.length; i++) {
    out.byte(i == 0 ? 0x5b : 0x2c);
    out.quoted(list[i]);
  }
  out.byte(0x5d);
}

/** Header fields, or other names with values, in their order. */
export class Fields {
  /** Names, as they came. */
  names: Array<string> = [];
  /** The value of each. */
  values: Array<string> = [];

  /** How many there are. */
  get length(): i32 { return this.names.length; }

  /** The first value of a name, in any case; null where there is none. */
  get(name: string): string | null {
    const lower = name.toLowerCase();
    for (let i = 0; i < this.names.length; i++) {
      if (this.names[i].toLowerCase() == lower) return this.values[i];
    }
    return null;
  }

  /** Adds a field. */
  add(name: string, value: string): Fields {
    this.names.push(name);
    this.values.push(value);
    return this;
  }

  /** Sets a field, whose name may be in any case: a value that it had is replaced. */
  set(name: string, value: string): Fields {
    const lower = name.toLowerCase();
    for (let i = this.names.length - 1; i >= 0; i--) {
      if (this.names[i].toLowerCase() == lower) {
        this.names.splice(i, 1);
        this.values.splice(i, 1);
      }
    }
    return this.add(name, value);
  }

  /** Writes an object of them, unless there are none. */
  writeObject(out: Bytes, key: string): void {
    if (this.length == 0) return;
    out.key(key);
    for (let i = 0; i < this.length; i++) {
      out.byte(i == 0 ? 0x7b : 0x2c);
      out.quoted(this.names[i]);
      out.byte(0x3a);
      out.quoted(this.values[i]);
    }
    out.byte(0x7d);
  }

  /** Writes a list of pairs. */
  writePairs(out: Bytes, key: string): void {
    out.key(key);
    out.byte(0x5b);
    for (let i = 0; i < this.length; i++) {
      out.text(i == 0 ? "[" : ",[");
      out.quoted(this.names[i]);
      out.byte(0x2c);
      out.quoted(this.values[i]);
      out.byte(0x5d);
    }
    out.byte(0x5d);
  }
}
