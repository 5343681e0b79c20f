// SPDX-License-Identifier: Apache-2.0
#include "yonder/http/samples.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "src/http/samples.hpp"
#include "tests/unit/http/desk.hpp"
#include "yonder/yonder.hpp"

namespace http_tests::sampled {

struct customer {
  std::string name;
  int age;
};
struct offer {
  std::string to;
  int price;
};
offer offer_to(customer const& who, std::string const& what) {
  if (what == "nothing") throw std::domain_error("not for " + who.name);
  return {who.name, 10 * static_cast<int>(what.size())};
}
struct account {
  std::string user;
  std::string secret;
};
std::string signed_in(account const& who) { return who.user; }
std::string signed_in_often(account const& who, int times) { return who.user + std::to_string(times); }
int seldom(int number) { return number; }
std::vector<unsigned char> flipped(std::vector<unsigned char> const& bytes) {
  return {bytes.rbegin(), bytes.rend()};
}
struct part_of_stream {
  int number;
  std::string secret;
};
yonder::generator<part_of_stream> stream_of_samples(int last) {
  for (int i = 1; i <= last; ++i) {
    if (i == 3) throw std::range_error("three");
    part_of_stream part{i, "hidden"};
    co_yield part;
  }
}
yonder::generator<std::string> long_stream() {
  for (;;) co_yield std::string(std::size_t{1} << 18, 'x');
}
std::vector<float> vector_of(std::string const& text) { return {1.5F, static_cast<float>(text.size())}; }

inline constexpr yonder::task<offer_to, "sampled.offer"> offer_task;
inline constexpr yonder::task<signed_in, "sampled.login"> login_task;
inline constexpr yonder::task<signed_in, "sampled.login_by_name"> login_by_name_task;
inline constexpr yonder::task<signed_in_often, "sampled.logins"> logins_task;
inline constexpr yonder::task<seldom, "sampled.seldom"> seldom_task;
inline constexpr yonder::task<flipped, "sampled.flipped"> flipped_task;
inline constexpr yonder::task<stream_of_samples, "sampled.stream"> stream_task;
inline constexpr yonder::task<long_stream, "sampled.long"> long_task;
inline constexpr yonder::task<vector_of, "sampled.vector"> vector_task;
inline constexpr yonder::http::endpoint<offer_task, "who", "what"> offer_over_http;
inline constexpr yonder::http::endpoint<login_task> login_over_http;
inline constexpr yonder::http::endpoint<login_by_name_task> login_by_name_over_http;
inline constexpr yonder::http::endpoint<logins_task, "who", "times"> logins_over_http;
inline constexpr yonder::http::endpoint<seldom_task, "number"> seldom_over_http;
inline constexpr yonder::http::endpoint<flipped_task, "bytes"> flipped_over_http;
inline constexpr yonder::http::endpoint<stream_task, "last"> stream_over_http;
inline constexpr yonder::http::endpoint<long_task> long_over_http;
inline constexpr yonder::http::embeddings<vector_task, "sampled.model"> vectors_over_http;

namespace {

struct own_file {
  std::string name = "/tmp/yonder_samples_" + std::to_string(::getpid());
  ~own_file() {
    for (auto const* const behind : {"", ".1", ".2"}) ::unlink((name + behind).c_str());
  }
};
own_file const kept_in;
std::string const rotated_name = kept_in.name + "_rotated";

yonder::http::samples const kept("sampled.offer",
                                 {.file = kept_in.name,
                                  .redacted = "/arguments/who/name /result/to /correction/secret",
                                  .model = "sha256:abc"});
yonder::http::samples const login("sampled.login", {.file = kept_in.name, .redacted = "/arguments/0/secret"});
yonder::http::samples const login_by_name("sampled.login_by_name",
                                          {.file = kept_in.name, .redacted = "/arguments/secret"});
yonder::http::samples const logins("sampled.logins",
                                   {.file = kept_in.name, .redacted = "/arguments/0/secret"});
yonder::http::samples const none("sampled.seldom", {.file = kept_in.name, .share = 0});
yonder::http::samples const bytes("sampled.flipped", {.file = kept_in.name});
yonder::http::samples const parts("sampled.stream", {.file = kept_in.name, .redacted = "/result/*/secret"});
yonder::http::samples const long_parts("sampled.long", {.file = kept_in.name});
yonder::http::samples const vectors("sampled.model", {.file = kept_in.name, .model = "sha256:def"});
yonder::http::samples const labels("http_tests::labels_of", {.file = kept_in.name, .redacted = "/arguments"});

std::vector<json> lines_of(std::string const& name) {
  std::ifstream file(name);
  std::vector<json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
  return lines;
}

// Calls that run at once end in any order.
json const& line_of(std::string const& call, std::vector<json> const& lines) {
  for (auto const& line : lines)
    if (line["call"] == call) return line;
  FAIL("nothing was written down of call " << call);
  std::abort();
}

std::string refusal_of(std::string_view endpoint, yonder::http::sampling const& how) {
  yonder::http::samples const wrong(endpoint, how);
  try {
    desk const refused;
  } catch (yonder::error const& error) {
    CHECK(error.code() == yonder::errc::bad_configuration);
    return error.what();
  }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("a sampled call is a line of JSON, without what is to be left out") {
  desk at;
  ::unlink(kept_in.name.c_str());
  auto const asked = R"({"who": {"name": "Ada \" x", "age": 36}, "what": "a loom"})";
  auto const answer = at.ask("POST", "/v1/tasks/sampled.offer", asked);
  CHECK(answer->got->status == 200);
  auto const lines = lines_of(kept_in.name);
  REQUIRE(lines.size() == 1);
  auto const& line = lines[0];
  CHECK(line["call"] == answer->field("Yonder-Call"));
  CHECK(line["task"] == "sampled.offer");
  CHECK(line["key"] == "everybody");
  CHECK(line["model"] == "sha256:abc");
  CHECK(line["milliseconds"].get<double>() >= 0);
  CHECK(line["arguments"] == json::parse(R"({"who": {"name": "[redacted]", "age": 36}, "what": "a loom"})"));
  CHECK(line["result"] == json::parse(R"({"to": "[redacted]", "price": 60})"));
  CHECK(line["time"].get<std::string>().ends_with("Z"));
  struct stat status {};
  REQUIRE(::stat(kept_in.name.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("what is left out stays out however it is asked for, also where the call fails") {
  desk at;
  ::unlink(kept_in.name.c_str());
  // By place and not by name; with an escaped name; in a batch; with an error that quotes it.
  at.ask("POST", "/v1/tasks/sampled.offer", R"([{"name": "Ada", "age": 36}, "x"])");
  at.ask("POST", "/v1/tasks/sampled.offer", R"({"who": {"n\u0061me": "Ada", "age": 36}, "what": "x"})");
  at.ask("POST", "/v1/tasks/sampled.offer/batch", R"([{"who": {"name": "Ada", "age": 36}, "what": "x"}])");
  at.ask("POST", "/v1/tasks/sampled.offer", R"({"who": {"name": "Ada", "age": 36}, "what": "nothing"})");
  std::ifstream file(kept_in.name);
  std::string const all((std::istreambuf_iterator<char>(file)), {});
  CHECK(all.find("Ada") == std::string::npos);
  auto const lines = lines_of(kept_in.name);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0]["arguments"] == json::parse(R"([{"name": "[redacted]", "age": 36}, "x"])"));
  CHECK(lines[2]["arguments"]["what"] == "x");
  CHECK(lines[3]["error"] == "failed");
}

TEST_CASE("the form in which a caller says arguments decides nothing about what is left out") {
  desk at;
  ::unlink(kept_in.name.c_str());
  auto const who = std::string(R"({"user": "u", "secret": "HUSH"})");
  std::string const without = R"({"user": "u", "secret": "[redacted]"})";
  std::vector<std::pair<std::string, std::string>> const forms{{"login", "X"},
                                                               {"login", "[X]"},
                                                               {"login_by_name", "X"},
                                                               {"login_by_name", "[X]"},
                                                               {"logins", "[X, 2]"},
                                                               {"logins", R"({"times": 2, "who": X})"},
                                                               {"logins", R"({"wh\u006f": X, "times": 2})"}};
  auto const filled = [](std::string form, std::string const& value) {
    return form.replace(form.find('X'), 1, value);
  };
  std::vector<json> expected;
  for (auto const& [task, form] : forms) {
    auto const url = "/v1/tasks/sampled." + task;
    CHECK(at.ask("POST", url, filled(form, who))->got->status == 200);
    CHECK(at.ask("POST", url + "/batch", "[" + filled(form, who) + "]")->got->status == 200);
    for (int i = 0; i < 2; ++i) expected.push_back(json::parse(filled(form, without)));
  }
  auto const lines = lines_of(kept_in.name);
  REQUIRE(lines.size() == expected.size());
  for (std::size_t i = 0; i < lines.size(); ++i) CHECK(lines[i]["arguments"] == expected[i]);
}

TEST_CASE("where a pointer goes on and the value does not, all of it is left out") {
  auto const left_of = [](std::string_view pointer, std::string_view part, std::string_view text) {
    detail::json_document document(text, {});
    return redaction(pointer).write(part, document, 0);
  };
  CHECK(left_of("/correction/secret", "correction", R"("s")") == R"("[redacted]")");
  CHECK(left_of("/correction/secret", "correction", "7") == R"("[redacted]")");
  CHECK(left_of("/correction/secret", "correction", R"(["s"])") == R"("[redacted]")");
  CHECK(left_of("/correction/secret", "correction", "null") == "null");
  CHECK(left_of("/arguments/text", "arguments", R"("s")") == R"("[redacted]")");  // a model's
  CHECK(left_of("/arguments/0", "arguments", R"("s")") == R"("[redacted]")");
  CHECK(left_of("/arguments/*/secret", "arguments", R"({"secret": 1})") == R"({"secret":"[redacted]"})");
  CHECK(left_of("/arguments/*/secret", "arguments", R"({"a": {"secret": 1}})") ==
        R"({"a":{"secret":"[redacted]"}})");
}

TEST_CASE("octets are kept as base64, and a share of none keeps nothing") {
  desk at;
  ::unlink(kept_in.name.c_str());
  at.ask("POST", "/v1/tasks/sampled.seldom", "[1]");
  at.ask("POST", "/v1/tasks/sampled.flipped", "abc", {{"Content-Type", "application/octet-stream"}});
  auto const lines = lines_of(kept_in.name);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0]["arguments"] == "YWJj");
}

TEST_CASE("of a stream what was taken of it is kept, to its end or its failure") {
  desk at;
  ::unlink(kept_in.name.c_str());
  auto const two = at.ask("POST", "/v1/tasks/sampled.stream", R"({"last": 2})");
  CHECK(two->parts.find("hidden") != std::string::npos);
  at.ask("POST", "/v1/tasks/sampled.stream", "[3]");
  auto const lines = lines_of(kept_in.name);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["call"] == two->field("Yonder-Call"));
  CHECK(lines[0]["arguments"] == json::parse(R"({"last": 2})"));
  auto const items =
      json::parse(R"([{"number": 1, "secret": "[redacted]"}, {"number": 2, "secret": "[redacted]"}])");
  CHECK(lines[0]["result"] == items);
  CHECK_FALSE(lines[0].contains("error"));
  CHECK(lines[1]["result"] == items);
  CHECK(lines[1]["error"] == "failed");
}

TEST_CASE("of a stream that somebody leaves there is what he has had, and of a long one its beginning") {
  desk at;
  ::unlink(kept_in.name.c_str());
  {
    auto const from = at.begin("POST", "/v1/tasks/sampled.long", "[]");
    while (from->parts.size() < (std::size_t{5} << 18)) {
      while (!from->next) at.turn();
      std::exchange(from->next, nullptr)();
    }
    from->next = nullptr;
    at.work().abandon(*from);
  }
  while (lines_of(kept_in.name).empty()) at.turn();
  auto const line = lines_of(kept_in.name).at(0);
  CHECK(line["error"] == "cancelled");
  CHECK(line["truncated"] == true);
  CHECK(line["result"].size() == 3);  // of 256 KiB and quotes, within 1 MiB
}

TEST_CASE("each text that a model is asked for is a call, written down and corrected by its id") {
  desk at;
  ::unlink(kept_in.name.c_str());
  auto const two = at.ask("POST", "/v1/embeddings", R"({"input": ["a", "bc"], "model": "sampled.model"})");
  auto const one = at.ask("POST", "/predict", R"({"inputs": "private"})");
  auto const lines = lines_of(kept_in.name);
  REQUIRE(lines.size() == 3);
  auto const ids = two->field("Yonder-Call");
  REQUIRE(ids.size() == 66);
  CHECK(ids.substr(32, 2) == ", ");
  auto const& first = line_of(ids.substr(0, 32), lines);
  auto const& second = line_of(ids.substr(34), lines);
  CHECK(first["task"] == "sampled.model");
  CHECK(first["model"] == "sha256:def");
  CHECK(first["arguments"] == "a");
  CHECK(second["arguments"] == "bc");
  CHECK(second["result"] == json::parse("[1.5, 2.0]"));
  auto const& labelled = line_of(one->field("Yonder-Call"), lines);
  CHECK(labelled["arguments"] == "[redacted]");
  CHECK(labelled["result"][0]["label"] == "LONG");
  CHECK(at.ask("POST", "/v1/calls/" + one->field("Yonder-Call") + "/correction", R"("SHORT")")->got->status ==
        204);
  CHECK(lines_of(kept_in.name).at(3)["task"] == "http_tests::labels_of");
}

TEST_CASE("a call that was written down is corrected by who made it, or an administrator") {
  desk at({}, "0123456789abcdef ada call:*\n0123456789abcdeg bob call:*\n0123456789abcdeh root admin\n");
  auto const ada = bearer("Bearer 0123456789abcdef"), bob = bearer("Bearer 0123456789abcdeg"),
             root = bearer("Bearer 0123456789abcdeh");
  ::unlink(kept_in.name.c_str());
  auto const asked = R"({"who": {"name": "Ada", "age": 36}, "what": "x"})";
  auto const id = at.ask("POST", "/v1/tasks/sampled.offer", asked, ada)->field("Yonder-Call");
  auto const target = "/v1/calls/" + id + "/correction";
  CHECK(at.ask("POST", target, R"({"price": 11, "secret": "s"})", ada)->got->status == 204);
  CHECK(at.ask("POST", target, R"({"price": 12})", root)->got->status == 204);
  CHECK(at.ask("POST", target, "13", bob)->got->status == 404);
  CHECK(at.ask("POST", "/v1/calls/" + std::string(32, '0') + "/correction", "1", ada)->got->status == 404);
  CHECK(at.ask("POST", target, "{", ada)->got->status == 400);
  auto const lines = lines_of(kept_in.name);
  REQUIRE(lines.size() == 3);
  CHECK(lines[1]["call"] == id);
  CHECK(lines[1]["key"] == "ada");
  CHECK(lines[1]["correction"] == json::parse(R"({"price": 11, "secret": "[redacted]"})"));
  CHECK(lines[2]["correction"] == json::parse(R"({"price": 12})"));
  // A large one is read beside.
  std::string const long_text(100'000, 'x');
  auto const large = at.begin("POST", target, json{{"why", long_text}, {"secret", "s"}}.dump(), ada);
  CHECK_FALSE(large->got);
  at.finish(*large);
  CHECK(large->got->status == 204);
  auto const wrong = at.ask("POST", target, json(long_text).dump() + "]", ada);
  CHECK(wrong->got->status == 400);
  CHECK(lines_of(kept_in.name).back()["correction"] == json{{"why", long_text}, {"secret", "[redacted]"}});
}

TEST_CASE("a file that is full makes room, and so many stay") {
  own_file place;
  place.name = rotated_name;
  rotated_file file(place.name, 10, 2);
  for (auto const* const line : {"first\n", "second\n", "third\n", "fourth, which is long\n", "fifth\n"})
    CHECK(file.add(line).empty());
  auto const text_in = [&](std::string const& behind) {
    std::ifstream from(place.name + behind);
    return std::string((std::istreambuf_iterator<char>(from)), {});
  };
  CHECK(text_in("") == "fifth\n");
  CHECK(text_in(".1") == "fourth, which is long\n");
  CHECK(text_in(".2") == "third\n");
  CHECK_FALSE(rotated_file("/nowhere/samples", 10, 2).add("x\n").empty());
}

TEST_CASE("a file that somebody has moved or deleted is made anew") {
  own_file place;
  place.name = rotated_name;
  rotated_file file(place.name, 100, 2);
  auto const text_in = [&](std::string const& behind) {
    std::ifstream from(place.name + behind);
    return std::string((std::istreambuf_iterator<char>(from)), {});
  };
  CHECK(file.add("first\n").empty());
  REQUIRE(::rename(place.name.c_str(), (place.name + ".1").c_str()) == 0);
  CHECK(file.add("second\n").empty());
  CHECK(text_in("") == "second\n");
  CHECK(text_in(".1") == "first\n");
  ::unlink(place.name.c_str());
  CHECK(file.add("third\n").empty());
  CHECK(text_in("") == "third\n");
  // Somebody else's link in its place is not followed.
  ::unlink(place.name.c_str());
  REQUIRE(::symlink((place.name + ".1").c_str(), place.name.c_str()) == 0);
  CHECK_FALSE(file.add("fourth\n").empty());
  CHECK(text_in(".1") == "first\n");
}

TEST_CASE("samples that cannot be kept are refused when the gateway begins") {
  CHECK(refusal_of("sampled.unknown", {.file = "f"})
            .find("there is no yonder::http::endpoint, and no model, of this") != std::string::npos);
  CHECK(refusal_of("sampled.offer", {.file = "f"}).find("declared twice") != std::string::npos);
  // A name that is mistyped would leave nothing out.
  auto const mistyped = refusal_of("sampled.seldom", {.file = "f", .redacted = "/arguments/nummer"});
  CHECK(mistyped.find("'/arguments/nummer', of a parameter that the endpoint has not: 'number'") !=
        std::string::npos);
  for (auto const* const pointer : {"/arguments/1", "/arguments/00", "/arguments/-"})
    CHECK(refusal_of("sampled.seldom", {.file = "f", .redacted = pointer}).find("has not") !=
          std::string::npos);
  redaction const good("/arguments/a  /result/*/b~1c");
  CHECK(good.touches("arguments"));
  CHECK_FALSE(good.touches("correction"));
  CHECK_THROWS_AS(redaction("text"), yonder::error);
  CHECK_THROWS_AS(redaction("/text"), yonder::error);
}

}  // namespace http_tests::sampled
