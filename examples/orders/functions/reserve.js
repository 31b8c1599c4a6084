// The inventory: it takes a reservation, or refuses one that reserves nothing.
export const handler = async (event) => {
  const reservation = JSON.parse(event.body ?? "{}");
  if (!reservation.lines?.length) {
    return { statusCode: 422, body: JSON.stringify({ message: "nothing to reserve" }) };
  }
  return { statusCode: 200, body: JSON.stringify({ number: 8, lines: reservation.lines }) };
};
