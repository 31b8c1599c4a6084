// URL and URLSearchParams (url.spec.whatwg.org). The parser is native; a record is
// [href, protocol, username, password, host, hostname, port, pathname, search, hash, origin].
(function (native) {
  const { parseURL, setURL, decodeForm, encodeForm } = native;
  const names = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash', 'origin'];
  let adopt;
  const least = (args, n) => { if (args.length < n) throw new TypeError(`${n} argument${n > 1 ? 's are' : ' is'} needed`); };

  class URLSearchParams {
    #list = [];
    #url = null;
    static {
      adopt = (params, url, query) => {
        params.#url = url;
        params.#list = decodeForm(query);
      };
    }
    constructor(init) {
      if (init === undefined || init === null) return;
      if (typeof init === 'object' || typeof init === 'function') {
        if (typeof init[Symbol.iterator] === 'function') {
          for (const pair of init) {
            const two = [...pair];
            if (two.length !== 2) throw new TypeError('Each pair must have a name and a value');
            this.#list.push([String(two[0]), String(two[1])]);
          }
        } else {
          for (const name of Object.keys(init)) this.#list.push([name, String(init[name])]);
        }
        return;
      }
      const text = String(init);
      this.#list = decodeForm(text[0] === '?' ? text.slice(1) : text);
    }
    #changed() {
      if (this.#url) this.#url(this.toString());
    }
    get size() { return this.#list.length; }
    append(name, value) {
      least(arguments, 2);
      this.#list.push([String(name), String(value)]);
      this.#changed();
    }
    delete(name, value) {
      least(arguments, 1);
      name = String(name);
      this.#list = this.#list.filter((p) => p[0] !== name || (value !== undefined && p[1] !== String(value)));
      this.#changed();
    }
    get(name) {
      least(arguments, 1);
      name = String(name);
      const found = this.#list.find((p) => p[0] === name);
      return found ? found[1] : null;
    }
    getAll(name) {
      least(arguments, 1);
      name = String(name);
      return this.#list.filter((p) => p[0] === name).map((p) => p[1]);
    }
    has(name, value) {
      least(arguments, 1);
      name = String(name);
      return this.#list.some((p) => p[0] === name && (value === undefined || p[1] === String(value)));
    }
    set(name, value) {
      least(arguments, 2);
      name = String(name);
      value = String(value);
      const first = this.#list.findIndex((p) => p[0] === name);
      if (first < 0) {
        this.#list.push([name, value]);
      } else {
        this.#list[first][1] = value;
        this.#list = this.#list.filter((p, i) => i <= first || p[0] !== name);
      }
      this.#changed();
    }
    sort() {
      this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this.#changed();
    }
    forEach(fn, self) {
      if (typeof fn !== 'function') throw new TypeError('The argument must be a function');
      for (const [name, value] of this) fn.call(self, value, name, this);
    }
    *entries() {
      for (let i = 0; i < this.#list.length; i++) yield [this.#list[i][0], this.#list[i][1]];
    }
    *keys() {
      for (const [name] of this.entries()) yield name;
    }
    *values() {
      for (const [, value] of this.entries()) yield value;
    }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return encodeForm(this.#list); }
    get [Symbol.toStringTag]() { return 'URLSearchParams'; }
  }

  class URL {
    #record;
    #params = null;
    constructor(url, base) {
      const record = parseURL(String(url), base === undefined ? undefined : String(base));
      if (record === null) {
        const err = new TypeError('Invalid URL');
        err.code = 'ERR_INVALID_URL';
        err.input = String(url);
        throw err;
      }
      this.#record = record;
    }
    static canParse(url, base) {
      return parseURL(String(url), base === undefined ? undefined : String(base)) !== null;
    }
    static parse(url, base) {
      return URL.canParse(url, base) ? new URL(url, base) : null;
    }
    get searchParams() {
      if (this.#params === null) {
        this.#params = new URLSearchParams();
        this.#adopt();
      }
      return this.#params;
    }
    #adopt() {
      adopt(this.#params, (query) => { this.#record = setURL(this.#record[0], 'search', query) || this.#record; },
        this.#record[8].slice(1));
    }
    static {
      names.forEach((name, i) => {
        Object.defineProperty(URL.prototype, name, {
          enumerable: true,
          configurable: true,
          get() { return this.#record[i]; },
          set: name === 'origin' ? undefined : function (value) {
            const record = name === 'href' ? parseURL(String(value)) : setURL(this.#record[0], name, String(value));
            if (record !== null) this.#record = record;
            else if (name === 'href') throw new TypeError('Invalid URL');
            if (this.#params !== null && (name === 'href' || name === 'search')) this.#adopt();
          },
        });
      });
    }
    toString() { return this.#record[0]; }
    toJSON() { return this.#record[0]; }
    get [Symbol.toStringTag]() { return 'URL'; }
  }
  return { URL, URLSearchParams };
});
