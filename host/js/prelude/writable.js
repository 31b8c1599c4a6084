// WritableStream, and pipes into one (streams.spec.whatwg.org, sections 3.4 and 5).
(function (native) {
  const { acquire, release, read, cancel, invoke, method, dictionary, highWaterMark, sizeOf, measured, inside, Later, noop } = native.part('streams.js');
  const CLOSE = {}; // in the queue, behind the last chunk

  function newRecord(stream, algorithms) {
    return { stream, state: 'writable', error: undefined, writer: null, controller: null, queue: [], total: 0, hwm: algorithms.hwm,
      size: algorithms.size || null, started: false, write: algorithms.write || noop, close: algorithms.close || noop, abort: algorithms.abort || noop,
      writing: null, closing: null, closeRequest: null, requests: [], aborting: null, backpressure: false, signal: null };
  }

  const desired = (w) => (w.state === 'errored' || w.state === 'erroring' ? null : w.state === 'closed' ? 0 : w.hwm - w.total);
  const closingOrQueued = (w) => w.closeRequest !== null || w.closing !== null;

  function setUp(w, begin) {
    w.backpressure = desired(w) <= 0;
    const begun = begin ? begin(w.controller) : undefined;
    Promise.resolve(begun).then(() => {
      w.started = true;
      advance(w);
    }, (e) => {
      w.started = true;
      reject(w, e);
    });
  }

  function forget(w) {
    w.write = w.close = w.abort = noop;
    w.size = null;
  }

  // begin to fail: what is being written may still end.
  function startErroring(w, reason) {
    w.state = 'erroring';
    w.error = reason;
    if (w.writer !== null) notReady(w.writer, reason);
    if (w.writing === null && w.closing === null && w.started) finishErroring(w);
  }

  function notReady(writer, reason) {
    if (writer.ready.state === 0) writer.ready.reject(reason);
    else writer.ready = Later.rejected(reason);
  }

  function finishErroring(w) {
    w.state = 'errored';
    w.queue = [];
    w.total = 0;
    for (const later of w.requests.splice(0)) later.reject(w.error);
    const a = w.aborting;
    w.aborting = null;
    if (a === null) return rejectClosed(w);
    if (a.wasErroring) {
      a.later.reject(w.error);
      return rejectClosed(w);
    }
    const abort = w.abort;
    forget(w);
    invoke(abort, a.reason).then(() => {
      a.later.resolve();
      rejectClosed(w);
    }, (e) => {
      a.later.reject(e);
      rejectClosed(w);
    });
  }

  function rejectClosed(w) {
    if (w.closeRequest !== null) w.closeRequest.reject(w.error);
    w.closeRequest = null;
    if (w.writer !== null) w.writer.closed.reject(w.error);
  }

  function reject(w, e) {
    if (w.state === 'writable') startErroring(w, e);
    else if (w.state === 'erroring') finishErroring(w);
  }

  function updateBackpressure(w) {
    const full = desired(w) <= 0;
    if (w.writer !== null && full !== w.backpressure) {
      if (full) w.writer.ready = new Later();
      else w.writer.ready.resolve();
    }
    w.backpressure = full;
  }

  function advance(w) {
    if (!w.started || w.writing !== null || w.closing !== null) return;
    if (w.state === 'erroring') return finishErroring(w);
    if (w.queue.length === 0 || w.state !== 'writable') return;
    if (w.queue[0].chunk === CLOSE) return processClose(w);
    w.writing = w.requests.shift();
    const { chunk, n } = w.queue[0];
    invoke(w.write, chunk, w.controller).then(() => {
      w.writing.resolve();
      w.writing = null;
      const { state } = w;
      if (w.queue.length > 0) w.queue.shift();
      w.total = Math.max(0, w.total - n);
      if (!closingOrQueued(w) && state === 'writable') updateBackpressure(w);
      advance(w);
    }, (e) => {
      if (w.state === 'writable') forget(w);
      w.writing.reject(e);
      w.writing = null;
      reject(w, e);
    });
  }

  function processClose(w) {
    w.closing = w.closeRequest;
    w.closeRequest = null;
    w.queue.shift();
    const { close } = w;
    forget(w);
    invoke(close).then(() => {
      w.closing.resolve();
      w.closing = null;
      if (w.state === 'erroring' && w.aborting !== null) {
        w.aborting.later.resolve();
        w.aborting = null;
      }
      w.state = 'closed';
      w.error = undefined;
      if (w.writer !== null) w.writer.closed.resolve();
    }, (e) => {
      w.closing.reject(e);
      w.closing = null;
      if (w.aborting !== null) w.aborting.later.reject(e);
      w.aborting = null;
      reject(w, e);
    });
  }

  function abort(w, reason) {
    if (w.state === 'closed' || w.state === 'errored') return Promise.resolve();
    if (w.signal !== null) w.signal.abort(reason);
    w.abortReason = [reason];
    if (w.state === 'closed' || w.state === 'errored') return Promise.resolve();
    if (w.aborting !== null) return w.aborting.later.promise;
    const wasErroring = w.state === 'erroring';
    const later = new Later();
    w.aborting = { later, reason: wasErroring ? undefined : reason, wasErroring };
    if (!wasErroring) startErroring(w, reason);
    return later.promise;
  }

  function close(w) {
    if (w.state === 'closed' || w.state === 'errored') return Promise.reject(new TypeError('The stream is closed or errored already'));
    if (closingOrQueued(w)) return Promise.reject(new TypeError('The stream is closing already'));
    const later = w.closeRequest = new Later();
    if (w.writer !== null && w.backpressure && w.state === 'writable') w.writer.ready.resolve();
    w.queue.push({ chunk: CLOSE, n: 0 });
    advance(w);
    return later.promise;
  }

  function write(writer, chunk) {
    const w = writer.stream;
    let n = 1;
    try {
      n = measured(w.size, chunk);
    } catch (e) {
      if (w.state === 'writable') errorWritable(w, e);
    }
    if (w !== writer.stream) return Promise.reject(new TypeError('The writer was released'));
    if (w.state === 'errored' || w.state === 'erroring') return Promise.reject(w.error);
    if (w.state === 'closed' || closingOrQueued(w)) return Promise.reject(new TypeError('The stream is closed'));
    const later = new Later();
    w.requests.push(later);
    w.queue.push({ chunk, n });
    w.total += n;
    updateBackpressure(w);
    advance(w);
    return later.promise;
  }

  // errorWritable is the controller's error().
  function errorWritable(w, e) {
    forget(w);
    startErroring(w, e);
  }

  function acquireWriter(w) {
    if (w.writer !== null) throw new TypeError('The stream is locked to a writer');
    const writer = { stream: w, ready: new Later(), closed: new Later() };
    w.writer = writer;
    if (w.state === 'erroring' || w.state === 'errored') writer.ready.reject(w.error);
    else if (w.state === 'closed' || closingOrQueued(w) || !w.backpressure) writer.ready.resolve();
    if (w.state === 'closed') writer.closed.resolve();
    else if (w.state === 'errored') writer.closed.reject(w.error);
    return writer;
  }

  function releaseWriter(writer) {
    const e = new TypeError('The writer was released');
    notReady(writer, e);
    if (writer.closed.state === 0) writer.closed.reject(e);
    else writer.closed = Later.rejected(e);
    writer.stream.writer = null;
    writer.stream = null;
  }

  let recordOf, isWritable;
  class WritableStream {
    #w;
    static {
      recordOf = (stream) => stream.#w;
      isWritable = (value) => typeof value === 'object' && value !== null && #w in value;
    }
    constructor(sink = undefined, strategy = undefined) {
      if (sink === inside) {
        this.#setUp(strategy);
        return;
      }
      const to = dictionary(sink, 'sink');
      if (to.type !== undefined) throw new RangeError('A sink has no type');
      this.#setUp({ start: method(to, 'start'), write: method(to, 'write'), close: method(to, 'close'), abort: method(to, 'abort'),
        size: sizeOf(strategy), hwm: highWaterMark(strategy, 1) });
    }
    #setUp(algorithms) {
      const w = this.#w = newRecord(this, algorithms);
      w.controller = new WritableStreamDefaultController(inside, w);
      setUp(w, algorithms.start);
    }
    get locked() { return this.#w.writer !== null; }
    abort(reason) { return this.locked ? Promise.reject(new TypeError('The stream is locked to a writer')) : abort(this.#w, reason); }
    close() { return this.locked ? Promise.reject(new TypeError('The stream is locked to a writer')) : close(this.#w); }
    getWriter() { return new WritableStreamDefaultWriter(this); }
    get [Symbol.toStringTag]() { return 'WritableStream'; }
  }

  class WritableStreamDefaultController {
    #w;
    constructor(token, w) {
      if (token !== inside) throw new TypeError('Illegal constructor');
      this.#w = w;
    }
    get signal() {
      const w = this.#w;
      if (w.signal === null) {
        w.signal = new (native.part('events.js').AbortController)();
        if (w.abortReason) w.signal.abort(w.abortReason[0]);
      }
      return w.signal.signal;
    }
    error(e) { if (this.#w.state === 'writable') errorWritable(this.#w, e); }
    get [Symbol.toStringTag]() { return 'WritableStreamDefaultController'; }
  }

  const released = () => Promise.reject(new TypeError('The writer was released'));
  class WritableStreamDefaultWriter {
    #v;
    constructor(stream) { this.#v = acquireWriter(recordOf(stream)); }
    get closed() { return this.#v.closed.promise; }
    get ready() { return this.#v.ready.promise; }
    get desiredSize() {
      if (this.#v.stream === null) throw new TypeError('The writer was released');
      return desired(this.#v.stream);
    }
    write(chunk) { return this.#v.stream === null ? released() : write(this.#v, chunk); }
    close() {
      if (this.#v.stream === null) return released();
      return close(this.#v.stream);
    }
    abort(reason) { return this.#v.stream === null ? released() : abort(this.#v.stream, reason); }
    releaseLock() { if (this.#v.stream !== null) releaseWriter(this.#v); }
    get [Symbol.toStringTag]() { return 'WritableStreamDefaultWriter'; }
  }

  // pipe moves chunks from s to w (section 4.9.1, ReadableStreamPipeTo).
  function pipe(s, w, options) {
    const { preventClose, preventAbort, preventCancel, signal } = dictionary(options, 'options');
    if (signal !== undefined && !(typeof signal === 'object' && signal !== null && typeof signal.aborted === 'boolean')) throw new TypeError('signal must be an AbortSignal');
    const reader = acquire(s);
    const writer = acquireWriter(w);
    s.disturbed = true;
    let over = false;
    let last = Promise.resolve(); // the write that was begun last
    return new Promise((resolve, rejectPipe) => {
      const finish = (failed, error) => {
        if (writer.stream !== null) releaseWriter(writer);
        release(reader);
        if (signal) signal.removeEventListener('abort', onAbort);
        if (failed) rejectPipe(error);
        else resolve();
      };
      const written = () => {
        const awaited = last;
        return awaited.then(() => (awaited === last ? undefined : written()));
      };
      const end = (action, failed, error) => {
        if (over) return;
        over = true;
        const act = () => (action ? action().then(() => finish(failed, error), (e) => finish(true, e)) : finish(failed, error));
        if (w.state === 'writable' && !closingOrQueued(w)) written().then(act);
        else act();
      };
      const onAbort = () => {
        const { reason } = signal;
        end(() => Promise.all([
          preventAbort || w.state !== 'writable' ? undefined : abort(w, reason),
          preventCancel || s.state !== 'readable' ? undefined : cancel(s, reason)]), true, reason);
      };
      const sourceFailed = (e) => end(preventAbort ? null : () => abort(w, e), true, e);
      const sourceClosed = () => end(preventClose ? null : () => closeUnlessClosed(w), false);
      const sinkFailed = (e) => end(preventCancel ? null : () => cancel(s, e), true, e);
      const sinkClosed = () => {
        const e = new TypeError('The destination is closed');
        end(preventCancel ? null : () => cancel(s, e), true, e);
      };
      const step = () => {
        if (over) return;
        writer.ready.promise.then(() => {
          if (over) return;
          read(reader, {
            chunk(value) {
              last = write(writer, value).catch(noop);
              Promise.resolve().then(step);
            },
            close: noop,
            error: noop,
          });
        }, noop);
      };
      if (signal) {
        if (signal.aborted) {
          onAbort();
          return;
        }
        signal.addEventListener('abort', onAbort);
      }
      if (s.state === 'errored') return sourceFailed(s.error);
      if (w.state === 'errored' || w.state === 'erroring') return sinkFailed(w.error);
      if (s.state === 'closed') return sourceClosed();
      if (w.state === 'closed' || closingOrQueued(w)) return sinkClosed();
      reader.closed.promise.then(sourceClosed, sourceFailed);
      writer.closed.promise.then(sinkClosed, sinkFailed);
      step();
    });
  }

  function closeUnlessClosed(w) {
    if (w.state === 'closed' || closingOrQueued(w)) return Promise.resolve();
    return w.state === 'errored' ? Promise.reject(w.error) : close(w);
  }

  return { WritableStream, WritableStreamDefaultController, WritableStreamDefaultWriter, pipe, recordOf, isWritable,
    create: (algorithms) => new WritableStream(inside, algorithms),
    errorIfNeeded: (w, e) => { if (w.state === 'writable') errorWritable(w, e); } };
});
