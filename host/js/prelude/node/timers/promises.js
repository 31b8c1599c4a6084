// Node's timers as promises (nodejs.org/api/timers.html).
(function (native) {
  const aborted = (signal) => Object.assign(new Error('The operation was aborted', { cause: signal.reason }), { name: 'AbortError', code: 'ABORT_ERR' });
  const wait = (start, stop) => (value, { signal } = {}) => new Promise((resolve, reject) => {
    if (signal && signal.aborted) return reject(aborted(signal));
    const onAbort = () => { stop(id); reject(aborted(signal)); };
    const id = start(() => {
      if (signal) signal.removeEventListener('abort', onAbort);
      resolve(value);
    });
    if (signal) signal.addEventListener('abort', onAbort, { once: true });
  });
  const after = (ms, value, options) => wait((fn) => setTimeout(fn, ms), clearTimeout)(value, options);
  const at = wait((fn) => setImmediate(fn), clearImmediate);
  const every = (ms, value, options = {}) => ({
    [native.asyncIterator()]() { return this; },
    next: async () => ({ done: false, value: await after(ms, value, options) }),
    return: async () => ({ done: true, value: undefined }),
  });
  return { exports: { setTimeout: after, setImmediate: at, setInterval: every,
    scheduler: { wait: (ms, options) => after(ms, undefined, options), yield: () => at() } } };
});
