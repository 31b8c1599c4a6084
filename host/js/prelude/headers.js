// Headers (fetch.spec.whatwg.org, section 5.1). Field lines keep their order and case; the web sees them sorted, in lower case.
(function (native) {
  const { headerName, headerValue } = native;
  let adopt, lines, sorted, freeze;
  const least = (args, n) => { if (args.length < n) throw new TypeError(`${n} argument${n > 1 ? 's are' : ' is'} needed`); };

  class Headers {
    #list = []; // [name, value, name in lower case]
    #sorted = null;
    #frozen = false;
    static {
      adopt = (pairs) => {
        const h = new Headers();
        h.#list = pairs.map((p) => [p[0], p[1], p[0].toLowerCase()]);
        return h;
      };
      lines = (h) => h.#list;
      sorted = (h) => h.#entries();
      freeze = (h) => {
        h.#frozen = true;
        return h;
      };
    }
    constructor(init = undefined) {
      if (init === undefined) return;
      if (typeof init !== 'object' && typeof init !== 'function' || init === null) throw new TypeError('Headers are made of an object or of pairs');
      if (#list in init) {
        this.#list = init.#list.slice(); // lines never change
      } else if (typeof init[Symbol.iterator] === 'function') {
        for (const pair of init) {
          if (typeof pair !== 'object' || pair === null) throw new TypeError('Each pair must be a sequence of a name and a value');
          const two = [...pair];
          if (two.length !== 2) throw new TypeError('Each pair must have a name and a value');
          this.append(two[0], two[1]);
        }
      } else {
        for (const name of Reflect.ownKeys(init)) {
          if (!Object.prototype.propertyIsEnumerable.call(init, name)) continue;
          this.append(name, init[name]);
        }
      }
    }
    #change() {
      if (this.#frozen) throw new TypeError('These headers are immutable; copy them with new Headers(headers)');
      this.#sorted = null;
    }
    append(name, value) {
      least(arguments, 2);
      name = `${name}`;
      const key = headerName(name);
      value = headerValue(`${value}`);
      this.#change();
      this.#list.push([name, value, key]);
    }
    delete(name) {
      least(arguments, 1);
      const key = headerName(`${name}`);
      this.#change();
      if (this.#list.some((l) => l[2] === key)) this.#list = this.#list.filter((l) => l[2] !== key);
    }
    get(name) {
      least(arguments, 1);
      const key = headerName(`${name}`);
      let value = null;
      for (const l of this.#list) if (l[2] === key) value = value === null ? l[1] : `${value}, ${l[1]}`;
      return value;
    }
    getSetCookie() { return this.#list.filter((l) => l[2] === 'set-cookie').map((l) => l[1]); }
    has(name) {
      least(arguments, 1);
      const key = headerName(`${name}`);
      return this.#list.some((l) => l[2] === key);
    }
    set(name, value) {
      least(arguments, 2);
      name = `${name}`;
      const key = headerName(name);
      value = headerValue(`${value}`);
      this.#change();
      const at = this.#list.findIndex((l) => l[2] === key);
      if (at < 0) {
        this.#list.push([name, value, key]);
        return;
      }
      this.#list[at] = [this.#list[at][0], value, key];
      this.#list = this.#list.filter((l, i) => i <= at || l[2] !== key);
    }
    forEach(fn, self) {
      if (typeof fn !== 'function') throw new TypeError('The argument must be a function');
      for (const [name, value] of this) fn.call(self, value, name, this);
    }
    #entries() {
      if (this.#sorted !== null) return this.#sorted;
      const joined = new Map();
      const out = [];
      this.#list.forEach((l) => {
        const had = l[2] === 'set-cookie' ? undefined : joined.get(l[2]);
        if (had !== undefined) {
          had[1] += `, ${l[1]}`;
          return;
        }
        const entry = [l[2], l[1]];
        joined.set(l[2], entry);
        out.push(entry);
      });
      return (this.#sorted = out.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)));
    }
    #iterate(pick) {
      let i = 0;
      return { __proto__: iterator, [Symbol.toStringTag]: 'Headers Iterator', next: () => {
        const list = this.#entries();
        return i < list.length ? { value: pick(list[i++]), done: false } : { value: undefined, done: true };
      } };
    }
    entries() { return this.#iterate(([name, value]) => [name, value]); }
    keys() { return this.#iterate((e) => e[0]); }
    values() { return this.#iterate((e) => e[1]); }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'Headers'; }
  }
  const iterator = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  return { Headers, adopt, lines, sorted, freeze };
});
