// What stands between the guest's C code, the prelude and a script: it gives the prelude its native functions, finds what serves an entry, and
// brings events to where they are waited for. host(operation, ...arguments) calls the host: ops.go has the operations.
(function (host, evaluate, asyncValues) {
  const { parse, stringify } = JSON;
  const { defineProperty, keys, create, setPrototypeOf } = Object;
  const tools = new Map(); // what each file of the prelude gave
  const pending = new Map(); // by number: the promises of what the host does
  const timers = new Map();
  const streams = new Map(); // by number: how each is cancelled
  const reasons = new WeakMap(); // of bodies that were aborted
  const targets = new Map();
  const rejections = new Map(); // promises that were rejected, and nobody handled it
  let exported, whole, leave, filterContext, base;

  function tool(file) {
    let made = tools.get(file);
    if (made === undefined) {
      made = evaluate(host('part', file), `postern:${file}`, true)(native);
      tools.set(file, made);
    }
    return made;
  }

  const kinds = { __proto__: null, Error, TypeError, RangeError, SyntaxError, EvalError };
  // makeError makes one of the language's, an Error with another name ("Error/name"), or a DOMException.
  const makeError = (name, message) => {
    if (kinds[name]) return new kinds[name](message);
    if (name.startsWith('Error/')) return Object.assign(new Error(message), { name: name.slice(6) });
    return new (tool('events.js').DOMException)(message, name);
  };

  // later gives a promise of what the host does under a number.
  const later = (id, use, source) => new Promise((resolve, reject) => { pending.set(id, { resolve, reject, use, source }); });
  const bytesOf = (v) => {
    if (v instanceof ArrayBuffer) return new Uint8Array(v);
    if (ArrayBuffer.isView(v)) return v instanceof DataView ? new Uint8Array(v.buffer, v.byteOffset, v.byteLength) : v;
    throw new TypeError('the argument must be an ArrayBuffer or a view on one');
  };
  const calls = (...names) => { for (const name of names) native[name] = { [name]: (...args) => host(name, ...args) }[name]; };

  const native = {
    part: tool,
    loaded: (file) => tools.get(file),
    asyncIterator: () => Symbol.asyncIterator,
    asyncValues: () => asyncValues(),
    setAsyncValues: (values) => { asyncValues(values); },
    env() {
      const out = {};
      for (const [name, value] of host('env')) defineProperty(out, name, { value, writable: true, enumerable: true, configurable: true });
      return out;
    },
    atob(...args) {
      if (args.length === 0) throw new TypeError('atob needs an argument');
      return host('atob', `${args[0]}`);
    },
    btoa(...args) {
      if (args.length === 0) throw new TypeError('btoa needs an argument');
      return host('btoa', `${args[0]}`);
    },
    log: (level, text) => host('log', Number(level), `${text}`),
    encode: (text) => host('encode', `${text}`),
    scalar: (text) => `${text}`.toWellFormed(),
    decode: (label, bytes, fatal) => host('decode', label, bytesOf(bytes), fatal === true),
    base64: (bytes) => host('decodeText', bytesOf(bytes), 'base64'),
    encodeText(text, encoding) {
      const units = encoding === 'utf16le' ? Uint16Array : encoding === 'latin1' || encoding === 'ascii' ? Uint8Array : null;
      if (units === null) return host('encodeText', text, encoding);
      const out = new units(text.length);
      for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
      return new Uint8Array(out.buffer);
    },
    decodeText: (bytes, encoding) => host('decodeText', bytesOf(bytes), encoding),
    hash: (name, bytes) => host('hash', name, bytesOf(bytes)),
    hmac: (name, key, bytes) => host('hmac', name, bytesOf(key), bytesOf(bytes)),
    sameBytes: (a, b) => host('sameBytes', bytesOf(a), bytesOf(b)),
    parseMultipart: (bytes, type) => host('parseMultipart', bytesOf(bytes), type),
    random(view) {
      if (!ArrayBuffer.isView(view)) throw new TypeError('the argument must be a view on an ArrayBuffer');
      new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(host('random', view.byteLength));
      return view;
    },
    subtle(...args) {
      const [now, v] = host('subtle', ...args.map((a) => (a instanceof DataView ? bytesOf(a) : a)));
      return now ? v : later(v);
    },
    detach: (buffer) => { buffer.transfer(); },
    detached: (buffer) => buffer.detached,
    transfer: (buffer) => buffer.transfer(),
    baseBuffer: () => evaluate(host('part', 'postern/buffer.js'), 'postern:buffer', true),
    path(value, expression) {
      for (const step of host('path', expression)) {
        if (typeof value !== 'object' && typeof value !== 'function' || value === null) return undefined;
        let name = step;
        if (typeof step === 'number') {
          if (!Array.isArray(value)) return undefined;
          name = step < 0 ? step + value.length : step;
        } else if (Array.isArray(value)) {
          return undefined;
        }
        if (!Object.prototype.hasOwnProperty.call(value, name)) return undefined;
        value = value[name];
      }
      return value;
    },
    readSome: (source) => later(host('readSome', source), undefined, source),
    readAll: (source) => later(host('readAll', source), undefined, source),
    abort(source, reason) {
      reasons.set(source, { reason });
      host('abort', source);
    },
    fetch(method, url, headers, body, redirect, pump) {
      if (Array.isArray(body)) body = [pumped(body[0], pump, false)];
      const id = host('fetch', method, url, headers, redirect, body);
      const promise = later(id, ([status, statusText, fields, at, redirected, source]) => ({ status, statusText, headers: fields, url: at, redirected, body: source }));
      return { promise, cancel: () => host('cancelFetch', id) };
    },
    codec(format, compress) {
      const codec = host('codec', format, compress);
      return { write: (bytes) => host('codecWrite', codec, bytesOf(bytes)), end: () => host('codecEnd', codec), next: () => host('codecNext', codec),
        drop: () => host('codecDrop', codec) };
    },
    clearTimeout: clear, clearInterval: clear, clearImmediate: clear,
    setTimeout(...args) { return timer(args, 1, false); },
    setInterval(...args) { return timer(args, 1, true); },
    setImmediate(...args) { return timer(args, 0, false); },
  };
  calls('now', 'turn', 'timeOrigin', 'cleanStack', 'secret', 'uuid', 'parseURL', 'setURL', 'href', 'isIdentifier', 'decodeForm', 'encodeForm', 'headerName',
    'headerValue', 'isToken', 'isConnectionField', 'started', 'drop', 'unescapeBytes');

  function timer(args, skip, repeat) {
    const [fn] = args;
    if (typeof fn !== 'function') throw new TypeError('the first argument must be a function');
    const id = host('setTimer', skip === 1 ? Number(args[1]) : 0, skip === 1, repeat);
    timers.set(id, { fn, args: args.slice(1 + skip), repeat, values: asyncValues() });
    return id;
  }
  function clear(id) {
    if (id === undefined || id === null) return;
    id = Math.trunc(Number(id));
    if (timers.delete(id)) host('clearTimer', id);
  }

  // The globals of the web are made when they are first looked at.
  function define(name, make) {
    const put = (value) => { defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false }); };
    defineProperty(globalThis, name, { configurable: true, enumerable: false, get() { make(put); return globalThis[name]; }, set: put });
  }
  function defineGlobals() {
    const all = host('globals');
    for (const [name, file] of all) {
      define(name, () => {
        const part = tool(file);
        for (const [other, its] of all) {
          const d = its === file && Object.getOwnPropertyDescriptor(globalThis, other);
          if (d && d.get && other in part) defineProperty(globalThis, other, { value: part[other], writable: true, configurable: true, enumerable: false });
        }
      });
    }
    define('self', (put) => put(globalThis));
    define('Buffer', (put) => put(tool('node/buffer.js').exports.Buffer));
    for (const name of ['atob', 'btoa', 'setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate']) {
      defineProperty(globalThis, name, { value: native[name], writable: true, configurable: true, enumerable: false });
    }
    defineProperty(Math, 'random', { value: { random: () => host('mathRandom') }.random, writable: true, configurable: true, enumerable: false });
  }

  // load runs the code outside of functions.
  function load() {
    defineGlobals();
    const main = evaluate(host('script'), host('scriptName'), false);
    if (typeof main !== 'function') throw new TypeError('the script is no bundle: it must be (function(module,exports,require){...})');
    const module = { exports: {} };
    main.call(module.exports, module, module.exports, require);
    whole = module.exports;
    exported = typeof whole === 'object' && whole !== null || typeof whole === 'function' ? whole : null;
    for (const file of host('loaded', exportNames())) tool(file);
    base = evaluate(host('part', 'postern/context.js'), 'postern:context.js', true)(host, later, native, bytesOf);
    report();
  }
  function require(name) {
    name = `${name}`;
    const file = `node/${name.startsWith('node:') ? name.slice(5) : name}.js`;
    if (!host('has', file)) throw new TypeError(`Cannot find module ${stringify(name)}: only what was bundled is there`);
    return tool(file).exports;
  }

  // get reads a property; a getter that throws makes it undefined.
  function get(owner, name) {
    try {
      return owner === null || owner === undefined ? undefined : owner[name];
    } catch {
      return undefined;
    }
  }
  const isObject = (v) => typeof v === 'object' && v !== null || typeof v === 'function';
  const isESModule = () => Boolean(get(exported, '__esModule'));
  // member reads a property that is there. Some routers are proxies, which have a function for every name.
  function member(owner, name) {
    const v = get(owner, name);
    if (typeof v !== 'function' || owner === exported && isESModule()) return v;
    try {
      return Reflect.has(owner, name) ? v : undefined;
    } catch {
      return undefined;
    }
  }
  const entries = ['authorize', 'map_request', 'map_response', 'handle', 'filter_request', 'filter_response'];
  function exportNames() {
    const names = [];
    const add = (name, v) => { if (typeof v === 'function' && !names.includes(name)) names.push(name); };
    add('default', whole);
    if (exported === null) return names;
    for (const name of keys(exported)) add(name, get(exported, name));
    const def = get(exported, 'default');
    const of = isObject(def) ? def : null;
    add('default.fetch', member(of, 'fetch'));
    for (const name of ['handler', ...entries]) add(name, member(of, name));
    if (!isESModule()) add('default.fetch', get(exported, 'fetch')); // module.exports = { fetch }
    return names.sort();
  }
  const isFilter = (entry) => entry === 'filter_request' || entry === 'filter_response';

  // target finds the function for an entry: the export of that name, then, for a function, a fetch handler, then handler and the default export.
  function target(entry) {
    let found = targets.get(entry);
    if (found === undefined) targets.set(entry, found = find(entry));
    return found;
  }
  function find(entry) {
    const def = get(exported, 'default');
    const names = [entry];
    if (entry === 'handle') names.push('fetch');
    if (!isFilter(entry)) names.push('handler');
    for (const name of names) {
      for (const owner of [exported, isObject(def) ? def : null]) {
        const fn = member(owner, name);
        if (typeof fn === 'function' && !(name === 'fetch' && owner === exported && isESModule())) return { fn, self: owner, fetch: name === 'fetch' };
      }
    }
    for (const fn of [def, whole]) if (typeof fn === 'function' && !isFilter(entry)) return { fn, self: undefined, fetch: false };
    return null;
  }

  // contextFor is what a function gets as its second argument; given a mapping's context, it has the same added.
  function contextFor(own) {
    if (isObject(own)) return setPrototypeOf(own, base);
    const context = create(base);
    const [fields, client] = host('about');
    for (const [name, value] of fields) context[name] = value;
    if (client !== null) context.clientContext = parse(client);
    return context;
  }

  const json = (v) => {
    const text = stringify(v);
    return text === undefined ? 'null' : text;
  };
  const isBytes = (v) => v instanceof ArrayBuffer || ArrayBuffer.isView(v);

  // pumped starts to move a stream to the host, and gives its number.
  function pumped(stream, pump, answers) {
    const id = host('stream', answers);
    let over = false;
    const sink = {
      write(chunk) {
        const wait = host('write', id, bytesOf(chunk));
        return wait === undefined ? undefined : later(wait);
      },
      end: () => { over = true; streams.delete(id); host('end', id); },
      fail: (e) => { over = true; streams.delete(id); host('failStream', id, ...describe(e)); },
    };
    try {
      const cancel = pump(stream, sink);
      if (!over) streams.set(id, cancel);
    } catch (e) {
      sink.fail(e);
      throw e;
    }
    return id;
  }

  // answer gives the host a result: its body is text, bytes, a source that nobody touched, [stream], or undefined for none.
  function answer(meta, body, pump) {
    const text = json(meta);
    if (body === undefined) host('answer', text);
    else if (Array.isArray(body)) host('answer', text, [pumped(body[0], pump, true)]);
    else host('answer', text, isBytes(body) ? bytesOf(body) : body);
  }

  function contentType(event) {
    const headers = get(event, 'headers');
    if (isObject(headers)) for (const name of keys(headers)) if (name.toLowerCase() === 'content-type') return `${headers[name]}`;
    return '';
  }

  // invoke calls an entry, whose event's body is undefined, bytes, or a source.
  async function invoke(entry, metaText, body) {
    const t = target(entry);
    if (t === null) return host('unsupported', entry);
    let meta = null;
    if (metaText !== '') {
      try {
        meta = parse(metaText);
      } catch (e) {
        throw new Error(`the event: ${e.message}`);
      }
    }
    if (isFilter(entry)) return filter(t, entry, meta, body);
    if (entry === 'map_request' || entry === 'map_response') return map(t, meta, body);
    if (t.fetch) return serve(t, meta, body);
    if (entry === 'handle' && body !== undefined) {
      if (!isObject(meta)) throw new Error('the event has a body, but is no object');
      const [value, encoded] = host('eventBody', contentType(meta), body);
      if (value !== '') meta.body = value;
      else if (meta.version !== '2.0') meta.body = null;
      meta.isBase64Encoded = encoded;
    }
    const args = [meta, contextFor()];
    let called;
    if (t.fn.length >= 3 && entry === 'handle') {
      called = new Promise((resolve, reject) => { args.push((e, v) => (e ? reject(e) : resolve(v))); });
    }
    let result = Reflect.apply(t.fn, t.self, args);
    result = await (called !== undefined && result === undefined ? called : result);
    if (entry === 'handle' && isObject(result) && isBytes(get(result, 'body'))) { // bytes go beside the JSON
      const rest = {};
      for (const key of keys(result)) if (key !== 'body' && key !== 'isBase64Encoded') rest[key] = result[key];
      return answer(rest, get(result, 'body'));
    }
    return answer(result);
  }

  async function map(t, meta, body) {
    if (!isObject(meta)) throw new Error("a mapping's event must be an object");
    const { begin, finish } = tool('mapping.js');
    const own = get(meta, 'context');
    const args = begin(meta, body === undefined ? new Uint8Array(0) : body, contextFor(isObject(own) ? own : undefined));
    const value = await Reflect.apply(t.fn, t.self, args);
    const made = finish(value, args[1]);
    answer(made.meta, made.body);
  }

  async function serve(t, event, source) {
    if (!isObject(event)) throw new Error('a fetch handler answers HTTP events; this event is no object');
    const { request, context, env, respond, pump } = tool('serve.js');
    const asked = request(event, source);
    const waitUntil = (p) => {
      if (!(p instanceof Promise)) return;
      host('hold');
      const settled = () => host('unhold');
      p.finally(settled);
    };
    const response = await Reflect.apply(t.fn, t.self, [asked, env(host('secretNames')), context(waitUntil, contextFor())]);
    const made = respond(response, event, asked);
    leave = made[2];
    answer(made[0], made[1], pump);
  }

  async function filter(t, entry, meta, source) {
    if (!isObject(meta)) throw new Error("a filter's event must be an object");
    const part = tool('filter.js');
    if (filterContext === undefined) {
      const own = get(meta, 'context');
      filterContext = contextFor(isObject(own) ? own : {});
    }
    const made = await part[entry]((...args) => Reflect.apply(t.fn, t.self, args), meta, source, filterContext);
    answer(made[0], made[1], part.pump);
  }

  // describe is what an error was: its name, message and stack. Reading them may run the script's own getters, which may throw again.
  function describe(e) {
    if (!isObject(e)) {
      let text = 'a symbol';
      try {
        text = String(e);
      } catch {}
      return ['Error', text.slice(0, 20000), ''];
    }
    const read = (name) => {
      try {
        const v = e[name];
        return v === undefined ? '' : String(v).slice(0, 20000);
      } catch {
        return '';
      }
    };
    const stack = read('stack');
    return [read('name') || 'Error', read('message') || (stack === '' ? 'an object was thrown that is no Error' : ''), stack];
  }
  const fail = (e) => host('failed', ...describe(e));

  function report() {
    if (rejections.size === 0) return;
    for (const reason of rejections.values()) host('unhandled', ...describe(reason));
    rejections.clear();
  }

  // The events. Their first member is their name.
  const events = {
    __proto__: null,
    begin([, entry, meta, body, first]) {
      if (first) {
        pending.clear();
        timers.clear();
        streams.clear();
        rejections.clear();
        leave = filterContext = undefined;
      }
      invoke(entry, meta, body).then(undefined, (e) => { host('refused', ...describe(e)); });
    },
    done([, id, ok, v, message]) {
      const p = pending.get(id);
      if (p === undefined) return;
      pending.delete(id);
      if (ok) p.resolve(p.use === undefined ? v : p.use(v));
      else p.reject(p.source !== undefined && reasons.has(p.source) ? reasons.get(p.source).reason : makeError(v, message));
    },
    timer([, id]) {
      const t = timers.get(id);
      if (t === undefined) return;
      if (!t.repeat) timers.delete(id);
      asyncValues(t.values);
      try {
        Reflect.apply(t.fn, undefined, t.args);
      } finally {
        asyncValues(undefined);
      }
    },
    // left: nobody reads what is streamed any more.
    left([, id, answers, message]) {
      if (answers && leave !== undefined) leave();
      const cancel = streams.get(id);
      if (cancel === undefined) return;
      streams.delete(id);
      cancel(makeError('AbortError', message), () => { host('end', id); });
    },
    report,
  };

  return {
    load,
    makeError,
    describe: fail,
    dispatch: (event) => { events[event[0]](event); },
    rejected(promise, reason, handled) {
      if (handled) rejections.delete(promise);
      else rejections.set(promise, reason);
    },
  };
})
