// An authorizer: it lets in whoever knows the secret API_KEY.

import { AuthorizerEvent, Decision, decide, encode, secret } from "../postern";

export { postern_abi_1 } from "../postern";

export function authorize(): i32 { return decide(check); }

function check(event: AuthorizerEvent): Decision {
  const given = event.header("x-api-key"), key = secret("API_KEY");
  if (given == null || given == "") return Decision.unauthorized();
  if (key == null) return Decision.fail("there is no secret API_KEY");
  return same(encode(given), encode(key)) ? Decision.allow().context("caller", "key") : Decision.deny();
}

/** Compares in constant time: how long a wrong key takes tells nothing of the right one. */
function same(a: Uint8Array, b: Uint8Array): bool {
  if (a.length != b.length) return false;
  let differ = 0;
  for (let i = 0; i < a.length; i++) differ |= a[i] ^ b[i];
  return differ == 0;
}
