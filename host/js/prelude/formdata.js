// FormData (xhr.spec.whatwg.org, section 5), and its two encodings.
(function (native) {
  const { scalar, random, decode, decodeForm, parseMultipart } = native;
  const blobs = native.part('blob.js');
  const isBlob = (v) => blobs.bytesOf(v) !== null;
  let entriesOf;

  const file = (value, filename) => {
    if (value instanceof blobs.File && filename === undefined) return value;
    const name = filename !== undefined ? `${filename}` : value instanceof blobs.File ? value.name : 'blob';
    return new blobs.File([value], name, { type: value.type, lastModified: value.lastModified });
  };
  const entry = (args, method) => {
    if (args.length < 2) throw new TypeError(`FormData.${method} needs a name and a value`);
    const name = scalar(`${args[0]}`);
    if (isBlob(args[1])) return [name, file(args[1], args[2])];
    if (args.length > 2) throw new TypeError(`FormData.${method}: a value with a file name must be a Blob`);
    return [name, scalar(`${args[1]}`)];
  };

  class FormData {
    #list = [];
    static { entriesOf = (form) => form.#list; }
    constructor(form) {
      if (form !== undefined) throw new TypeError('There are no form elements here');
    }
    append(...args) { this.#list.push(entry(args, 'append')); }
    set(...args) {
      const made = entry(args, 'set');
      const first = this.#list.findIndex((e) => e[0] === made[0]);
      if (first < 0) {
        this.#list.push(made);
        return;
      }
      this.#list[first] = made;
      this.#list = this.#list.filter((e, i) => i <= first || e[0] !== made[0]);
    }
    delete(name) {
      name = scalar(`${name}`);
      this.#list = this.#list.filter((e) => e[0] !== name);
    }
    get(name) {
      name = scalar(`${name}`);
      const found = this.#list.find((e) => e[0] === name);
      return found ? found[1] : null;
    }
    getAll(name) {
      name = scalar(`${name}`);
      return this.#list.filter((e) => e[0] === name).map((e) => e[1]);
    }
    has(name) {
      name = scalar(`${name}`);
      return this.#list.some((e) => e[0] === name);
    }
    forEach(fn, self) {
      if (typeof fn !== 'function') throw new TypeError('The argument must be a function');
      for (const [name, value] of this) fn.call(self, value, name, this);
    }
    *entries() { for (let i = 0; i < this.#list.length; i++) yield [this.#list[i][0], this.#list[i][1]]; }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'FormData'; }
  }

  const lines = (text) => text.replaceAll('\r\n', '\n').replaceAll('\r', '\n').replaceAll('\n', '\r\n'); // a long text is no match that takes long
  const quoted = (text) => text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');

  // encodeFormData(form) is {bytes, type}: the form as multipart/form-data (html.spec.whatwg.org, section 4.10.21.8).
  function encodeFormData(form) {
    let boundary = '----form-';
    for (const b of random(new Uint8Array(16))) boundary += (b < 16 ? '0' : '') + b.toString(16);
    const parts = [];
    for (const [name, value] of entriesOf(form)) {
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(lines(name))}"`;
      if (typeof value === 'string') parts.push(`${head}\r\n\r\n${lines(value)}\r\n`);
      else parts.push(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`, value, '\r\n');
    }
    parts.push(`--${boundary}--\r\n`);
    return { bytes: blobs.bytesOf(new blobs.Blob(parts)), type: `multipart/form-data; boundary=${boundary}` };
  }

  const text = (bytes) => {
    const t = decode('utf-8', bytes, false);
    return t.charCodeAt(0) === 0xfeff ? t.slice(1) : t;
  };

  // parseFormData(bytes, contentType) makes a FormData of a body; it throws a TypeError when the body is no form or a malformed one.
  function parseFormData(bytes, contentType) {
    const form = new FormData();
    const media = String(contentType || '').split(';')[0].trim().toLowerCase();
    const list = entriesOf(form);
    if (media === 'application/x-www-form-urlencoded') {
      list.push(...decodeForm(text(bytes), true));
    } else if (media === 'multipart/form-data') {
      for (const [name, filename, type, body] of parseMultipart(bytes, contentType)) {
        list.push([name, filename === null ? text(body) : new blobs.File([body], filename, { type })]);
      }
    } else {
      throw new TypeError('The body is no form: its Content-Type must be multipart/form-data or application/x-www-form-urlencoded');
    }
    return form;
  }
  return { FormData, encodeFormData, parseFormData };
});
