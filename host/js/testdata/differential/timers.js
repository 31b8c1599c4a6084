// Timers and microtasks.
import { thrown } from './run.mjs';

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

export default {
  'order': async (print) => {
    const seen = [];
    setTimeout(() => seen.push('timer'), 0); queueMicrotask(() => seen.push('micro')); Promise.resolve().then(() => seen.push('then'));
    seen.push('now');
    await wait(20);
    print(seen);
  },
  'delays': async (print) => { const seen = []; setTimeout(() => seen.push('a'), 1); setTimeout(() => seen.push('b'), 1); setTimeout(() => seen.push(300), 300); setTimeout(() => seen.push(100), 100); setTimeout(() => seen.push(200), 200); await wait(450); print(seen); },
  'arguments': async (print) => { await new Promise((done) => setTimeout((...args) => { print(args); done(); }, 1, 'a', 2, { c: 3 })); },
  'an interval': async (print) => { let n = 0; await new Promise((done) => { const i = setInterval((x) => { print(x, ++n); if (n === 3) { clearInterval(i); done(); } }, 2, 'x'); }); await wait(10); print(n); },
  'clearing': async (print) => { const seen = []; const a = setTimeout(() => seen.push('a'), 1); clearTimeout(a); const b = setInterval(() => seen.push('b'), 1); clearTimeout(b); clearTimeout(undefined); clearTimeout(null); clearTimeout(99999); clearTimeout(a); await wait(10); print(seen); },
  'a timer that clears another': async (print) => { const seen = []; const b = [0]; setTimeout(() => { seen.push('a'); clearTimeout(b[0]); }, 1); b[0] = setTimeout(() => seen.push('b'), 10); await wait(20); print(seen); },
  'nested timers': async (print) => { const seen = []; await new Promise((done) => setTimeout(() => { seen.push(1); setTimeout(() => { seen.push(2); done(); }, 0); Promise.resolve().then(() => seen.push('between')); }, 0)); print(seen); },
  'microtasks between timers': async (print) => { const seen = []; setTimeout(() => { seen.push('a'); queueMicrotask(() => seen.push('micro')); }, 1); setTimeout(() => seen.push('b'), 1); await wait(20); print(seen); },
  'bad callbacks': async (print) => print(await thrown(() => setTimeout('code', 1)), await thrown(() => setTimeout()), await thrown(() => setInterval(null)), await thrown(() => queueMicrotask()), await thrown(() => queueMicrotask('x'))),
  'odd delays': async (print) => { const seen = []; for (const d of [-1, NaN, undefined, '2', null, 1.5]) setTimeout((x) => seen.push(String(x)), d, d); await wait(30); print(seen.sort()); },
  'microtasks in order': async (print) => {
    const seen = [];
    const a = (async () => { seen.push(1); await null; seen.push(4); await null; seen.push(7); })();
    const b = (async () => { seen.push(2); await null; seen.push(5); })();
    Promise.resolve().then(() => seen.push(6)); seen.push(3);
    await a; await b; print(seen);
  },
  'a thenable is awaited': async (print) => { const seen = []; const p = (async () => { seen.push(await { then(f) { seen.push('then'); f('value'); } }); })(); seen.push('sync'); await p; print(seen); },
  'performance': (print) => { const a = performance.now(); print(typeof a, performance.now() >= a, Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 5000, Object.prototype.toString.call(performance)); },
  'marks and measures': (print) => {
    const m = performance.mark('a', { startTime: 5, detail: { x: 1 } }); performance.mark('b', { startTime: 9 });
    const d = performance.measure('m', 'a', 'b');
    print(m.name, m.entryType, m.startTime, m.duration, m.detail, d.name, d.entryType, d.startTime, d.duration);
    print(performance.getEntriesByType('mark').map((e) => e.name), performance.getEntriesByName('m').length, performance.measure('n', { start: 1, end: 4 }).duration);
    performance.clearMarks('a'); print(performance.getEntriesByType('mark').map((e) => e.name)); performance.clearMarks(); performance.clearMeasures(); print(performance.getEntriesByType('measure').length);
  },
};
