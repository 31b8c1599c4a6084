// Node's url (nodejs.org/api/url.html): the web's URL, and the older parse, format and resolve.
(function (native) {
  const querystring = native.part('node/querystring.js').exports;
  class Url {
    protocol = null; slashes = null; auth = null; host = null; port = null; hostname = null; hash = null; search = null; query = null;
    pathname = null; path = null; href = null;
    format() { return format(this); }
  }
  const slashed = ['http:', 'https:', 'ftp:', 'file:', 'ws:', 'wss:'];
  const escapes = /[\s"'<>`{}|\\^]/g;
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch (e) {
      return text;
    }
  };
  function parse(text, query = false, slashesDenoteHost = false) {
    if (typeof text !== 'string') throw Object.assign(new TypeError('The "url" argument must be of type string'), { code: 'ERR_INVALID_ARG_TYPE' });
    const u = new Url();
    let rest = text.trim();
    const proto = /^([a-z0-9.+-]+:)/i.exec(rest);
    if (proto) {
      u.protocol = proto[1].toLowerCase();
      rest = rest.slice(proto[1].length);
    }
    if (rest.startsWith('//') && (proto || slashesDenoteHost) && u.protocol !== 'javascript:') {
      u.slashes = true;
      rest = rest.slice(2);
      const end = /[/?#]/.exec(rest);
      let authority = end ? rest.slice(0, end.index) : rest;
      rest = end ? rest.slice(end.index) : '';
      const at = authority.lastIndexOf('@');
      if (at >= 0) {
        u.auth = decode(authority.slice(0, at));
        authority = authority.slice(at + 1);
      }
      const port = /:(\d*)$/.exec(authority);
      if (port) {
        if (port[1] !== '') u.port = port[1];
        authority = authority.slice(0, port.index);
      }
      u.hostname = authority.toLowerCase().replace(/^\[|\]$/g, '');
      u.host = authority.toLowerCase() + (u.port ? `:${u.port}` : '');
    }
    rest = rest.replace(escapes, (c) => encodeURIComponent(c).replace("'", '%27'));
    const hash = rest.indexOf('#');
    if (hash >= 0) [u.hash, rest] = [rest.slice(hash), rest.slice(0, hash)];
    const search = rest.indexOf('?');
    if (search >= 0) [u.search, rest] = [rest.slice(search), rest.slice(0, search)];
    if (search >= 0) u.query = u.search.slice(1);
    else if (query) [u.search, u.query] = ['', ''];
    if (query) u.query = querystring.parse(u.query);
    if (rest !== '') u.pathname = rest;
    else if (slashed.includes(u.protocol) && u.hostname) u.pathname = '/';
    if (u.pathname !== null || u.search) u.path = (u.pathname || '') + (u.search || '');
    u.href = format(u);
    return u;
  }
  function format(u, options = {}) {
    if (typeof u === 'string') return parse(u).href;
    if (u instanceof URL) {
      const copy = new URL(u.href);
      if (options.fragment === false) copy.hash = '';
      if (options.search === false) copy.search = '';
      if (options.auth === false) copy.username = copy.password = '';
      return copy.href;
    }
    let protocol = u.protocol || '';
    if (protocol && !protocol.endsWith(':')) protocol += ':';
    let host = u.host || '';
    if (!u.host && u.hostname) host = (u.hostname.includes(':') ? `[${u.hostname}]` : u.hostname) + (u.port ? `:${u.port}` : '');
    if (host && u.auth) host = `${encodeURIComponent(u.auth).replace('%3A', ':')}@${host}`;
    let search = u.search || (u.query && typeof u.query === 'object' && Object.keys(u.query).length ? `?${querystring.stringify(u.query)}` : '');
    let pathname = u.pathname || '';
    if (u.slashes || (!protocol || slashed.includes(protocol)) && host) {
      host = `//${host}`;
      if (pathname && pathname[0] !== '/') pathname = `/${pathname}`;
    }
    let hash = u.hash || '';
    if (hash && hash[0] !== '#') hash = `#${hash}`;
    if (search && search[0] !== '?') search = `?${search}`;
    pathname = pathname.replace(/[?#]/g, encodeURIComponent);
    return protocol + host + pathname + search.replace('#', '%23') + hash;
  }
  function resolve(from, to) {
    const base = new URL(to, new URL(from, 'resolve://'));
    if (base.protocol === 'resolve:') return base.pathname + base.search + base.hash;
    return base.toString();
  }
  const exports = { URL, URLSearchParams, Url, parse, format, resolve, resolveObject: (from, to) => parse(resolve(from, to)),
    domainToASCII: (name) => (URL.canParse(`ws://${name}`) ? new URL(`ws://${name}`).hostname : ''),
    domainToUnicode: (name) => name,
    fileURLToPath: (url) => {
      const u = new URL(url);
      if (u.protocol !== 'file:') throw Object.assign(new TypeError('The URL must be of scheme file'), { code: 'ERR_INVALID_URL_SCHEME' });
      return decodeURIComponent(u.pathname);
    },
    pathToFileURL: (path) => {
      const u = new URL('file:///');
      u.pathname = native.part('node/path.js').exports.resolve(path).replaceAll('%', '%25').replaceAll('?', '%3F').replaceAll('#', '%23');
      return u;
    },
    urlToHttpOptions: (u) => ({ protocol: u.protocol, hostname: u.hostname, hash: u.hash, search: u.search, pathname: u.pathname, path: u.pathname + u.search,
      href: u.href, ...(u.port === '' ? {} : { port: Number(u.port) }), ...(u.username ? { auth: `${decode(u.username)}:${decode(u.password)}` } : {}) }),
  };
  return { exports };
});
