// What turns a Lambda proxy event into a Request, and a Response into a result, for fetch handlers.
(function (native) {
  const { newRequest, adopt, content, contentOf, outgoing, aboutOf, pump, leave } = native.part('fetch.js');
  const { sorted } = native.part('headers.js');

  function url(event) {
    const about = event.requestContext || {};
    const headers = event.headers || {};
    let host = about.domainName;
    let scheme = 'https';
    Object.keys(headers).forEach((name) => {
      const lower = name.toLowerCase();
      if (lower === 'host') host = headers[name];
      else if (lower === 'x-forwarded-proto' && headers[name] === 'http') scheme = 'http';
    });
    let query = event.rawQueryString;
    if (query === undefined) {
      const params = new URLSearchParams();
      const many = event.multiValueQueryStringParameters;
      if (many) for (const k of Object.keys(many)) for (const v of many[k]) params.append(k, v);
      else for (const k of Object.keys(event.queryStringParameters || {})) params.append(k, event.queryStringParameters[k]);
      query = params.toString();
    }
    const path = event.rawPath !== undefined ? event.rawPath : event.path !== undefined ? event.path : '/';
    return native.href(`${scheme}://${host || 'localhost'}${path}${query ? '?' + query : ''}`);
  }

  // request makes a Request. source is the event's body, undefined for none.
  function request(event, source) {
    const http = (event.requestContext || {}).http || {};
    const method = http.method || event.httpMethod;
    if (!method) throw new TypeError('A fetch handler answers HTTP events, and this event has no method');
    const pairs = [];
    let cookie = false;
    let empty = false;
    const add = (name, value) => {
      const lower = name.toLowerCase();
      if (lower === 'cookie') cookie = true;
      else if (lower === 'content-length' && value === '0') empty = true;
      pairs.push([name, value]);
    };
    if (event.multiValueHeaders) {
      for (const name of Object.keys(event.multiValueHeaders)) for (const v of event.multiValueHeaders[name]) add(name, v);
    } else {
      const given = event.headers || {};
      Object.keys(given).forEach((name) => add(name, given[name]));
    }
    if (event.cookies && event.cookies.length && !cookie) pairs.push(['cookie', event.cookies.join('; ')]);
    let c = null;
    if (method !== 'GET' && method !== 'HEAD') {
      if (source !== undefined && !empty) {
        c = contentOf({ source });
      } else if (typeof event.body === 'string' && event.body !== '') {
        c = contentOf(event.isBase64Encoded ? { bytes: Uint8Array.from(atob(event.body), (x) => x.charCodeAt(0)) } : { text: event.body });
      }
    }
    return newRequest({ url: url(event), method, headers: adopt(pairs) }, c);
  }

  // respond gives the result's meta, how its body leaves, and what to call when nobody waits for that any more.
  function respond(response, event, request) {
    const about = aboutOf(response);
    if (about === null) throw new TypeError('fetch must return a Response');
    if (about.status === 0) throw new TypeError('fetch returned an error response');
    const headers = {};
    const cookies = [];
    for (const e of sorted(about.headers)) {
      if (e[0] === 'set-cookie') cookies.push(e[1]);
      else headers[e[0]] = e[1];
    }
    const meta = { statusCode: about.status, headers };
    if (cookies.length) {
      if (event.version === '2.0' || !event.httpMethod) meta.cookies = cookies;
      else meta.multiValueHeaders = { 'set-cookie': cookies };
    }
    return [meta, outgoing(content(response)), () => leave(request)];
  }

  return {
    request,
    respond,
    pump,
    context: (waitUntil, base) => ({ __proto__: base, waitUntil, passThroughOnException() {}, props: {} }),
    env(secrets) {
      const env = native.loaded('process.js') === undefined ? native.env() : { ...process.env };
      for (const name of secrets) {
        Object.defineProperty(env, name, { enumerable: true, configurable: true, get: () => native.secret(name) });
      }
      return env;
    },
  };
});
