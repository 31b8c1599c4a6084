// A response mapping: the inventory's reservation becomes the shop's answer.
export function map_response(input, context) {
  const reservation = input.json();
  context.responseOverride.header["location"] = `/orders/${reservation.number}`;
  return { id: String(reservation.number), status: "reserved", items: reservation.lines.length };
}
