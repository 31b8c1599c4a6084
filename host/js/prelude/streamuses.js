// What is made of a ReadableStream: its iterator, branches, and streams of iterables (streams.spec.whatwg.org, sections 4.2.5 and
// 4.9.1). streams.js loads this with the first use and gives what it needs.
(function (native) {
  const asyncIterator = native.asyncIterator();
  function make({ create, recordOf, acquire, release, read, cancel, close, enqueue, fail, open, Later, bytes }) {
    function iterate(s, preventCancel) {
      const r = acquire(s);
      let ongoing = null;
      let finished = false;
      const end = () => {
        finished = true;
        release(r);
      };
      const next = () => (finished ? Promise.resolve({ value: undefined, done: true }) : new Promise((resolve, reject) => read(r, {
        chunk: (value) => resolve({ value, done: false }),
        close() { end(); resolve({ value: undefined, done: true }); },
        error(e) { end(); reject(e); },
      })));
      const finish = (value) => {
        const result = { value, done: true };
        if (finished) return Promise.resolve(result);
        const done = preventCancel ? Promise.resolve() : cancel(s, value);
        end();
        return done.then(() => result);
      };
      return {
        next() { return (ongoing = ongoing === null ? next() : ongoing.then(next, next)); },
        return(value) { return (ongoing = ongoing === null ? finish(value) : ongoing.then(() => finish(value), () => finish(value))); },
        [asyncIterator]() { return this; },
      };
    }

    function from(items) {
      if (items === null || items === undefined) throw new TypeError('ReadableStream.from needs something to iterate over');
      const make = items[asyncIterator] || items[Symbol.iterator];
      if (typeof make !== 'function') throw new TypeError('ReadableStream.from needs something to iterate over');
      const iterator = make.call(items);
      const s = recordOf(create({
        hwm: 0,
        pull: async () => {
          const step = await iterator.next();
          if (typeof step !== 'object' || step === null) throw new TypeError('The iterator gave no object');
          if (step.done) close(s);
          else enqueue(s, await step.value);
        },
        cancel: async (reason) => {
          if (typeof iterator.return !== 'function') return;
          const step = await iterator.return(reason);
          if (typeof step !== 'object' || step === null) throw new TypeError('The iterator gave no object');
        },
      }));
      return s.stream;
    }

    // tee makes two streams of one. Branches of a byte stream are byte streams, and each has bytes of its own.
    function tee(s) {
      const r = acquire(s);
      const reasons = [undefined, undefined];
      const canceled = [false, false];
      const cancellation = new Later();
      const branches = [];
      let reading = false;
      let again = false;
      const each = (act) => { for (const i of [0, 1]) if (!canceled[i]) act(recordOf(branches[i]), i); };
      const pull = () => {
        if (reading) {
          again = true;
          return;
        }
        reading = true;
        read(r, {
          chunk: (value) => Promise.resolve().then(() => {
            again = false;
            each((b, i) => {
              if (!b.bytes) enqueue(b, value);
              else bytes().enqueue(b, i === 0 || canceled[0] ? value : value.slice(), true);
            });
            reading = false;
            if (again) pull();
          }),
          close() {
            reading = false;
            each((b) => { if (open(b)) b.bytes ? bytes().close(b) : close(b); });
            if (!canceled[0] || !canceled[1]) cancellation.resolve();
          },
          error() { reading = false; },
        });
      };
      const cancelBranch = (i) => (reason) => {
        canceled[i] = true;
        reasons[i] = reason;
        if (canceled[1 - i]) cancel(s, reasons).then(() => cancellation.resolve(), (e) => cancellation.reject(e));
        return cancellation.promise;
      };
      for (const i of [0, 1]) branches.push(create({ bytes: s.bytes, hwm: s.bytes ? 0 : 1, pull, cancel: cancelBranch(i) }));
      r.closed.promise.catch((e) => {
        each((b) => fail(b, e));
        if (!canceled[0] || !canceled[1]) cancellation.resolve();
      });
      return branches;
    }

    return { iterate, from, tee };
  }
  return { make };
});
