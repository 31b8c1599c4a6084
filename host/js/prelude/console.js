// console (console.spec.whatwg.org), with values printed as people know it from Node.js.
(function (native) {
  const { log, cleanStack } = native;
  const maxItems = 100;
  const maxText = 10000;

  function key(k) {
    return typeof k === 'symbol' ? `[${String(k)}]` : /^[A-Za-z_$][\w$]*$/.test(k) ? k : JSON.stringify(k);
  }
  function quote(s) {
    return s.length > maxText ? `${JSON.stringify(s.slice(0, maxText))}... ${s.length - maxText} more` : JSON.stringify(s);
  }
  function fields(v, depth, seen) {
    const out = [];
    const keys = Reflect.ownKeys(v).filter((k) => Object.prototype.propertyIsEnumerable.call(v, k) && !(Array.isArray(v) && /^\d+$/.test(String(k))));
    for (const k of keys.slice(0, maxItems)) {
      const d = Object.getOwnPropertyDescriptor(v, k);
      if (!d) continue;
      const text = 'value' in d ? inspect(d.value, depth + 1, seen) : d.get ? (d.set ? '[Getter/Setter]' : '[Getter]') : '[Setter]';
      out.push(`${key(k)}: ${text}`);
    }
    if (keys.length > maxItems) out.push(`... ${keys.length - maxItems} more`);
    return out;
  }
  function list(values, n, show) {
    const out = [];
    for (const v of values) {
      if (out.length === maxItems) {
        out.push(`... ${n - maxItems} more`);
        break;
      }
      out.push(show(v));
    }
    return out;
  }
  function enclose(name, open, parts, close) {
    const head = name === '' ? '' : name + ' ';
    return parts.length === 0 ? head + open + close : open === '[' ? `${head}[ ${parts.join(', ')} ]` : `${head}{ ${parts.join(', ')} }`;
  }
  function error(e) {
    const stack = cleanStack(String(e.stack || ''));
    const head = `${e.name}: ${e.message}`;
    return stack ? `${head}\n${stack}` : head;
  }
  function inspect(v, depth, seen) {
    switch (typeof v) {
      case 'string': return depth === 0 ? v : quote(v);
      case 'bigint': return `${v}n`;
      case 'symbol': return String(v);
      case 'function': return /^class\b/.test(Function.prototype.toString.call(v)) ? `[class ${v.name || '(anonymous)'}]` : v.name ? `[Function: ${v.name}]` : '[Function (anonymous)]';
      case 'object': break;
      default: return Object.is(v, -0) ? '-0' : String(v);
    }
    if (v === null) return 'null';
    if (seen.includes(v)) return '[Circular]';
    if (v instanceof Error) {
      const more = v.cause === undefined ? '' : ` { [cause]: ${inspect(v.cause, depth + 1, [...seen, v])} }`;
      return error(v) + more;
    }
    const made = v.constructor && typeof v.constructor.name === 'string' ? v.constructor.name : '';
    const next = [...seen, v];
    if (v instanceof Date) return isNaN(v) ? 'Invalid Date' : v.toISOString();
    if (v instanceof RegExp) return String(v);
    if (v instanceof Promise) return 'Promise {}';
    if (depth > 3) return Array.isArray(v) ? '[Array]' : `[${made || 'Object'}]`;
    if (Array.isArray(v)) {
      return enclose('', '[', [...list(v, v.length, (x) => inspect(x, depth + 1, next)), ...fields(v, depth, next)], ']');
    }
    if (v instanceof Map) {
      return enclose(`Map(${v.size})`, '{', list(v, v.size, ([k, x]) => `${inspect(k, depth + 1, next)} => ${inspect(x, depth + 1, next)}`), '}');
    }
    if (v instanceof Set) return enclose(`Set(${v.size})`, '{', list(v, v.size, (x) => inspect(x, depth + 1, next)), '}');
    if (v instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${v.byteLength} }`;
    if (ArrayBuffer.isView(v) && v.length !== undefined) return enclose(`${made}(${v.length})`, '[', list(v, v.length, String), ']');
    if (typeof v.toJSON === 'function' && made === 'URL') return `URL { ${v.toJSON()} }`;
    if (made === 'Headers' || made === 'URLSearchParams') {
      return enclose(made, '{', list(v, maxItems, ([k, x]) => `${key(k)}: ${quote(x)}`), '}');
    }
    const name = Object.getPrototypeOf(v) === null ? '[Object: null prototype]' : made === 'Object' ? '' : made;
    return enclose(name, '{', fields(v, depth, next), '}');
  }

  function safely(v, depth) {
    try {
      return inspect(v, depth, []);
    } catch (e) {
      return '[cannot be shown]';
    }
  }
  function format(args) {
    const rest = [...args];
    let out = [];
    if (typeof rest[0] === 'string' && rest[0].includes('%') && rest.length > 1) {
      out.push(rest.shift().replace(/%[sdifjoOc%]/g, (m) => {
        if (m === '%%') return '%';
        if (rest.length === 0) return m;
        const v = rest.shift();
        switch (m) {
          case '%s': return typeof v === 'object' ? safely(v, 1) : String(v);
          case '%d': return typeof v === 'bigint' ? `${v}n` : String(Number(v));
          case '%i': return String(parseInt(v, 10));
          case '%f': return String(parseFloat(v));
          case '%j': try { return JSON.stringify(v); } catch (e) { return '[Circular]'; }
          case '%c': return '';
        }
        return safely(v, 1);
      }));
    }
    for (const v of rest) out.push(safely(v, 0));
    return out.join(' ');
  }

  // mine() is what groups, counts and timers keep, until the call ends.
  let turn, state;
  const mine = () => {
    if (turn !== native.turn()) [turn, state] = [native.turn(), { counts: new Map(), timers: new Map(), indent: '' }];
    return state;
  };
  const write = (level) => (...args) => {
    const { indent } = mine();
    log(level, indent === '' ? format(args) : indent + format(args).replaceAll('\n', `\n${indent}`));
  };
  const info = write(0);
  const error_ = write(8);
  // table writes rows in columns; what is no object, it writes as log does.
  function table(data, columns) {
    if (typeof data !== 'object' || data === null) return info(data);
    const rows = data instanceof Map ? [...data] : data instanceof Set ? [...data].entries() : Object.entries(data);
    const names = [];
    const lines = [];
    for (const [index, row] of rows) {
      if (lines.length === maxItems) break;
      const cells = new Map([['(index)', String(index)]]);
      const isRow = typeof row === 'object' && row !== null;
      if (!isRow) cells.set('Values', safely(row, 1));
      else for (const k of Object.keys(row).slice(0, maxItems)) if (!columns || columns.includes(k)) cells.set(k, safely(row[k], 2));
      for (const k of cells.keys()) if (!names.includes(k)) names.push(k);
      lines.push(cells);
    }
    names.sort((a, b) => (a === '(index)' || b === 'Values' ? -1 : b === '(index)' || a === 'Values' ? 1 : 0));
    const widths = names.map((n) => Math.max(n.length, ...lines.map((l) => (l.get(n) || '').length)));
    const line = (cells) => cells.map((c, i) => c.padEnd(widths[i])).join('  ').trimEnd();
    return info([line(names), ...lines.map((l) => line(names.map((n) => l.get(n) || '')))].join('\n'));
  }
  const elapsed = (label) => `${label}: ${(native.now() - mine().timers.get(label)).toFixed(3)}ms`;
  return { inspect: (v, depth) => inspect(v, 2.5 - depth, []) /* never 0, where text has no quotes */, format: (...args) => format(args), console: {
    log: info, info, debug: write(-4), warn: write(4), error: error_,
    trace: (...args) => log(-4, `Trace: ${format(args)}\n${cleanStack(String(new Error().stack))}`),
    assert: (ok, ...args) => { if (!ok) error_('Assertion failed' + (args.length ? ':' : ''), ...args); },
    dir: (v) => info(safely(v, 1)), dirxml: info, clear: () => {}, table,
    group: (...args) => { if (args.length) info(...args); mine().indent += '  '; },
    groupCollapsed: (...args) => { if (args.length) info(...args); mine().indent += '  '; },
    groupEnd: () => { mine().indent = mine().indent.slice(2); },
    count: (label = 'default') => {
      const n = (mine().counts.get(label) || 0) + 1;
      mine().counts.set(label, n);
      info(`${label}: ${n}`);
    },
    countReset: (label = 'default') => { mine().counts.delete(label); },
    time: (label = 'default') => { mine().timers.set(label, native.now()); },
    timeLog: (label = 'default', ...args) => { if (mine().timers.has(label)) info(elapsed(label), ...args); },
    timeEnd: (label = 'default') => {
      if (mine().timers.has(label)) info(elapsed(label));
      mine().timers.delete(label);
    },
    timeStamp: () => {},
  } };
});
