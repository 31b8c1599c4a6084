import { Value } from "./json";

/** A Lambda event of format 2.0 or 1.0, as functions and authorizers get it, or whatever JSON a function is called by name with. What is not
 * there reads as empty. */
export class Event {
  constructor(
    /** The whole event. */
    public json: Value,
  ) {}

  private get context(): Value { return this.json.get("requestContext"); }

  /** The request's method, in upper case. */
  get method(): string { return this.context.get("http").get("method").text(this.json.get("httpMethod").text()); }

  /** The request's path as it came, with the stage unless that is `$default`. */
  get path(): string { return this.json.get("rawPath").text(this.json.get("path").text()); }

  /** The query string as it came, without `?`. Format 2.0. */
  get rawQuery(): string { return this.json.get("rawQueryString").text(); }

  /** The key of the route, `GET /orders/{id}`. */
  get routeKey(): string { return this.json.get("routeKey").text(this.context.get("routeKey").text()); }

  /** The request's id, as it is in the log. */
  get requestId(): string { return this.context.get("requestId").text(); }

  /** The stage. */
  get stage(): string { return this.context.get("stage").text(); }

  /** The address of the client. */
  get sourceIp(): string { return this.context.get("http").get("sourceIp").text(this.context.get("identity").get("sourceIp").text()); }

  /** A header by name, in any case; null where there is none. Several values of one name are joined by commas. */
  header(name: string): string | null {
    const headers = this.json.get("headers"), lower = name.toLowerCase();
    const found = headers.get(lower).textOrNull(); // as format 2.0 has it
    if (found != null) return found;
    const names = headers.keys();
    for (let i = 0; i < names.length; i++) {
      if (names[i].toLowerCase() == lower) return headers.get(names[i]).textOrNull();
    }
    return null;
  }

  /** The names of all headers. Format 2.0 has them in lower case. */
  headerNames(): Array<string> { return this.json.get("headers").keys(); }

  /** A cookie of the request by name; null where there is none. Format 2.0. */
  cookie(name: string): string | null {
    const cookies = this.json.get("cookies");
    for (let i = 0; i < cookies.length; i++) {
      const cookie = cookies.at(i).text(), split = cookie.indexOf("=");
      if (split >= 0 && cookie.substring(0, split).trim() == name) return cookie.substring(split + 1);
    }
    return null;
  }

  /** A query string parameter, decoded; null where there is none. Several values of one name are joined by commas. */
  query(name: string): string | null { return this.json.get("queryStringParameters").get(name).textOrNull(); }

  /** The names of all query string parameters. */
  queryNames(): Array<string> { return this.json.get("queryStringParameters").keys(); }

  /** A parameter of the path, decoded; null where there is none. */
  pathParameter(name: string): string | null { return this.json.get("pathParameters").get(name).textOrNull(); }

  /** A variable of the stage; null where there is none. */
  stageVariable(name: string): string | null { return this.json.get("stageVariables").get(name).textOrNull(); }

  /** What an authorizer plugin said of the caller: the context that it returned. Null where none stands before the route. */
  get authorizer(): Value {
    const authorizer = this.context.get("authorizer");
    return authorizer.has("lambda") ? authorizer.get("lambda") : authorizer;
  }
}
