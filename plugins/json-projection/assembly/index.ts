// json-projection is a mapping of responses that leaves in their JSON what its configuration, and the client, want to see.

import { config, Kind, mapBody, MappingInput, MappingOutput, Value } from "../../../sdk/assemblyscript/assembly";
import { exclude, include, Paths } from "./paths";

export { postern_abi_1 } from "../../../sdk/assemblyscript/assembly";

export function map_response(): i32 { return mapBody(project); }

/** How many fields a client may ask for, and how long the list may be. */
const MAX_FIELDS: i32 = 100;
const MAX_LENGTH: i32 = 2048;

function project(input: MappingInput): MappingOutput {
  const rules = config(), wrong = problem(rules);
  if (wrong != "") return MappingOutput.fail("config: " + wrong, "ConfigError");
  const name = rules.get("query").text(), query = name == "" ? "" : input.query(name), asked = query == null ? "" : query;
  if (asked.length > MAX_LENGTH || asked.split(",").length > MAX_FIELDS) return badRequest(name);
  const text = input.body.text();
  if (text == null) return MappingOutput.fail(input.body.problem);
  if (text == "") return new MappingOutput(); // as a 204 has it
  const parsed = Value.parse(text);
  if (parsed == null) return MappingOutput.fail("the response is no JSON");
  const seen = permitted(parsed, rules);
  return MappingOutput.json(asked == "" ? seen : include(seen, Paths.of(asked)));
}

/** What the configuration leaves for clients to see. */
function permitted(value: Value, rules: Value): Value {
  const fields = rules.get("fields"), paths = new Paths();
  if (fields.isNull) return value;
  for (let i = 0; i < fields.length; i++) paths.add(fields.at(i).text());
  return rules.get("mode").text() == "exclude" ? exclude(value, paths) : include(value, paths);
}

/** What is wrong with a configuration; empty when nothing is. */
function problem(rules: Value): string {
  if (rules.kind != Kind.Object) return "it has to name fields";
  const names = rules.keys();
  for (let i = 0; i < names.length; i++) {
    if (!["fields", "mode", "query"].includes(names[i])) return "there is no " + names[i];
  }
  const fields = rules.get("fields"), mode = rules.get("mode").text(rules.has("mode") ? "" : "include"), query = rules.get("query");
  if (mode != "include" && mode != "exclude") return "mode is include or exclude";
  if (rules.has("query") && query.text() == "") return "query is the name of a parameter";
  if (fields.isNull) return rules.has("query") ? "" : "it has to name fields";
  if (fields.kind != Kind.Array) return "fields is a list of paths";
  for (let i = 0; i < fields.length; i++) {
    const path = "." + fields.at(i).text() + ".";
    if (path.includes("..")) return "a path has names, with a dot between them: " + fields.at(i).toString();
  }
  return "";
}

function badRequest(name: string): MappingOutput {
  const message = "The parameter " + name + " has more than " + MAX_FIELDS.toString() + " fields, or " + MAX_LENGTH.toString() + " characters";
  return MappingOutput.json(Value.object().set("message", message)).responseStatus(400);
}
