// Node's EventEmitter (nodejs.org/api/events.html).
(function (native) {
  const kErrorMonitor = Symbol('events.errorMonitor');
  const wrong = (fn) => {
    if (typeof fn === 'function') return;
    const err = new TypeError(`The "listener" argument must be of type function. Received ${fn === null ? 'null' : typeof fn}`);
    err.code = 'ERR_INVALID_ARG_TYPE';
    throw err;
  };
  function EventEmitter() { EventEmitter.init.call(this); }
  EventEmitter.init = function () {
    if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
      this._events = Object.create(null);
      this._eventsCount = 0;
    }
    this._maxListeners = this._maxListeners || undefined;
  };
  EventEmitter.defaultMaxListeners = 10;
  EventEmitter.errorMonitor = kErrorMonitor;
  EventEmitter.captureRejectionSymbol = Symbol.for('nodejs.rejection');

  const lists = (e) => {
    if (e._events === undefined) EventEmitter.init.call(e);
    return e._events;
  };
  const listOf = (e, name) => lists(e)[name] || [];
  function add(e, name, fn, first) {
    wrong(fn);
    const events = lists(e);
    if (events.newListener) e.emit('newListener', name, fn.listener || fn);
    const list = events[name];
    if (!list) {
      events[name] = [fn];
      e._eventsCount++;
    } else {
      events[name] = first ? [fn, ...list] : [...list, fn];
    }
    return e;
  }
  function once(e, name, fn) {
    wrong(fn);
    const wrapped = function (...args) {
      e.removeListener(name, wrapped);
      return fn.apply(this, args);
    };
    wrapped.listener = fn;
    return wrapped;
  }
  const methods = {
    on(name, fn) { return add(this, name, fn, false); },
    prependListener(name, fn) { return add(this, name, fn, true); },
    once(name, fn) { return add(this, name, once(this, name, fn), false); },
    prependOnceListener(name, fn) { return add(this, name, once(this, name, fn), true); },
    removeListener(name, fn) {
      wrong(fn);
      const list = listOf(this, name);
      for (let i = list.length - 1; i >= 0; i--) {
        if (list[i] !== fn && list[i].listener !== fn) continue;
        if (list.length === 1) {
          delete this._events[name];
          this._eventsCount--;
        } else {
          this._events[name] = list.filter((_, j) => j !== i);
        }
        if (this._events.removeListener) this.emit('removeListener', name, fn);
        break;
      }
      return this;
    },
    removeAllListeners(name) {
      if (name === undefined) {
        this._events = Object.create(null);
        this._eventsCount = 0;
      } else if (lists(this)[name]) {
        delete this._events[name];
        this._eventsCount--;
      }
      return this;
    },
    emit(name, ...args) {
      if (name === 'error') for (const fn of listOf(this, kErrorMonitor)) fn.apply(this, args);
      const list = lists(this)[name];
      if (!list) {
        if (name !== 'error') return false;
        if (args[0] instanceof Error) throw args[0];
        const err = new Error(`Unhandled error. (${typeof args[0] === 'string' ? `'${args[0]}'` : String(args[0])})`);
        err.context = args[0];
        err.code = 'ERR_UNHANDLED_ERROR';
        throw err;
      }
      for (const fn of list) fn.apply(this, args);
      return true;
    },
    listeners(name) { return listOf(this, name).map((fn) => fn.listener || fn); },
    rawListeners(name) { return [...listOf(this, name)]; },
    listenerCount(name, fn) { return listOf(this, name).filter((l) => fn === undefined || l === fn || l.listener === fn).length; },
    eventNames() { return Reflect.ownKeys(lists(this)); },
    setMaxListeners(n) {
      this._maxListeners = n;
      return this;
    },
    getMaxListeners() { return this._maxListeners === undefined ? EventEmitter.defaultMaxListeners : this._maxListeners; },
  };
  methods.addListener = methods.on;
  methods.off = methods.removeListener;
  Object.assign(EventEmitter.prototype, methods);

  // once(emitter, name) is a promise of the arguments of the next event.
  EventEmitter.once = (emitter, name, { signal } = {}) => new Promise((resolve, reject) => {
    const aborted = () => {
      clean();
      reject(Object.assign(new Error('The operation was aborted', { cause: signal.reason }), { name: 'AbortError', code: 'ABORT_ERR' }));
    };
    const done = (...args) => { clean(); resolve(args); };
    const failed = (err) => { clean(); reject(err); };
    const web = typeof emitter.addEventListener === 'function' && typeof emitter.on !== 'function';
    const clean = () => {
      if (web) emitter.removeEventListener(name, done);
      else {
        emitter.removeListener(name, done);
        emitter.removeListener('error', failed);
      }
      if (signal) signal.removeEventListener('abort', aborted);
    };
    if (signal && signal.aborted) return aborted();
    if (web) emitter.addEventListener(name, done, { once: true });
    else {
      emitter.once(name, done);
      if (name !== 'error') emitter.once('error', failed);
    }
    if (signal) signal.addEventListener('abort', aborted, { once: true });
  });
  EventEmitter.listenerCount = (emitter, name) => emitter.listenerCount(name);
  EventEmitter.getEventListeners = (emitter, name) => emitter.listeners(name);
  EventEmitter.setMaxListeners = () => {};
  EventEmitter.EventEmitter = EventEmitter;
  return { exports: EventEmitter };
});
