import { Answer, Fields, writeTexts } from "./answer";
import { Body, Writer } from "./body";
import { Bytes, encode } from "./bytes";
import { Event } from "./event";
import { Value } from "./json";

/** A request, or a call by name, as a function sees it. */
export class Request extends Event {
  /** The request's body, which streams from the client. */
  body: Body = new Body();
}

/** A function's answer: `new Response(201).header("location", "/orders/7").bytes(…)`. */
export class Response extends Answer {
  private headers: Fields = new Fields();
  private cookies: Array<string> = [];
  private result: Value | null = null;
  private body_: Uint8Array | null = null;

  constructor(
    /** The status. */
    public status: i32 = 200,
  ) { super(); }

  /** Plain text. */
  static text(status: i32, text: string): Response {
    return new Response(status).header("content-type", "text/plain; charset=utf-8").bytes(encode(text));
  }

  /** JSON. */
  static json(status: i32, value: Value): Response {
    return new Response(status).header("content-type", "application/json").bytes(encode(value.toString()));
  }

  /** The result of a call by name, which is any JSON. */
  static value(value: Value): Response {
    const r = new Response();
    r.result = value;
    return r;
  }

  /** No answer: an error for the log. The client sees 500 without it. */
  static fail(message: string, type: string = "Error"): Response {
    const r = new Response();
    r.failure = message;
    r.failureType = type;
    return r;
  }

  /** Sets a header, whose name may be in any case. A value that it had is replaced. */
  header(name: string, value: string): Response {
    this.headers.set(name, value);
    return this;
  }

  /** Adds a Set-Cookie header: "name=value; HttpOnly". */
  cookie(cookie: string): Response {
    this.cookies.push(cookie);
    return this;
  }

  /** Sets the body. */
  bytes(bytes: Uint8Array): Response {
    this.body_ = bytes;
    this.setContent(bytes);
    return this;
  }

  /** Sends status and headers, which are final from here on, and returns what writes the body while the client already reads it. Return this
   * response afterwards; `fail`, then, cuts the body off. */
  send(): Writer { return this.begin(); }

  protected get silent(): bool { return this.result != null; }

  protected head(out: Bytes): void {
    const result = this.result;
    if (result != null) {
      result.write(out);
      return;
    }
    out.key("statusCode");
    out.text(this.status.toString());
    this.headers.writeObject(out, "headers");
    writeTexts(out, "cookies", this.cookies);
    out.end();
  }

  /** Writes it as the early answer of a filter. */
  __early(out: Bytes): void {
    const fields = new Fields();
    for (let i = 0; i < this.headers.length; i++) fields.add(this.headers.names[i], this.headers.values[i]);
    for (let i = 0; i < this.cookies.length; i++) fields.add("set-cookie", this.cookies[i]);
    const inner = new Bytes();
    inner.key("statusCode");
    inner.text(this.status.toString());
    if (fields.length > 0) fields.writePairs(inner, "headers");
    inner.end();
    out.key("response");
    out.append(inner);
  }

  /** The body, for that. */
  get __content(): Uint8Array | null { return this.body_; }
}
