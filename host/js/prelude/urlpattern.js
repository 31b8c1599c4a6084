// URLPattern (urlpattern.spec.whatwg.org). Its parts of a URL are made canonical by the native parser of url.js.
(function (native) {
  const { parseURL, setURL } = native;
  const names = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'];
  const special = { __proto__: null, http: '80', https: '443', ws: '80', wss: '443', ftp: '21', file: '' };
  const record = { protocol: 1, username: 2, password: 3, hostname: 5, port: 6, pathname: 7, search: 8, hash: 9 }; // of url.js
  const { wrong, tokenize, compile, escapePattern, basic, forHost, forPath } = native.part('pattern.js');
  const run = (component, text) => text.match(component.regexp);
  const isSpecial = (protocol) => Object.keys(special).some((s) => run(protocol, s) !== null);

  // How the text of each component becomes canonical (section 3.1).
  const set = (base, name, value) => {
    const made = setURL(base, name, value);
    return made === null ? wrong(`${JSON.stringify(value)} cannot be a ${name}`) : made[record[name]];
  };
  const empty = (fn) => (value, ...rest) => (value === '' ? '' : fn(value, ...rest));
  const dummy = 'https://dummy.invalid/';
  const canon = {
    protocol: empty((v) => {
      const made = parseURL(`${v}://dummy.invalid`, undefined);
      return made === null ? wrong(`${JSON.stringify(v)} cannot be a protocol`) : made[1].slice(0, -1);
    }),
    username: empty((v) => set(dummy, 'username', v)),
    password: empty((v) => set(dummy, 'password', v)),
    hostname: empty((v) => (/[/?#\\:@]/.test(v.replace(/\[.*\]/, '')) ? wrong(`${JSON.stringify(v)} cannot be a hostname`) : set(dummy, 'hostname', v))),
    ipv6: (v) => (/^[0-9a-f:[\]]*$/i.test(v) ? v.toLowerCase() : wrong(`${JSON.stringify(v)} cannot be a part of an address`)),
    port: empty((v, protocol) => {
      if (!/^\d+$/.test(v) || Number(v) > 65535) wrong(`${JSON.stringify(v)} cannot be a port`);
      const port = String(Number(v));
      return special[protocol] === port ? '' : port;
    }),
    pathname: empty((v) => (v[0] === '/' ? set(dummy, 'pathname', v) : set(dummy, 'pathname', `/-${v}`).slice(2))),
    opaque: empty((v) => {
      const made = parseURL(`data:${v.replace(/[?#]/g, encodeURIComponent)}`, undefined);
      return made === null ? v : made[7];
    }),
    search: empty((v) => set(dummy, 'search', v).slice(1)),
    hash: empty((v) => set(dummy, 'hash', v).slice(1)),
  };

  // parseWhole splits a pattern for a whole URL (section 2.2.2).
  const order = ['protocol', 'authority', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'];
  const before = (a, b) => order.indexOf(a) <= order.indexOf(b);
  function parseWhole(input) {
    const tokens = tokenize(input, true);
    const result = {};
    let [state, start, i, step, depth, brackets, isSpecialProtocol] = ['init', 0, 0, 1, 0, 0, false];
    const token = (n) => tokens[Math.min(n, tokens.length - 1)];
    const is = (n, value) => ['char', 'escaped-char', 'invalid-char'].includes(token(n).type) && token(n).value === value;
    const here = () => input.slice(token(start).index, tokens[i].index);
    const change = (next, skip) => {
      if (state !== 'init' && state !== 'authority' && state !== 'done') result[state] = here();
      if (state !== 'init' && next !== 'done') {
        if (before(state, 'password') && ['port', 'pathname', 'search', 'hash'].includes(next) && !('hostname' in result)) result.hostname = '';
        if (before(state, 'port') && (next === 'search' || next === 'hash') && !('pathname' in result)) result.pathname = isSpecialProtocol ? '/' : '';
        if (before(state, 'pathname') && next === 'hash' && !('search' in result)) result.search = '';
      }
      state = next;
      i += skip;
      start = i;
      step = 0;
    };
    const rewind = (next) => {
      i = start;
      step = 0;
      if (next) state = next;
    };
    const isSearch = () => is(i, '?') || (token(i).value === '?' && (i === 0 || !['name', 'regexp', 'close', 'asterisk'].includes(token(i - 1).type)));
    const after = () => {
      if (isSearch()) change('search', 1);
      else if (is(i, '#')) change('hash', 1);
      else return false;
      return true;
    };
    const steps = {
      init() { if (is(i, ':')) rewind('protocol'); },
      protocol() {
        if (!is(i, ':')) return;
        isSpecialProtocol = isSpecial(compile(here(), canon.protocol, basic, false));
        if (is(i + 1, '/') && is(i + 2, '/')) change('authority', 3);
        else change(isSpecialProtocol ? 'authority' : 'pathname', 1);
      },
      authority() {
        if (is(i, '@')) rewind('username');
        else if (is(i, '/') || isSearch() || is(i, '#')) rewind('hostname');
      },
      username() {
        if (is(i, ':')) change('password', 1);
        else if (is(i, '@')) change('hostname', 1);
      },
      password() { if (is(i, '@')) change('hostname', 1); },
      hostname() {
        if (is(i, '[')) brackets++;
        else if (is(i, ']')) brackets--;
        else if (is(i, ':') && brackets === 0) change('port', 1);
        else if (is(i, '/')) change('pathname', 0);
        else after();
      },
      port() { if (is(i, '/')) change('pathname', 0); else after(); },
      pathname() { after(); },
      search() { if (is(i, '#')) change('hash', 1); },
      hash() {},
    };
    for (; i < tokens.length; i += step) {
      step = 1;
      if (tokens[i].type === 'end') {
        if (state === 'init') {
          rewind();
          if (!after()) change('pathname', 0);
          continue;
        }
        if (state === 'authority') {
          rewind('hostname');
          continue;
        }
        change('done', 0);
        break;
      }
      if (tokens[i].type === 'open') {
        depth++;
        continue;
      }
      if (depth > 0) {
        if (tokens[i].type !== 'close') continue;
        depth--;
      }
      steps[state]();
    }
    if ('hostname' in result && !('port' in result)) result.port = '';
    return result;
  }

  // process fills in a description from its base, and makes it canonical when it is one of a URL (section 2.3).
  function process(init, isURL, start) {
    const out = { ...start };
    const has = (...list) => list.some((n) => init[n] !== undefined);
    const from = (text) => (isURL ? text : escapePattern(text));
    let base = null;
    if (init.baseURL !== undefined) {
      base = parseURL(`${init.baseURL}`, undefined);
      if (base === null) wrong('the base is no URL');
      if (!has('protocol')) out.protocol = from(base[1].slice(0, -1));
      if (isURL && !has('protocol', 'hostname', 'port', 'username')) out.username = base[2];
      if (isURL && !has('protocol', 'hostname', 'port', 'username', 'password')) out.password = base[3];
      if (!has('protocol', 'hostname')) out.hostname = from(base[5]);
      if (!has('protocol', 'hostname', 'port')) out.port = base[6];
      if (!has('protocol', 'hostname', 'port', 'pathname')) out.pathname = from(base[7]);
      if (!has('protocol', 'hostname', 'port', 'pathname', 'search')) out.search = from(base[8].slice(1));
      if (!has('protocol', 'hostname', 'port', 'pathname', 'search', 'hash')) out.hash = from(base[9].slice(1));
    }
    for (const n of names) if (has(n)) out[n] = `${init[n]}`;
    if (has('protocol')) out.protocol = out.protocol.replace(/:$/, '');
    if (has('search')) out.search = out.search.replace(/^\?/, '');
    if (has('hash')) out.hash = out.hash.replace(/^#/, '');
    if (has('pathname') && base !== null && base[7].startsWith('/') && !(out.pathname.startsWith('/') || (!isURL && /^(\\\/|\{\/)/.test(out.pathname)))) {
      const path = from(base[7]);
      out.pathname = path.slice(0, path.lastIndexOf('/') + 1) + out.pathname;
    }
    if (!isURL) return out;
    for (const n of names) {
      if (!has(n)) continue;
      const path = n === 'pathname' && out.protocol && !(out.protocol in special) ? 'opaque' : n;
      out[n] = canon[path](out[n], out.protocol);
    }
    return out;
  }

  const partsOf = (made) => Object.fromEntries(names.map((n) => {
    const v = made[record[n]];
    return [n, n === 'protocol' ? v.slice(0, -1) : n === 'search' || n === 'hash' ? v.slice(1) : v];
  }));

  class URLPattern {
    #parts = {};
    constructor(input = {}, base, options) {
      if (typeof base === 'object' && base !== null && options === undefined && !(base instanceof URL)) [base, options] = [undefined, base];
      const ignoreCase = !!(options && options.ignoreCase);
      let init;
      if (typeof input === 'object' && input !== null && !(input instanceof URL)) {
        if (base !== undefined) wrong('a base goes into the object, as baseURL');
        init = input;
      } else {
        init = parseWhole(`${input}`);
        if (base === undefined && init.protocol === undefined) wrong('a pattern that is relative needs a base');
        if (base !== undefined) init.baseURL = `${base}`;
      }
      const all = process(init, false, {});
      for (const n of names) if (all[n] === undefined) all[n] = '*';
      if (special[all.protocol] === all.port) all.port = '';
      const p = this.#parts;
      p.protocol = compile(all.protocol, canon.protocol, basic, false);
      p.username = compile(all.username, canon.username, basic, false);
      p.password = compile(all.password, canon.password, basic, false);
      p.hostname = compile(all.hostname, /^(\[|\\\[|\{\[)/.test(all.hostname) ? canon.ipv6 : canon.hostname, forHost, false);
      p.port = compile(all.port, (v) => canon.port(v, ''), basic, false);
      p.pathname = isSpecial(p.protocol) ? compile(all.pathname, canon.pathname, forPath, ignoreCase) : compile(all.pathname, canon.opaque, basic, ignoreCase);
      p.search = compile(all.search, canon.search, basic, ignoreCase);
      p.hash = compile(all.hash, canon.hash, basic, ignoreCase);
    }
    get hasRegExpGroups() { return names.some((n) => this.#parts[n].expressions); }
    // #read takes an input apart; null is one that matches nothing.
    #read(input, base) {
      if (typeof input === 'object' && input !== null && !(input instanceof URL)) {
        if (base !== undefined) wrong('a base goes into the object, as baseURL');
        try {
          return process(input, true, Object.fromEntries(names.map((n) => [n, ''])));
        } catch (e) {
          return null;
        }
      }
      const made = parseURL(`${input}`, base === undefined ? undefined : `${base}`);
      return made === null ? null : partsOf(made);
    }
    test(input = {}, base) { return this.exec(input, base) !== null; }
    exec(input = {}, base) {
      const values = this.#read(input, base);
      if (values === null) return null;
      const result = { inputs: base === undefined ? [input] : [input, base] };
      for (const n of names) {
        const component = this.#parts[n];
        const found = run(component, values[n]);
        if (found === null) return null;
        const groups = {};
        component.list.forEach((name, i) => { groups[name] = found[i + 1]; });
        result[n] = { input: values[n], groups };
      }
      return result;
    }
    get [Symbol.toStringTag]() { return 'URLPattern'; }
    static {
      for (const n of names) {
        Object.defineProperty(URLPattern.prototype, n, { enumerable: true, configurable: true, get() { return this.#parts[n].text; } });
      }
    }
  }
  return { URLPattern };
});
