// Node's path, as POSIX has it (nodejs.org/api/path.html).
(function (native) {
  const text = (v, name) => {
    if (typeof v === 'string') return v;
    throw Object.assign(new TypeError(`The "${name}" argument must be of type string. Received ${v === null ? 'null' : typeof v}`), { code: 'ERR_INVALID_ARG_TYPE' });
  };
  // clean resolves "." and ".."; those at the start of a relative path stay.
  function clean(path, absolute) {
    const out = [];
    for (const part of path.split('/')) {
      if (part === '' || part === '.') continue;
      if (part !== '..') out.push(part);
      else if (out.length && out[out.length - 1] !== '..') out.pop();
      else if (!absolute) out.push('..');
    }
    return out.join('/');
  }
  const isAbsolute = (path) => text(path, 'path').startsWith('/');
  function normalize(path) {
    if (text(path, 'path') === '') return '.';
    const absolute = isAbsolute(path);
    let out = clean(path, absolute);
    if (out === '' && !absolute) out = '.';
    if (out !== '' && path.endsWith('/')) out += '/';
    return absolute ? `/${out}` : out;
  }
  function join(...parts) {
    const all = parts.map((p) => text(p, 'path')).filter((p) => p !== '').join('/');
    return all === '' ? '.' : normalize(all);
  }
  function resolve(...parts) {
    let path = '';
    for (let i = parts.length - 1; i >= 0 && !path.startsWith('/'); i--) {
      if (text(parts[i], 'path') !== '') path = path === '' ? parts[i] : `${parts[i]}/${path}`;
    }
    return `/${clean(path.startsWith('/') ? path : `/${path}`, true)}`;
  }
  const bare = (path) => path.replace(/\/+$/, '');
  function dirname(path) {
    if (text(path, 'path') === '') return '.';
    const b = bare(path);
    const at = b.lastIndexOf('/');
    if (at < 0) return b === '' ? '/' : '.';
    return at === 0 ? '/' : at === 1 && b[0] === '/' ? '//' : b.slice(0, at);
  }
  function basename(path, suffix) {
    const b = bare(text(path, 'path'));
    const name = b.slice(b.lastIndexOf('/') + 1);
    return suffix !== undefined && name !== suffix && name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : name;
  }
  function extname(path) {
    const name = basename(path);
    const at = name.lastIndexOf('.');
    return at <= 0 || name === '..' ? '' : name.slice(at);
  }
  function relative(from, to) {
    const a = resolve(text(from, 'from')).slice(1).split('/').filter(Boolean);
    const b = resolve(text(to, 'to')).slice(1).split('/').filter(Boolean);
    let i = 0;
    while (i < a.length && i < b.length && a[i] === b[i]) i++;
    return [...a.slice(i).map(() => '..'), ...b.slice(i)].join('/');
  }
  function parse(path) {
    const root = isAbsolute(path) ? '/' : '';
    const base = basename(path);
    const ext = extname(path);
    const b = bare(path);
    const at = b.lastIndexOf('/');
    return { root, dir: at < 0 ? (b === '' ? root : '') : at === 0 ? root : b.slice(0, at), base, ext, name: ext ? base.slice(0, -ext.length) : base };
  }
  function format(o) {
    const dir = o.dir || o.root;
    const base = o.base || `${o.name || ''}${o.ext ? (o.ext[0] === '.' ? '' : '.') + o.ext : ''}`;
    return !dir ? base : dir === o.root ? `${dir}${base}` : `${dir}/${base}`;
  }
  const path = { sep: '/', delimiter: ':', isAbsolute, normalize, join, resolve, dirname, basename, extname, relative, parse, format,
    toNamespacedPath: (p) => p };
  path.posix = path;
  return { exports: path };
});
