// Event, EventTarget, AbortController, AbortSignal.
import { thrown } from './run.mjs';

export default {
  'an event': (print) => {
    const e = new Event('x', { bubbles: true, cancelable: true, composed: true });
    print(e.type, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.eventPhase, e.target, e.currentTarget, e.isTrusted, e.returnValue, e.cancelBubble, e.composedPath(), typeof e.timeStamp);
    print(Event.NONE, Event.AT_TARGET, Object.prototype.toString.call(e));
  },
  'arguments of events': async (print) => { print(await thrown(() => new Event()), new Event(undefined).type, new Event(5).type, await thrown(() => new Event('x', 1)), new Event('x', null).bubbles); },
  'during a dispatch': (print) => {
    const t = new EventTarget();
    t.addEventListener('x', function (e) { print(e.target === t, e.currentTarget === t, e.eventPhase, e.composedPath().length, this === t); });
    const e = new Event('x');
    print(t.dispatchEvent(e), e.target === t, e.currentTarget, e.eventPhase, e.composedPath().length);
  },
  'order and repetition': (print) => {
    const t = new EventTarget(); const seen = [];
    const f = () => seen.push('f');
    t.addEventListener('x', f); t.addEventListener('x', f); t.addEventListener('x', () => seen.push('g')); t.addEventListener('y', () => seen.push('y'));
    t.dispatchEvent(new Event('x')); t.removeEventListener('x', f); t.dispatchEvent(new Event('x'));
    print(seen);
  },
  'capture is another listener': (print) => {
    const t = new EventTarget(); const seen = []; const f = () => seen.push('f');
    t.addEventListener('x', f); t.addEventListener('x', f, true); t.dispatchEvent(new Event('x')); print(seen.length);
    t.removeEventListener('x', f, { capture: true }); t.dispatchEvent(new Event('x')); print(seen.length);
  },
  'once': (print) => { const t = new EventTarget(); let n = 0; t.addEventListener('x', () => n++, { once: true }); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); print(n); },
  'an object as a listener': (print) => { const t = new EventTarget(); const o = { n: 0, handleEvent(e) { this.n++; print(e.type, this === o); } }; t.addEventListener('x', o); t.dispatchEvent(new Event('x')); t.removeEventListener('x', o); t.dispatchEvent(new Event('x')); print(o.n); },
  'a signal removes a listener': (print) => {
    const t = new EventTarget(); const c = new AbortController(); let n = 0;
    t.addEventListener('x', () => n++, { signal: c.signal });
    t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); t.addEventListener('x', () => n++, { signal: c.signal }); t.dispatchEvent(new Event('x'));
    print(n);
  },
  'preventing': (print) => {
    const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault());
    for (const cancelable of [true, false]) { const e = new Event('x', { cancelable }); print(t.dispatchEvent(e), e.defaultPrevented, e.returnValue); }
  },
  'stopping': (print) => {
    const t = new EventTarget(); const seen = [];
    t.addEventListener('x', (e) => { seen.push(1); e.stopPropagation(); print(e.cancelBubble); }); t.addEventListener('x', (e) => { seen.push(2); e.stopImmediatePropagation(); }); t.addEventListener('x', () => seen.push(3));
    t.dispatchEvent(new Event('x')); print(seen);
  },
  'listeners that change listeners': (print) => {
    const t = new EventTarget(); const seen = [];
    const late = () => seen.push('late'); const gone = () => seen.push('gone');
    t.addEventListener('x', () => { seen.push('a'); t.addEventListener('y', late); t.removeEventListener('x', gone); }); t.addEventListener('x', gone);
    t.dispatchEvent(new Event('x')); print(seen); t.dispatchEvent(new Event('y')); print(seen);
  },
  'a dispatch within a dispatch': async (print) => {
    const t = new EventTarget(); const e = new Event('x'); let inner;
    t.addEventListener('x', () => { try { t.dispatchEvent(e); } catch (err) { inner = err instanceof Error; } });
    t.dispatchEvent(e); print(inner, await thrown(() => t.dispatchEvent({})), await thrown(() => t.dispatchEvent()));
  },
  'bad listeners': async (print) => { const t = new EventTarget(); print(await thrown(() => t.addEventListener('x', null)), await thrown(() => t.addEventListener('x', undefined)), await thrown(() => t.addEventListener('x', 'f')), await thrown(() => t.addEventListener('x'))); },
  'CustomEvent': (print) => { const e = new CustomEvent('x', { detail: { a: 1 }, cancelable: true }); print(e.detail, e.cancelable, e instanceof Event, new CustomEvent('y').detail, Object.prototype.toString.call(e)); },
  'a class of targets': (print) => { class T extends EventTarget { n = 1; } const t = new T(); t.addEventListener('x', (e) => print(e.target.n)); t.dispatchEvent(new Event('x')); class E extends Event { constructor() { super('x'); this.more = 2; } } t.addEventListener('x', (e) => print(e.more)); t.dispatchEvent(new E()); },
  'AbortController': (print) => {
    const c = new AbortController(); const s = c.signal; const seen = [];
    print(s.aborted, s.reason, s === c.signal);
    s.addEventListener('abort', (e) => seen.push(e.type, e.target === s, s.aborted)); s.onabort = (e) => seen.push('on', e.type);
    c.abort(); c.abort('again');
    print(s.aborted, s.reason.name, s.reason.message, s.reason instanceof DOMException, s.reason.code, seen);
  },
  'reasons': async (print) => { for (const r of ['why', null, 0, new Error('e')]) { const c = new AbortController(); c.abort(r); print(c.signal.reason === r); } const c = new AbortController(); c.abort(undefined); print(c.signal.reason.name); print(await thrown(() => c.signal.throwIfAborted())); new AbortController().signal.throwIfAborted(); },
  'AbortSignal.abort': (print) => { const s = AbortSignal.abort(); print(s.aborted, s.reason.name, AbortSignal.abort('x').reason); },
  'AbortSignal.timeout': async (print) => { const s = AbortSignal.timeout(2); print(s.aborted); await new Promise((done) => { s.onabort = done; setTimeout(done, 5000); }); print(s.aborted, s.reason.name, s.reason.code); },
  'AbortSignal.any': (print) => {
    const a = new AbortController(); const b = new AbortController(); const seen = [];
    const s = AbortSignal.any([a.signal, b.signal]); const t = AbortSignal.any([s]);
    s.onabort = () => seen.push('s'); t.onabort = () => seen.push('t');
    b.abort('b'); a.abort('a');
    print(s.aborted, s.reason, t.reason, seen, AbortSignal.any([]).aborted, AbortSignal.any([AbortSignal.abort('x'), AbortSignal.abort('y')]).reason);
  },
  'illegal constructors': async (print) => print(await thrown(() => new AbortSignal()), await thrown(() => AbortSignal.any(5)), await thrown(() => AbortSignal.any([{}])), await thrown(() => AbortSignal.timeout('x')), await thrown(() => AbortSignal.timeout(-1))),
  'the handler attribute': (print) => { const c = new AbortController(); const s = c.signal; const seen = []; print(s.onabort); s.onabort = () => seen.push('a'); s.onabort = () => seen.push('b'); c.abort(); print(seen); },
};
