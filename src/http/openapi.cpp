// SPDX-License-Identifier: Apache-2.0
#include "src/http/service_context.hpp"
#include "yonder/version.hpp"

namespace yonder::http {
namespace {

constexpr std::string_view problem_schema =
    R"({"type":"object","description":"RFC 9457","properties":{"title":{"type":"string"},"status":{"type":"integer"},)"
    R"("code":{"type":"string","description":"Stable: what happened."},"detail":{"type":"string"},)"
    R"("pointer":{"type":"string","description":"Of arguments that are refused: which one (RFC 6901)."},)"
    R"("task":{"type":"string"},"call":{"type":"string"},"exception":{"type":"string"},"stderr":{"type":"string"},"attempt":{"type":"integer"},)"
    R"("signal":{"type":"integer"}},"required":["title","status","code","detail"]})";

constexpr std::string_view call_schema =
    R"({"type":"object","properties":{"id":{"type":"string"},"task":{"type":"string"},)"
    R"("state":{"enum":["running","succeeded","failed","cancelled"]},"milliseconds":{"type":"integer"},"result":{},)"
    R"("progress":{"type":"object","properties":{"fraction":{"type":"number","minimum":0,"maximum":1},)"
    R"("text":{"type":"string"}},"required":["fraction","text"]},)"
    R"("error":{"$ref":"#/components/schemas/Problem"}},"required":["id","task","state"]})";

constexpr std::string_view wait_parameter =
    R"({"name":"wait","in":"query","description":"For how many seconds the request is held.",)"
    R"("schema":{"type":"number","minimum":0,"maximum":31622400}})";

constexpr std::string_view headers =
    R"({"name":"Yonder-Deadline","in":"header","description":"Seconds, from now to the outcome.",)"
    R"("schema":{"type":"number","minimum":0,"maximum":31622400}},)"
    R"({"name":"Idempotency-Key","in":"header","description":"The same key with the same arguments is the same call.",)"
    R"("schema":{"type":"string","minLength":1,"maxLength":255,"pattern":"^[!-~]+$"}})";

// Of floating-point values, as json_schema.hpp has it.
constexpr std::string_view floating =
    R"({"anyOf":[{"type":"number"},{"enum":["NaN","Infinity","-Infinity"]}]})";

// The first of them.
std::string_view deadline_header() { return headers.substr(0, headers.find("},{") + 1); }

std::string content(std::string_view schema, bool octets) {
  std::string text = R"("content":{"application/json":{"schema":)" + std::string(schema) + "}";
  if (octets) text += R"(,"application/octet-stream":{"schema":{"type":"string","format":"binary"}})";
  return text + "}";
}

// As JSON, or where it is asked for as server-sent events.
std::string content_or_events(std::string_view schema, std::string_view description) {
  json_object events;
  events.text("type", "string").text("description", description);
  return R"("content":{"application/json":{"schema":)" + std::string(schema) +
         R"(},"text/event-stream":{"schema":)" + std::move(events).finish() + "}}";
}

std::string answer(std::string_view status, std::string_view description, std::string_view body) {
  return "\"" + std::string(status) + R"(":{"description":")" + std::string(description) + "\"" +
         (body.empty() ? "" : "," + std::string(body)) + "}";
}

std::string const any_problem =
    R"("default":{"description":"Why not.","content":{"application/problem+json":{"schema":)"
    R"({"$ref":"#/components/schemas/Problem"}}}})";

// `operation`: a part of its id; unique within the document.
std::string post(std::string const& name, std::string_view operation, std::string_view summary,
                 std::string_view parameters, std::string_view body, std::string_view answers) {
  json_object object;
  object.text("operationId", std::string(operation) + "_" + name).text("summary", summary);
  object.raw("parameters", "[" + std::string(parameters) + "]");
  object.raw("requestBody", R"({"required":true,)" + std::string(body) + "}");
  object.raw("responses", "{" + std::string(answers) + "," + any_problem + "}");
  return R"({"post":)" + std::move(object).finish() + "}";
}

// Of a task's name within a path.
std::string escaped(std::string_view name) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  for (char const c : name) {
    bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~:@!$&'()*+,;=").find(c) != std::string_view::npos;
    if (plain)
      text += c;
    else
      ((text += '%') += digits[static_cast<unsigned char>(c) >> 4U]) +=
          digits[static_cast<unsigned char>(c) & 15U];
  }
  return text;
}

void describe(detail::endpoint_entry const& one, detail::schema_set& set, json_object& paths) {
  auto const name = std::string(one.name);
  auto const path = "/v1/tasks/" + escaped(name);
  auto const arguments = one.argument_schema(set);
  auto const result = one.result_schema(set);
  if (one.stream != nullptr) {
    paths.raw(path,
              post(name, "call", "Calls " + name + " and answers with its items, as they come.",
                   deadline_header(), content(arguments, false),
                   answer("200",
                          "An event for each item, whose data is JSON as x-item-schema says; then one "
                          "named end, or error with a problem.",
                          R"("content":{"text/event-stream":{"schema":{"type":"string"},"x-item-schema":)" +
                              result + "}}")));
    return;
  }
  auto const accepted = answer("202", "It goes on: ask for it by its id.",
                               content(R"({"$ref":"#/components/schemas/Call"})", false));
  auto const both = std::string(wait_parameter) + "," + std::string(headers);
  paths.raw(path, post(name, "call", "Calls " + name + " and waits for its result.", both,
                       content(arguments, one.begin_octets != nullptr),
                       answer("200", "What it returned.", content(result, one.write_octets != nullptr)) +
                           "," + accepted));
  paths.raw(path + "/spawn", post(name, "spawn", "Calls " + name + " and returns at once.", headers,
                                  content(arguments, one.begin_octets != nullptr), accepted));
  auto const items = R"({"type":"array","maxItems":10000,"items":)" + arguments + "}";
  auto const outcomes = [&](std::string const& more) {
    return content(R"({"type":"array","items":{"type":"object","minProperties":1,"maxProperties":1,)"
                   R"("properties":{"result":)" +
                       result + R"(,"error":{"$ref":"#/components/schemas/Problem"})" + more +
                       R"(},"additionalProperties":false}})",
                   false);
  };
  paths.raw(path + "/batch",
            post(name, "batch", "Calls " + name + " for every element.",
                 std::string(wait_parameter) + "," + std::string(deadline_header()), content(items, false),
                 answer("200", "What became of each.", outcomes("")) + "," +
                     answer("202", "What became of each, or that it goes on: ask for it by its id.",
                            outcomes(R"(,"call":{"$ref":"#/components/schemas/Call"})"))));
}

// `is_public`: it needs no key.
std::string get(std::string_view operation, std::string_view summary, std::string_view schema,
                bool is_public = false) {
  json_object object;
  if (is_public) object.raw("security", "[]");
  object.text("operationId", operation).text("summary", summary);
  object.raw("responses", "{" + answer("200", summary, content(schema, false)) + "," + any_problem + "}");
  return R"({"get":)" + std::move(object).finish() + "}";
}

std::string object_schema(std::string_view properties, std::string_view required) {
  return R"({"type":"object","properties":{)" + std::string(properties) + R"(},"required":[)" +
         std::string(required) + R"(],"additionalProperties":false})";
}

// As OpenAI's interface describes it, as far as it is here.
void describe_embeddings(std::string const& models, json_object& paths) {
  auto const asked = object_schema(
      R"("input":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":2048}]},)"
      R"("model":{"enum":[)" +
          models + R"(]},"encoding_format":{"enum":["float","base64"]},"user":{"type":"string"})",
      R"("input","model")");
  auto const vector = object_schema(
      R"("object":{"const":"embedding"},"index":{"type":"integer"},"embedding":{"anyOf":[{"type":"array",)"
      R"("items":)" +
          std::string(floating) + R"(},{"type":"string","contentEncoding":"base64"}]})",
      R"("object","index","embedding")");
  auto const usage = object_schema(R"("prompt_tokens":{"type":"integer"},"total_tokens":{"type":"integer"})",
                                   R"("prompt_tokens","total_tokens")");
  auto const given = object_schema(R"("object":{"const":"list"},"data":{"type":"array","items":)" + vector +
                                       R"(},"model":{"type":"string"},"usage":)" + usage,
                                   R"("object","data","model","usage")");
  paths.raw("/v1/embeddings", post("embeddings", "create", "A vector for each text, as OpenAI's clients ask.",
                                   deadline_header(), content(asked, false),
                                   answer("200", "The vectors, in order.", content(given, false))));
}

// As text-embeddings-inference describes it.
void describe_predictions(json_object& paths) {
  constexpr std::string_view one_text =
      R"({"type":"array","items":{"type":"string"},"minItems":1,"maxItems":1})";
  auto const asked =
      object_schema(R"("inputs":{"anyOf":[{"type":"string"},)" + std::string(one_text) +
                        R"(,{"type":"array","items":)" + std::string(one_text) +
                        R"(,"minItems":1,"maxItems":2048}]},"raw_scores":{"const":false},)"
                        R"("truncate":{"type":"boolean"},"truncation_direction":{"type":"string"})",
                    R"("inputs")");
  auto const labels = R"({"type":"array","items":)" +
                      object_schema(R"("score":)" + std::string(floating) + R"(,"label":{"type":"string"})",
                                    R"("score","label")") +
                      "}";
  auto const given = R"({"anyOf":[)" + labels + R"(,{"type":"array","items":)" + labels + "}]}";
  paths.raw("/predict",
            post("predict", "create", "The labels of each text, the likeliest first.", deadline_header(),
                 content(asked, false),
                 answer("200", "Of one text its labels; of several those of each.", content(given, false))));
}

// Likewise.
void describe_ranking(json_object& paths) {
  auto const asked = object_schema(
      R"("query":{"type":"string"},"texts":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":2048},)"
      R"("return_text":{"type":"boolean"},"raw_scores":{"const":false},"truncate":{"type":"boolean"},)"
      R"("truncation_direction":{"type":"string"})",
      R"("query","texts")");
  auto const given =
      R"({"type":"array","items":)" +
      object_schema(R"("index":{"type":"integer"},"score":{"type":"number"},"text":{"type":"string"})",
                    R"("index","score")") +
      "}";
  paths.raw("/rerank", post("rerank", "create", "How well each text answers the query, the best first.",
                            deadline_header(), content(asked, false),
                            answer("200", "Each text's place among those that were given, and its score.",
                                   content(given, false))));
}

void describe_schedules(json_object& paths) {
  constexpr std::string_view schema =
      R"({"type":"object","properties":{"id":{"type":"integer"},"name":{"type":"string"},"when":{"type":"string"},)"
      R"("paused":{"type":"boolean"},"running":{"type":"integer"},"runs":{"type":"integer"},"failed":{"type":"integer"},)"
      R"("skipped":{"type":"integer"},"last_error":{"type":"string"},"next":{"type":"string","format":"date-time"}},)"
      R"("required":["id","name","when","paused","running","runs","failed","skipped"]})";
  paths.raw("/v1/schedules", get("list_schedules", "The program's schedules.",
                                 R"({"type":"array","items":)" + std::string(schema) + "}"));
  for (std::string const change : {"pause", "resume", "fire"}) {
    json_object object;
    object.text("operationId", change + "_schedule")
        .text("summary", "To " + change + " a schedule; for admins.");
    object.raw("parameters",
               R"([{"name":"id","in":"path","required":true,"schema":{"type":"integer","minimum":1}}])");
    object.raw("responses",
               "{" + answer("200", "The schedule.", content(schema, false)) + "," + any_problem + "}");
    paths.raw("/v1/schedules/{id}/" + change, R"({"post":)" + std::move(object).finish() + "}");
  }
}

constexpr std::string_view call_id =
    R"({"name":"id","in":"path","required":true,"schema":{"type":"string","pattern":"^[0-9a-f]{32}$"}})";

std::string explain_path() {
  return R"({"get":{"operationId":"explain_call","summary":"Where a call is, and why.","parameters":[)" +
         std::string(call_id) + R"(],"responses":{)" +
         answer("200", "What its hub knows of it.",
                content(R"({"type":"object","additionalProperties":{"type":"string"}})", false)) +
         "," + any_problem + "}}}";
}

std::string logs_path() {
  constexpr std::string_view schema =
      R"({"type":"object","properties":{"call":{"type":"string"},"ended":{"type":"boolean"},"next":{"type":"integer","minimum":0},)"
      R"("printed":{"type":"array","items":{"type":"object","properties":{"at":{"type":"integer","minimum":0},)"
      R"("bytes":{"type":"integer","minimum":0},"worker":{"type":"string"},"text":{"type":"string"}},"required":["at","bytes","worker","text"]}}},)"
      R"("required":["call","ended","next","printed"]})";
  constexpr std::string_view printed =
      "Where Accept names text/event-stream, an event for each piece, whose data is an element of `printed`; "
      "then "
      "one named end, or error with a problem.";
  return R"({"get":{"operationId":"show_logs","summary":"What a call has printed, the latest of it.","parameters":[)" +
         std::string(call_id) +
         R"(,{"name":"after","in":"query","schema":{"type":"integer","minimum":0}}],"responses":{)" +
         answer("200", "What is kept of it, behind `after`.", content_or_events(schema, printed)) + "," +
         any_problem + "}}}";
}

std::string correction_path() {
  return R"({"post":{"operationId":"correct_call","summary":"Writes down what a sampled call should have returned.","parameters":[)" +
         std::string(call_id) +
         R"(],"requestBody":{"required":true,"content":{"application/json":{"schema":{}}}},"responses":{)" +
         R"("204":{"description":"It is written down."},)" + any_problem + "}}}";
}

constexpr std::string_view status_schema =
    R"({"type":"object","properties":{"hub":{"const":"elsewhere","description":"Then nothing is known of it here."},)"
    R"("tasks":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"calls":{"type":"integer"},)"
    R"("succeeded":{"type":"integer"},"failed":{"type":"integer"},"cancelled":{"type":"integer"},"run_seconds":{"type":"number"}},)"
    R"("required":["name","calls","succeeded","failed","cancelled","run_seconds"]}}},)"
    R"("additionalProperties":{"type":"integer"},"required":["tasks"]})";

std::string metrics_path() {
  return R"({"get":{"operationId":"metrics","summary":"What is counted, for Prometheus.","responses":{)" +
         answer("200", "Its text format, version 0.0.4.",
                R"("content":{"text/plain":{"schema":{"type":"string"}}})") +
         "," + any_problem + "}}}";
}

// The page's.
std::string session_paths() {
  return R"({"post":{"security":[],"operationId":"begin_session","summary":"Signs a page in, by a cookie.",)"
         R"("requestBody":{"required":true,"content":{"application/x-www-form-urlencoded":{"schema":)" +
         object_schema(R"("key":{"type":"string"})", R"("key")") +
         R"(}}},"responses":{"303":{"description":"It is signed in.","headers":{"Set-Cookie":{"schema":{"type":"string"}},)"
         R"("Location":{"schema":{"type":"string"}}}},"401":{"description":"That is no key.",)"
         R"("content":{"text/html":{"schema":{"type":"string"}}}},)" +
         any_problem +
         R"(}},"delete":{"operationId":"end_session","summary":"Signs a page out.","responses":{)"
         R"("204":{"description":"Its cookie is worth nothing any more."},)" +
         any_problem + "}}}";
}

std::string call_paths() {
  auto const state = content(R"({"$ref":"#/components/schemas/Call"})", false);
  return R"({"get":{"operationId":"show_call","summary":"What became of a call; waits for it.","parameters":[)" +
         std::string(call_id) + "," + std::string(wait_parameter) + R"(],"responses":{)" +
         answer("200", "Its state.",
                content_or_events(
                    R"({"$ref":"#/components/schemas/Call"})",
                    "Where Accept names text/event-stream, events named progress, and then one named "
                    "end, whose data is the state, or error with a problem.")) +
         "," + any_problem +
         R"(}},"delete":{"operationId":"cancel_call","summary":"Cancels a call.","parameters":[)" +
         std::string(call_id) + R"(],"responses":{)" + answer("200", "It had ended.", state) + "," +
         answer("202", "It is told to end.", state) + "," + any_problem + "}}}";
}

}  // namespace

std::string openapi_document(std::vector<detail::endpoint_entry const*> const& endpoints) {
  detail::schema_set set;
  set.set("Problem", std::string(problem_schema));
  set.set("Call", std::string(call_schema));
  json_object paths;
  std::string models;
  for (auto const* one : endpoints) {
    switch (one->is) {
      case detail::endpoint_entry::kind::task: describe(*one, set, paths); break;
      case detail::endpoint_entry::kind::embeddings:
        models += models.empty() ? "" : ",";
        detail::append_string(models, one->name);
        break;
      case detail::endpoint_entry::kind::predictions: describe_predictions(paths); break;
      case detail::endpoint_entry::kind::ranking: describe_ranking(paths); break;
    }
  }
  if (!models.empty()) describe_embeddings(models, paths);
  paths.raw("/v1/models", get("list_models", "The models of /v1/embeddings.", R"({"type":"object"})"));
  describe_schedules(paths);
  paths.raw("/v1/calls/{id}", call_paths());
  paths.raw("/v1/calls", get("list_calls", "The calls of this key that are kept, the newest first.",
                             R"({"type":"array","items":{"$ref":"#/components/schemas/Call"}})"));
  paths.raw("/v1/calls/{id}/explain", explain_path());
  paths.raw("/v1/calls/{id}/logs", logs_path());
  paths.raw("/v1/calls/{id}/correction", correction_path());
  paths.raw(
      "/v1/pools",
      get("list_pools", "The pools of the hub's workers, and why workers of them do not come.",
          R"({"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},)"
          R"("needs":{"type":"string"},"min":{"type":"integer"},"max":{"type":"integer"},"buffer":{"type":"integer"},)"
          R"("max_queue":{"type":"integer"},"workers":{"type":"integer"},)"
          R"("idle_workers":{"type":"integer"},"starting_workers":{"type":"integer"},"parked_workers":{"type":"integer"},)"
          R"("queued":{"type":"integer"},"why":{"type":"string"}},"required":["name","workers","queued","why"]}})"));
  paths.raw("/v1/workers",
            get("list_workers", "What runs calls, what each runs, and which GPUs it has.",
                R"({"type":"array","items":{"type":"object","additionalProperties":{"type":"string"}}})"));
  paths.raw(
      "/v1/maps",
      get("list_maps", "The maps that show themselves and go on: how many of their elements are done.",
          R"({"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"task":{"type":"string"},)"
          R"("done":{"type":"integer"},"failed":{"type":"integer"},"total":{"type":"integer"},)"
          R"("fraction":{"type":"number","minimum":0,"maximum":1},"seconds":{"type":"number"},)"
          R"("per_second":{"type":"number"},"seconds_left":{"type":"number"},"credential":{"type":"string"}},)"
          R"("required":["id","task","done","failed","seconds","credential"],"additionalProperties":false}})"));
  paths.raw(
      "/v1/usage",
      get("show_usage", "For how long workers ran what for whom, by day.",
          R"({"type":"array","items":{"type":"object","properties":{"day":{"type":"string","format":"date"},)"
          R"("task":{"type":"string"},"credential":{"type":"string"},"key":{"type":"string"},"attempts":{"type":"integer"},)"
          R"("worker_seconds":{"type":"number"},"gpu_seconds":{"type":"number"}},"required":["day","task","key",)"
          R"("attempts","worker_seconds","gpu_seconds"]}})"));
  paths.raw("/v1/status", get("show_status", "What the runtime counts.", std::string(status_schema)));
  paths.raw("/metrics", metrics_path());
  paths.raw("/v1/session", session_paths());
  paths.raw(
      "/v1/tasks",
      get("list_tasks", "The names of the tasks that this key may call.",
          R"({"type":"object","properties":{"tasks":{"type":"array","items":{"type":"string"}}},"required":["tasks"]})"));
  paths.raw("/healthz", get("health", "Whether the process lives.", R"({"type":"object"})", true));
  paths.raw("/readyz", get("readiness", "Whether it takes work.", R"({"type":"object"})", true));
  json_object schemas;
  for (auto const& [name, schema] : set.schemas()) schemas.raw(name, schema);
  auto const version = library_version();
  json_object info;
  info.text("title", "Tasks of a Yonder program");
  info.text("version", std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
                           std::to_string(version.patch));
  json_object components;
  components.raw("schemas", std::move(schemas).finish());
  components.raw("securitySchemes", R"({"key":{"type":"http","scheme":"bearer"}})");
  json_object document;
  document.text("openapi", "3.1.0").raw("info", std::move(info).finish()).raw("security", R"([{"key":[]}])");
  document.raw("paths", std::move(paths).finish()).raw("components", std::move(components).finish());
  return std::move(document).finish();
}

}  // namespace yonder::http
