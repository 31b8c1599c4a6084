(function (native) {
  const settled = Promise.resolve();
  const origin = Date.now();
  return {
    performance: { timeOrigin: origin, now: () => native.now(), toJSON() { return { timeOrigin: origin }; } },
    queueMicrotask(fn) {
      if (typeof fn !== 'function') throw new TypeError('The argument must be a function');
      settled.then(() => { fn(); });
    },
  };
});
