// Node's timers (nodejs.org/api/timers.html).
(function (native) {
  return { exports: { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate,
    get promises() { return native.part('node/timers/promises.js').exports; } } };
});
