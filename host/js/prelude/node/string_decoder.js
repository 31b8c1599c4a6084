// Node's StringDecoder (nodejs.org/api/string_decoder.html): text of bytes that come in pieces.
(function (native) {
  const { Buffer } = native.part('node/buffer.js').exports;
  const names = { __proto__: null, 'utf-8': 'utf8', ucs2: 'utf16le', 'ucs-2': 'utf16le', 'utf-16le': 'utf16le', binary: 'latin1' };
  // rest is how many bytes at the end begin something that is not complete.
  function rest(b, encoding) {
    switch (encoding) {
      case 'utf16le': {
        const odd = b.length % 2;
        const unit = b[b.length - odd - 1];
        return unit >= 0xd8 && unit < 0xdc ? odd + 2 : odd;
      }
      case 'base64': case 'base64url': return b.length % 3;
      case 'utf8':
        for (let back = 1; back <= Math.min(3, b.length); back++) {
          const c = b[b.length - back];
          if (c < 0x80) return 0;
          if (c >= 0xc0) return back < (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) ? back : 0;
        }
    }
    return 0;
  }
  class StringDecoder {
    #kept = Buffer.alloc(0);
    constructor(encoding = 'utf8') {
      const name = String(encoding).toLowerCase();
      if (!Buffer.isEncoding(name)) throw Object.assign(new TypeError(`Unknown encoding: ${encoding}`), { code: 'ERR_UNKNOWN_ENCODING' });
      this.encoding = names[name] || name;
    }
    write(bytes) {
      if (typeof bytes === 'string') return bytes;
      const all = Buffer.concat([this.#kept, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]);
      const n = rest(all, this.encoding);
      this.#kept = all.subarray(all.length - n);
      return all.toString(this.encoding, 0, all.length - n);
    }
    end(bytes) {
      const text = bytes === undefined ? '' : this.write(bytes);
      const last = this.#kept.toString(this.encoding);
      this.#kept = Buffer.alloc(0);
      return text + last;
    }
  }
  return { exports: { StringDecoder } };
});
