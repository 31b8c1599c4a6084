// A request mapping: the shop's order becomes the inventory's reservation.
export function map_request(input, context) {
  context.requestOverride.header["x-reserved-by"] = context.authorizer.user;
  return { reference: context.requestId, lines: items(input).map((item) => ({ sku: item.sku, quantity: item.quantity ?? 1 })) };
}

// What a client sends is not to be trusted. A body that is no order orders nothing, and the inventory refuses that; an error
// thrown here would be a 500, as a defect of the mapping's own is.
function items(input) {
  try {
    const { items } = input.json();
    return Array.isArray(items) ? items.filter((item) => typeof item?.sku === "string") : [];
  } catch (error) {
    console.warn(`no order: ${error.message}`);
    return [];
  }
}
