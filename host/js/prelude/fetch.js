// Request, Response and fetch (fetch.spec.whatwg.org). A body is bytes, text, a native source that is read as it is asked for, or a
// stream; it becomes a stream only where a script looks at it as one.
(function (native) {
  const nullStatus = [101, 103, 204, 205, 304];
  const normal = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
  const { isToken, encode, decode } = native;
  const { Headers, adopt, freeze } = native.part('headers.js');
  const inside = {}; // told to a constructor that our own code calls
  const maxWhole = 67108864; // bytes of a stream that is read as a whole

  // A content is a body: text or bytes; or a source; and the record of its stream, when there is one.
  const contentOf = (known) => ({ text: null, bytes: null, source: null, stream: null, used: false, ...known });
  const unusable = (c) => (c.stream === null ? c.used : c.stream.disturbed || c.stream.reader !== null);
  const readAlready = (c) => new TypeError(c.stream !== null && c.stream.reader !== null ? 'The body is locked to a reader' : 'The body was read already');

  // extract makes a content of what may be given as a body, with its type.
  function extract(body) {
    if (typeof body === 'string') return [contentOf({ text: body }), 'text/plain;charset=UTF-8'];
    if (body instanceof ArrayBuffer) return [contentOf({ bytes: new Uint8Array(body.slice(0)) }), null];
    if (ArrayBuffer.isView(body)) return [contentOf({ bytes: new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice() }), null];
    if (typeof body === 'object' && body !== null) {
      let part = native.loaded('streams.js');
      if (part !== undefined && part.isStream(body)) {
        const stream = part.recordOf(body);
        if (stream.disturbed || stream.reader !== null) throw new TypeError('The stream is locked, or was read already');
        return [contentOf({ stream, source: stream.native }), null];
      }
      part = native.loaded('blob.js');
      const bytes = part === undefined ? null : part.bytesOf(body);
      if (bytes !== null) return [contentOf({ bytes }), body.type === '' ? null : body.type];
      part = native.loaded('formdata.js');
      if (part !== undefined && body instanceof part.FormData) {
        const made = part.encodeFormData(body);
        return [contentOf({ bytes: made.bytes }), made.type];
      }
      part = native.loaded('url.js');
      if (part !== undefined && body instanceof part.URLSearchParams) {
        return [contentOf({ text: body.toString() }), 'application/x-www-form-urlencoded;charset=UTF-8'];
      }
    }
    return [contentOf({ text: `${body}` }), 'text/plain;charset=UTF-8'];
  }

  // bytesOf gives the bytes of a content that is whole.
  function bytesOf(c) {
    if (c.bytes === null) c.bytes = encode(c.text);
    return c.bytes;
  }

  // streamOf gives the record of a content's stream, and makes it when it is not there.
  function streamOf(c) {
    if (c.stream !== null) return c.stream;
    const streams = native.part('streams.js');
    const { source } = c;
    let s;
    if (source === null || c.used) {
      s = streams.recordOf(streams.create({ bytes: true, hwm: 0 }));
      if (!c.used && bytesOf(c).length > 0) streams.give(s, c.bytes.slice());
      streams.finish(s);
      if ((s.disturbed = c.used)) streams.acquire(s);
    } else {
      s = streams.recordOf(streams.create({ bytes: true, hwm: 0, cancel: () => { native.drop(source); },
        pull: () => native.readSome(source).then((chunk) => (chunk === null ? streams.finish(s) : streams.give(s, chunk))) }));
      s.native = source;
    }
    c.stream = s;
    return s;
  }

  // consume gives a promise of all bytes.
  function consume(c) {
    if (c === null) return Promise.resolve(new Uint8Array(0));
    if (unusable(c)) return Promise.reject(readAlready(c));
    c.used = true;
    if (c.stream !== null) return readStream(c.stream);
    return c.source === null ? Promise.resolve(bytesOf(c)) : native.readAll(c.source);
  }

  // readStream reads a stream to its end, and leaves it locked.
  function readStream(s) {
    const streams = native.part('streams.js');
    const r = streams.acquire(s);
    const chunks = [];
    let size = 0;
    return new Promise((resolve, reject) => {
      const step = () => streams.read(r, {
        chunk(chunk) {
          if (!(chunk instanceof Uint8Array)) return reject(new TypeError('The chunks of a body must be Uint8Array'));
          chunks.push(chunk);
          if ((size += chunk.length) > maxWhole) {
            const e = new TypeError(`The body has more than ${maxWhole} bytes; read it as a stream`);
            streams.cancel(s, e).catch(() => {});
            return reject(e);
          }
          Promise.resolve().then(step);
        },
        close() {
          const all = new Uint8Array(size);
          let at = 0;
          for (const chunk of chunks) {
            all.set(chunk, at);
            at += chunk.length;
          }
          resolve(all);
        },
        error: reject,
      });
      step();
    });
  }

  // share makes a second content of one, for clone().
  function share(c) {
    if (c === null) return null;
    if (unusable(c)) throw readAlready(c);
    if (c.stream === null && c.source === null) return contentOf({ text: c.text, bytes: c.bytes });
    const streams = native.part('streams.js');
    const [mine, other] = streams.tee(streamOf(c)).map(streams.recordOf);
    c.stream = mine;
    c.source = null;
    return contentOf({ stream: other });
  }

  function text(bytes) {
    const t = decode('utf-8', bytes, false);
    return t.charCodeAt(0) === 0xfeff ? t.slice(1) : t;
  }

  let content, setContent, requestOf;
  class Body {
    #content = null;
    static {
      content = (target) => target.#content;
      setContent = (target, c) => { target.#content = c; };
    }
    get body() { return this.#content === null ? null : streamOf(this.#content).stream; }
    get bodyUsed() { return this.#content !== null && (this.#content.stream === null ? this.#content.used : this.#content.stream.disturbed); }
    bytes() { return consume(this.#content).then((b) => b.slice()); }
    arrayBuffer() { return consume(this.#content).then((b) => b.slice().buffer); }
    text() { return consume(this.#content).then(text); }
    json() { return consume(this.#content).then((b) => JSON.parse(text(b))); }
    blob() { return consume(this.#content).then((b) => native.part('blob.js').adopt(b, (this.headers.get('content-type') || '').replace(/;\s+/g, ';'))); }
    formData() { return consume(this.#content).then((b) => native.part('formdata.js').parseFormData(b, this.headers.get('content-type'))); }
  }

  class Request extends Body {
    #at;
    static {
      requestOf = (v) => (typeof v === 'object' && v !== null && #at in v ? v.#at : null);
    }
    constructor(input, init = {}, given = null) {
      super();
      if (input === inside) {
        this.#at = init;
        setContent(this, given);
        return;
      }
      if (init === null) init = {};
      const from = requestOf(input);
      const url = from ? from.url : native.href(`${input}`);
      if (!from && /^[^/?#]*\/\/[^/?#]*@/.test(url)) throw new TypeError('The URL of a request cannot hold a user name or password; send an Authorization header');
      let method = init.method !== undefined ? `${init.method}` : from ? from.method : 'GET';
      if (normal.includes(method.toUpperCase())) method = method.toUpperCase();
      if (!isToken(method) || ['CONNECT', 'TRACE', 'TRACK'].includes(method.toUpperCase())) {
        throw new TypeError(`Invalid method ${JSON.stringify(method)}`);
      }
      const headers = new Headers(init.headers !== undefined ? init.headers : from ? from.headers : undefined);
      const redirect = init.redirect !== undefined ? `${init.redirect}` : from ? from.redirect : 'follow';
      if (!['follow', 'error', 'manual'].includes(redirect)) throw new TypeError(`Invalid redirect ${JSON.stringify(redirect)}`);
      const given_ = init.signal !== undefined ? init.signal : from ? from.signal : null;
      if (given_ !== null && !(typeof given_ === 'object' && typeof given_.aborted === 'boolean')) throw new TypeError('signal must be an AbortSignal');
      this.#at = { url, method, headers, redirect, signal: given_, own: null };
      if (init.body !== undefined && init.body !== null) {
        if (method === 'GET' || method === 'HEAD') throw new TypeError(`A ${method} request cannot have a body`);
        const [made, type] = extract(init.body);
        setContent(this, made);
        if (type !== null && !headers.has('content-type')) headers.append('content-type', type);
      } else if (from && content(input) !== null) {
        const c = content(input);
        if (unusable(c)) throw readAlready(c);
        if (method === 'GET' || method === 'HEAD') throw new TypeError(`A ${method} request cannot have a body`);
        setContent(this, { ...c });
        setContent(input, contentOf({ used: true }));
      }
    }
    get url() { return this.#at.url; }
    get method() { return this.#at.method; }
    get headers() { return this.#at.headers; }
    get redirect() { return this.#at.redirect; }
    get signal() {
      const at = this.#at;
      if (at.own === null) {
        const { AbortController, AbortSignal } = native.part('events.js');
        if (at.signal !== null) {
          at.own = AbortSignal.any([at.signal]);
        } else {
          at.controller = new AbortController();
          at.own = at.controller.signal;
        }
      }
      return at.own;
    }
    clone() {
      const copy = share(content(this));
      return new Request(inside, { ...this.#at, headers: new Headers(this.headers), own: null, signal: this.#at.own || this.#at.signal }, copy);
    }
    get [Symbol.toStringTag]() { return 'Request'; }
  }
  // What is the same for all requests here costs a property, where a getter costs a function.
  Object.assign(Request.prototype, { cache: 'default', credentials: 'same-origin', destination: '', duplex: 'half', integrity: '', keepalive: false,
    mode: 'cors', referrer: 'about:client', referrerPolicy: '' });

  let aboutOf;
  class Response extends Body {
    #at;
    static {
      aboutOf = (v) => (typeof v === 'object' && v !== null && #at in v ? v.#at : null);
    }
    constructor(body = null, init = {}, given = null) {
      super();
      if (body === inside) {
        this.#at = init;
        setContent(this, given);
        return;
      }
      if (init === null) init = {};
      const status = init.status === undefined ? 200 : Math.trunc(Number(init.status));
      if (!(status >= 200 && status <= 599)) throw new RangeError(`Invalid status ${init.status}; it must be from 200 to 599`);
      const statusText = init.statusText === undefined ? '' : `${init.statusText}`;
      if (statusText !== '' && /[^\t\x20-\x7e\x80-\xff]/.test(statusText)) throw new TypeError('Invalid statusText');
      const headers = new Headers(init.headers);
      this.#at = { status, headers, statusText, url: '', redirected: false, type: 'default' };
      if (body !== null && body !== undefined) {
        if (nullStatus.includes(status)) throw new TypeError(`A response with status ${status} cannot have a body`);
        const [made, type] = extract(body);
        setContent(this, made);
        if (type !== null && !headers.has('content-type')) headers.append('content-type', type);
      }
    }
    get status() { return this.#at.status; }
    get ok() { return this.#at.status >= 200 && this.#at.status <= 299; }
    get statusText() { return this.#at.statusText; }
    get headers() { return this.#at.headers; }
    get url() { return this.#at.url; }
    get redirected() { return this.#at.redirected; }
    get type() { return this.#at.type; }
    clone() { return new Response(inside, { ...this.#at, headers: new Headers(this.headers) }, share(content(this))); }
    static json(data, init = {}) {
      const made = JSON.stringify(data);
      if (made === undefined) throw new TypeError('The data has no JSON');
      const headers = new Headers(init.headers);
      if (!headers.has('content-type')) headers.append('content-type', 'application/json');
      return new Response(made, { status: init.status, statusText: init.statusText, headers });
    }
    static redirect(url, status = 302) {
      if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`Invalid redirect status ${status}`);
      return new Response(inside, about(status, freeze(adopt([['location', native.href(`${url}`)]]))));
    }
    static error() { return new Response(inside, { ...about(0, freeze(new Headers())), type: 'error' }); }
    get [Symbol.toStringTag]() { return 'Response'; }
  }
  const about = (status, headers) => ({ status, headers, statusText: '', url: '', redirected: false, type: 'default' });

  // pump moves a stream's chunks into a native sink as they come, and waits where the sink is full. What it returns cancels the
  // stream, and calls back when the stream has heard of it.
  function pump(s, sink) {
    const streams = native.part('streams.js');
    const r = streams.acquire(s);
    let over = false;
    const step = () => {
      if (over) return;
      streams.read(r, {
        chunk(chunk) {
          if (over) return;
          let full;
          try {
            if (!(chunk instanceof Uint8Array)) {
              throw new TypeError(`The chunks of a body must be Uint8Array${typeof chunk === 'string' ? '; pipe text through a TextEncoderStream' : ''}`);
            }
            full = sink.write(chunk);
          } catch (e) {
            over = true;
            sink.fail(e);
            streams.cancel(s, e).catch(() => {});
            return;
          }
          (full || Promise.resolve()).then(step);
        },
        close() { if (!over) sink.end(); over = true; },
        error(e) { if (!over) sink.fail(e); over = true; },
      });
    };
    step();
    return (reason, done) => {
      if (over) return done();
      over = true;
      streams.cancel(s, reason).then(done, done);
    };
  }

  // outgoing is how a content leaves: text, bytes, a source that nobody touched, or [stream]. It is used up by that.
  function outgoing(c) {
    if (c === null) return undefined;
    if (unusable(c)) throw readAlready(c);
    c.used = true;
    if (c.source !== null && (c.stream === null || c.stream.native === c.source)) {
      if (c.stream !== null) native.part('streams.js').acquire(c.stream).stream.disturbed = true;
      return c.source;
    }
    if (c.stream !== null) return [c.stream];
    return c.text !== null ? c.text : c.bytes;
  }

  async function fetch(input, init) {
    const request = new Request(input, init);
    const { signal } = requestOf(request);
    if (signal) signal.throwIfAborted();
    const c = content(request);
    const again = c !== null && c.stream === null && c.source === null;
    const headers = request.headers;
    const sent = native.fetch(request.method, request.url, native.part('headers.js').lines(headers), outgoing(c), request.redirect, pump, again);
    let got;
    let source = null;
    if (signal) {
      const aborted = new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          sent.cancel();
          if (source !== null) native.abort(source, signal.reason);
          reject(signal.reason);
        });
      });
      aborted.catch(() => {});
      sent.promise.catch(() => {});
      got = await Promise.race([sent.promise, aborted]);
    } else {
      got = await sent.promise;
    }
    source = got.body;
    const head = { status: got.status, statusText: got.statusText, headers: freeze(adopt(got.headers)), url: got.url, redirected: got.redirected, type: 'basic' };
    if (request.method !== 'HEAD' && !nullStatus.includes(got.status)) return new Response(inside, head, contentOf({ source }));
    native.drop(source);
    return new Response(inside, head);
  }
  // leave aborts the signal of a request whose sender has gone, if somebody has it.
  const leave = (request) => {
    const { controller } = requestOf(request);
    if (controller !== undefined) controller.abort();
  };

  return { Headers, Request, Response, fetch, leave, content, contentOf, requestOf, aboutOf, unusable, readAlready, outgoing, pump, adopt,
    newRequest: (at, c) => new Request(inside, { redirect: 'follow', signal: null, own: null, ...at }, c),
    newResponse: (status, headers, c) => new Response(inside, about(status, headers), c) };
});
