// Runs the scripts of one file, in Node.js and in Postern alike: a file exports named functions, each of which prints lines.

function show(v) {
  if (typeof v === 'string') return v;
  if (typeof v === 'bigint') return `${v}n`;
  if (typeof v === 'function') return '[function]';
  if (v instanceof Error) return v.name;
  if (v instanceof ArrayBuffer) v = new Uint8Array(v);
  if (ArrayBuffer.isView(v)) return `<${Array.from(new Uint8Array(v.buffer, v.byteOffset, v.byteLength), (x) => x.toString(16).padStart(2, '0')).join('')}>`;
  if (typeof v === 'object' && v !== null) return JSON.stringify(v, (_, x) => (typeof x === 'bigint' ? `${x}n` : x === undefined ? '(undefined)' : x));
  return Object.is(v, -0) ? '-0' : String(v);
}

// run returns the lines that a script prints; an error that it throws is the last one.
export async function run(script) {
  const lines = [];
  try {
    await script((...values) => { lines.push(values.map(show).join(' ')); });
  } catch (e) {
    lines.push(`threw ${e instanceof Error ? e.name : show(e)}: ${e?.message}`);
  }
  return lines;
}

// thrown returns the name of the error that fn throws or rejects with.
export async function thrown(fn) {
  try {
    await fn();
  } catch (e) {
    return e instanceof Error ? e.name : show(e);
  }
  return 'no error';
}

// of runs all scripts of a file, one after the other.
export async function all(scripts) {
  const out = {};
  for (const name of Object.keys(scripts)) out[name] = await run(scripts[name]);
  return out;
}
