// An authorizer: it gets a Lambda authorizer event (format 2.0) and says whether the caller may pass. What it puts into
// context reaches the integration. A real one would verify a signature instead of looking the token up.
interface Event {
  identitySource: string[];
}

interface Context {
  config: { tokens: Record<string, string> };
}

interface Verdict {
  isAuthorized: boolean;
  context?: Record<string, string>;
}

export function authorize(event: Event, context: Context): Verdict {
  const [scheme, token] = event.identitySource[0].split(" ");
  if (scheme.toLowerCase() !== "bearer" || !token) {
    throw new Error("Unauthorized"); // 401: this is no token at all
  }
  const tokens = context.config.tokens;
  if (!Object.hasOwn(tokens, token)) {
    return { isAuthorized: false }; // 403: a token, but nobody's
  }
  return { isAuthorized: true, context: { user: tokens[token] } };
}
