// A request mapping: the shop's order becomes the inventory's reservation.
export function map_request(input, context) {
  const order = input.json();
  if (!Array.isArray(order.items) || order.items.length === 0) {
    console.warn("an order without items");
  }
  context.requestOverride.header["x-reserved-by"] = context.authorizer.user;
  return {
    reference: context.requestId,
    lines: (order.items ?? []).map((item) => ({ sku: item.sku, quantity: item.quantity ?? 1 })),
  };
}
