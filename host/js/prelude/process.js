// Node's process as far as packages look at it. Secrets are not in env. There is no versions.node: it is not Node.js.
(function (native) {
  const hrtime = (before) => {
    const ms = native.now();
    let [s, ns] = [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
    if (before) {
      [s, ns] = [s - before[0], ns - before[1]];
      if (ns < 0) [s, ns] = [s - 1, ns + 1e9];
    }
    return [s, ns];
  };
  hrtime.bigint = () => BigInt(Math.round(native.now() * 1e6));
  const stream = (write) => ({ isTTY: false, columns: 80, write(text) { write(String(text).replace(/\n$/, '')); return true; }, on() { return this; }, once() { return this; } });
  const quiet = () => process;
  const process = {
    nextTick(fn, ...args) { queueMicrotask(() => fn(...args)); },
    cwd: () => '/',
    argv: [], argv0: '', execArgv: [], execPath: '', title: 'postern', pid: 1, ppid: 0, arch: 'wasm',
    platform: 'postern',
    version: '',
    versions: {},
    release: { name: 'postern' },
    features: {}, config: {}, exitCode: undefined,
    hrtime,
    uptime: () => native.now() / 1000,
    memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }),
    emitWarning: (warning) => console.warn(String(warning)),
    exit(code) { throw new Error(`process.exit(${code === undefined ? '' : code}): a script cannot end the gateway; return or throw instead`); },
    on: quiet, once: quiet, off: quiet, addListener: quiet, removeListener: quiet, removeAllListeners: quiet, prependListener: quiet,
    emit: () => false, listeners: () => [], listenerCount: () => 0,
    get stdout() { return stream(console.log); },
    get stderr() { return stream(console.error); },
  };
  let env;
  Object.defineProperty(process, 'env', { enumerable: true, get() { return env || (env = native.env()); }, set(v) { env = v; } });
  return { process };
});
