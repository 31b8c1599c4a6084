// The patterns of one component of a URL (urlpattern.spec.whatwg.org, sections 2.1 and 3): from text to a regular expression, and back.
(function (native) {
  const { isIdentifier } = native;
  const maxPattern = 8192; // characters of one component
  const wrong = (text) => { throw new TypeError(`Invalid URLPattern: ${text}`); };

  // Tokens (section 2.1.1). In a whole URL what is wrong is a token too; in one component it is an error.
  function regexpEnd(input, at) {
    let depth = 1;
    let i = at + 1;
    for (; i < input.length && depth > 0; i++) {
      const c = input[i];
      if (c > '\x7f' || (i === at + 1 && c === '?')) return -1;
      if (c === '\\') {
        if (++i === input.length || input[i] > '\x7f') return -1;
      } else if (c === ')') {
        depth--;
      } else if (c === '(') {
        depth++;
        if (input[i + 1] !== '?') return -1; // a group of its own would shift the names
      }
    }
    return depth > 0 || i === at + 2 ? -1 : i;
  }
  function tokenize(text, lenient) {
    const input = [...text];
    const tokens = [];
    let offset = 0; // in UTF-16 units
    let i = 0;
    const add = (type, end, from, to) => {
      const raw = input.slice(i, end).join('');
      tokens.push({ type, index: offset, value: input.slice(from, to).join('') });
      offset += raw.length;
      i = end;
    };
    const bad = (why) => {
      if (!lenient) wrong(why);
      add('invalid-char', i + 1, i, i + 1);
    };
    while (i < input.length) {
      const c = input[i];
      if (c === '*') add('asterisk', i + 1, i, i + 1);
      else if (c === '+' || c === '?') add('other-modifier', i + 1, i, i + 1);
      else if (c === '{') add('open', i + 1, i, i + 1);
      else if (c === '}') add('close', i + 1, i, i + 1);
      else if (c === '\\') {
        if (i + 1 === input.length) bad('a backslash at the end');
        else add('escaped-char', i + 2, i + 1, i + 2);
      } else if (c === ':') {
        let end = i + 1;
        while (end < input.length && isIdentifier(input[end], end === i + 1)) end++;
        if (end === i + 1) bad('a colon without a name');
        else add('name', end, i + 1, end);
      } else if (c === '(') {
        const end = regexpEnd(input, i);
        if (end < 0) bad('a regular expression that is empty, not closed, or has groups of its own');
        else add('regexp', end, i + 1, end - 1);
      } else {
        add('char', i + 1, i, i + 1);
      }
    }
    tokens.push({ type: 'end', index: offset, value: '' });
    return tokens;
  }

  // Parts (section 2.1.2 to 2.1.5).
  const escapeRegexp = (s) => s.replace(/[.+*?^${}()[\]|/\\]/g, '\\$&');
  const escapePattern = (s) => s.replace(/[+*?:{}()\\]/g, '\\$&');
  const segment = (o) => `[^${escapeRegexp(o.delimiter)}]+?`;
  const basic = { delimiter: '', prefix: '' };
  const forHost = { delimiter: '.', prefix: '' };
  const forPath = { delimiter: '/', prefix: '/' };

  function parsePattern(text, options, encode) {
    if (text.length > maxPattern) wrong(`more than ${maxPattern} characters`);
    const tokens = tokenize(text, false);
    const wildcard = segment(options);
    const parts = [];
    let [i, pending, nextName] = [0, '', 0];
    const take = (...types) => (types.includes(tokens[i].type) ? tokens[i++] : null);
    const modifierOf = () => take('other-modifier', 'asterisk');
    const match = (name) => take('regexp') || (name === null ? take('asterisk') : null);
    const fixed = () => {
      if (pending !== '') parts.push({ type: 'fixed', value: encode(pending), modifier: '', name: '', prefix: '', suffix: '' });
      pending = '';
    };
    const consumeText = () => {
      let out = '';
      for (let t = take('char', 'escaped-char'); t !== null; t = take('char', 'escaped-char')) out += t.value;
      return out;
    };
    const add = (prefix, name, what, suffix, token) => {
      const modifier = token === null ? '' : token.value;
      if (name === null && what === null && modifier === '') {
        pending += prefix;
        return;
      }
      fixed();
      if (name === null && what === null) {
        if (prefix !== '') parts.push({ type: 'fixed', value: encode(prefix), modifier, name: '', prefix: '', suffix: '' });
        return;
      }
      const value = what === null ? wildcard : what.type === 'asterisk' ? '.*' : what.value;
      const type = value === wildcard ? 'segment' : value === '.*' ? 'full' : 'regexp';
      const called = name !== null ? name.value : String(nextName++);
      if (parts.some((p) => p.name === called)) wrong(`the name ${called} stands twice`);
      parts.push({ type, value: type === 'regexp' ? value : '', modifier, name: called, prefix: encode(prefix), suffix: encode(suffix) });
    };
    while (i < tokens.length) {
      const char = take('char');
      const name = take('name');
      const what = match(name);
      if (name !== null || what !== null) {
        let prefix = char === null ? '' : char.value;
        if (prefix !== '' && prefix !== options.prefix) [pending, prefix] = [pending + prefix, ''];
        fixed();
        add(prefix, name, what, '', modifierOf());
        continue;
      }
      const plain = char || take('escaped-char');
      if (plain !== null) {
        pending += plain.value;
        continue;
      }
      if (take('open') !== null) {
        const prefix = consumeText();
        const inner = take('name');
        const expression = match(inner);
        const suffix = consumeText();
        if (take('close') === null) wrong('a brace is not closed');
        add(prefix, inner, expression, suffix, modifierOf());
        continue;
      }
      fixed();
      if (take('end') === null) wrong(`${JSON.stringify(tokens[i].value)} is not expected there`);
    }
    return parts;
  }

  function regexpOf(parts, options) {
    let out = '^';
    const list = [];
    for (const p of parts) {
      if (p.type === 'fixed') {
        out += p.modifier === '' ? escapeRegexp(p.value) : `(?:${escapeRegexp(p.value)})${p.modifier}`;
        continue;
      }
      list.push(p.name);
      const value = p.type === 'segment' ? segment(options) : p.type === 'full' ? '.*' : p.value;
      const [prefix, suffix, once] = [escapeRegexp(p.prefix), escapeRegexp(p.suffix), p.modifier === '' || p.modifier === '?'];
      if (prefix === '' && suffix === '') out += once ? `(${value})${p.modifier}` : `((?:${value})${p.modifier})`;
      else if (once) out += `(?:${prefix}(${value})${suffix})${p.modifier}`;
      else out += `(?:${prefix}((?:${value})(?:${suffix}${prefix}(?:${value}))*)${suffix})${p.modifier === '*' ? '?' : ''}`;
    }
    return [`${out}$`, list];
  }

  const isPart = (text) => text !== '' && isIdentifier(String.fromCodePoint(text.codePointAt(0)), false);
  function textOf(parts, options) {
    let out = '';
    parts.forEach((p, i) => {
      if (p.type === 'fixed') {
        out += p.modifier === '' ? escapePattern(p.value) : `{${escapePattern(p.value)}}${p.modifier}`;
        return;
      }
      const [before, next] = [parts[i - 1], parts[i + 1]];
      const custom = !/^\d/.test(p.name);
      let group = p.suffix !== '' || (p.prefix !== '' && p.prefix !== options.prefix);
      if (!group && custom && p.type === 'segment' && p.modifier === '' && next && next.prefix === '' && next.suffix === '') {
        group = next.type === 'fixed' ? isPart(next.value) : /^\d/.test(next.name);
      }
      if (!group && p.prefix === '' && before && before.type === 'fixed' && options.prefix !== '' && before.value.endsWith(options.prefix)) group = true;
      if (group) out += '{';
      out += escapePattern(p.prefix) + (custom ? `:${p.name}` : '');
      if (p.type === 'regexp') out += `(${p.value})`;
      else if (p.type === 'segment' && !custom) out += `(${segment(options)})`;
      else if (p.type === 'full') out += !custom && (!before || before.type === 'fixed' || before.modifier !== '' || group || p.prefix !== '') ? '*' : '(.*)';
      if (p.type === 'segment' && custom && isPart(p.suffix)) out += '\\';
      out += escapePattern(p.suffix) + (group ? '}' : '') + p.modifier;
    });
    return out;
  }

  function compile(text, encode, options, ignoreCase) {
    const parts = parsePattern(text, options, encode);
    const [source, list] = regexpOf(parts, options);
    let regexp;
    try {
      regexp = new RegExp(source, ignoreCase ? 'ui' : 'u');
    } catch (e) {
      wrong(e.message);
    }
    return { text: textOf(parts, options), regexp, list, expressions: parts.some((p) => p.type === 'regexp') };
  }
  return { wrong, tokenize, compile, escapePattern, basic, forHost, forPath };
});
