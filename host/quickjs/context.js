// The prototype of every context: what costs something is made when it is asked for, and kept for the rest of the call.
(function (host, later, native, bytesOf) {
  const { defineProperty } = Object;
  const isObject = (v) => typeof v === 'object' && v !== null || typeof v === 'function';

  // mapOf is context.kv, the plugin's map. All of its functions give promises.
  function mapOf() {
    const keyOf = (key) => {
      if (typeof key !== 'string') throw new TypeError('a key of the map is a string');
      return key;
    };
    const option = (o, name) => {
      const v = o === undefined || o === null ? undefined : o[name];
      return v === null ? undefined : v;
    };
    const revisionOf = (o) => {
      const v = option(o, 'revision');
      if (v === undefined) return -1;
      const n = Number(v);
      if (!(n >= 0 && Number.isSafeInteger(n))) throw new TypeError('revision is what put gave, or entry, or 0 where there must be none');
      return n;
    };
    const text = (bytes) => native.decode('utf-8', bytes, false);
    const get = (use) => (key) => later(host('kvGet', keyOf(key)), (e) => (e === null ? null : use(e)));
    return {
      get: get(([value]) => text(value)),
      getBytes: get(([value]) => value),
      entry: get(([value, revision]) => ({ value: text(value), revision })),
      put(key, value, options) {
        keyOf(key);
        if (typeof value !== 'string') {
          if (!(value instanceof ArrayBuffer || ArrayBuffer.isView(value))) throw new TypeError('a value of the map is a string, an ArrayBuffer or a view on one; use JSON.stringify for others');
          value = bytesOf(value);
        }
        const revision = revisionOf(options);
        let ttl = option(options, 'ttl');
        ttl = ttl === undefined ? 0 : Number(ttl);
        if (!(ttl >= 0 && ttl < 4e9) || ttl === 0 && option(options, 'ttl') !== undefined) throw new TypeError('ttl is a number of seconds above 0');
        return later(host('kvPut', key, value, revision, ttl));
      },
      delete(key, options) { return later(host('kvDelete', keyOf(key), revisionOf(options))); },
      keys(options) {
        const of = (name) => { const v = option(options, name); return v === undefined ? '' : `${v}`; };
        return later(host('kvKeys', of('prefix'), of('after')));
      },
    };
  }

  function contextBase() {
    const made = {};
    const kept = (name, make) => defineProperty(made, name, { configurable: true, enumerable: false, get() {
      const value = make();
      if (isObject(this)) defineProperty(this, name, { value, writable: true, configurable: true, enumerable: false });
      return value;
    } });
    kept('config', () => {
      const text = host('config');
      if (text === '') return {};
      try {
        return JSON.parse(text);
      } catch (e) {
        throw new TypeError(`config: ${e.message}`);
      }
    });
    kept('secrets', () => {
      const secrets = {};
      for (const name of host('secretNames')) defineProperty(secrets, name, { configurable: false, enumerable: true, get: () => native.secret(name) });
      return secrets;
    });
    kept('traceparent', () => host('traceparent'));
    made.startSpan = function startSpan(name) {
      const id = host('spanStart', `${name}`);
      return { end(problem) { host('spanEnd', id, problem === undefined || problem === null ? '' : `${problem}`); } };
    };
    made.getRemainingTimeInMillis = function getRemainingTimeInMillis() { return host('timeLeft'); };
    kept('kv', mapOf);
    const metric = (kind, name, value) => { host('metric', kind, `${name}`, Number(value)); };
    made.count = function count(name, value = 1) { metric(0, name, value); };
    made.gauge = function gauge(name, value) { metric(1, name, value); };
    made.record = function record(name, value) { metric(2, name, value); };
    return made;
  }
  return contextBase();
})
