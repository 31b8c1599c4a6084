// TextEncoder and TextDecoder (encoding.spec.whatwg.org) for UTF-8, UTF-16 and windows-1252, which the web also
// calls latin1 and ascii.
(function (native) {
  const { encode, decode } = native;
  const labels = {
    __proto__: null,
    'utf-8': 'utf-8', utf8: 'utf-8', 'unicode-1-1-utf-8': 'utf-8',
    'utf-16le': 'utf-16le', 'utf-16': 'utf-16le', 'ucs-2': 'utf-16le', unicode: 'utf-16le', 'utf-16be': 'utf-16be',
    'windows-1252': 'windows-1252', latin1: 'windows-1252', 'iso-8859-1': 'windows-1252', iso88591: 'windows-1252',
    ascii: 'windows-1252', 'us-ascii': 'windows-1252', l1: 'windows-1252', cp1252: 'windows-1252',
  };

  class TextEncoder {
    get [Symbol.toStringTag]() { return 'TextEncoder'; }
    get encoding() { return 'utf-8'; }
    encode(text = '') { return encode(String(text)); }
    encodeInto(text, into) {
      if (!(into instanceof Uint8Array)) throw new TypeError('The bytes must be a Uint8Array');
      let read = 0;
      let written = 0;
      for (const point of String(text)) {
        const bytes = encode(point);
        if (written + bytes.length > into.length) break;
        into.set(bytes, written);
        written += bytes.length;
        read += point.length;
      }
      return { read, written };
    }
  }

  // rest returns how many bytes at the end of a chunk begin a character that is not complete yet.
  function rest(bytes, encoding) {
    if (encoding === 'windows-1252') return 0;
    if (encoding !== 'utf-8') {
      const odd = bytes.length % 2;
      const at = bytes.length - odd - 2;
      if (at < 0) return odd;
      const unit = encoding === 'utf-16le' ? bytes[at + 1] : bytes[at];
      return unit >= 0xd8 && unit < 0xdc ? odd + 2 : odd;
    }
    for (let back = 1; back <= Math.min(3, bytes.length); back++) {
      const c = bytes[bytes.length - back];
      if (c < 0x80) return 0;
      if (c >= 0xc0) return back < (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) ? back : 0;
    }
    return 0;
  }

  class TextDecoder {
    get [Symbol.toStringTag]() { return 'TextDecoder'; }
    #encoding;
    #fatal;
    #ignoreBOM;
    #kept = null;
    #started = false;
    constructor(label = 'utf-8', options = {}) {
      const name = labels[String(label).trim().toLowerCase()];
      if (name === undefined) throw new RangeError(`The encoding label "${label}" is not supported`);
      this.#encoding = name;
      this.#fatal = !!options.fatal;
      this.#ignoreBOM = !!options.ignoreBOM;
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(input, options) {
      const stream = !!(options && options.stream);
      if (input !== undefined && !(input instanceof ArrayBuffer) && !ArrayBuffer.isView(input)) throw new TypeError('The input must be an ArrayBuffer or a view on one');
      let bytes = input === undefined ? new Uint8Array(0)
        : ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input);
      if (this.#kept !== null) {
        const joined = new Uint8Array(this.#kept.length + bytes.length);
        joined.set(this.#kept);
        joined.set(bytes, this.#kept.length);
        bytes = joined;
        this.#kept = null;
      }
      if (stream) {
        const n = rest(bytes, this.#encoding);
        if (n > 0) {
          this.#kept = bytes.slice(bytes.length - n);
          bytes = bytes.subarray(0, bytes.length - n);
        }
      }
      let text = decode(this.#encoding, bytes, this.#fatal);
      if (text === null) throw new TypeError(`The encoded data was not valid for encoding ${this.#encoding}`);
      if (!this.#started && text.length > 0) {
        if (!this.#ignoreBOM && this.#encoding !== 'windows-1252' && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
        this.#started = true;
      }
      if (!stream) this.#started = false;
      return text;
    }
  }
  return { TextEncoder, TextDecoder };
});
