/** Bytes that are written one after the other, in UTF-8: what becomes JSON. */
export class Bytes {
  private data: ArrayBuffer = new ArrayBuffer(256);
  /** How many there are. */
  length: i32 = 0;

  /** Where they are, until more are written. */
  get ptr(): usize { return changetype<usize>(this.data); }

  /** Makes room for more. */
  private reserve(more: i32): usize {
    const need = this.length + more;
    if (need > this.data.byteLength) {
      const larger = new ArrayBuffer(max(need, this.data.byteLength << 1));
      memory.copy(changetype<usize>(larger), changetype<usize>(this.data), this.length);
      this.data = larger;
    }
    return changetype<usize>(this.data) + this.length;
  }

  /** Writes one byte. */
  byte(c: i32): void {
    store<u8>(this.reserve(1), <u8>c);
    this.length++;
  }

  /** Writes bytes as they are. */
  raw(ptr: usize, length: i32): void {
    memory.copy(this.reserve(length), ptr, length);
    this.length += length;
  }

  /** Writes text as it is. */
  text(s: string): void {
    const n = String.UTF8.byteLength(s);
    // Half a pair alone would be no UTF-8: it becomes U+FFFD, which is as long.
    String.UTF8.encodeUnsafe(changetype<usize>(s), s.length, this.reserve(n), false, String.UTF8.ErrorMode.REPLACE);
    this.length += n;
  }

  /** Writes a string of JSON. */
  quoted(s: string): void {
    this.byte(0x22);
    let start = 0;
    for (let i = 0; i < s.length; i++) {
      const c = s.charCodeAt(i);
      if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
      if (i > start) this.text(s.substring(start, i));
      start = i + 1;
      this.byte(0x5c);
      switch (c) {
        case 0x0a: this.byte(0x6e); break;
        case 0x0d: this.byte(0x72); break;
        case 0x09: this.byte(0x74); break;
        case 0x22: case 0x5c: this.byte(c); break;
        default: this.text("u00" + (c >> 4).toString() + "0123456789abcdef".charAt(c & 15));
      }
    }
    if (start == 0) this.text(s);
    else if (start < s.length) this.text(s.substring(start));
    this.byte(0x22);
  }

  /** Writes a name and a colon, with what must stand before it: the object's beginning, or a comma. */
  key(name: string): void {
    this.byte(this.length == 0 ? 0x7b : 0x2c);
    this.quoted(name);
    this.byte(0x3a);
  }

  /** Ends an object that was written by key. */
  end(): void {
    if (this.length == 0) this.byte(0x7b);
    this.byte(0x7d);
  }

  /** Writes other bytes. */
  append(other: Bytes): void {
    this.raw(other.ptr, other.length);
  }

  /** All of it as text. */
  toString(): string {
    return String.UTF8.decodeUnsafe(this.ptr, this.length);
  }
}

/** The bytes of a text in UTF-8. */
export function encode(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE));
}

/** The text of bytes in UTF-8; null where they are none. */
export function decode(bytes: Uint8Array): string | null {
  return isUTF8(bytes.dataStart, bytes.dataStart + bytes.length) ? String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length) : null;
}

/** Whether bytes are UTF-8 (RFC 3629): neither cut off, nor overlong, nor halves of pairs. */
export function isUTF8(at: usize, end: usize): bool {
  while (at < end) {
    const c = <u32>load<u8>(at++);
    if (c < 0x80) continue;
    const more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c < 0xc2 || c > 0xf4 || <i32>(end - at) < more) return false;
    const second = <u32>load<u8>(at);
    if (c == 0xe0 && second < 0xa0 || c == 0xed && second > 0x9f || c == 0xf0 && second < 0x90 || c == 0xf4 && second > 0x8f) return false;
    for (let i = 0; i < more; i++) {
      if ((load<u8>(at++) & 0xc0) != 0x80) return false;
    }
  }
  return true;
}
