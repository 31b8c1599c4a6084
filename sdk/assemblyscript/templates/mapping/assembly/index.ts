// A mapping: it turns a client's order into what the backend wants.

import { Kind, mapBody, MappingInput, MappingOutput, Value } from "../postern";

export { postern_abi_1 } from "../postern";

export function map_request(): i32 { return mapBody(order); }

function order(input: MappingInput): MappingOutput {
  const body = input.body.json();
  if (body == null) return MappingOutput.fail(input.body.problem);
  const item = body.get("item");
  if (item.kind != Kind.String) return MappingOutput.fail("the order has no item");
  return MappingOutput.json(Value.object().set("sku", item.text().toUpperCase()));
}
