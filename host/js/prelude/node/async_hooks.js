// AsyncLocalStorage and AsyncResource (nodejs.org/api/async_context.html). The values of a moment are a Map that never changes;
// the native side carries it over await, then, timers and fetch.
(function (native) {
  const { asyncValues, setAsyncValues } = native;
  const within = (values, fn, self, args) => {
    const before = asyncValues();
    setAsyncValues(values);
    try {
      return Reflect.apply(fn, self, args);
    } finally {
      setAsyncValues(before);
    }
  };
  const changed = (storage, value) => new Map(asyncValues() || []).set(storage, value);
  class AsyncLocalStorage {
    static bind(fn) {
      const values = asyncValues();
      return function (...args) { return within(values, fn, this, args); };
    }
    static snapshot() {
      const values = asyncValues();
      return (fn, ...args) => within(values, fn, undefined, args);
    }
    getStore() {
      const values = asyncValues();
      return values ? values.get(this) : undefined;
    }
    run(store, fn, ...args) { return within(changed(this, store), fn, undefined, args); }
    exit(fn, ...args) { return within(changed(this, undefined), fn, undefined, args); }
    enterWith(store) { setAsyncValues(changed(this, store)); }
    disable() { setAsyncValues(changed(this, undefined)); }
  }
  let last = 0;
  class AsyncResource {
    #values = asyncValues();
    #id = ++last;
    constructor(type) { this.type = type; }
    runInAsyncScope(fn, self, ...args) { return within(this.#values, fn, self, args); }
    bind(fn) { return (...args) => this.runInAsyncScope(fn, undefined, ...args); }
    static bind(fn) { return AsyncLocalStorage.bind(fn); }
    emitDestroy() { return this; }
    asyncId() { return this.#id; }
    triggerAsyncId() { return 0; }
  }
  return { exports: { AsyncLocalStorage, AsyncResource, executionAsyncId: () => 0, triggerAsyncId: () => 0,
    createHook: () => ({ enable() { return this; }, disable() { return this; } }) } };
});
