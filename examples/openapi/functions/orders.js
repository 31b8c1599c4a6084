const prices = { nut: 3, bolt: 1 };

export function handle({ customer, skus }) {
  const unknown = skus.find((sku) => !(sku in prices));
  if (unknown) throw new Error(`unknown sku ${unknown}`);
  return { number: `${customer}-${skus.length}`, total: skus.reduce((sum, sku) => sum + prices[sku], 0) };
}
