// Headers, Request, Response and fetch (fetch.spec.whatwg.org). Bodies are whole, not streams: response.body is a
// minimal ReadableStream of one chunk, which Request and Response take as a body again.
(function (native) {
  const nullStatus = [101, 103, 204, 205, 304];
  const normal = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH'];
  const { headerName, headerValue, isToken } = native;

  class Headers {
    #map = new Map(); // lower-case name to values
    constructor(init) {
      if (init === undefined || init === null) return;
      if (init instanceof Headers) {
        for (const [name, list] of init.#map) this.#map.set(name, [...list]);
        return;
      }
      if (typeof init !== 'object') throw new TypeError('Headers are made of an object or of pairs');
      if (typeof init[Symbol.iterator] === 'function') {
        for (const pair of init) {
          const two = [...pair];
          if (two.length !== 2) throw new TypeError('Each pair must have a name and a value');
          this.append(two[0], two[1]);
        }
      } else {
        for (const name of Object.keys(init)) this.append(name, init[name]);
      }
    }
    append(name, value) {
      name = headerName(name);
      value = headerValue(value);
      const list = this.#map.get(name);
      if (list) list.push(value);
      else this.#map.set(name, [value]);
    }
    delete(name) { this.#map.delete(headerName(name)); }
    get(name) {
      const list = this.#map.get(headerName(name));
      return list ? list.join(', ') : null;
    }
    getSetCookie() { return [...(this.#map.get('set-cookie') || [])]; }
    has(name) { return this.#map.has(headerName(name)); }
    set(name, value) { this.#map.set(headerName(name), [headerValue(value)]); }
    forEach(fn, self) { for (const [name, value] of this) fn.call(self, value, name, this); }
    *entries() {
      for (const name of [...this.#map.keys()].sort()) {
        const list = this.#map.get(name);
        if (list === undefined) continue;
        if (name === 'set-cookie') for (const v of list) yield [name, v];
        else yield [name, list.join(', ')];
      }
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'Headers'; }
  }

  // A Stream is what body gives: one chunk, when it is asked for.
  class ReadableStream {
    #owner;
    #locked = false;
    constructor(owner) { this.#owner = owner; }
    get locked() { return this.#locked; }
    async cancel() { this.#owner.drop(); }
    getReader() {
      if (this.#locked) throw new TypeError('The stream is locked');
      this.#locked = true;
      let done = false;
      const owner = this.#owner;
      return {
        closed: Promise.resolve(),
        read: async () => {
          if (done) return { done: true, value: undefined };
          done = true;
          const value = await owner.take();
          return value.length === 0 ? { done: true, value: undefined } : { done: false, value };
        },
        cancel: async () => { done = true; owner.drop(); },
        releaseLock: () => { this.#locked = false; },
      };
    }
    [Symbol.asyncIterator]() {
      const reader = this.getReader();
      return { next: () => reader.read(), return: async () => ({ done: true, value: undefined }), [Symbol.asyncIterator]() { return this; } };
    }
    static ownerOf(stream) { return stream.#owner; }
    get [Symbol.toStringTag]() { return 'ReadableStream'; }
  }

  // A Content holds the bytes of a body, or where to read them.
  class Content {
    constructor(bytes, source) {
      this.bytes = bytes;
      this.source = source; // {read, drop} of a response that is still coming
      this.used = false;
    }
    async take() {
      if (this.used) throw new TypeError('The body was read already');
      this.used = true;
      return this.peek();
    }
    async peek() {
      if (this.bytes === null) {
        if (!this.reading) this.reading = this.source.read();
        this.bytes = await this.reading;
      }
      return this.bytes;
    }
    drop() {
      this.used = true;
      if (this.source && !this.reading) this.source.drop();
    }
  }

  // extract makes a Content of what may be given as a body, with its type.
  function extract(body) {
    if (body instanceof ReadableStream) {
      const owner = ReadableStream.ownerOf(body);
      if (owner.used) throw new TypeError('The body was read already');
      const content = new Content(owner.bytes, { read: () => owner.take(), drop: () => owner.drop() });
      if (owner.bytes !== null) owner.used = true;
      return [content, null];
    }
    if (body instanceof ArrayBuffer) return [new Content(new Uint8Array(body).slice(), null), null];
    if (ArrayBuffer.isView(body)) return [new Content(new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(), null), null];
    if (body instanceof URLSearchParams) return [new Content(native.encode(body.toString()), null), 'application/x-www-form-urlencoded;charset=UTF-8'];
    return [new Content(native.encode(String(body)), null), 'text/plain;charset=UTF-8'];
  }

  class Body {
    #content = null;
    #stream = null;
    static set(target, content) { target.#content = content; }
    static of(target) { return target.#content; }
    get body() {
      if (this.#content === null) return null;
      if (this.#stream === null) this.#stream = new ReadableStream(this.#content);
      return this.#stream;
    }
    get bodyUsed() { return this.#content !== null && this.#content.used; }
    async bytes() { return this.#content === null ? new Uint8Array(0) : (await this.#content.take()).slice(); }
    async arrayBuffer() { return (await this.bytes()).buffer; }
    async text() {
      return this.#content === null ? '' : new TextDecoder().decode(await this.#content.take());
    }
    async json() { return JSON.parse(await this.text()); }
    async blob() { throw new TypeError('Blob is not supported; use arrayBuffer() or bytes()'); }
    async formData() { throw new TypeError('FormData is not supported; use new URLSearchParams(await request.text())'); }
  }

  function share(content) {
    if (content === null) return null;
    if (content.used) throw new TypeError('The body was read already');
    return new Content(content.bytes, { read: () => content.peek(), drop() {} });
  }

  class Request extends Body {
    #at;
    constructor(input, init = {}) {
      super();
      const from = input instanceof Request ? input : null;
      const url = from ? from.url : new URL(String(input)).href;
      let method = init.method !== undefined ? String(init.method) : from ? from.method : 'GET';
      if (normal.includes(method.toUpperCase())) method = method.toUpperCase();
      if (!isToken(method) || ['CONNECT', 'TRACE', 'TRACK'].includes(method.toUpperCase())) {
        throw new TypeError(`Invalid method ${JSON.stringify(method)}`);
      }
      const headers = new Headers(init.headers !== undefined ? init.headers : from ? from.headers : undefined);
      const redirect = init.redirect !== undefined ? String(init.redirect) : from ? from.redirect : 'follow';
      if (!['follow', 'error', 'manual'].includes(redirect)) throw new TypeError(`Invalid redirect ${JSON.stringify(redirect)}`);
      const signal = init.signal !== undefined ? init.signal : from ? from.signal : null;
      let content = null;
      if (init.body !== undefined && init.body !== null) {
        if (method === 'GET' || method === 'HEAD') throw new TypeError(`A ${method} request cannot have a body`);
        const [made, type] = extract(init.body);
        content = made;
        if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
      } else if (from && Body.of(from) !== null) {
        content = share(Body.of(from));
        Body.of(from).used = true;
      }
      Body.set(this, content);
      this.#at = { url, method, headers, redirect, signal };
    }
    get url() { return this.#at.url; }
    get method() { return this.#at.method; }
    get headers() { return this.#at.headers; }
    get redirect() { return this.#at.redirect; }
    get signal() { return this.#at.signal || (this.#at.signal = new AbortController().signal); }
    get cache() { return 'default'; }
    get credentials() { return 'same-origin'; }
    get mode() { return 'cors'; }
    get referrer() { return 'about:client'; }
    get integrity() { return ''; }
    get keepalive() { return false; }
    clone() {
      const content = share(Body.of(this));
      const copy = new Request(this.url, { method: this.method, headers: this.headers, redirect: this.redirect, signal: this.#at.signal });
      Body.set(copy, content);
      return copy;
    }
    get [Symbol.toStringTag]() { return 'Request'; }
  }

  let adopt;
  class Response extends Body {
    #at;
    static {
      adopt = (response, about) => Object.assign(response.#at, about);
    }
    constructor(body = null, init = {}) {
      super();
      const status = init.status === undefined ? 200 : Number(init.status);
      if (!(status >= 200 && status <= 599) || status % 1 !== 0) throw new RangeError(`Invalid status ${init.status}; it must be from 200 to 599`);
      const headers = new Headers(init.headers);
      if (body !== null && body !== undefined) {
        if (nullStatus.includes(status)) throw new TypeError(`A response with status ${status} cannot have a body`);
        const [content, type] = extract(body);
        Body.set(this, content);
        if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
      }
      this.#at = { status, headers, statusText: init.statusText === undefined ? '' : String(init.statusText), url: '', redirected: false, type: 'default' };
    }
    get status() { return this.#at.status; }
    get ok() { return this.#at.status >= 200 && this.#at.status <= 299; }
    get statusText() { return this.#at.statusText; }
    get headers() { return this.#at.headers; }
    get url() { return this.#at.url; }
    get redirected() { return this.#at.redirected; }
    get type() { return this.#at.type; }
    clone() {
      const content = share(Body.of(this));
      const copy = new Response(null, { headers: this.headers });
      Body.set(copy, content);
      adopt(copy, { ...this.#at, headers: copy.headers });
      return copy;
    }
    static json(data, init = {}) {
      const text = JSON.stringify(data);
      if (text === undefined) throw new TypeError('The data has no JSON');
      const headers = new Headers(init.headers);
      if (!headers.has('content-type')) headers.set('content-type', 'application/json');
      return new Response(text, { ...init, headers });
    }
    static redirect(url, status = 302) {
      if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`Invalid redirect status ${status}`);
      return new Response(null, { status, headers: { location: new URL(String(url)).href } });
    }
    static error() {
      const r = new Response();
      adopt(r, { status: 0, type: 'error' });
      return r;
    }
    get [Symbol.toStringTag]() { return 'Response'; }
  }

  async function fetch(input, init) {
    const request = new Request(input, init);
    const signal = (init && init.signal) || (input instanceof Request && input.signal) || null;
    if (signal) signal.throwIfAborted();
    const content = Body.of(request);
    const bytes = content === null ? undefined : await content.take();
    const sent = native.fetch(request.method, request.url, [...request.headers], bytes, request.redirect);
    let got;
    if (signal) {
      let onAbort;
      const aborted = new Promise((_, reject) => {
        onAbort = () => { sent.cancel(); reject(signal.reason); };
        signal.addEventListener('abort', onAbort);
      });
      sent.promise.catch(() => {});
      got = await Promise.race([sent.promise, aborted]);
    } else {
      got = await sent.promise;
    }
    const response = new Response(null, { headers: got.headers });
    adopt(response, { status: got.status, statusText: got.statusText, url: got.url, redirected: got.redirected, type: 'basic' });
    if (request.method !== 'HEAD' && !nullStatus.includes(got.status)) {
      Body.set(response, new Content(null, { drop: got.drop, read: async () => {
        try {
          return await got.read();
        } catch (e) {
          throw signal && signal.aborted ? signal.reason : e;
        }
      } }));
    } else {
      got.drop();
    }
    return response;
  }
  return { Headers, Request, Response, fetch };
});
