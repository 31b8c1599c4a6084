// performance (w3.org/TR/hr-time-3 and user-timing), queueMicrotask, and navigator, which WinterTC asks for its userAgent.
(function (native) {
  const settled = Promise.resolve();
  const illegal = () => { throw new TypeError('Illegal constructor'); };
  const maxEntries = 1000;
  const kept = new WeakMap();
  const make = (C, about) => {
    const e = Object.create(C.prototype);
    kept.set(e, about);
    return e;
  };
  class PerformanceEntry {
    constructor() { illegal(); }
    get name() { return kept.get(this).name; }
    get entryType() { return kept.get(this).type; }
    get startTime() { return kept.get(this).start; }
    get duration() { return kept.get(this).duration; }
    get detail() { return kept.get(this).detail; }
    toJSON() {
      const { name, entryType, startTime, duration, detail } = this;
      return { name, entryType, startTime, duration, detail };
    }
  }
  class PerformanceMark extends PerformanceEntry {}
  class PerformanceMeasure extends PerformanceEntry {}

  let entries = [];
  let turn;
  // mine() is the marks and measures of this call.
  const mine = () => {
    if (turn !== native.turn()) [turn, entries] = [native.turn(), []];
    return entries;
  };
  const keep = (entry) => {
    if (mine().push(entry) > maxEntries) entries.shift();
    return entry;
  };
  const when = (mark) => {
    if (typeof mark === 'number') return mark;
    const found = mine().findLast((e) => e.entryType === 'mark' && e.name === `${mark}`);
    if (!found) throw new DOMException(`The mark ${JSON.stringify(`${mark}`)} has not been set`, 'SyntaxError');
    return found.startTime;
  };
  const sorted = (list) => [...list].sort((a, b) => a.startTime - b.startTime);
  const detailOf = (o) => (o.detail === undefined || o.detail === null ? null : structuredClone(o.detail));

  class Performance extends EventTarget {
    get timeOrigin() { return native.timeOrigin(); }
    now() { return native.now(); }
    toJSON() { return { timeOrigin: this.timeOrigin }; }
    mark(name, options = {}) {
      const start = options.startTime === undefined ? native.now() : Number(options.startTime);
      if (start < 0) throw new TypeError('A mark cannot be before the start');
      return keep(make(PerformanceMark, { name: `${name}`, type: 'mark', start, duration: 0, detail: detailOf(options) }));
    }
    measure(name, from, to) {
      const o = typeof from === 'object' && from !== null ? from : { start: from, end: to };
      if (o.start !== undefined && o.end !== undefined && o.duration !== undefined) throw new TypeError('Two of start, end and duration make a measure');
      const end = o.end !== undefined ? when(o.end) : o.start !== undefined && o.duration !== undefined ? when(o.start) + o.duration : native.now();
      const start = o.start !== undefined ? when(o.start) : o.duration !== undefined ? end - o.duration : 0;
      return keep(make(PerformanceMeasure, { name: `${name}`, type: 'measure', start, duration: end - start, detail: detailOf(o) }));
    }
    getEntries() { return sorted(mine()); }
    getEntriesByName(name, type) { return sorted(mine().filter((e) => e.name === name && (type === undefined || e.entryType === type))); }
    getEntriesByType(type) { return sorted(mine().filter((e) => e.entryType === type)); }
    clearMarks(name) { entries = mine().filter((e) => e.entryType !== 'mark' || (name !== undefined && e.name !== name)); }
    clearMeasures(name) { entries = mine().filter((e) => e.entryType !== 'measure' || (name !== undefined && e.name !== name)); }
    get [Symbol.toStringTag]() { return 'Performance'; }
  }

  class Navigator {
    get userAgent() { return 'Postern'; }
    get language() { return 'en-US'; }
    get languages() { return ['en-US']; }
    get hardwareConcurrency() { return 1; }
    get [Symbol.toStringTag]() { return 'Navigator'; }
  }

  return {
    performance: new Performance(), Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure,
    navigator: new Navigator(), Navigator,
    queueMicrotask(fn) {
      if (typeof fn !== 'function') throw new TypeError('The argument must be a function');
      settled.then(() => {
        try {
          fn();
        } catch (e) {
          reportError(e);
        }
      });
    },
  };
});
