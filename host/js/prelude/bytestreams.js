// Byte streams and readers that bring their own buffers (streams.spec.whatwg.org, sections 4.5 and 4.7). streams.js loads this
// with the first byte stream and gives what both use.
(function (native) {
  const { transfer } = native;
  const views = { __proto__: null, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView };
  const kindOf = (view) => views[Object.prototype.toString.call(view).slice(8, -1)] || views[view.constructor.name] || Uint8Array;

  function make({ open, pullIfNeeded, fail, drained, acquire, release, invalidate, inside, dictionary, recordOf, cancel, close: closeDefault }) {
    // take gives a request for bytes the first piece of the queue.
    function take(s, request) {
      const e = s.queue.shift();
      s.total -= e.length;
      drained(s);
      request.chunk(new Uint8Array(e.buffer, e.offset, e.length));
    }

    function read(s, request) {
      if (s.total > 0) return take(s, request);
      if (s.auto !== undefined) {
        s.intos.push({ buffer: new ArrayBuffer(s.auto), offset: 0, length: s.auto, filled: 0, min: 1, element: 1, view: Uint8Array, kind: 'default' });
      }
      s.reader.requests.push(request);
      pullIfNeeded(s);
    }

    function push(s, buffer, offset, length) {
      s.queue.push({ buffer, offset, length });
      s.total += length;
    }

    // enqueue adds a chunk; its buffer is taken over, unless it is ours already.
    function enqueue(s, chunk, ours) {
      if (!open(s)) return;
      const { byteOffset, byteLength } = chunk;
      const buffer = ours ? chunk.buffer : transfer(chunk.buffer);
      if (s.intos.length > 0) {
        const first = s.intos[0];
        invalidate(s);
        first.buffer = transfer(first.buffer);
        if (first.kind === 'none') setAside(s, first);
      }
      const r = s.reader;
      if (r !== null && !r.byob) {
        while (r.requests.length > 0 && s.total > 0) take(s, r.requests.shift());
        if (r.requests.length === 0) {
          push(s, buffer, byteOffset, byteLength);
        } else {
          if (s.intos.length > 0) s.intos.shift();
          r.requests.shift().chunk(new Uint8Array(buffer, byteOffset, byteLength));
        }
      } else {
        push(s, buffer, byteOffset, byteLength);
        if (r !== null) for (const d of fillAll(s)) commit(s, d);
      }
      pullIfNeeded(s);
    }

    // setAside keeps what was filled into the buffer of a reader that has left.
    function setAside(s, d) {
      if (d.filled > 0) push(s, d.buffer.slice(d.offset, d.offset + d.filled), 0, d.filled);
      s.intos.shift();
    }

    // fill copies from the queue, and reports whether the view has as much as was asked for.
    function fill(s, d) {
      const most = Math.min(s.total, d.length - d.filled);
      const whole = d.filled + most - (d.filled + most) % d.element;
      const ready = whole >= d.min;
      for (let left = ready ? whole - d.filled : most; left > 0;) {
        const head = s.queue[0];
        const n = Math.min(left, head.length);
        new Uint8Array(d.buffer, d.offset + d.filled, n).set(new Uint8Array(head.buffer, head.offset, n));
        if (head.length === n) {
          s.queue.shift();
        } else {
          head.offset += n;
          head.length -= n;
        }
        s.total -= n;
        d.filled += n;
        left -= n;
      }
      return ready;
    }

    function fillAll(s) {
      const out = [];
      while (s.intos.length > 0 && s.total > 0) if (fill(s, s.intos[0])) out.push(s.intos.shift());
      return out;
    }

    const filledView = (d) => new d.view(transfer(d.buffer), d.offset, d.filled / d.element);

    function commit(s, d) {
      const request = s.reader.requests.shift();
      if (s.state !== 'closed') request.chunk(filledView(d));
      else if (d.kind === 'default') request.close();
      else request.close(filledView(d));
    }

    // readInto fills a view with min elements at least.
    function readInto(r, view, min, request) {
      const s = r.stream;
      s.disturbed = true;
      if (s.state === 'errored') return request.error(s.error);
      const element = view.BYTES_PER_ELEMENT || 1;
      const { byteOffset: offset, byteLength: length } = view;
      const kind = kindOf(view);
      const d = { buffer: transfer(view.buffer), offset, length, filled: 0, min: min * element, element, view: kind, kind: 'byob' };
      if (s.intos.length === 0) {
        if (s.state === 'closed') return request.close(new kind(d.buffer, offset, 0));
        if (s.total > 0) {
          if (fill(s, d)) {
            const filled = filledView(d);
            drained(s);
            return request.chunk(filled);
          }
          if (s.closing) {
            const e = new TypeError('The stream ended within an element');
            fail(s, e);
            return request.error(e);
          }
        }
      }
      s.intos.push(d);
      r.requests.push(request);
      if (s.intos.length === 1) pullIfNeeded(s);
    }

    function respond(s, n) {
      const d = s.intos[0];
      invalidate(s);
      d.buffer = transfer(d.buffer);
      if (s.state === 'closed') {
        if (d.kind === 'none') s.intos.shift();
        if (s.reader !== null && s.reader.byob) while (s.reader.requests.length > 0 && s.intos.length > 0) commit(s, s.intos.shift());
      } else {
        d.filled += n;
        if (d.kind === 'none') {
          setAside(s, d);
          for (const more of fillAll(s)) commit(s, more);
        } else if (d.filled >= d.min) {
          s.intos.shift();
          const rest = d.filled % d.element;
          const end = d.offset + d.filled;
          if (rest > 0) push(s, d.buffer.slice(end - rest, end), 0, rest);
          d.filled -= rest;
          const more = fillAll(s);
          commit(s, d);
          for (const one of more) commit(s, one);
        }
      }
      pullIfNeeded(s);
    }

    let drop;
    class ReadableStreamBYOBRequest {
      #s;
      #view;
      static {
        drop = (request) => { request.#s = request.#view = null; };
      }
      constructor(token, s, view) {
        if (token !== inside) throw new TypeError('Illegal constructor');
        this.#s = s;
        this.#view = view;
      }
      get view() { return this.#view; }
      respond(n) {
        const d = this.#check();
        n = Math.floor(Number(n));
        if (!(n >= 0)) throw new TypeError('The number of bytes must not be negative');
        if (this.#s.state === 'closed' ? n !== 0 : n === 0) throw new TypeError('0 bytes end a closed stream, and nothing else does');
        if (d.filled + n > d.length) throw new RangeError('More bytes than the view has');
        respond(this.#s, n);
      }
      respondWithNewView(view) {
        if (!ArrayBuffer.isView(view)) throw new TypeError('The argument must be a view');
        const d = this.#check();
        if (this.#s.state === 'closed' ? view.byteLength !== 0 : view.byteLength === 0) throw new TypeError('0 bytes end a closed stream, and nothing else does');
        if (view.byteOffset !== d.offset + d.filled || d.filled + view.byteLength > d.length) throw new RangeError('The view does not fit the request');
        d.buffer = view.buffer;
        respond(this.#s, view.byteLength);
      }
      #check() {
        if (this.#s === null) throw new TypeError('The request is over');
        return this.#s.intos[0];
      }
    }

    class ReadableByteStreamController {
      #s;
      constructor(token, s) {
        if (token !== inside) throw new TypeError('Illegal constructor');
        this.#s = s;
      }
      get byobRequest() {
        const s = this.#s;
        if (s.byob === null && s.intos.length > 0) {
          const d = s.intos[0];
          s.byob = new ReadableStreamBYOBRequest(inside, s, new Uint8Array(d.buffer, d.offset + d.filled, d.length - d.filled));
        }
        return s.byob;
      }
      get desiredSize() { return this.#s.state === 'errored' ? null : this.#s.state === 'closed' ? 0 : this.#s.hwm - this.#s.total; }
      close() { close(this.#s, true); }
      enqueue(chunk) {
        if (!ArrayBuffer.isView(chunk)) throw new TypeError('A byte stream takes views on buffers');
        if (chunk.byteLength === 0) throw new TypeError('The chunk is empty');
        if (!open(this.#s)) throw new TypeError('The stream is closed or errored already');
        enqueue(this.#s, chunk, false);
      }
      error(e) { fail(this.#s, e); }
      get [Symbol.toStringTag]() { return 'ReadableByteStreamController'; }
    }

    // close is the controller's close(). When our own code closes, requests that wait are answered at once.
    function close(s, byScript) {
      closeDefault(s);
      if (!byScript && s.state === 'closed' && s.intos.length > 0) respond(s, 0);
    }

    class ReadableStreamBYOBReader {
      #r;
      constructor(stream) {
        const s = recordOf(stream);
        if (!s.bytes) throw new TypeError('Only a byte stream has BYOB readers');
        this.#r = acquire(s, true);
      }
      get closed() { return this.#r.closed.promise; }
      read(view, options) {
        return new Promise((resolve, reject) => {
          if (!ArrayBuffer.isView(view)) throw new TypeError('read needs a view to fill');
          if (view.byteLength === 0) throw new TypeError('The view is empty');
          const { min = 1 } = dictionary(options, 'options');
          if (!(min >= 1)) throw new TypeError('min must be positive');
          if (min > (view.length === undefined ? view.byteLength : view.length)) throw new RangeError('min is more than the view has');
          if (this.#r.stream === null) throw new TypeError('The reader was released');
          readInto(this.#r, view, Math.floor(min), { chunk: (value) => resolve({ value, done: false }), close: (value) => resolve({ value, done: true }), error: reject });
        });
      }
      cancel(reason) {
        if (this.#r.stream === null) return Promise.reject(new TypeError('The reader was released'));
        return cancel(this.#r.stream, reason);
      }
      releaseLock() { release(this.#r); }
      get [Symbol.toStringTag]() { return 'ReadableStreamBYOBReader'; }
    }

    return { read, enqueue, close, drop, controller: (s) => new ReadableByteStreamController(inside, s), reader: (s) => new ReadableStreamBYOBReader(s.stream),
      ReadableStreamBYOBReader, ReadableByteStreamController, ReadableStreamBYOBRequest };
  }
  let made;
  const load = () => made || (made = native.part('streams.js').bytes());
  return { make, get ReadableStreamBYOBReader() { return load().ReadableStreamBYOBReader; },
    get ReadableByteStreamController() { return load().ReadableByteStreamController; },
    get ReadableStreamBYOBRequest() { return load().ReadableStreamBYOBRequest; } };
});
