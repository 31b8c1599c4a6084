// DOMException, errors, and what throws them.
import { thrown } from './run.mjs';

export default {
  'DOMException': (print) => {
    const e = new DOMException('text', 'AbortError');
    print(e.name, e.message, e.code, e instanceof Error, e instanceof DOMException, String(e), Object.prototype.toString.call(e), typeof e.stack);
    const d = new DOMException(); print(d.name, d.message === '', d.code, new DOMException('m', 'Nothing').code, new DOMException(5).message);
  },
  'codes': (print) => {
    for (const n of ['IndexSizeError', 'HierarchyRequestError', 'WrongDocumentError', 'InvalidCharacterError', 'NoModificationAllowedError', 'NotFoundError', 'NotSupportedError', 'InUseAttributeError', 'InvalidStateError', 'SyntaxError',
      'InvalidModificationError', 'NamespaceError', 'InvalidAccessError', 'TypeMismatchError', 'SecurityError', 'NetworkError', 'AbortError', 'URLMismatchError', 'QuotaExceededError', 'TimeoutError', 'InvalidNodeTypeError', 'DataCloneError', 'EncodingError', 'OperationError', 'DataError']) print(n, new DOMException('', n).code);
    print(DOMException.ABORT_ERR, DOMException.DATA_CLONE_ERR, new DOMException().SYNTAX_ERR, DOMException.INDEX_SIZE_ERR, DOMException.VALIDATION_ERR);
  },
  'a cause': (print) => { const e = new DOMException('m', { name: 'DataError', cause: 'why' }); print(e.name, e.cause, e.code, 'cause' in new DOMException('m', 'x')); const f = new Error('a', { cause: 0 }); print(f.cause, 'cause' in new Error('b')); },
  'kinds of errors': (print) => { for (const E of [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]) { const e = new E('m'); print(e.name, String(e), e instanceof Error, Object.keys(e), E('n').message); } },
  'AggregateError': async (print) => { const e = await Promise.any([Promise.reject(1), Promise.reject(2)]).catch((x) => x); print(e.name, e.errors, e instanceof AggregateError, new AggregateError([3], 'm').message); },
  'classes of errors': (print) => { class Mine extends Error { constructor(m, o) { super(m, o); this.name = 'Mine'; this.extra = 1; } } const e = new Mine('m', { cause: 'c' }); print(String(e), e instanceof Mine, e instanceof Error, e.cause, JSON.stringify(e), e.stack.includes('Mine') || e.stack.includes('m')); },
  'what is thrown where': async (print) => {
    print(await thrown(() => null.x), await thrown(() => undefinedName), await thrown(() => (void 0)()), await thrown(() => new (class { constructor() { this.#a; } #a; static #b() {} })()));
    print(await thrown(() => [].at.call(null)), await thrown(() => 'x'.repeat(-1)), await thrown(() => new Array(-1)), await thrown(() => JSON.parse('{')), await thrown(() => BigInt('x')), await thrown(() => 1n + 1), await thrown(() => (5).toFixed(101)), await thrown(() => new RegExp('(')));
    print(await thrown(() => decodeURIComponent('%')), await thrown(() => Symbol() + ''), await thrown(() => new Proxy({}, null)), await thrown(() => Object.defineProperty(Object.freeze({}), 'a', {})), await thrown(() => Reflect.construct(1)));
  },
  'rejections': async (print) => {
    print(await thrown(() => Promise.reject(new RangeError('x'))), await thrown(async () => { throw 'text'; }), await thrown(() => Promise.all([1, Promise.reject(new TypeError())])));
    print((await Promise.allSettled([1, Promise.reject(new Error('no'))])).map((r) => [r.status, r.value, r.reason?.message]));
    print(await Promise.race([new Promise(() => {}), Promise.resolve('first')]), await Promise.reject(1).catch((e) => e + 1).finally(() => 9));
  },
  'finally': async (print) => { const f = async () => { try { throw new Error('a'); } catch (e) { return `caught ${e.message}`; } finally { print('finally'); } }; print(await f()); const g = () => { for (const x of [1, 2]) { try { if (x === 1) continue; return x; } finally { print('x', x); } } }; print(g()); },
  'an error in a then': async (print) => print(await Promise.resolve(1).then(() => { throw new URIError('u'); }).then(() => 'no', (e) => e.name)),
  'QuotaExceededError': async (print) => print(await thrown(() => crypto.getRandomValues(new Uint8Array(65537))), await thrown(() => crypto.getRandomValues(new Float32Array(1))), await thrown(() => crypto.getRandomValues([]))),
};
