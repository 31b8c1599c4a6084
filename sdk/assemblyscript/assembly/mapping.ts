import { Answer, Fields } from "./answer";
import { Body } from "./body";
import { Bytes, encode } from "./bytes";
import { Value } from "./json";

/** A body that is to be turned into another, and what is around it. */
export class MappingInput {
  /** The body, which streams. */
  body: Body = new Body();

  constructor(
    /** The whole description. */
    public json: Value,
  ) {}

  /** A parameter of the request, looked for in path, query string and header, in this order; null where there is none. */
  parameter(name: string): string | null {
    const path = this.pathParameter(name);
    if (path != null) return path;
    const query = this.query(name);
    return query != null ? query : this.header(name);
  }

  private from(part: string, name: string): string | null { return this.json.get("params").get(part).get(name).textOrNull(); }

  /** A parameter of the path, decoded; null where there is none. */
  pathParameter(name: string): string | null { return this.from("path", name); }

  /** A parameter of the query string, decoded; null where there is none. */
  query(name: string): string | null { return this.from("querystring", name); }

  /** A header of the request, by its name in lower case; null where there is none. */
  header(name: string): string | null { return this.from("header", name); }

  /** Amazon's $context: `input.context.get("stage")`. */
  get context(): Value { return this.json.get("context"); }

  /** The request's id, as it is in the log. */
  get requestId(): string { return this.context.get("requestId").text(); }

  /** A variable of the stage; null where there is none. */
  stageVariable(name: string): string | null { return this.json.get("stageVariables").get(name).textOrNull(); }

  /** The status of the integration's response; 0 in a request mapping. */
  get responseStatus(): i32 { return <i32>this.json.get("response").get("status").integer(); }

  /** A header of the integration's response, by its name in lower case; null where there is none. */
  responseHeader(name: string): string | null { return this.json.get("response").get("headers").get(name).textOrNull(); }
}

/** The new body, and what else is to be changed. An override replaces every value of its name. */
export class MappingOutput extends Answer {
  private mediaType: string | null = null;
  private status: i32 = 0;
  private path: Fields = new Fields();
  private querystring: Fields = new Fields();
  private header: Fields = new Fields();
  private answered: Fields = new Fields();

  /** A body of JSON. */
  static json(value: Value): MappingOutput { return new MappingOutput().text(value.toString()).contentType("application/json"); }

  /** No body: an error for the log. The client sees 500 without it. */
  static fail(message: string, type: string = "Error"): MappingOutput {
    const m = new MappingOutput();
    m.failure = message;
    m.failureType = type;
    return m;
  }

  /** Sets the new body. */
  bytes(bytes: Uint8Array): MappingOutput {
    this.setContent(bytes);
    return this;
  }

  /** Sets the new body, in UTF-8. */
  text(text: string): MappingOutput { return this.bytes(encode(text)); }

  /** Sets the media type of the body. */
  contentType(type: string): MappingOutput {
    this.mediaType = type;
    return this;
  }

  /** Overrides a path parameter of the request to the integration. */
  requestPath(name: string, value: string): MappingOutput {
    this.path.add(name, value);
    return this;
  }

  /** Overrides a query string parameter of the request to the integration. */
  requestQuery(name: string, value: string): MappingOutput {
    this.querystring.add(name, value);
    return this;
  }

  /** Overrides a header of the request to the integration. */
  requestHeader(name: string, value: string): MappingOutput {
    this.header.add(name, value);
    return this;
  }

  /** Overrides the status of the response. */
  responseStatus(status: i32): MappingOutput {
    this.status = status;
    return this;
  }

  /** Overrides a header of the response. */
  responseHeader(name: string, value: string): MappingOutput {
    this.answered.add(name, value);
    return this;
  }

  protected head(out: Bytes): void {
    const type = this.mediaType;
    if (type != null) {
      out.key("contentType");
      out.quoted(type);
    }
    const request = new Bytes();
    this.path.writeObject(request, "path");
    this.querystring.writeObject(request, "querystring");
    this.header.writeObject(request, "header");
    part(out, "requestOverride", request);
    const response = new Bytes();
    if (this.status != 0) {
      response.key("status");
      response.text(this.status.toString());
    }
    this.answered.writeObject(response, "header");
    part(out, "responseOverride", response);
    out.end();
  }
}

/** Writes an object that was begun, unless nothing is in it. */
function part(out: Bytes, name: string, object: Bytes): void {
  if (object.length == 0) return;
  object.end();
  out.key(name);
  out.append(object);
}
