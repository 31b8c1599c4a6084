// WeakRef and FinalizationRegistry (ECMA-262, section 26), which the engine cannot have: what they refer to stays, as the standard allows.
(function () {
  const object = (v) => { if (typeof v !== 'object' && typeof v !== 'function' || v === null) throw new TypeError('The target must be an object'); };
  class WeakRef {
    #target;
    constructor(target) {
      object(target);
      this.#target = target;
    }
    deref() { return this.#target; }
    get [Symbol.toStringTag]() { return 'WeakRef'; }
  }
  class FinalizationRegistry {
    constructor(cleanup) { if (typeof cleanup !== 'function') throw new TypeError('The argument must be a function'); }
    register(target) { object(target); }
    unregister() { return false; }
    get [Symbol.toStringTag]() { return 'FinalizationRegistry'; }
  }
  return { WeakRef, FinalizationRegistry };
});
