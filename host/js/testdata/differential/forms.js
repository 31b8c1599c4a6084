// Blob, File and FormData.
import { thrown } from './run.mjs';

export default {
  'parts of a blob': async (print) => { const b = new Blob(['aé', new Uint8Array([33, 34]).subarray(1), new Uint8Array([35]).buffer, new Blob(['x']), 5, null]); print(b.size, b.type, await b.text()); },
  'types': (print) => { for (const type of ['Text/Plain', 'a/b;c=D', 'é', 'a\u007f', '', undefined, null]) print(new Blob([], { type }).type); },
  'slices': async (print) => { const b = new Blob(['0123456789'], { type: 'a/b' }); for (const args of [[], [2], [2, 5], [-3], [-5, -2], [5, 2], [0, 99], [3, undefined, 'C/D']]) { const s = b.slice(...args); print(args, s.size, await s.text(), s.type); } },
  'reading': async (print) => { const b = new Blob([new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff])]); print(await b.arrayBuffer(), [...await b.text()].map((c) => c.codePointAt(0))); },
  'a stream of it': async (print) => { const out = []; for await (const c of new Blob(['abc', 'def']).stream()) out.push(...c); print(out, String.fromCharCode(...out)); },
  'bad arguments': async (print) => { for (const a of ['x', 5, null, {}]) print(await thrown(() => new Blob(a))); print(await thrown(() => new Blob([], { endings: 'x' })), await thrown(() => Blob([])), new Blob().size, new Blob(undefined).size); },
  'line ends': async (print) => { print(JSON.stringify(await new Blob(['a\r\nb\nc'], { endings: 'transparent' }).text()), JSON.stringify(await new Blob(['a\r\nb\nc'], { endings: 'native' }).text())); },
  'files': async (print) => { const f = new File(['abc'], 'a/b.txt', { type: 'T/X', lastModified: 12 }); print(f.name, f.size, f.type, f.lastModified, f instanceof Blob, String(f), await f.text(), f.slice(1) instanceof File, await thrown(() => new File(['x'])), typeof new File([], 'x').lastModified); },
  'a form': (print) => {
    const f = new FormData(); f.append('a', 1); f.append('b', 'x'); f.append('a', null);
    print([...f], f.get('a'), f.getAll('a'), f.get('none'), f.getAll('none'), f.has('b'), f.has('c'), String(f));
    f.set('a', 'new'); f.set('c', 'end'); print([...f]); f.delete('a'); f.delete('none'); print([...f.keys()], [...f.values()]);
    f.forEach((v, k, all) => print(k, v, all === f));
  },
  'files in forms': async (print) => { const f = new FormData(); f.append('a', new Blob(['x'], { type: 'a/b' })); f.append('b', new Blob(['y']), 'name'); f.append('c', new File(['z'], 'own')); f.append('d', new File(['z'], 'own'), 'other'); for (const [k, v] of f) print(k, v.name, v.type, v.size, v instanceof File, await v.text()); },
  'bad entries': async (print) => { const f = new FormData(); print(await thrown(() => f.append('a')), await thrown(() => f.append('a', 'x', 'name')), await thrown(() => f.set('a')), await thrown(() => new FormData('x')), await thrown(() => f.forEach(1))); },
  'there and back': async (print) => {
    const f = new FormData(); f.append('plain', 'a\r\nb\nc'); f.append('qu"ote\n', 'é€😀'); f.append('', ''); f.append('file', new File([new Uint8Array([0, 255, 13, 10])], 'ü "x".bin', { type: 'app/x' }));
    const g = await new Response(f).formData();
    for (const [k, v] of g) print(JSON.stringify(k), typeof v === 'string' ? JSON.stringify(v) : [v.name, v.type, v.size]);
    print(new Uint8Array(await g.get('file').arrayBuffer()));
  },
  'the text of a multipart body': async (print) => {
    const f = new FormData(); f.append('a"b', '1'); f.append('f', new File(['x'], 'n\r\n"', { type: '' }));
    const r = new Response(f); const boundary = r.headers.get('content-type').split('boundary=')[1];
    print(JSON.stringify((await r.text()).replaceAll(boundary, 'B').trimEnd()));
  },
  'a change while iterating': (print) => { const f = new FormData(); f.append('a', '1'); f.append('b', '2'); const seen = []; for (const [k] of f) { seen.push(k); if (k === 'a') f.append('c', '3'); } print(seen); },
};
