// Blob and File (w3.org/TR/FileAPI). A blob's bytes never change: slices share them.
(function (native) {
  const { encode, decode, scalar } = native;
  const chunk = 65536; // bytes that stream() gives at a time
  let bytesOf, adopt;

  const typeOf = (type) => (/[^\x20-\x7e]/.test(type) ? '' : type.toLowerCase());
  const view = (v) => (v instanceof ArrayBuffer ? new Uint8Array(v) : new Uint8Array(v.buffer, v.byteOffset, v.byteLength));

  function join(parts) {
    if (parts.length === 1) return parts[0].slice();
    let n = 0;
    for (const p of parts) n += p.length;
    const all = new Uint8Array(n);
    n = 0;
    for (const p of parts) {
      all.set(p, n);
      n += p.length;
    }
    return all;
  }

  class Blob {
    #bytes;
    #type;
    static {
      bytesOf = (v) => (typeof v === 'object' && v !== null && #bytes in v ? v.#bytes : null);
      adopt = (bytes, type) => {
        const b = new Blob();
        b.#bytes = bytes;
        b.#type = typeOf(type);
        return b;
      };
    }
    constructor(parts = [], options = {}) {
      if (typeof parts !== 'object' && typeof parts !== 'function' || parts === null || typeof parts[Symbol.iterator] !== 'function') {
        throw new TypeError('The parts of a blob must be a sequence');
      }
      if (options === null) options = {};
      if (typeof options !== 'object' && typeof options !== 'function') throw new TypeError('The options of a blob must be an object');
      const { type = '', endings = 'transparent' } = options;
      if (endings !== 'transparent' && endings !== 'native') throw new TypeError(`Invalid endings ${JSON.stringify(String(endings))}`);
      const all = [];
      for (const p of parts) {
        const own = bytesOf(p);
        if (own !== null) all.push(own);
        else if (p instanceof ArrayBuffer || ArrayBuffer.isView(p)) all.push(view(p));
        else all.push(encode(endings === 'native' ? `${p}`.replace(/\r\n?/g, '\n') : `${p}`));
      }
      this.#bytes = join(all);
      this.#type = typeOf(`${type}`);
    }
    get size() { return this.#bytes.length; }
    get type() { return this.#type; }
    slice(start = 0, end = this.size, type = '') {
      return adopt(this.#bytes.subarray(start, end), `${type}`);
    }
    async bytes() { return this.#bytes.slice(); }
    async arrayBuffer() { return this.#bytes.slice().buffer; }
    async text() {
      const text = decode('utf-8', this.#bytes, false);
      return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
    stream() {
      const bytes = this.#bytes;
      let at = 0;
      return new ReadableStream({
        type: 'bytes',
        pull(controller) {
          if (at < bytes.length) controller.enqueue(bytes.slice(at, at += chunk));
          if (at >= bytes.length) {
            controller.close();
            if (controller.byobRequest) controller.byobRequest.respond(0);
          }
        },
      });
    }
    get [Symbol.toStringTag]() { return 'Blob'; }
  }

  class File extends Blob {
    #name;
    #modified;
    constructor(parts, name, options = {}) {
      if (arguments.length < 2) throw new TypeError('A file needs its parts and a name');
      super(parts, options);
      this.#name = scalar(`${name}`);
      const at = options === null || options.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified));
      this.#modified = Number.isFinite(at) ? at + 0 : 0;
    }
    get name() { return this.#name; }
    get lastModified() { return this.#modified; }
    get [Symbol.toStringTag]() { return 'File'; }
  }
  // bytesOf(blob) is a blob's bytes without a copy, null for what is no blob; adopt(bytes, type) makes a blob of bytes that nobody changes.
  return { Blob, File, bytesOf, adopt };
});
