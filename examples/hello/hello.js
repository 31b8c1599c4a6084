// A function: it gets a Lambda proxy event (format 2.0) and returns a proxy result.
export const handler = async (event) => {
  const name = event.pathParameters?.name ?? "world";
  console.log(`greeting ${name}`);
  return {
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message: `${process.env.GREETING}, ${name}!` }),
  };
};
