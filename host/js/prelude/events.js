// DOMException, events, AbortController and AbortSignal (dom.spec.whatwg.org), without a tree of nodes, and what reports errors
// that nobody can catch (html.spec.whatwg.org, section 8.1.4.3).
(function (native) {
  // webidl.spec.whatwg.org, section 2.8.1: the constants' names and codes, in order; null for those without a name of an error.
  const legacy = ['IndexSize', null, 'HierarchyRequest', 'WrongDocument', 'InvalidCharacter', null, 'NoModificationAllowed', 'NotFound',
    'NotSupported', 'InUseAttribute', 'InvalidState', 'Syntax', 'InvalidModification', 'Namespace', 'InvalidAccess', null, 'TypeMismatch',
    'Security', 'Network', 'Abort', 'URLMismatch', 'QuotaExceeded', 'Timeout', 'InvalidNodeType', 'DataClone'];
  const constants = ['INDEX_SIZE', 'DOMSTRING_SIZE', 'HIERARCHY_REQUEST', 'WRONG_DOCUMENT', 'INVALID_CHARACTER', 'NO_DATA_ALLOWED',
    'NO_MODIFICATION_ALLOWED', 'NOT_FOUND', 'NOT_SUPPORTED', 'INUSE_ATTRIBUTE', 'INVALID_STATE', 'SYNTAX', 'INVALID_MODIFICATION',
    'NAMESPACE', 'INVALID_ACCESS', 'VALIDATION', 'TYPE_MISMATCH', 'SECURITY', 'NETWORK', 'ABORT', 'URL_MISMATCH', 'QUOTA_EXCEEDED',
    'TIMEOUT', 'INVALID_NODE_TYPE', 'DATA_CLONE'];
  const codes = new Map(legacy.map((name, i) => [name + 'Error', i + 1]));
  const fix = (owner, values) => {
    for (const name of Object.keys(values)) Object.defineProperty(owner, name, { value: values[name], enumerable: true });
  };

  class DOMException extends Error {
    #name = 'Error';
    constructor(message = '', options = 'Error') {
      super(`${message}`);
      if (typeof options === 'object' && options !== null) {
        if (options.name !== undefined) this.#name = `${options.name}`;
        if ('cause' in options) Object.defineProperty(this, 'cause', { value: options.cause, configurable: true, writable: true });
      } else {
        this.#name = `${options}`;
      }
    }
    get name() { return this.#name; }
    get code() { return codes.get(this.#name) || 0; }
    get [Symbol.toStringTag]() { return 'DOMException'; }
  }
  for (const [i, name] of constants.entries()) fix(DOMException, { [name + '_ERR']: i + 1 });
  for (const [i, name] of constants.entries()) fix(DOMException.prototype, { [name + '_ERR']: i + 1 });

  const options = (init) => {
    if (init === undefined || init === null) return {};
    if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('The options must be an object');
    return init;
  };
  let stateOf;
  class Event {
    #s;
    static { stateOf = (event) => (typeof event === 'object' && event !== null && #s in event ? event.#s : null); }
    constructor(type, init) {
      if (arguments.length === 0) throw new TypeError('An event needs a type');
      const { bubbles, cancelable, composed } = options(init);
      this.#s = { type: `${type}`, bubbles: !!bubbles, cancelable: !!cancelable, composed: !!composed, time: native.now(),
        target: null, current: null, phase: 0, prevented: false, stopped: false, cut: false, passive: false };
      Object.defineProperty(this, 'isTrusted', { value: false, enumerable: true });
    }
    get type() { return this.#s.type; }
    get target() { return this.#s.target; }
    get srcElement() { return this.#s.target; }
    get currentTarget() { return this.#s.current; }
    get eventPhase() { return this.#s.phase; }
    get bubbles() { return this.#s.bubbles; }
    get cancelable() { return this.#s.cancelable; }
    get composed() { return this.#s.composed; }
    get defaultPrevented() { return this.#s.prevented; }
    get timeStamp() { return this.#s.time; }
    get returnValue() { return !this.#s.prevented; }
    set returnValue(v) { if (!v) this.preventDefault(); }
    get cancelBubble() { return this.#s.stopped; }
    set cancelBubble(v) { if (v) this.#s.stopped = true; }
    composedPath() { return this.#s.current === null ? [] : [this.#s.current]; }
    preventDefault() { if (this.#s.cancelable && !this.#s.passive) this.#s.prevented = true; }
    stopPropagation() { this.#s.stopped = true; }
    stopImmediatePropagation() { this.#s.stopped = this.#s.cut = true; }
    get [Symbol.toStringTag]() { return 'Event'; }
  }
  for (const owner of [Event, Event.prototype]) fix(owner, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });

  // kind makes a class of events that carry fields.
  function kind(name, fields) {
    const C = { [name]: class extends Event {
      #values = {};
      constructor(type, init) {
        super(type, init);
        const given = options(init);
        for (const f of Object.keys(fields)) this.#values[f] = given[f] === undefined ? fields[f] : given[f];
      }
      static get(event, f) { return event.#values[f]; }
      get [Symbol.toStringTag]() { return name; }
    } }[name];
    const { get } = C;
    delete C.get;
    for (const f of Object.keys(fields)) {
      Object.defineProperty(C.prototype, f, { get() { return get(this, f); }, enumerable: true, configurable: true });
    }
    return C;
  }
  const CustomEvent = kind('CustomEvent', { detail: null });
  const ErrorEvent = kind('ErrorEvent', { message: '', filename: '', lineno: 0, colno: 0, error: undefined });
  const MessageEvent = kind('MessageEvent', { data: null, origin: '', lastEventId: '', source: null, ports: [] });
  const PromiseRejectionEvent = kind('PromiseRejectionEvent', { promise: undefined, reason: undefined });

  class EventTarget {
    #listeners = [];
    addEventListener(type, callback, how) {
      if (arguments.length < 2) throw new TypeError('addEventListener needs a type and a listener');
      const o = typeof how === 'object' && how !== null ? how : { capture: how };
      const { signal } = o;
      if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('The signal must be an AbortSignal');
      if (callback === null || callback === undefined) return;
      if (typeof callback !== 'function' && typeof callback !== 'object') throw new TypeError('The listener must be a function or an object');
      if (signal && signal.aborted) return;
      const l = { type: `${type}`, callback, capture: !!o.capture, once: !!o.once, passive: !!o.passive, removed: false };
      if (this.#find(l) >= 0) return;
      this.#listeners = [...this.#listeners, l];
      if (signal) signal.addEventListener('abort', () => this.removeEventListener(type, callback, l.capture), { once: true });
    }
    removeEventListener(type, callback, how) {
      const at = this.#find({ type: `${type}`, callback, capture: !!(typeof how === 'object' && how !== null ? how.capture : how) });
      if (at < 0) return;
      this.#listeners[at].removed = true;
      this.#listeners = this.#listeners.filter((l, i) => i !== at);
    }
    #find(l) { return this.#listeners.findIndex((m) => m.type === l.type && m.callback === l.callback && m.capture === l.capture); }
    dispatchEvent(event) {
      const s = stateOf(event);
      if (s === null) throw new TypeError('The argument must be an Event');
      if (s.phase !== 0) throw new DOMException('The event is already being dispatched', 'InvalidStateError');
      s.target = s.current = this;
      s.phase = 2;
      const list = this.#listeners;
      for (const capture of [true, false]) {
        for (const l of list) {
          if (s.cut) break;
          if (l.type !== s.type || l.capture !== capture || l.removed) continue;
          if (l.once) this.removeEventListener(l.type, l.callback, l.capture);
          s.passive = l.passive;
          try {
            if (typeof l.callback === 'function') l.callback.call(this, event);
            else l.callback.handleEvent(event);
          } catch (e) {
            reportError(e);
          }
          s.passive = false;
        }
        if (s.stopped) break;
      }
      s.phase = 0;
      s.current = null;
      s.stopped = s.cut = false;
      return !s.prevented;
    }
    get [Symbol.toStringTag]() { return 'EventTarget'; }
  }
  // handler gives a class the attribute onTYPE (html.spec.whatwg.org, section 8.1.8.1).
  function handler(owner, type) {
    const set = new WeakMap();
    Object.defineProperty(owner, 'on' + type, {
      enumerable: true,
      configurable: true,
      get() { return set.has(this) ? set.get(this).fn : null; },
      set(fn) {
        const now = typeof fn === 'function' ? fn : null;
        const known = set.get(this);
        if (known) {
          known.fn = now;
        } else if (now) {
          const h = { fn: now };
          set.set(this, h);
          this.addEventListener(type, (event) => { if (h.fn) h.fn.call(this, event); });
        }
      },
    });
  }

  let make, abort;
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    #followers = [];
    #sources = [];
    static {
      make = () => {
        allowed = true;
        try { return new AbortSignal(); } finally { allowed = false; }
      };
      abort = (signal, reason) => {
        if (signal.#aborted) return;
        const all = [signal, ...signal.#followers.filter((f) => !f.#aborted)];
        for (const s of all) {
          s.#aborted = true;
          s.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
          reason = s.#reason;
        }
        for (const s of all) s.dispatchEvent(new Event('abort'));
      };
    }
    constructor() {
      super();
      if (!allowed) throw new TypeError('Illegal constructor');
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    static abort(reason) {
      const s = make();
      abort(s, reason);
      return s;
    }
    static timeout(ms) {
      if (typeof ms !== 'number') throw new TypeError('The delay must be a number');
      if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) throw new RangeError('The delay must be a number of milliseconds from 0');
      const s = make();
      setTimeout(() => abort(s, new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms);
      return s;
    }
    static any(signals) {
      const s = make();
      const all = [...signals];
      for (const other of all) if (!(other instanceof AbortSignal)) throw new TypeError('The signals must be AbortSignals');
      const first = all.find((other) => other.#aborted);
      if (first) {
        s.#aborted = true;
        s.#reason = first.#reason;
        return s;
      }
      // A signal follows those that are no followers themselves: all are aborted before any event.
      for (const other of all) {
        for (const source of other.#sources.length ? other.#sources : [other]) {
          if (s.#sources.includes(source)) continue;
          s.#sources.push(source);
          source.#followers.push(s);
        }
      }
      return s;
    }
    get [Symbol.toStringTag]() { return 'AbortSignal'; }
  }
  handler(AbortSignal.prototype, 'abort');
  let allowed = false;

  class AbortController {
    #signal = make();
    get signal() { return this.#signal; }
    abort(reason) { abort(this.#signal, reason); }
    get [Symbol.toStringTag]() { return 'AbortController'; }
  }

  // What listens for errors of the script as a whole.
  const scope = new EventTarget();
  let reporting = false;
  function reportError(error) {
    if (arguments.length === 0) throw new TypeError('reportError needs an argument');
    const message = `Uncaught ${error instanceof Error ? error : String(error)}`;
    const event = new ErrorEvent('error', { cancelable: true, error, message });
    if (!reporting) { // an error of a listener is not told to it
      reporting = true;
      try {
        scope.dispatchEvent(event);
        if (typeof globalThis.onerror === 'function' && globalThis.onerror.call(globalThis, message, '', 0, 0, error) === true) event.preventDefault();
      } finally {
        reporting = false;
      }
    }
    if (!event.defaultPrevented) console.error('Uncaught', error);
  }
  const addEventListener = (...args) => scope.addEventListener(...args);
  const removeEventListener = (...args) => scope.removeEventListener(...args);
  const dispatchEvent = (event) => scope.dispatchEvent(event);

  return { DOMException, Event, CustomEvent, ErrorEvent, MessageEvent, PromiseRejectionEvent, EventTarget, AbortController, AbortSignal,
    reportError, addEventListener, removeEventListener, dispatchEvent, handler };
});
