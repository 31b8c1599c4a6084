// What turns a Lambda proxy event into a Request, and a Response into a result, for fetch handlers.
(function (native) {
  function url(event) {
    const about = event.requestContext || {};
    const headers = event.headers || {};
    let host = about.domainName;
    let scheme = 'https';
    for (const name of Object.keys(headers)) {
      const lower = name.toLowerCase();
      if (lower === 'host') host = headers[name];
      else if (lower === 'x-forwarded-proto' && headers[name] === 'http') scheme = 'http';
    }
    let query = event.rawQueryString;
    if (query === undefined) {
      const params = new URLSearchParams();
      const many = event.multiValueQueryStringParameters;
      if (many) for (const k of Object.keys(many)) for (const v of many[k]) params.append(k, v);
      else for (const k of Object.keys(event.queryStringParameters || {})) params.append(k, event.queryStringParameters[k]);
      query = params.toString();
    }
    const path = event.rawPath !== undefined ? event.rawPath : event.path !== undefined ? event.path : '/';
    return `${scheme}://${host || 'localhost'}${path}${query ? '?' + query : ''}`;
  }

  function request(event, body) {
    const http = (event.requestContext || {}).http || {};
    const method = http.method || event.httpMethod;
    if (!method) throw new TypeError('A fetch handler answers HTTP events, and this event has no method');
    const headers = new Headers();
    if (event.multiValueHeaders) {
      for (const name of Object.keys(event.multiValueHeaders)) for (const v of event.multiValueHeaders[name]) headers.append(name, v);
    } else {
      for (const name of Object.keys(event.headers || {})) headers.append(name, event.headers[name]);
    }
    if (event.cookies && event.cookies.length && !headers.has('cookie')) headers.set('cookie', event.cookies.join('; '));
    if (body === undefined && typeof event.body === 'string' && event.body !== '') {
      body = event.isBase64Encoded ? Uint8Array.from(atob(event.body), (c) => c.charCodeAt(0)) : native.encode(event.body);
    }
    const init = { method, headers };
    if (method !== 'GET' && method !== 'HEAD' && body !== undefined) init.body = body;
    return new Request(url(event), init);
  }

  async function respond(response) {
    if (!(response instanceof Response)) throw new TypeError('fetch must return a Response');
    if (response.status === 0) throw new TypeError('fetch returned an error response');
    const headers = {};
    for (const [name, value] of response.headers) if (name !== 'set-cookie') headers[name] = value;
    const result = { statusCode: response.status, headers };
    const cookies = response.headers.getSetCookie();
    if (cookies.length) result.cookies = cookies;
    if (response.body !== null) result.body = await response.bytes();
    return result;
  }

  return {
    request,
    respond,
    context: (waitUntil, base) => ({ __proto__: base, waitUntil, passThroughOnException() {}, props: {} }),
    env(secrets) {
      const env = { ...process.env };
      for (const name of secrets) {
        Object.defineProperty(env, name, { enumerable: true, configurable: true, get: () => native.secret(name) });
      }
      return env;
    },
  };
});
