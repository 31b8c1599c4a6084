// What a mapping sees, and what becomes of what it returns.
(function (native) {
  class Input {
    #bytes;
    #text;
    #params;
    #parsed;
    constructor(bytes, params, response) {
      this.#bytes = bytes;
      this.#params = params;
      if (response) this.response = response;
    }
    get bytes() { return this.#bytes; }
    get body() {
      if (this.#text === undefined) this.#text = native.decode('utf-8', this.#bytes, false);
      return this.#text;
    }
    json() {
      if (this.#parsed === undefined) this.#parsed = JSON.parse(this.body);
      return this.#parsed;
    }
    path(expression) { return native.path(this.json(), String(expression)); }
    params(name) {
      const all = this.#params;
      if (name === undefined) return all;
      for (const group of [all.path, all.querystring, all.header]) {
        if (group && Object.prototype.hasOwnProperty.call(group, name)) return group[name];
      }
      const lower = String(name).toLowerCase();
      for (const key of Object.keys(all.header || {})) if (key.toLowerCase() === lower) return all.header[key];
      return undefined;
    }
  }

  function begin(meta, bytes, context) {
    const params = { path: {}, querystring: {}, header: {}, ...meta.params };
    context.requestOverride = { header: {}, querystring: {}, path: {} };
    context.responseOverride = { header: {} };
    return [new Input(bytes, params, meta.response), context, meta.stageVariables || {}];
  }

  const text = (v) => (typeof v === 'object' ? JSON.stringify(v) : String(v));

  // Values are strings, or lists of them where a name may stand more than once; null and undefined are as if absent.
  function strings(group) {
    const out = {};
    for (const name of Object.keys(group || {})) {
      const v = group[name];
      if (v !== undefined && v !== null) out[name] = Array.isArray(v) ? v.map(text) : text(v);
    }
    return out;
  }

  // A name that is not one of known would be ignored, and a typo go unseen.
  function only(what, given, known) {
    for (const name of Object.keys(given)) {
      if (!known.includes(name)) throw new TypeError(`context.${what} has no ${JSON.stringify(name)}; it has ${known.join(', ')}`);
    }
    return given;
  }

  function finish(value, context) {
    const request = only('requestOverride', context.requestOverride || {}, ['header', 'querystring', 'path']);
    const response = only('responseOverride', context.responseOverride || {}, ['header', 'status']);
    const meta = {
      requestOverride: { header: strings(request.header), querystring: strings(request.querystring), path: strings(request.path) },
      responseOverride: { header: strings(response.header) },
      contentType: '',
    };
    if (response.status !== undefined) meta.responseOverride.status = response.status;
    if (value === undefined || value === null) return { meta, body: '' };
    if (typeof value === 'string' || value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { meta, body: value };
    const body = JSON.stringify(value);
    if (body === undefined) throw new TypeError(`a mapping returned a ${typeof value}, which has no JSON`);
    meta.contentType = 'application/json';
    return { meta, body };
  }
  return { begin, finish };
});
