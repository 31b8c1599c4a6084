// TransformStream (streams.spec.whatwg.org, section 6), the queuing strategies (section 7), and the transforms that the web has by
// name: for text (encoding.spec.whatwg.org, section 7) and for compression (compression.spec.whatwg.org).
(function (native) {
  const { invoke, method, dictionary, highWaterMark, sizeOf, inside, Later, noop, recordOf, create, enqueue, close, fail, open, wanted, desired } = native.part('streams.js');
  const writables = native.part('writable.js');

  function setBackpressure(t, on) {
    t.change.resolve();
    t.change = new Later();
    t.backpressure = on;
  }

  function errorWritable(t, e) {
    t.transform = t.flush = t.cancel = noop;
    writables.errorIfNeeded(t.w, e);
    if (t.backpressure) setBackpressure(t, false);
  }

  function error(t, e) {
    fail(t.s, e);
    errorWritable(t, e);
  }

  function put(t, chunk) {
    if (!open(t.s)) throw new TypeError('The stream is closed or errored already');
    try {
      enqueue(t.s, chunk);
    } catch (e) {
      errorWritable(t, e);
      throw t.s.error;
    }
    const full = !wanted(t.s);
    if (full !== t.backpressure) setBackpressure(t, true);
  }

  function terminate(t) {
    if (open(t.s)) close(t.s);
    errorWritable(t, new TypeError('The transform was terminated'));
  }

  const run = (t, chunk) => invoke(t.transform, chunk, t.controller).catch((e) => {
    error(t, e);
    throw e;
  });

  function write(t, chunk) {
    if (!t.backpressure) return run(t, chunk);
    return t.change.promise.then(() => {
      if (t.w.state === 'erroring') throw t.w.error;
      return run(t, chunk);
    });
  }

  // once runs the algorithm that ends a transform, from whichever side the end comes.
  function once(t, algorithm, argument, done, failed) {
    if (t.ending !== null) return t.ending.promise;
    const ending = t.ending = new Later();
    t.transform = t.flush = t.cancel = noop;
    invoke(algorithm, argument).then(() => {
      try {
        done();
        ending.resolve();
      } catch (e) {
        ending.reject(e);
      }
    }, (e) => {
      failed(e);
      ending.reject(e);
    });
    return ending.promise;
  }

  const abort = (t, reason) => once(t, t.cancel, reason, () => {
    if (t.s.state === 'errored') throw t.s.error;
    fail(t.s, reason);
  }, (e) => fail(t.s, e));

  const cancel = (t, reason) => once(t, t.cancel, reason, () => {
    if (t.w.state === 'errored') throw t.w.error;
    writables.errorIfNeeded(t.w, reason);
    if (t.backpressure) setBackpressure(t, false);
  }, (e) => {
    writables.errorIfNeeded(t.w, e);
    if (t.backpressure) setBackpressure(t, false);
  });

  const end = (t) => once(t, t.flush, t.controller, () => {
    if (t.s.state === 'errored') throw t.s.error;
    if (open(t.s)) close(t.s);
  }, (e) => fail(t.s, e));

  function setUp(t, { begin, writableHWM, writableSize, readableHWM, readableSize }) {
    const started = new Later();
    t.controller = new TransformStreamDefaultController(inside, t);
    t.w = writables.recordOf(writables.create({ start: () => started.promise, write: (chunk) => write(t, chunk), close: () => end(t),
      abort: (reason) => abort(t, reason), hwm: writableHWM, size: writableSize }));
    t.s = recordOf(create({ start: () => started.promise, pull: () => {
      setBackpressure(t, false);
      return t.change.promise;
    }, cancel: (reason) => cancel(t, reason), hwm: readableHWM, size: readableSize }));
    started.resolve(begin ? begin(t.controller) : undefined);
  }

  let transformOf;
  class TransformStreamDefaultController {
    #t;
    static { transformOf = (controller) => controller.#t; }
    constructor(token, t) {
      if (token !== inside) throw new TypeError('Illegal constructor');
      this.#t = t;
    }
    get desiredSize() { return desired(this.#t.s); }
    enqueue(chunk) { put(this.#t, chunk); }
    error(e) { error(this.#t, e); }
    terminate() { terminate(this.#t); }
    get [Symbol.toStringTag]() { return 'TransformStreamDefaultController'; }
  }

  // newTransform makes the record of a transform.
  function newTransform(algorithms, strategies) {
    const t = { s: null, w: null, controller: null, backpressure: true, change: new Later(), ending: null,
      transform: algorithms.transform, flush: algorithms.flush || noop, cancel: algorithms.cancel || noop };
    setUp(t, { writableHWM: 1, readableHWM: 0, writableSize: null, readableSize: null, ...strategies });
    return t;
  }

  class TransformStream {
    #t;
    constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
      const from = dictionary(transformer, 'transformer');
      for (const name of ['readableType', 'writableType']) if (from[name] !== undefined) throw new RangeError(`A transformer has no ${name}`);
      this.#t = newTransform({ transform: method(from, 'transform') || ((chunk, controller) => controller.enqueue(chunk)),
        flush: method(from, 'flush'), cancel: method(from, 'cancel') },
      { begin: method(from, 'start'), writableHWM: highWaterMark(writableStrategy, 1), writableSize: sizeOf(writableStrategy),
        readableHWM: highWaterMark(readableStrategy, 0), readableSize: sizeOf(readableStrategy) });
    }
    get readable() { return this.#t.s.stream; }
    get writable() { return this.#t.w.stream; }
    get [Symbol.toStringTag]() { return 'TransformStream'; }
  }

  class CountQueuingStrategy {
    #hwm;
    constructor(init) { this.#hwm = needed(init); }
    get highWaterMark() { return this.#hwm; }
    get size() { return count; }
    get [Symbol.toStringTag]() { return 'CountQueuingStrategy'; }
  }
  class ByteLengthQueuingStrategy {
    #hwm;
    constructor(init) { this.#hwm = needed(init); }
    get highWaterMark() { return this.#hwm; }
    get size() { return byteLength; }
    get [Symbol.toStringTag]() { return 'ByteLengthQueuingStrategy'; }
  }
  const count = { size: () => 1 }.size;
  const byteLength = { size: (chunk) => chunk.byteLength }.size;
  function needed(init) {
    if (typeof init !== 'object' || init === null || init.highWaterMark === undefined) throw new TypeError('A strategy needs a highWaterMark');
    return Number(init.highWaterMark);
  }

  // A Pair is what the transforms with a name share.
  class Pair {
    #t;
    constructor(algorithms) { this.#t = newTransform(algorithms); }
    get readable() { return this.#t.s.stream; }
    get writable() { return this.#t.w.stream; }
  }

  class TextEncoderStream extends Pair {
    constructor() {
      let high = '';
      super({
        transform(chunk, controller) {
          let text = high + String(chunk);
          const last = text.charCodeAt(text.length - 1);
          high = last >= 0xd800 && last < 0xdc00 ? text[text.length - 1] : '';
          if (high !== '') text = text.slice(0, -1);
          if (text !== '') controller.enqueue(native.encode(text));
        },
        flush(controller) { if (high !== '') controller.enqueue(native.encode(high)); },
      });
    }
    get encoding() { return 'utf-8'; }
    get [Symbol.toStringTag]() { return 'TextEncoderStream'; }
  }

  class TextDecoderStream extends Pair {
    #decoder;
    constructor(label = 'utf-8', options = {}) {
      const decoder = new (native.part('text.js').TextDecoder)(label, options);
      super({
        transform(chunk, controller) {
          const text = decoder.decode(needBytes(chunk), { stream: true });
          if (text !== '') controller.enqueue(text);
        },
        flush(controller) {
          const text = decoder.decode();
          if (text !== '') controller.enqueue(text);
        },
      });
      this.#decoder = decoder;
    }
    get encoding() { return this.#decoder.encoding; }
    get fatal() { return this.#decoder.fatal; }
    get ignoreBOM() { return this.#decoder.ignoreBOM; }
    get [Symbol.toStringTag]() { return 'TextDecoderStream'; }
  }

  function needBytes(chunk) {
    if (ArrayBuffer.isView(chunk) || chunk instanceof ArrayBuffer) return chunk;
    throw new TypeError('The chunk must be an ArrayBuffer or a view on one');
  }

  // coded makes the algorithms of a native codec: write(bytes) takes input, next() gives a piece of output, or null when it
  // needs more input. A piece waits until somebody wants it, so that a small chunk which unpacks to much takes no memory.
  function coded(format, compress) {
    const codec = native.codec(`${format}`, compress);
    const drain = async (controller) => {
      const t = transformOf(controller);
      for (let piece = codec.next(); piece !== null; piece = codec.next()) {
        if (t.backpressure) await t.change.promise;
        if (!open(t.s)) return;
        controller.enqueue(piece);
      }
    };
    return {
      transform(chunk, controller) {
        codec.write(needBytes(chunk));
        return drain(controller);
      },
      flush(controller) {
        codec.end();
        return drain(controller);
      },
      cancel() { codec.drop(); },
    };
  }

  class CompressionStream extends Pair {
    constructor(format) { super(coded(format, true)); }
    get [Symbol.toStringTag]() { return 'CompressionStream'; }
  }
  class DecompressionStream extends Pair {
    constructor(format) { super(coded(format, false)); }
    get [Symbol.toStringTag]() { return 'DecompressionStream'; }
  }

  return { TransformStream, TransformStreamDefaultController, CountQueuingStrategy, ByteLengthQueuingStrategy, TextEncoderStream, TextDecoderStream,
    CompressionStream, DecompressionStream };
});
