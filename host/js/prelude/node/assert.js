// Node's assert (nodejs.org/api/assert.html).
(function (native) {
  const { equal: same, exports: util } = native.part('node/util.js');
  class AssertionError extends Error {
    constructor({ message, actual, expected, operator }) {
      super(message !== undefined ? message : `${util.inspect(actual)} ${operator} ${util.inspect(expected)}`);
      this.generatedMessage = message === undefined;
      this.code = 'ERR_ASSERTION';
      this.actual = actual;
      this.expected = expected;
      this.operator = operator;
    }
  }
  Object.defineProperty(AssertionError.prototype, 'name', { value: 'AssertionError', writable: true, configurable: true });
  const fail = (message, actual, expected, operator) => {
    if (message instanceof Error) throw message;
    throw new AssertionError({ message, actual, expected, operator });
  };
  const check = (ok, message, actual, expected, operator) => { if (!ok) fail(message, actual, expected, operator); };
  function ok(...args) {
    check(args[0], args.length === 0 ? 'No value argument passed to `assert.ok()`' : args[1] === undefined ? 'The expression evaluated to a falsy value' : args[1], args[0], true, '==');
  }
  // expected tells whether an error is the one that was meant: by class, expression, function or fields.
  function expected(err, want, message) {
    if (want === undefined) return;
    if (want instanceof RegExp) return check(want.test(String(err)), message, err, want, 'throws');
    if (typeof want === 'object') {
      for (const k of [...Object.keys(want), ...(want instanceof Error ? ['name', 'message'] : [])]) {
        const fits = want[k] instanceof RegExp && typeof err[k] === 'string' ? want[k].test(err[k]) : same(err[k], want[k], true);
        check(fits, message, err, want, 'throws');
      }
      return;
    }
    if (want.prototype !== undefined && err instanceof want) return;
    if (Error.isPrototypeOf(want)) throw err;
    check(want.call({}, err) === true, message, err, want, 'throws');
  }
  const split = (want, message) => (typeof want === 'string' ? [undefined, want] : [want, message]);
  const promise = async (fn) => (typeof fn === 'function' ? fn() : fn);
  const methods = {
    ok,
    equal: (a, b, m) => check(a == b || (a !== a && b !== b), m, a, b, '=='), // eslint-disable-line eqeqeq
    notEqual: (a, b, m) => check(!(a == b || (a !== a && b !== b)), m, a, b, '!='), // eslint-disable-line eqeqeq
    strictEqual: (a, b, m) => check(Object.is(a, b), m, a, b, 'strictEqual'),
    notStrictEqual: (a, b, m) => check(!Object.is(a, b), m, a, b, 'notStrictEqual'),
    deepEqual: (a, b, m) => check(same(a, b, false), m, a, b, 'deepEqual'),
    notDeepEqual: (a, b, m) => check(!same(a, b, false), m, a, b, 'notDeepEqual'),
    deepStrictEqual: (a, b, m) => check(same(a, b, true), m, a, b, 'deepStrictEqual'),
    notDeepStrictEqual: (a, b, m) => check(!same(a, b, true), m, a, b, 'notDeepStrictEqual'),
    match: (text, re, m) => check(typeof text === 'string' && re.test(text), m, text, re, 'match'),
    doesNotMatch: (text, re, m) => check(!re.test(text), m, text, re, 'doesNotMatch'),
    fail: (m = 'Failed') => fail(m, undefined, undefined, 'fail'),
    ifError: (err) => { if (err !== null && err !== undefined) throw err instanceof Error ? err : new AssertionError({ message: `ifError got unwanted exception: ${err}`, actual: err, expected: null, operator: 'ifError' }); },
    throws(fn, ...rest) {
      const [want, message] = split(...rest);
      let err;
      try {
        fn();
      } catch (e) {
        err = e;
        return expected(err, want, message);
      }
      return fail(message === undefined ? 'Missing expected exception.' : message, undefined, want, 'throws');
    },
    doesNotThrow(fn, ...rest) {
      try {
        fn();
      } catch (e) {
        fail(split(...rest)[1] || `Got unwanted exception.\n${e && e.message}`, e, undefined, 'doesNotThrow');
      }
    },
    async rejects(fn, ...rest) {
      const [want, message] = split(...rest);
      try {
        await promise(fn);
      } catch (e) {
        return expected(e, want, message);
      }
      return fail(message === undefined ? 'Missing expected rejection.' : message, undefined, want, 'rejects');
    },
    async doesNotReject(fn, ...rest) {
      try {
        await promise(fn);
      } catch (e) {
        fail(split(...rest)[1] || `Got unwanted rejection.\n${e && e.message}`, e, undefined, 'doesNotReject');
      }
    },
    AssertionError,
  };
  const assert = Object.assign((...args) => ok(...args), methods);
  const strict = Object.assign((...args) => ok(...args), methods, { equal: methods.strictEqual, notEqual: methods.notStrictEqual,
    deepEqual: methods.deepStrictEqual, notDeepEqual: methods.notDeepStrictEqual });
  assert.strict = strict.strict = strict;
  return { exports: assert };
});
