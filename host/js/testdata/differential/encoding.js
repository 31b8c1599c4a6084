// TextEncoder, TextDecoder, atob and btoa.
import { thrown } from './run.mjs';

const bytes = (...list) => new Uint8Array(list);
const points = (s) => [...s].map((c) => c.codePointAt(0).toString(16)).join(' ');

export default {
  'encode': (print) => { const e = new TextEncoder(); for (const s of ['', 'a', 'é€😀', '\ud800', '\udc00x', 'a\ud83d']) print(e.encode(s)); print(e.encode(), e.encode(undefined), e.encode(null), e.encode(5), e.encoding); },
  'encodeInto': (print) => {
    const e = new TextEncoder();
    for (const [s, n] of [['abc', 5], ['abc', 2], ['é€', 4], ['😀', 3], ['😀', 4], ['a\ud800', 4], ['', 2]]) { const b = new Uint8Array(n); print(e.encodeInto(s, b), b); }
  },
  'encodeInto needs bytes': async (print) => { const e = new TextEncoder(); print(await thrown(() => e.encodeInto('a')), await thrown(() => e.encodeInto('a', new Uint16Array(2))), await thrown(() => e.encodeInto('a', new ArrayBuffer(2)))); },
  'labels': async (print) => {
    for (const l of ['utf8', 'UTF-8', ' utf-8\n', 'unicode-1-1-utf-8', 'utf-16', 'utf-16le', 'ucs-2', 'utf-16be', 'latin1', 'ascii', 'iso-8859-1', 'windows-1252', 'us-ascii', 'l1']) print(JSON.stringify(l), new TextDecoder(l).encoding);
    for (const l of ['', 'none', 'utf-7', 'utf_8', 'x-utf8']) print(l, await thrown(() => new TextDecoder(l)));
  },
  'malformed UTF-8': (print) => {
    const d = new TextDecoder();
    for (const b of [[0xff], [0xc0, 0x80], [0xe2, 0x82], [0xe2, 0x28, 0xa1], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88], [0x61, 0x80, 0x62], [0xf0, 0x80, 0x80, 0x41], [0xc3]]) print(points(d.decode(bytes(...b))));
  },
  'fatal': async (print) => {
    const d = new TextDecoder('utf-8', { fatal: true });
    print(d.fatal, d.ignoreBOM, d.decode(bytes(0xc3, 0xa9)), await thrown(() => d.decode(bytes(0xff))), d.decode(bytes(0x61)), await thrown(() => d.decode(bytes(0xe2, 0x82))));
  },
  'byte order marks': (print) => {
    const b = bytes(0xef, 0xbb, 0xbf, 0x61, 0xef, 0xbb, 0xbf);
    print(points(new TextDecoder().decode(b)), points(new TextDecoder('utf-8', { ignoreBOM: true }).decode(b)));
    print(points(new TextDecoder('utf-16le').decode(bytes(0xff, 0xfe, 0x61, 0))), points(new TextDecoder('utf-16be').decode(bytes(0xfe, 0xff, 0, 0x61))));
    const d = new TextDecoder(); d.decode(b); print(points(d.decode(b)));
  },
  'streams of pieces': (print) => {
    const d = new TextDecoder();
    const all = new TextEncoder().encode('é€😀z');
    let out = '';
    for (const x of all) out += d.decode(bytes(x), { stream: true });
    print(out + d.decode());
    print(points(d.decode(bytes(0xe2, 0x82), { stream: true })), points(d.decode(bytes(0x41), { stream: true })), points(d.decode(bytes(0xf0, 0x9f), { stream: true })), points(d.decode()));
  },
  'a mark in pieces': (print) => { const d = new TextDecoder(); print(points(d.decode(bytes(0xef), { stream: true }) + d.decode(bytes(0xbb, 0xbf, 0x61), { stream: true }) + d.decode())); },
  'utf-16': (print) => {
    const d = new TextDecoder('utf-16le');
    print(points(d.decode(bytes(0x3d, 0xd8, 0, 0xde, 0x61, 0))), points(d.decode(bytes(0x3d, 0xd8))), points(d.decode(bytes(0, 0xde))), points(d.decode(bytes(0x61))));
    let out = ''; for (const x of [0x3d, 0xd8, 0, 0xde]) out += d.decode(bytes(x), { stream: true }); print(points(out + d.decode()));
    print(points(new TextDecoder('utf-16be').decode(bytes(0xd8, 0x3d, 0xde, 0, 0, 0x61))));
  },
  'utf-16, fatal': async (print) => { const d = new TextDecoder('utf-16le', { fatal: true }); print(await thrown(() => d.decode(bytes(0, 0xd8))), await thrown(() => d.decode(bytes(1)))); },
  'windows-1252': (print) => { const all = Uint8Array.from({ length: 256 }, (_, i) => i); print(points(new TextDecoder('windows-1252').decode(all).slice(160, 180))); },
  'what can be decoded': async (print) => {
    const d = new TextDecoder();
    const b = bytes(97, 98, 99);
    print(d.decode(b.buffer), d.decode(new DataView(b.buffer, 1)), d.decode(new Uint16Array(bytes(97, 0).buffer)).length, d.decode(undefined), await thrown(() => d.decode('x')), await thrown(() => d.decode(null)));
  },
  'btoa': async (print) => { for (const s of ['', 'a', 'ab', 'abc', '\xff\xfe', 'é', 5, null]) print(btoa(s)); print(await thrown(() => btoa('€')), await thrown(() => btoa())); },
  'atob': async (print) => {
    for (const s of ['', 'YQ==', 'YQ', ' Y W I = ', 'YWJj', '/+8=', 'AA\n\tAA']) print(JSON.stringify(s), points(atob(s)));
    for (const s of ['YQ=', 'Y', '=', 'YQ===', '-_8', 'Y Q = = =', 'é', 'YQ==YQ==']) print(s, await thrown(() => atob(s)));
  },
  'atob and bits that are left': (print) => print(points(atob('YR')), points(atob('YWK=')), points(atob(btoa('any carnal pleas')))),
  'bytes of text and back': (print) => print(Uint8Array.from(atob('w6nigqw='), (c) => c.charCodeAt(0)), new TextDecoder().decode(Uint8Array.from(atob('w6nigqw='), (c) => c.charCodeAt(0)))),
  'encodeURIComponent and friends': async (print) => { print(encodeURIComponent("é&=+ !'()*~"), encodeURI('http://a/é?b c#d'), decodeURIComponent('%C3%A9%20'), escape('é€'), unescape('%E9%u20AC')); print(await thrown(() => decodeURIComponent('%FF')), await thrown(() => encodeURIComponent('\ud800'))); },
  'tags': (print) => print(String(new TextEncoder()), String(new TextDecoder())),
};
