// The little of Node.js's process that packages look at. Secrets are not in env.
(function (native) {
  const process = {
    nextTick(fn, ...args) { queueMicrotask(() => fn(...args)); },
    cwd: () => '/',
    argv: [],
    platform: 'postern',
    version: '',
    versions: {},
    release: { name: 'postern' },
  };
  let env;
  Object.defineProperty(process, 'env', { enumerable: true, get() { return env || (env = native.env()); }, set(v) { env = v; } });
  return { process };
});
