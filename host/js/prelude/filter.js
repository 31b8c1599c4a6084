// What a filter sees of an exchange, and what becomes of what it returns. Only what it changed goes back.
(function (native) {
  const { newRequest, newResponse, requestOf, aboutOf, adopt, content, contentOf, unusable, outgoing, pump } = native.part('fetch.js');
  const { lines } = native.part('headers.js');

  function urlOf(r) {
    const rest = `${r.path || '/'}${r.query ? '?' + r.query : ''}`;
    const record = native.parseURL(`${r.scheme || 'http'}://${r.host || 'localhost'}${rest}`);
    return record === null ? native.href(`http://localhost${rest}`) : record[0];
  }

  function requestFrom(r, c) {
    return newRequest({ url: urlOf(r), method: r.method || 'GET', headers: adopt(r.headers || []) }, c);
  }

  // putHeaders says which fields there are, unless they are as they were. Content-Length is the gateway's to set, and so are
  // the fields of the connection that stayed as they came.
  function putHeaders(out, headers, before) {
    const sent = lines(headers);
    const same = sent.length === before.length && sent.every((l, i) => l[0] === before[i][0] && l[1] === before[i][1]);
    if (same) return;
    out.headers = [];
    for (const [name, value, key] of sent) {
      if (key === 'content-length' || native.isConnectionField(name) && before.some((l) => l[0] === name && l[1] === value)) continue;
      out.headers.push([name, value]);
    }
  }

  // putBody returns the new body, if there is one: undefined lets the old one pass untouched.
  function putBody(out, c, source, what) {
    if (c === null) {
      if (source === undefined) return undefined;
      out.body = true;
      return '';
    }
    if (unusable(c) || c.source === source && c.source !== null && native.started(source)) {
      throw new TypeError(`the filter read the ${what}'s body and passed none on; read a copy, as with ${what}.clone(), or return a new ${what === 'request' ? 'Request' : 'Response'} with a body`);
    }
    if (c.source !== null && c.source === source) {
      native.drop(source); // it flows on by itself from here
      return undefined;
    }
    out.body = true;
    return outgoing(c);
  }

  function early(response) {
    if (aboutOf(response).status === 0) throw new TypeError('filter_request returned an error response');
    const out = { statusCode: response.status };
    putHeaders(out, response.headers, []);
    return [{ response: out }, outgoing(content(response))];
  }

  async function filter_request(fn, meta, source, context) {
    const from = meta.request || {};
    if (from.length === 0) source = undefined;
    context.pathParameters = meta.pathParameters || {};
    context.stageVariables = meta.stageVariables || {};
    const request = requestFrom(from, source === undefined || ['GET', 'HEAD'].includes(from.method) ? null : contentOf({ source }));
    const hidden = source !== undefined && content(request) === null; // the web knows no body of a GET
    let result = await fn(request, context);
    if (result === undefined || result === null) result = request;
    if (aboutOf(result) !== null) return early(result);
    if (requestOf(result) === null) throw new TypeError('filter_request must return a Request, a Response, or nothing');
    const out = {};
    if (result.method !== request.method) out.method = result.method;
    if (result.url !== request.url) {
      const was = native.parseURL(request.url);
      const is = native.parseURL(result.url);
      if (is[4] !== was[4]) out.host = is[4];
      if (is[7] !== was[7]) out.path = is[7];
      if (is[8] !== was[8]) out.query = is[8].slice(1);
    }
    putHeaders(out, result.headers, from.headers || []);
    const c = content(result);
    return [out, hidden && c === null ? undefined : putBody(out, c, source, 'request')];
  }

  async function filter_response(fn, meta, source, context) {
    const from = meta.response || {};
    if (from.length === 0) source = undefined;
    if (context.pathParameters === undefined) context.pathParameters = meta.pathParameters || {};
    if (context.stageVariables === undefined) context.stageVariables = meta.stageVariables || {};
    let sent = null;
    Object.defineProperty(context, 'request', { configurable: true, enumerable: true,
      get: () => sent || (sent = requestFrom(meta.request || {}, null)),
      set: (value) => Object.defineProperty(context, 'request', { value, writable: true }) });
    const response = newResponse(from.statusCode, adopt(from.headers || []), source === undefined ? null : contentOf({ source }));
    let result = await fn(response, context);
    if (result === undefined || result === null) result = response;
    if (aboutOf(result) === null) throw new TypeError('filter_response must return a Response or nothing');
    if (result.status === 0) throw new TypeError('filter_response returned an error response');
    const out = {};
    if (result.status !== from.statusCode) out.statusCode = result.status;
    putHeaders(out, result.headers, from.headers || []);
    return [out, putBody(out, content(result), source, 'response')];
  }

  return { filter_request, filter_response, pump };
});
