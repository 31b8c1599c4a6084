import { Answer, writeTexts } from "./answer";
import { Bytes } from "./bytes";
import { Event } from "./event";
import { Kind, Value } from "./json";

/** A request that somebody wants to make. */
export class AuthorizerEvent extends Event {
  /** The ARN that a policy may allow: of the route, or in format 1.0 of the method. */
  get routeArn(): string { return this.json.get("routeArn").text(this.json.get("methodArn").text()); }

  /** What the definition takes callers by, as their token: the values of its identity sources. */
  identitySource(): Array<string> {
    const source = this.json.get("identitySource"), token = this.json.get("authorizationToken");
    if (source.kind == Kind.String) return [source.text()];
    if (source.kind != Kind.Array) return token.isNull ? [] : [token.text()];
    const list = new Array<string>();
    for (let i = 0; i < source.length; i++) list.push(source.at(i).text());
    return list;
  }
}

/** An authorizer's answer. */
export class Decision extends Answer {
  private context_: Value = Value.object();
  private statements: Array<Bytes> = [];
  private principal: string | null = null;

  private constructor(private allowed: bool) { super(); }

  /** Lets the request pass. */
  static allow(): Decision { return new Decision(true); }

  /** Refuses the request with 403. */
  static deny(): Decision { return new Decision(false); }

  /** Has the client answered with 401. */
  static unauthorized(): Decision { return Decision.fail("Unauthorized"); }

  /** No decision: an error for the log. The client sees 500 without it. */
  static fail(message: string, type: string = "Error"): Decision {
    const d = new Decision(false);
    d.failure = message;
    d.failureType = type;
    return d;
  }

  /** Decides by an IAM policy over execute-api:Invoke, of statements that are added, for a caller who is called so. It is kept, and evaluated
   * for each of their requests, so it must allow every route that they may use. */
  static policy(principal: string): Decision {
    const d = new Decision(false);
    d.principal = principal;
    return d;
  }

  /** Has a policy allow ARNs, in which `*` is anything and `?` any letter. */
  allowing(arns: Array<string>): Decision { return this.statement("Allow", arns); }

  /** Has a policy deny ARNs, whatever else allows them. */
  denying(arns: Array<string>): Decision { return this.statement("Deny", arns); }

  private statement(effect: string, arns: Array<string>): Decision {
    const out = new Bytes();
    out.key("Effect");
    out.quoted(effect);
    out.key("Action");
    out.text('["execute-api:Invoke"]');
    if (arns.length == 0) {
      out.key("Resource");
      out.text("[]");
    }
    writeTexts(out, "Resource", arns);
    out.end();
    this.statements.push(out);
    return this;
  }

  /** Adds to the context, which is handed to mappings and the integration: a string, a number, a truth or a Value. */
  context<T>(name: string, value: T): Decision {
    this.context_.set<T>(name, value);
    return this;
  }

  protected get silent(): bool { return true; }

  protected head(out: Bytes): void {
    const principal = this.principal;
    if (principal == null) {
      out.key("isAuthorized");
      out.text(this.allowed ? "true" : "false");
    } else {
      out.key("principalId");
      out.quoted(principal);
      out.key("policyDocument");
      out.text('{"Version":"2012-10-17","Statement":[');
      for (let i = 0; i < this.statements.length; i++) {
        if (i > 0) out.byte(0x2c);
        out.append(this.statements[i]);
      }
      out.text("]}");
    }
    if (this.context_.length > 0) {
      out.key("context");
      this.context_.write(out);
    }
    out.end();
  }
}
