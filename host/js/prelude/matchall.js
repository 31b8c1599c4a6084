// RegExp.prototype[Symbol.matchAll] by calls to exec that have a clock; goja's iterator calls exec where none is.
(function () {
  const matchAll = function* (string) {
    const s = String(string);
    const r = new this.constructor(this.source, this.flags);
    r.lastIndex = this.lastIndex;
    for (;;) {
      const m = __postern_exec__(r, s);
      if (m === null) return;
      yield m;
      if (!r.global) return;
      if (m[0] === '') r.lastIndex += r.unicode && s.codePointAt(r.lastIndex) > 0xffff ? 2 : 1;
    }
  };
  Object.defineProperty(RegExp.prototype, Symbol.matchAll, { value: matchAll, writable: true, configurable: true });
  return {};
});
