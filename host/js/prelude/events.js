// DOMException, Event, EventTarget, AbortController and AbortSignal (dom.spec.whatwg.org), without a tree of nodes.
(function (native) {
  const codes = { InvalidCharacterError: 5, NotSupportedError: 9, InvalidStateError: 11, SyntaxError: 12, NetworkError: 19, AbortError: 20,
    QuotaExceededError: 22, TimeoutError: 23, DataCloneError: 25 };

  class DOMException extends Error {
    constructor(message = '', name = 'Error') {
      super(String(message));
      const given = typeof name === 'object' && name !== null ? name.name : name;
      Object.defineProperty(this, 'name', { value: String(given === undefined ? 'Error' : given), configurable: true, writable: true });
      if (typeof name === 'object' && name !== null && 'cause' in name) this.cause = name.cause;
    }
    get code() { return codes[this.name] || 0; }
    get [Symbol.toStringTag]() { return 'DOMException'; }
  }

  class Event {
    constructor(type, init = {}) {
      this.type = String(type);
      this.bubbles = !!init.bubbles;
      this.cancelable = !!init.cancelable;
      this.defaultPrevented = false;
      this.target = this.currentTarget = null;
      this.timeStamp = native.now();
    }
    preventDefault() { if (this.cancelable) this.defaultPrevented = true; }
    stopPropagation() {}
    stopImmediatePropagation() { this.stopped = true; }
  }

  class EventTarget {
    #listeners = [];
    addEventListener(type, callback, options) {
      if (callback === null || callback === undefined) return;
      const once = typeof options === 'object' && options !== null && !!options.once;
      const signal = typeof options === 'object' && options !== null ? options.signal : undefined;
      if (signal && signal.aborted) return;
      type = String(type);
      if (this.#listeners.some((l) => l.type === type && l.callback === callback)) return;
      this.#listeners.push({ type, callback, once });
      if (signal) signal.addEventListener('abort', () => this.removeEventListener(type, callback));
    }
    removeEventListener(type, callback) {
      this.#listeners = this.#listeners.filter((l) => l.type !== String(type) || l.callback !== callback);
    }
    dispatchEvent(event) {
      event.target = event.currentTarget = this;
      const own = this['on' + event.type];
      if (typeof own === 'function') own.call(this, event);
      for (const l of [...this.#listeners]) {
        if (event.stopped) break;
        if (l.type !== event.type || !this.#listeners.includes(l)) continue;
        if (l.once) this.removeEventListener(l.type, l.callback);
        if (typeof l.callback === 'function') l.callback.call(this, event);
        else l.callback.handleEvent(event);
      }
      return !event.defaultPrevented;
    }
  }

  let make, abort;
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    #followers = [];
    onabort = null;
    static {
      make = () => {
        allowed = true;
        try { return new AbortSignal(); } finally { allowed = false; }
      };
      abort = (signal, reason) => {
        if (signal.#aborted) return;
        signal.#aborted = true;
        signal.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
        signal.dispatchEvent(new Event('abort'));
        for (const f of signal.#followers) abort(f, signal.#reason);
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
      const s = make();
      setTimeout(() => abort(s, new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms);
      return s;
    }
    static any(signals) {
      const s = make();
      for (const other of signals) {
        if (other.aborted) {
          abort(s, other.reason);
          break;
        }
        other.#followers.push(s);
      }
      return s;
    }
    get [Symbol.toStringTag]() { return 'AbortSignal'; }
  }
  let allowed = false;

  class AbortController {
    #signal = make();
    get signal() { return this.#signal; }
    abort(reason) { abort(this.#signal, reason); }
    get [Symbol.toStringTag]() { return 'AbortController'; }
  }
  return { DOMException, Event, EventTarget, AbortController, AbortSignal };
});
