// Node's querystring (nodejs.org/api/querystring.html).
(function (native) {
  const escape = (s) => encodeURIComponent(typeof s === 'object' ? String(s) : s);
  const unescape = (s) => {
    try {
      return decodeURIComponent(s);
    } catch (e) {
      return native.unescapeBytes(s);
    }
  };
  const primitive = (v) => (typeof v === 'string' ? v : typeof v === 'number' && isFinite(v) || typeof v === 'bigint' || typeof v === 'boolean' ? `${v}` : '');
  function stringify(o, sep = '&', eq = '=', options) {
    const esc = options && options.encodeURIComponent || exports.escape;
    if (typeof o !== 'object' || o === null) return '';
    const out = [];
    for (const k of Object.keys(o)) {
      for (const v of Array.isArray(o[k]) ? o[k] : [o[k]]) out.push(`${esc(k)}${eq}${esc(primitive(v))}`);
    }
    return out.join(sep);
  }
  function parse(text, sep = '&', eq = '=', options) {
    const out = Object.create(null);
    if (typeof text !== 'string' || text === '') return out;
    const dec = options && options.decodeURIComponent || exports.unescape;
    const max = options && typeof options.maxKeys === 'number' ? options.maxKeys : 1000;
    const decode = (s) => {
      const t = s.replaceAll('+', ' ');
      try {
        return dec(t);
      } catch (e) {
        return unescape(t);
      }
    };
    let n = 0;
    for (const part of text.split(sep)) {
      if (part === '') continue;
      if (max > 0 && n++ >= max) break;
      const at = part.indexOf(eq);
      const k = decode(at < 0 ? part : part.slice(0, at));
      const v = at < 0 ? '' : decode(part.slice(at + eq.length));
      if (!(k in out)) out[k] = v;
      else if (Array.isArray(out[k])) out[k].push(v);
      else out[k] = [out[k], v];
    }
    return out;
  }
  const exports = { escape, unescape, stringify, parse, encode: stringify, decode: parse };
  return { exports };
});
