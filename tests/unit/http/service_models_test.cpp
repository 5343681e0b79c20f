// SPDX-License-Identifier: Apache-2.0
//
// Models as other servers' clients ask for them, and schedules.
#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "tests/unit/http/desk.hpp"
#include "yonder/http.hpp"
#include "yonder/schedule.hpp"
#include "yonder/yonder.hpp"

namespace http_tests {

struct Embedding {
  std::vector<float> values;
  std::uint32_t tokens;
};
Embedding embed(std::string const& text) {
  if (text == "wrong") throw std::invalid_argument("a wrong text");
  return {{1.5F, static_cast<float>(text.size())}, static_cast<std::uint32_t>(text.size() + 2)};
}
std::vector<float> plain_embed(std::string const& text) { return {static_cast<float>(text.size())}; }
struct Label {
  std::string label;
  float score;
};
std::vector<Label> labels_of(std::string const& text) {
  return {{"SHORT", 0.25F}, {text.size() > 3 ? "LONG" : "TINY", 0.75F}};
}
struct Pair {
  std::string query;
  std::string text;
};
float answers(Pair const& pair) {
  if (pair.text == "wrong") throw std::invalid_argument("a wrong text");
  return pair.text.find(pair.query) != std::string::npos ? 0.75F : 0.25F;
}
int tick(int by) {
  if (by < 0) throw std::domain_error("backwards");
  return by;
}

inline constexpr yonder::task<embed> embed_task;
inline constexpr yonder::task<plain_embed> plain_embed_task;
inline constexpr yonder::task<labels_of> labels_task;
inline constexpr yonder::task<answers> answers_task;
inline constexpr yonder::task<tick> tick_task;
inline constexpr yonder::http::embeddings<embed_task, "acme/words"> words_model;
inline constexpr yonder::http::embeddings<plain_embed_task, "plain"> plain_model;
inline constexpr yonder::http::predictions<labels_task> labels_over_http;
inline constexpr yonder::http::ranking<answers_task> ranking_over_http;

}  // namespace http_tests

using namespace http_tests;

namespace {

std::string const model_keys =
    "0123456789abcdef alice call:acme/words\n0123456789abcdeg bob call:* metrics\n0123456789abcdeh root "
    "admin\n";
std::shared_ptr<answered> ask_for_vectors(desk& at, std::string_view body, fields more = {}) {
  return at.ask("POST", "/v1/embeddings", body, std::move(more));
}

}  // namespace

TEST_CASE("texts become vectors as OpenAI's clients ask for them") {
  desk at;
  auto const one = ask_for_vectors(at, R"({"input":"abc","model":"acme/words"})");
  CHECK(one->got->status == 200);
  CHECK(one->body() ==
        json::parse(R"({"object":"list","model":"acme/words","usage":{"prompt_tokens":5,"total_tokens":5},
      "data":[{"object":"embedding","index":0,"embedding":[1.5,3.0]}]})"));
  auto const two = ask_for_vectors(
      at, R"({"input":["a","bc"],"model":"acme/words","encoding_format":"base64","user":"me"})");
  CHECK(two->body()["data"][1]["index"] == 1);
  CHECK(two->body()["data"][1]["embedding"] == "AADAPwAAAEA=");  // 1.5f and 2f, little-endian
  CHECK(two->body()["usage"]["total_tokens"] == 7);
  CHECK(ask_for_vectors(at, R"({"input":"abc","model":"plain"})")->body()["usage"]["total_tokens"] == 0);
  CHECK(at.ask("GET", "/v1/models")->body()["data"][0]["id"] == "acme/words");
  for (char const* path : {"/v1/models/acme/words", "/v1/models/acme%2Fwords"})
    CHECK(at.ask("GET", path)->body() == at.ask("GET", "/v1/models")->body()["data"][0]);
  CHECK(at.ask("GET", "/v1/models/acme")->body()["error"]["code"] == "model_not_found");
  CHECK(at.ask("POST", "/v1/embeddings?wait=0", R"({"input":"abc","model":"plain"})")->got->status == 200);
  CHECK(at.work().waiting() == 0);
}

TEST_CASE("what is no request for vectors is refused in words, and one bad text fails all") {
  desk at;
  auto const refused = [&](std::string_view body) { return ask_for_vectors(at, body)->body(); };
  CHECK(refused(R"({"input":[1,2],"model":"plain"})")["pointer"] == "/input/0");
  CHECK(refused(R"({"input":[[1,2]],"model":"plain"})")["detail"] ==
        "expected a string, found an array; texts are taken, not tokens");
  CHECK(refused(R"({"input":[],"model":"plain"})")["detail"] == "there is no text");
  CHECK(refused(R"({"input":7,"model":"plain"})")["pointer"] == "/input");
  CHECK(refused(R"({"input":"a","model":7})")["pointer"] == "/model");
  CHECK(refused(R"({"input":"a"})")["detail"] == "the member 'model' is missing");
  CHECK(refused(R"({"model":"plain"})")["detail"] == "the member 'input' is missing");
  CHECK(refused(R"({"input":"a","model":"plain","encoding_format":"int8"})")["pointer"] ==
        "/encoding_format");
  CHECK(refused(R"({"input":"a","model":"plain","dimensions":1})")["pointer"] == "/dimensions");
  CHECK(refused(R"({"input":"a","model":"plain","more":1})")["detail"] == "the member 'more' is unknown");
  CHECK(refused(R"({"input":"a","input":"b","model":"plain"})")["detail"] == "the member is there twice");
  CHECK(refused("[]")["status"] == 400);
  auto const unknown = ask_for_vectors(at, R"({"input":"a","model":"none"})");
  CHECK(unknown->got->status == 404);
  // As OpenAI's clients look for it.
  CHECK(unknown->body()["error"]["message"] == unknown->body()["detail"]);
  CHECK(unknown->body()["error"]["code"] == "model_not_found");
  CHECK(ask_for_vectors(at, "{}", {{"Content-Type", "text/plain"}})->got->status == 415);
  std::string many = R"({"model":"plain","input":["a")";
  for (int i = 0; i < 2048; ++i) many += R"(,"a")";
  CHECK(refused(many + "]}")["pointer"] == "/input");
  auto const failed = ask_for_vectors(at, R"({"input":["good","wrong"],"model":"acme/words"})");
  CHECK(failed->got->status == 500);
  CHECK(failed->body()["detail"] == "a wrong text");
}

TEST_CASE("a classifier answers as text-embeddings-inference does") {
  desk at;
  auto const predict = [&](std::string_view body) { return at.ask("POST", "/predict", body); };
  auto const both = json::parse(R"([{"score":0.75,"label":"LONG"},{"score":0.25,"label":"SHORT"}])");
  CHECK(predict(R"({"inputs":"I like you."})")->body() == both);
  CHECK(predict(R"({"inputs":["I like you."],"truncate":true})")->body() == both);
  auto const batch = predict(R"({"inputs":[["I like you."],["no"]],"raw_scores":false})")->body();
  CHECK(batch[0] == both);
  CHECK(batch[1][0]["label"] == "TINY");
  for (auto const* const bad :
       {R"({"inputs":["a","b"]})", R"({"inputs":[["a","b"]]})", R"({"inputs":[]})", R"({"inputs":1})",
        R"({})", R"({"inputs":"a","raw_scores":true})", R"({"inputs":"a","truncate":1})",
        R"({"inputs":[["a"],[1]]})", R"({"inputs":[["a"],"b"]})"}) {
    auto const refused = predict(bad);
    CHECK_MESSAGE(refused->got->status == 400, bad);
    CHECK(refused->body()["code"] == "bad_arguments");
    CHECK(refused->body()["error_type"] == "bad_arguments");
    CHECK(refused->body()["error"] == refused->body()["detail"]);
  }
  CHECK(predict(R"({"inputs":["a","b"]})")->body()["detail"].get<std::string>().find("pairs") == 0);
}

TEST_CASE("texts are put in order as text-embeddings-inference does it") {
  desk at;
  auto const rank = [&](std::string_view body) { return at.ask("POST", "/rerank", body); };
  auto const found = rank(R"({"query":"b","texts":["a","b","c","ab"]})");
  CHECK(found->got->status == 200);
  CHECK(
      found->body() ==
      json::parse(
          R"([{"index":1,"score":0.75},{"index":3,"score":0.75},{"index":0,"score":0.25},{"index":2,"score":0.25}])"));
  CHECK(rank(R"({"query":"b","texts":["a","b"],"return_text":true,"raw_scores":false,"truncate":true})")
            ->body()[0] == json::parse(R"({"index":1,"score":0.75,"text":"b"})"));
  for (auto const* const bad :
       {R"({"query":"a","texts":[]})", R"({"query":"a","texts":"b"})", R"({"query":"a","texts":["b",1]})",
        R"({"texts":["b"]})", R"({"query":"a"})", R"({"query":1,"texts":["b"]})",
        R"({"query":"a","texts":["b"],"raw_scores":true})", R"({"query":"a","texts":["b"],"return_text":1})",
        R"({"query":"a","texts":["b"],"more":1})"}) {
    auto const refused = rank(bad);
    CHECK_MESSAGE(refused->got->status == 400, bad);
    CHECK(refused->body()["error_type"] == "bad_arguments");
    CHECK(refused->body()["error"] == refused->body()["detail"]);
  }
  CHECK(rank(R"({"query":"a","texts":["b",1]})")->body()["pointer"] == "/texts/1");
  auto const failed = rank(R"({"query":"a","texts":["good","wrong"]})");
  CHECK(failed->got->status == 500);
  CHECK(failed->body()["detail"] == "a wrong text");
  CHECK(at.ask("GET", "/rerank", "")->got->status == 405);
  CHECK(at.ask("GET", "/openapi.json")->body()["paths"]["/rerank"].contains("post"));
  CHECK(at.work().waiting() == 0);
}

TEST_CASE("a key may use the models that it names") {
  desk at({}, model_keys);
  CHECK(ask_for_vectors(at, R"({"input":"abc","model":"acme/words"})", alice)->got->status == 200);
  CHECK(ask_for_vectors(at, R"({"input":"abc","model":"plain"})", alice)->got->status == 403);
  CHECK(ask_for_vectors(at, R"({"input":"abc","model":"none"})", alice)->got->status == 403);
  CHECK(at.ask("POST", "/predict", R"({"inputs":"a"})", alice)->got->status == 403);
  CHECK(at.ask("POST", "/predict", R"({"inputs":"a"})", bob)->got->status == 200);
  CHECK(at.ask("POST", "/rerank", R"({"query":"a","texts":["b"]})", alice)->got->status == 403);
  CHECK(at.ask("POST", "/rerank", R"({"query":"a","texts":["b"]})", bob)->got->status == 200);
  CHECK(at.ask("GET", "/v1/models", "", alice)->body()["data"].size() == 1);
  auto const paths = at.ask("GET", "/openapi.json", "", alice)->body()["paths"];
  CHECK(paths.contains("/v1/embeddings"));
  CHECK_FALSE(paths.contains("/predict"));
}

TEST_CASE("schedules are listed to whoever may measure, and changed by admins") {
  desk at({}, model_keys);
  auto const made = yonder::every(std::chrono::hours(24), {.name = "nightly"}, tick_task, 1);
  auto const url = "/v1/schedules/" + std::to_string(made.id());
  auto const own = [&] {
    for (auto const& one : at.ask("GET", "/v1/schedules", "", bob)->body())
      if (one["id"] == made.id()) return one;
    return json();
  };
  CHECK(own()["name"] == "nightly");
  CHECK(own()["when"] == "every 86400 s");
  CHECK(own()["next"].get<std::string>().back() == 'Z');
  CHECK(at.ask("GET", "/v1/schedules", "", alice)->got->status == 403);
  CHECK(at.ask("POST", url + "/pause", "", bob)->got->status == 403);
  CHECK(at.ask("POST", url + "/pause", "", root)->body()["paused"] == true);
  CHECK_FALSE(own().contains("next"));
  CHECK(at.ask("POST", url + "/fire", "", root)->got->status == 200);
  while (own()["running"] != 0 || own()["runs"] != 1) std::this_thread::yield();
  CHECK(own()["failed"] == 0);
  auto const counted =
      "yonder_schedule_runs_total{schedule=\"nightly\",id=\"" + std::to_string(made.id()) + "\"} 1\n";
  CHECK(at.ask("GET", "/metrics", "", bob)->got->body.find(counted) != std::string::npos);
  CHECK(at.ask("POST", url + "/resume", "", root)->body()["paused"] == false);
  CHECK(at.ask("POST", url + "/stop", "", root)->got->status == 404);
  for (auto const* const bad : {"0", "x", "99999999999999999999", "1x"})
    CHECK(at.ask("POST", "/v1/schedules/" + std::string(bad) + "/fire", "", root)->got->status == 404);
  made.stop();
  CHECK(at.ask("POST", url + "/fire", "", root)->got->status == 404);
}
