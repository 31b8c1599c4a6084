import { decode, encode } from "./bytes";
import { ErrorKind, Failure } from "./failure";
import { checked, closeFetch, flushBody, readBody, readFetch, writeBody } from "./host";
import { parse, problem, Value } from "./json";

/** A body that comes in. It streams: it is read as its sender sends it, and what is read is consumed. */
export class Body {
  /** Why the last reading failed; null when it did not. */
  failure: Failure | null = null;

  constructor(private handle: i32 = 0) {}

  /** Fills as much of a buffer as there is, at least one byte, and returns how many; 0 at the end, and below it when it breaks off. */
  read(into: Uint8Array): i32 {
    if (into.length == 0) return 0;
    const n = this.handle == 0 ? readBody(into.dataStart, into.length) : readFetch(this.handle, into.dataStart, into.length);
    this.failure = checked(n);
    return n;
  }

  /** All that is left of it; null when it breaks off, for what has come is not the whole. */
  bytes(): Uint8Array | null {
    let all = new Uint8Array(8192), length = 0;
    while (true) {
      if (length == all.length) {
        const larger = new Uint8Array(length << 1);
        larger.set(all);
        all = larger;
      }
      const n = this.read(all.subarray(length));
      if (n < 0) return null;
      if (n == 0) return all.slice(0, length);
      length += n;
    }
  }

  /** All that is left of it, as text; null when it breaks off, or is not UTF-8. */
  text(): string | null {
    const bytes = this.bytes();
    if (bytes == null) return null;
    const text = decode(bytes);
    if (text == null) this.failure = new Failure(ErrorKind.Json, "the body is not UTF-8");
    return text;
  }

  /** All that is left of it, as JSON; null when it breaks off, or is not JSON. */
  json(): Value | null {
    const bytes = this.bytes();
    if (bytes == null) return null;
    const value = parse(bytes.dataStart, bytes.length);
    if (value == null) this.failure = new Failure(ErrorKind.Json, problem());
    return value;
  }

  /** What failed, for an answer's fail. */
  get problem(): string {
    const failure = this.failure;
    return failure == null ? "" : failure.message;
  }

  /** Closes the body of a fetch, of which a call may have 16. The host does so at the end of the call. */
  close(): void {
    if (this.handle != 0) closeFetch(this.handle);
  }
}

/** The body of an answer that streams. */
export class Writer {
  /** Why writing failed; null while it does not. */
  failure: Failure | null = null;

  /** Writes bytes, while it waits for a slow reader. False once the reader has gone, and for all that comes after. */
  write(bytes: Uint8Array): bool {
    if (this.failure == null) this.failure = checked(writeBody(bytes.dataStart, bytes.length));
    return this.failure == null;
  }

  /** Writes text, in UTF-8. */
  text(text: string): bool { return this.write(encode(text)); }

  /** Sends what is written so far, be it little. */
  flush(): bool {
    if (this.failure == null) this.failure = checked(flushBody());
    return this.failure == null;
  }

  /** Writes all of a body, a piece at a time, as it comes. False when either end breaks off. */
  copy(from: Body): bool {
    const piece = new Uint8Array(8192);
    while (true) {
      const n = from.read(piece);
      if (n < 0 && this.failure == null) this.failure = from.failure;
      if (n <= 0) return n == 0;
      if (!this.write(piece.subarray(0, n))) return false;
    }
  }
}
