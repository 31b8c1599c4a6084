// An authorizer that asks an authorization server about opaque access tokens: OAuth 2.0 Token Introspection (RFC 7662). What cannot be found out is an
// error, and an error lets nobody in. No token is logged, kept, or part of an error: the map has its digest.

interface Config {
  endpoint: string;
  clientId: string;
  scopes?: string[];
  audience?: string[];
  issuer?: string;
  cacheTTL?: number;
  negativeTTL?: number;
}

/** What of an introspection's answer counts (RFC 7662, section 2.2). */
interface Claims {
  active: boolean;
  scope?: string;
  client_id?: string;
  username?: string;
  sub?: string;
  aud?: string | string[];
  iss?: string;
  exp?: number;
  nbf?: number;
}

type Context = Postern.Context<Config>;

const maxToken = 8192; // characters

export const authorize: Postern.Authorize<Config> = async (event, context) => {
  const token = bearer(event.headers.authorization);
  if (!token) throw new Error("Unauthorized");
  const claims = await claimsOf(token, context);
  if (!isLive(claims)) throw new Error("Unauthorized");
  const refused = lacks(claims, context.config);
  if (refused) {
    console.info(`token refused: ${refused}`);
    return { isAuthorized: false };
  }
  return { isAuthorized: true, context: told(claims) };
};

/** The token of an Authorization field (RFC 6750, section 2.1), or nothing. */
function bearer(value: string | undefined): string | undefined {
  if (!value || value.length > maxToken) return undefined;
  return /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(value)?.[1];
}

/** Says what the server said of the token, now or before. */
async function claimsOf(token: string, context: Context): Promise<Claims> {
  const { endpoint, clientId } = context.config;
  const key = await digest([endpoint, clientId, token].join("\n"));
  const kept = await recall(key, context);
  if (kept) {
    context.count("cache_hits");
    return kept;
  }
  const claims = await introspect(token, context);
  await keep(key, claims, context);
  return claims;
}

async function digest(text: string): Promise<string> {
  const sum = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return "token/" + Array.from(new Uint8Array(sum), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** A map that cannot be read is no reason to let nobody in: the server is asked. */
async function recall(key: string, context: Context): Promise<Claims | undefined> {
  try {
    const text = await context.kv.get(key);
    return text === null ? undefined : (JSON.parse(text) as Claims);
  } catch (e) {
    console.warn(`the cache cannot be read: ${(e as Error).message}`);
    return undefined;
  }
}

/** Keeps what was said until the token expires, and no longer than the configuration allows. */
async function keep(key: string, claims: Claims, context: Context): Promise<void> {
  const { cacheTTL = 60, negativeTTL = 10 } = context.config;
  const left = claims.exp === undefined ? Infinity : Math.floor(claims.exp - Date.now() / 1000);
  const ttl = claims.active ? Math.min(left, cacheTTL) : negativeTTL;
  if (ttl < 1) return;
  try {
    await context.kv.put(key, JSON.stringify(claims), { ttl });
  } catch (e) {
    console.warn(`the cache cannot be written: ${(e as Error).message}`);
  }
}

/** Asks the server (RFC 7662, section 2.1), as the client that it knows the gateway as (RFC 6749, section 2.3.1). */
async function introspect(token: string, context: Context): Promise<Claims> {
  const { endpoint, clientId } = context.config;
  const secret = context.secrets.CLIENT_SECRET;
  if (!secret) throw new Error("the secret CLIENT_SECRET is not declared");
  context.count("introspections");
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      accept: "application/json",
      authorization: "Basic " + btoa(`${form(clientId)}:${form(secret)}`),
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({ token, token_type_hint: "access_token" }).toString(),
    redirect: "error", // the secret is for the endpoint alone
  });
  if (response.status !== 200) throw new Error(`the introspection endpoint answered ${response.status}`);
  let answer: unknown;
  try {
    answer = await response.json();
  } catch {
    throw new Error("the introspection endpoint answered what is not JSON"); // whose text the parser's error may have
  }
  return read(answer);
}

/** Text as application/x-www-form-urlencoded has it. */
const form = (text: string) => new URLSearchParams({ a: text }).toString().slice(2);

/** Takes what counts, and refuses what is not as the standard has it: an expiry that is text would never come. */
function read(answer: unknown): Claims {
  const a = answer as { [name: string]: unknown } | null;
  if (typeof a !== "object" || a === null || typeof a.active !== "boolean") throw new Error("the introspection endpoint did not say whether the token is active");
  if (!a.active) return { active: false };
  const claims: { [name: string]: unknown } = { active: true };
  const take = (names: string[], fits: (value: unknown) => boolean) => {
    for (const name of names) {
      if (a[name] === undefined || a[name] === null) continue;
      if (!fits(a[name])) throw new Error(`the introspection endpoint answered with ${name}, which is none`);
      claims[name] = a[name];
    }
  };
  take(["scope", "client_id", "username", "sub", "iss"], (v) => typeof v === "string");
  take(["exp", "nbf"], (v) => typeof v === "number" && Number.isFinite(v));
  take(["aud"], (v) => typeof v === "string" || (Array.isArray(v) && v.every((one) => typeof one === "string")));
  return claims as unknown as Claims;
}

/** Looks at the clock too: what is kept may have expired meanwhile. */
function isLive(claims: Claims): boolean {
  const now = Date.now() / 1000;
  return claims.active && (claims.exp === undefined || now < claims.exp) && (claims.nbf === undefined || now >= claims.nbf);
}

/** Says what an active token is not good enough for, or nothing. */
function lacks(claims: Claims, { scopes = [], audience, issuer }: Config): string | undefined {
  const has = new Set((claims.scope ?? "").split(" "));
  const missing = scopes.filter((scope) => !has.has(scope));
  if (missing.length > 0) return `it lacks the scope ${missing.join(" ")}`;
  const aud = ([] as string[]).concat(claims.aud ?? []);
  if (audience && !audience.some((one) => aud.includes(one))) return "it is for another audience";
  if (issuer !== undefined && claims.iss !== issuer) return "it has another issuer";
  return undefined;
}

/** What mappings and the integration get to know. */
function told(claims: Claims): { [name: string]: string } {
  const context: { [name: string]: string } = {};
  for (const [name, value] of Object.entries({ sub: claims.sub, username: claims.username, clientId: claims.client_id, scope: claims.scope })) {
    if (value !== undefined) context[name] = value;
  }
  return context;
}
