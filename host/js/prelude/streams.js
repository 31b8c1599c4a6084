// ReadableStream with its controllers and readers (streams.spec.whatwg.org, section 4). One record holds what a stream and its
// controller know; the classes are doors to it. What other parts use of it is returned beside the globals.
(function (native) {
  const noop = () => {};
  const asyncIterator = native.asyncIterator();
  const inside = {}; // told to a constructor that our own code calls

  // A Later is a promise that is made when somebody asks for it: most are never asked for.
  class Later {
    #promise = null;
    #settle = null;
    state = 0; // 1 resolved, 2 rejected
    value = undefined;
    get promise() {
      if (this.#promise === null) {
        this.#promise = this.state === 1 ? Promise.resolve(this.value) : this.state === 2 ? Promise.reject(this.value)
          : new Promise((...both) => { this.#settle = both; });
        this.#promise.catch(noop);
      }
      return this.#promise;
    }
    #end(state, value) {
      if (this.state !== 0) return;
      this.state = state;
      this.value = value;
      if (this.#settle !== null) this.#settle[state - 1](value);
    }
    resolve(value) { this.#end(1, value); }
    reject(error) { this.#end(2, error); }
    static rejected(error) {
      const l = new Later();
      l.reject(error);
      return l;
    }
  }

  // invoke runs an algorithm; what it throws becomes a rejection.
  function invoke(fn, ...args) {
    try {
      return Promise.resolve(fn(...args));
    } catch (e) {
      return Promise.reject(e);
    }
  }

  function method(owner, name) {
    const fn = owner[name];
    if (fn === undefined || fn === null) return undefined;
    if (typeof fn !== 'function') throw new TypeError(`${name} must be a function`);
    return (...args) => fn.apply(owner, args);
  }

  function dictionary(value, what) {
    if (value === undefined) return {};
    if (typeof value !== 'object' && typeof value !== 'function' || value === null) throw new TypeError(`The ${what} must be an object`);
    return value;
  }

  function highWaterMark(strategy, otherwise) {
    if (strategy === null || strategy === undefined || strategy.highWaterMark === undefined) return otherwise;
    const n = Number(strategy.highWaterMark);
    if (!(n >= 0)) throw new RangeError('The highWaterMark must be a number that is not negative');
    return n;
  }

  function sizeOf(strategy) {
    if (strategy === null || strategy === undefined || strategy.size === undefined) return null;
    const { size } = strategy;
    if (typeof size !== 'function') throw new TypeError('size must be a function');
    return (chunk) => size(chunk);
  }

  // measured is the size that a strategy gives a chunk.
  function measured(size, chunk) {
    if (size === null) return 1;
    const n = Number(size(chunk));
    if (!(n >= 0) || n === Infinity) throw new RangeError('The size of a chunk must be a finite number that is not negative');
    return n;
  }

  function newRecord(stream, algorithms) {
    return { stream, state: 'readable', error: undefined, reader: null, disturbed: false, controller: null, native: null,
      bytes: !!algorithms.bytes, queue: [], total: 0, hwm: algorithms.hwm, size: algorithms.size || null, started: false, closing: false,
      pulling: false, again: false, pull: algorithms.pull || noop, cancel: algorithms.cancel || noop,
      auto: algorithms.auto, intos: [], byob: null };
  }

  function start(s, algorithm) {
    const begun = algorithm ? algorithm(s.controller) : undefined;
    Promise.resolve(begun).then(() => {
      s.started = true;
      pullIfNeeded(s);
    }, (e) => fail(s, e));
  }

  const desired = (s) => (s.state === 'errored' ? null : s.state === 'closed' ? 0 : s.hwm - s.total);
  const open = (s) => s.state === 'readable' && !s.closing;
  const wanted = (s) => open(s) && s.started && (s.reader !== null && s.reader.requests.length > 0 || desired(s) > 0);

  function pullIfNeeded(s) {
    if (!wanted(s)) return;
    if (s.pulling) {
      s.again = true;
      return;
    }
    s.pulling = true;
    invoke(s.pull, s.controller).then(() => {
      s.pulling = false;
      if (s.again) {
        s.again = false;
        pullIfNeeded(s);
      }
    }, (e) => fail(s, e));
  }

  function forget(s) { // what the algorithms hold
    s.pull = s.cancel = noop;
    s.size = null;
  }

  function empty(s) {
    s.queue = [];
    s.total = 0;
    invalidate(s);
    s.intos = [];
  }

  function invalidate(s) {
    if (s.byob !== null) bytes().drop(s.byob);
    s.byob = null;
  }

  // fail is the controller's error().
  function fail(s, error) {
    if (s.state !== 'readable') return;
    empty(s);
    forget(s);
    s.state = 'errored';
    s.error = error;
    const r = s.reader;
    if (r === null) return;
    r.closed.reject(error);
    for (const q of r.requests.splice(0)) q.error(error);
  }

  function shut(s) {
    s.state = 'closed';
    const r = s.reader;
    if (r === null) return;
    r.closed.resolve();
    if (!r.byob) for (const q of r.requests.splice(0)) q.close();
  }

  // close is the controller's close().
  function close(s) {
    if (!open(s)) throw new TypeError('The stream is closed or errored already');
    if (s.queue.length > 0) {
      s.closing = true;
      return;
    }
    if (s.intos.length > 0 && s.intos[0].filled % s.intos[0].element !== 0) {
      const e = new TypeError('The stream closed within an element of the view that is being filled');
      fail(s, e);
      throw e;
    }
    forget(s);
    shut(s);
  }

  function drained(s) {
    if (s.queue.length === 0 && s.closing) {
      forget(s);
      shut(s);
    } else {
      pullIfNeeded(s);
    }
  }

  function cancel(s, reason) {
    s.disturbed = true;
    if (s.state === 'closed') return Promise.resolve();
    if (s.state === 'errored') return Promise.reject(s.error);
    shut(s);
    if (s.reader !== null && s.reader.byob) for (const q of s.reader.requests.splice(0)) q.close(undefined);
    empty(s);
    const done = invoke(s.cancel, reason);
    forget(s);
    return done.then(noop);
  }

  function enqueue(s, chunk) {
    if (!open(s)) throw new TypeError('The stream is closed or errored already');
    if (s.reader !== null && s.reader.requests.length > 0) {
      s.reader.requests.shift().chunk(chunk);
    } else {
      let n;
      try {
        n = measured(s.size, chunk);
      } catch (e) {
        fail(s, e);
        throw e;
      }
      s.queue.push({ chunk, n });
      s.total += n;
    }
    pullIfNeeded(s);
  }

  // read gives a request its chunk, now or later. A request is {chunk, close, error}.
  function read(r, request) {
    const s = r.stream;
    s.disturbed = true;
    if (s.state === 'closed') return request.close();
    if (s.state === 'errored') return request.error(s.error);
    if (s.bytes) return bytes().read(s, request);
    if (s.queue.length === 0) {
      r.requests.push(request);
      return pullIfNeeded(s);
    }
    const { chunk, n } = s.queue.shift();
    s.total = Math.max(0, s.total - n);
    drained(s);
    request.chunk(chunk);
  }

  let byteParts;
  // bytes is what byte streams need beyond this, loaded with the first of them.
  function bytes() {
    return byteParts || (byteParts = native.part('bytestreams.js').make({ dictionary, open, pullIfNeeded, fail, drained, acquire, release, invalidate, inside, recordOf, cancel, close }));
  }

  // acquire locks a stream for a reader, and gives the reader's record.
  function acquire(s, byob = false) {
    if (s.reader !== null) throw new TypeError('The stream is locked to a reader');
    const r = { stream: s, byob, requests: [], closed: new Later() };
    s.reader = r;
    if (s.state === 'closed') r.closed.resolve();
    else if (s.state === 'errored') r.closed.reject(s.error);
    return r;
  }

  function release(r) {
    const s = r.stream;
    if (s === null) return;
    const e = new TypeError('The reader was released');
    if (r.closed.state === 0) r.closed.reject(e);
    else r.closed = Later.rejected(e);
    s.reader = null;
    r.stream = null;
    if (s.intos.length > 0) {
      s.intos.length = 1;
      s.intos[0].kind = 'none';
    }
    for (const q of r.requests.splice(0)) q.error(e);
  }

  const released = () => Promise.reject(new TypeError('The reader was released'));

  class ReadableStreamDefaultReader {
    #r;
    constructor(stream) { this.#r = acquire(recordOf(stream)); }
    get closed() { return this.#r.closed.promise; }
    read() {
      if (this.#r.stream === null) return released();
      return new Promise((resolve, reject) => read(this.#r, {
        chunk: (value) => resolve({ value, done: false }), close: () => resolve({ value: undefined, done: true }), error: reject }));
    }
    cancel(reason) { return this.#r.stream === null ? released() : cancel(this.#r.stream, reason); }
    releaseLock() { release(this.#r); }
    get [Symbol.toStringTag]() { return 'ReadableStreamDefaultReader'; }
  }

  class ReadableStreamDefaultController {
    #s;
    constructor(token, s) {
      if (token !== inside) throw new TypeError('Illegal constructor');
      this.#s = s;
    }
    get desiredSize() { return desired(this.#s); }
    close() { close(this.#s); }
    enqueue(chunk) { enqueue(this.#s, chunk); }
    error(e) { fail(this.#s, e); }
    get [Symbol.toStringTag]() { return 'ReadableStreamDefaultController'; }
  }

  let recordOf, isStream;
  class ReadableStream {
    #s;
    static {
      recordOf = (stream) => stream.#s;
      isStream = (value) => typeof value === 'object' && value !== null && #s in value;
    }
    constructor(source = undefined, strategy = undefined) {
      if (source === inside) {
        this.#setUp(strategy);
        return;
      }
      const from = dictionary(source, 'source');
      const type = from.type === undefined ? undefined : String(from.type);
      if (type !== undefined && type !== 'bytes') throw new TypeError(`A source's type is "bytes" or nothing, not ${JSON.stringify(type)}`);
      if (type === 'bytes' && sizeOf(strategy) !== null) throw new RangeError('A byte stream has no size()');
      let auto = from.autoAllocateChunkSize;
      if (auto !== undefined && !((auto = Math.floor(Number(auto))) > 0)) throw new TypeError('autoAllocateChunkSize must be positive');
      this.#setUp({ start: method(from, 'start'), pull: method(from, 'pull'), cancel: method(from, 'cancel'), auto,
        bytes: type === 'bytes', size: type === 'bytes' ? null : sizeOf(strategy), hwm: highWaterMark(strategy, type === 'bytes' ? 0 : 1) });
    }
    #setUp(algorithms) {
      const s = this.#s = newRecord(this, algorithms);
      s.controller = s.bytes ? bytes().controller(s) : new ReadableStreamDefaultController(inside, s);
      start(s, algorithms.start);
    }
    get locked() { return this.#s.reader !== null; }
    cancel(reason) { return this.locked ? Promise.reject(new TypeError('The stream is locked to a reader')) : cancel(this.#s, reason); }
    getReader(options) {
      const mode = dictionary(options === null ? undefined : options, 'options').mode;
      if (mode === undefined) return new ReadableStreamDefaultReader(this);
      if (String(mode) !== 'byob') throw new TypeError(`A reader's mode is "byob" or nothing, not ${JSON.stringify(String(mode))}`);
      return bytes().reader(this.#s);
    }
    pipeThrough(pair, options) {
      const { readable, writable } = dictionary(pair, 'transform');
      if (!isStream(readable)) throw new TypeError('readable must be a ReadableStream');
      const pipes = native.part('writable.js');
      if (this.locked || pipes.recordOf(writable).writer !== null) throw new TypeError('The stream is locked');
      pipes.pipe(this.#s, pipes.recordOf(writable), options).catch(noop);
      return readable;
    }
    pipeTo(writable, options) {
      return invoke(() => {
        const pipes = native.part('writable.js');
        if (!pipes.isWritable(writable)) throw new TypeError('The destination must be a WritableStream');
        if (this.locked || pipes.recordOf(writable).writer !== null) throw new TypeError('The stream is locked');
        return pipes.pipe(this.#s, pipes.recordOf(writable), options);
      });
    }
    tee() { return tee(this.#s); }
    values(options) { return more().iterate(this.#s, !!(options && options.preventCancel)); }
    static from(items) { return more().from(items); }
    get [Symbol.toStringTag]() { return 'ReadableStream'; }
  }
  Object.defineProperty(ReadableStream.prototype, asyncIterator, { value: ReadableStream.prototype.values, writable: true, configurable: true });

  const create = (algorithms) => new ReadableStream(inside, algorithms);

  let uses;
  // more is what is made of streams, loaded with the first use.
  function more() {
    return uses || (uses = native.part('streamuses.js').make({ create, recordOf, acquire, release, read, cancel, close, enqueue, fail, open, Later, bytes }));
  }
  const tee = (s) => more().tee(s);

  return { ReadableStream, ReadableStreamDefaultReader, ReadableStreamDefaultController, create, recordOf, isStream, acquire, release, read,
    cancel, close, enqueue, tee, fail, open, wanted, desired, invoke, method, dictionary, highWaterMark, sizeOf, measured, inside, Later, noop,
    bytes, give: (s, chunk) => bytes().enqueue(s, chunk, true), finish: (s) => (s.bytes ? bytes().close(s) : close(s)) };
});
