import { Answer, Fields, writeTexts } from "./answer";
import { Body, Writer } from "./body";
import { Bytes, encode } from "./bytes";
import { Response } from "./function";
import { Value } from "./json";

/** What both halves of a filter see. */
export abstract class Exchange {
  /** Header fields: of the request in the first half, of the response in the second. */
  headers: Fields;
  /** The body, which streams. Who reads of it must give a new one. */
  body: Body = new Body();

  constructor(
    /** The whole description. */
    public json: Value,
    half: string,
  ) {
    this.headers = fieldsOf(json.get(half).get("headers"));
  }

  /** The request's id, as it is in the log. */
  get requestId(): string { return this.context.get("requestId").text(); }

  /** Where the request came in, and from whom: apiId, stage, routeKey, sourceIp and the others of the contract. */
  get context(): Value { return this.json.get("context"); }

  /** A parameter of the path, decoded; null where there is none. */
  pathParameter(name: string): string | null { return this.json.get("pathParameters").get(name).textOrNull(); }

  /** A variable of the stage; null where there is none. */
  stageVariable(name: string): string | null { return this.json.get("stageVariables").get(name).textOrNull(); }

  protected ofRequest(name: string): string { return this.json.get("request").get(name).text(); }
}

/** A request on its way through the gateway, as the first half of a filter sees it. */
export class LiveRequest extends Exchange {
  constructor(json: Value) { super(json, "request"); }

  /** The method, in upper case. */
  get method(): string { return this.ofRequest("method"); }

  /** `http` or `https`. */
  get scheme(): string { return this.ofRequest("scheme"); }

  /** The host that the client asks for. */
  get host(): string { return this.ofRequest("host"); }

  /** The path below the stage, undecoded. */
  get path(): string { return this.ofRequest("path"); }

  /** The query string, undecoded and without `?`. */
  get query(): string { return this.ofRequest("query"); }

  /** `websocket` where the client asks for that, else empty. */
  get upgrade(): string { return this.ofRequest("upgrade"); }

  /** The length of the body in bytes; -1 when it is not known. */
  get length(): i64 { return this.json.get("request").get("length").integer(-1); }
}

/** A response on its way back, as the second half of a filter sees it. */
export class LiveResponse extends Exchange {
  constructor(json: Value) { super(json, "response"); }

  /** The status. */
  get status(): i32 { return <i32>this.json.get("response").get("statusCode").integer(); }

  /** The length of the body in bytes; -1 when it is not known. */
  get length(): i64 { return this.json.get("response").get("length").integer(-1); }

  /** The request's method, as this filter sent it on. */
  get requestMethod(): string { return this.ofRequest("method"); }

  /** The request's path, as this filter sent it on. */
  get requestPath(): string { return this.ofRequest("path"); }

  /** The request's header fields, as this filter sent them on. */
  requestHeaders(): Fields { return fieldsOf(this.json.get("request").get("headers")); }
}

/** Header fields of a list of pairs; what is none is left out. */
export function fieldsOf(list: Value): Fields {
  const fields = new Fields();
  for (let i = 0; i < list.length; i++) {
    const pair = list.at(i);
    if (pair.length == 2) fields.add(pair.at(0).text(), pair.at(1).text());
  }
  return fields;
}

/** What both kinds of edits change: header fields, in the order replaceHeaders, removeHeader, setHeader, addHeader, and the body. */
export abstract class Edits extends Answer {
  private all: Fields | null = null;
  private removed: Array<string> = [];
  private set_: Fields = new Fields();
  private added: Fields = new Fields();

  protected replace(fields: Fields): void { this.all = fields; }
  protected remove(name: string): void { this.removed.push(name); }
  protected put(name: string, value: string): void { this.set_.add(name, value); }
  protected add(name: string, value: string): void { this.added.add(name, value); }

  protected get silent(): bool { return !this.hasContent; }

  protected headFields(out: Bytes): void {
    const all = this.all;
    if (all != null) all.writePairs(out, "headers");
    writeTexts(out, "removeHeaders", this.removed);
    if (this.set_.length > 0) this.set_.writePairs(out, "setHeaders");
    if (this.added.length > 0) this.added.writePairs(out, "addHeaders");
  }

  protected headBody(out: Bytes): void {
    if (!this.hasContent) return;
    out.key("body");
    out.text("true");
  }
}

/** What a filter changes of a request. As it is made, it changes nothing. */
export class RequestEdits extends Edits {
  private parts: Fields = new Fields();
  private early: Response | null = null;

  /** An early answer: the request goes no further. */
  static answer(response: Response): RequestEdits {
    const e = new RequestEdits();
    e.early = response;
    const content = response.__content;
    e.setContent(content == null ? new Uint8Array(0) : content);
    e.failure = response.failure;
    return e;
  }

  /** An error for the log. The client sees 500 without it. */
  static fail(message: string, type: string = "Error"): RequestEdits {
    const e = new RequestEdits();
    e.failure = message;
    e.failureType = type;
    return e;
  }

  /** Replaces the method. */
  method(method: string): RequestEdits { return this.part("method", method); }

  /** Replaces the path, for all that come after. The request is not routed again. */
  path(path: string): RequestEdits { return this.part("path", path); }

  /** Replaces the query string, without `?`. */
  query(query: string): RequestEdits { return this.part("query", query); }

  /** Replaces the host. */
  host(host: string): RequestEdits { return this.part("host", host); }

  private part(name: string, value: string): RequestEdits {
    this.parts.set(name, value);
    return this;
  }

  /** Replaces all header fields. */
  replaceHeaders(fields: Fields): RequestEdits { this.replace(fields); return this; }

  /** Removes the fields of a name, in any case. */
  removeHeader(name: string): RequestEdits { this.remove(name); return this; }

  /** Puts a field in the place of those of its name; a name that is set twice has two. */
  setHeader(name: string, value: string): RequestEdits { this.put(name, value); return this; }

  /** Adds a field. */
  addHeader(name: string, value: string): RequestEdits { this.add(name, value); return this; }

  /** Sets the new body. Without one, the body passes as it is. */
  bytes(bytes: Uint8Array): RequestEdits { this.setContent(bytes); return this; }

  /** Sets the new body, in UTF-8. */
  text(text: string): RequestEdits { return this.bytes(encode(text)); }

  /** Sends the edits, which are final from here on, and returns what writes the new body; the old one may be read meanwhile. Return these edits
   * afterwards. */
  send(): Writer { this.setContent(EMPTY); return this.begin(); }

  protected head(out: Bytes): void {
    for (let i = 0; i < this.parts.length; i++) {
      out.key(this.parts.names[i]);
      out.quoted(this.parts.values[i]);
    }
    this.headFields(out);
    const early = this.early;
    if (early != null) early.__early(out);
    else this.headBody(out);
    out.end();
  }
}

/** What a filter changes of a response. As it is made, it changes nothing. */
export class ResponseEdits extends Edits {
  private status_: i32 = 0;

  /** An error for the log. The client sees 500 without it. */
  static fail(message: string, type: string = "Error"): ResponseEdits {
    const e = new ResponseEdits();
    e.failure = message;
    e.failureType = type;
    return e;
  }

  /** Replaces the status, by 200 to 599. */
  status(status: i32): ResponseEdits { this.status_ = status; return this; }

  /** Replaces all header fields. */
  replaceHeaders(fields: Fields): ResponseEdits { this.replace(fields); return this; }

  /** Removes the fields of a name, in any case. */
  removeHeader(name: string): ResponseEdits { this.remove(name); return this; }

  /** Puts a field in the place of those of its name; a name that is set twice has two. */
  setHeader(name: string, value: string): ResponseEdits { this.put(name, value); return this; }

  /** Adds a field. */
  addHeader(name: string, value: string): ResponseEdits { this.add(name, value); return this; }

  /** Sets the new body. Without one, the body passes as it is. */
  bytes(bytes: Uint8Array): ResponseEdits { this.setContent(bytes); return this; }

  /** Sets the new body, in UTF-8. */
  text(text: string): ResponseEdits { return this.bytes(encode(text)); }

  /** Sends the edits, which are final from here on, and returns what writes the new body; the old one may be read meanwhile. Return these edits
   * afterwards. */
  send(): Writer { this.setContent(EMPTY); return this.begin(); }

  protected head(out: Bytes): void {
    if (this.status_ != 0) {
      out.key("statusCode");
      out.text(this.status_.toString());
    }
    this.headFields(out);
    this.headBody(out);
    out.end();
  }
}

const EMPTY = new Uint8Array(0);
