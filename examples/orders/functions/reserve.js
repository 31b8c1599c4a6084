// The inventory: it takes a reservation, or refuses one that reserves nothing.
export const handler = async (event) => {
  const lines = parse(event.body).lines ?? [];
  if (lines.length === 0) {
    return { statusCode: 422, body: JSON.stringify({ message: "nothing to reserve" }) };
  }
  console.log(`reserved for ${event.headers["x-reserved-by"]}: ${lines.map((line) => `${line.quantity} ${line.sku}`).join(", ")}`);
  return { statusCode: 200, body: JSON.stringify({ number: 8, lines }) };
};

function parse(body) {
  try {
    return JSON.parse(body) ?? {};
  } catch {
    return {};
  }
}
