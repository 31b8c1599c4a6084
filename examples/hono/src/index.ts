// A Hono application, as it would run on any other platform: nothing in it knows of Postern.
import { Hono } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { jwt, sign } from "hono/jwt";
import { logger } from "hono/logger";
import { streamSSE, streamText } from "hono/streaming";

type Env = { Bindings: { JWT_SECRET: string; GREETING: string }; Variables: { jwtPayload: { sub: string } } };

const app = new Hono<Env>();

// Middleware: every request is logged, every response says who made it, and browsers may call /api from elsewhere.
app.use(logger());
app.use(async (c, next) => {
  await next();
  c.header("x-served-by", "hono");
});
app.use("/api/*", cors({ origin: "https://app.example.com", credentials: true }));

// Routing and JSON.
app.get("/", (c) => c.text("Try /hello/ada\n"));
app.get("/hello/:name{[a-z]+}", (c) => c.json({ message: `${c.env.GREETING}, ${c.req.param("name")}!` }));
app.post("/api/sum", async (c) => {
  const { numbers } = await c.req.json<{ numbers: number[] }>();
  if (!Array.isArray(numbers)) throw new HTTPException(400, { message: "numbers must be a list" });
  return c.json({ sum: numbers.reduce((a, b) => a + b, 0) });
});

// Cookies.
app.get("/visits", (c) => {
  const visits = Number(getCookie(c, "visits") ?? 0) + 1;
  setCookie(c, "visits", String(visits), { path: "/", httpOnly: true, sameSite: "Lax" });
  return c.text(`visit ${visits}\n`);
});
app.delete("/visits", (c) => {
  deleteCookie(c, "visits", { path: "/" });
  return c.body(null, 204);
});

// A token for who logs in, and what only its bearer sees.
app.post("/login", async (c) => {
  const { user } = await c.req.json<{ user: string }>();
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return c.json({ token: await sign({ sub: user, exp }, c.env.JWT_SECRET, "HS256") });
});
app.use("/private/*", (c, next) => jwt({ secret: c.env.JWT_SECRET, alg: "HS256" })(c, next));
app.get("/private/me", (c) => c.json({ user: c.get("jwtPayload").sub }));

// Streams: each piece is sent when it is written.
app.get("/stream/words", (c) =>
  streamText(c, async (stream) => {
    for (const word of ["one", "two", "three"]) {
      await stream.writeln(word);
      await stream.sleep(50);
    }
  }),
);
app.get("/stream/events", (c) =>
  streamSSE(c, async (stream) => {
    for (let n = 3; n > 0; n--) {
      await stream.writeSSE({ event: "countdown", data: String(n) });
      await stream.sleep(50);
    }
  }),
);

app.notFound((c) => c.json({ message: `there is no ${c.req.path}` }, 404));
app.onError((err, c) => (err instanceof HTTPException ? c.json({ message: err.message }, err.status) : c.json({ message: "internal error" }, 500)));

export default app;
