// SPDX-License-Identifier: Apache-2.0
//
// When what happened to calls, as OpenTelemetry and Perfetto take it.
#include <doctest/doctest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <semaphore>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "src/core/trace.hpp"
#include "src/http/span_poster.hpp"
#include "src/runtime/trace_setup.hpp"
#include "src/runtime/trace_spans.hpp"
#include "src/runtime/trace_writer.hpp"
#include "yonder/yonder.hpp"

namespace traces_tests {

int leaf(int n) { return n + 1; }
inline constexpr yonder::task<traces_tests::leaf> leaf_task;
int branch(int n) { return leaf_task.remote(n); }
inline constexpr yonder::task<traces_tests::branch> branch_task{{.retries = 2}};

namespace {

using namespace yonder::runtime_detail;
using nlohmann::json;
using yonder::core::millisecond;
using traced = yonder::core::out::traced;

constexpr auto given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

traced attempt_of(std::uint64_t number, yonder::core::time_point since = 0, std::string worker = "host/1") {
  traced said;
  said.call = {7, number};
  said.attempt = 1;
  said.function = "shop::price";
  said.worker = std::move(worker);
  said.traceparent = given;
  said.since = since;
  said.assigned = since + 2 * millisecond;
  said.began = since + 3 * millisecond;
  said.ended = since + 10 * millisecond;
  return said;
}

struct folder {
  std::filesystem::path path;
  folder() {
    std::string name = "/tmp/yonder_traces_XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~folder() { std::filesystem::remove_all(path); }
};

json read_json(std::filesystem::path const& file) {
  std::ifstream in(file);
  return json::parse(in);
}

// Answers each request with this status, and keeps its body.
class collector {
 public:
  explicit collector(unsigned status) : status_(status) {
    thread_ = std::thread([this] { serve(); });
  }
  ~collector() {
    ending_ = true;
    boost::asio::ip::tcp::socket last(context_);
    boost::system::error_code ignored;
    last.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  collector(collector const&) = delete;
  collector& operator=(collector const&) = delete;
  std::string address() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

  std::vector<std::string> bodies{};
  std::vector<std::string> targets{};
  std::vector<std::string> keys{};
  std::atomic<int> requests{0};

 private:
  void serve() {
    namespace http = boost::beast::http;
    for (;;) {
      boost::asio::ip::tcp::socket socket(context_);
      acceptor_.accept(socket);
      if (ending_) return;
      boost::beast::flat_buffer buffer;
      http::request<http::string_body> request;
      boost::system::error_code error;
      http::read(socket, buffer, request, error);
      if (error) continue;
      bodies.push_back(request.body());
      targets.emplace_back(request.target());
      keys.emplace_back(request["api-key"]);
      ++requests;
      http::response<http::string_body> answer(http::status(status_), request.version());
      answer.body() = "{}";
      answer.prepare_payload();
      http::write(socket, answer, error);
    }
  }

  unsigned status_;
  std::atomic<bool> ending_{false};
  boost::asio::io_context context_{};
  boost::asio::ip::tcp::acceptor acceptor_{context_, {boost::asio::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

// Takes nothing before it may.
class held_poster final : public yonder::http::span_poster {
 public:
  explicit held_poster(std::counting_semaphore<>& gate, fate answer) : gate_(gate), answer_(answer) {}
  fate post(std::string const&, std::string& why) override {
    gate_.acquire();
    why = "not now";
    return answer_;
  }

 private:
  std::counting_semaphore<>& gate_;
  fate answer_;
};

}  // namespace

TEST_CASE("the spans of an attempt lie within its call's, whose id is the one that the task hands on") {
  auto said = attempt_of(1);
  auto const parts = spans_of(said);
  said.attempt = 0;
  auto const call = spans_of(said);
  REQUIRE(call.size() == 1);
  CHECK(call[0].trace == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(call[0].parent == "00f067aa0ba902b7");
  CHECK(call[0].id == yonder::core::trace_of(given, {7, 1}).span());
  REQUIRE(parts.size() == 4);
  std::map<std::string, trace_span> of;
  std::set<std::string> ids{call[0].id};
  for (auto const& one : parts) {
    of[one.name] = one;
    CHECK(one.trace == call[0].trace);
    CHECK(ids.insert(one.id).second);
  }
  CHECK(of["queue"].parent == call[0].id);
  CHECK(of["attempt 1"].parent == call[0].id);
  CHECK(of["start"].parent == of["attempt 1"].id);
  CHECK(of["run"].parent == of["attempt 1"].id);
  CHECK(of["queue"].end == of["start"].begin);
  CHECK(of["start"].end == of["run"].begin);
  CHECK(of["run"].end == of["attempt 1"].end);
}

TEST_CASE("what is sent is OTLP's JSON, whatever the names hold") {
  auto hostile = attempt_of(2);
  hostile.function = "a\"b\\c\n\x01\xff\xc3\xa4\xed\xa0\x80";
  hostile.code = yonder::errc::worker_lost;
  std::vector<traced> const all{attempt_of(1), hostile};
  auto const body = json::parse(otlp_json(all, 1'700'000'000'000'000'000, {{"service.name", "shop"}}));
  auto const& resource = body["resourceSpans"][0];
  CHECK(resource["resource"]["attributes"][0]["value"]["stringValue"] == "shop");
  auto const& spans = resource["scopeSpans"][0]["spans"];
  REQUIRE(spans.size() == 8);
  CHECK(spans[0]["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(spans[0]["spanId"].get<std::string>().size() == 16);
  CHECK(spans[0]["startTimeUnixNano"] == "1700000000000000000");
  CHECK(spans[0]["status"].empty());
  CHECK(spans[7]["status"]["code"] == 2);
  CHECK(spans[7]["status"]["message"] == "worker_lost");
  CHECK(spans[7]["attributes"][1]["value"]["stringValue"] == "a\"b\\c\n\x01?\xc3\xa4???");
}

TEST_CASE("a Chrome trace is one JSON document, in which no two runs overlap on a track") {
  folder const place;
  {
    trace_writer writer({.file = place.path / "trace.json"});
    for (std::uint64_t i = 1; i < 40; ++i)
      writer.take(attempt_of(i, static_cast<std::int64_t>(i * i % 50) * millisecond,
                             i % 3 == 0 ? "host/\"2\"" : "host/1"));
    auto call = attempt_of(1);
    call.attempt = 0;
    writer.take(std::move(call));
  }
  auto const events = read_json(place.path / "trace.json")["traceEvents"];
  std::map<int, std::vector<std::pair<double, double>>> tracks;
  std::map<std::string, int> open;
  for (auto const& one : events) {
    CHECK(one["pid"] == 1);
    if (one["ph"] == "X") tracks[one["tid"]].emplace_back(one["ts"], one["dur"]);
    if (one["ph"] == "b") ++open[one["id"]];
    if (one["ph"] == "e") --open[one["id"]];
  }
  CHECK(tracks.size() > 2);
  for (auto& one : tracks) {
    auto& runs = one.second;
    std::sort(runs.begin(), runs.end());
    for (std::size_t i = 1; i < runs.size(); ++i)
      CHECK(runs[i - 1].first + runs[i - 1].second <= runs[i].first + 0.002);
  }
  CHECK(open.size() == 39);
  for (auto const& one : open) CHECK(one.second == 0);
}

TEST_CASE("a collector that is slow holds up nobody: what there is no room for is lost, and counted") {
  std::counting_semaphore<> gate(0);
  std::vector<std::string> lines;
  trace_writer writer({.poster = std::make_unique<held_poster>(gate, held_poster::fate::refused),
                       .tell = [&](std::string const& line) { lines.push_back(line); }});
  constexpr std::uint64_t all = 3 * trace_writer::most_waiting;
  for (std::uint64_t i = 1; i <= all; ++i) writer.take(attempt_of(i));
  CHECK(writer.lost() >= trace_writer::most_waiting);
  gate.release(1'000'000);
  writer.stop();
  CHECK(writer.lost() == all);
  CHECK(writer.written() == 0);
  CHECK(lines == std::vector<std::string>{"traces are lost: not now"});
}

TEST_CASE("a hub's calls reach a collector and a file, with what their tasks call") {
  folder const place;
  std::set<std::string> names;
  {
    collector at(200);
    {
      yonder::runtime here({.max = 2,
                            .in_process = true,
                            .is_current = false,
                            .traces = {.endpoint = at.address() + "/", .file = place.path / "trace.json"}});
      CHECK(branch_task.on(here).with({.traceparent = given}).remote(1) == 2);
    }
    REQUIRE(at.requests > 0);
    std::map<std::string, std::string> parents, names_of;
    for (auto const& body : at.bodies) {
      auto const whole = json::parse(body);
      for (auto const& one : whole["resourceSpans"][0]["scopeSpans"][0]["spans"]) {
        CHECK(one["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736");
        parents[one["spanId"]] = one["parentSpanId"];
        names_of[one["spanId"]] = one["name"];
        names.insert(one["name"]);
      }
    }
    CHECK(at.targets[0] == "/v1/traces");
    std::string root, inner;
    for (auto const& [id, name] : names_of) {
      if (name == "traces_tests::branch") root = id;
      if (name == "traces_tests::leaf") inner = id;
    }
    CHECK(parents[root] == "00f067aa0ba902b7");
    CHECK(parents[inner] == root);
  }
  CHECK(names == std::set<std::string>{"traces_tests::branch", "traces_tests::leaf", "queue", "attempt 1",
                                       "start", "run"});
  CHECK(read_json(place.path / "trace.json")["traceEvents"].size() > 8);
}

TEST_CASE("a collector that is busy may be asked again, and one that refuses may not") {
  using fate = yonder::http::span_poster::fate;
  for (auto const& each : {std::pair(503U, fate::later), std::pair(400U, fate::refused)}) {
    collector at(each.first);
    auto poster =
        yonder::http::make_span_poster({.endpoint = at.address() + "/v1/traces", .named_by = "here"});
    std::string why;
    CHECK(poster->post("{}", why) == each.second);
    CHECK(why == at.address() + "/v1/traces answers " + std::to_string(each.first));
  }
}

TEST_CASE("where traces go is told by options, or by the variables of OpenTelemetry") {
  std::map<std::string, std::string> variables;
  auto const variable = [&](char const* name) { return variables[name]; };
  auto const open = [&](yonder::runtime_options const& options = {}, bool own_hub = true) {
    return open_traces(options, own_hub, &yonder::http::beast_gateway(), variable);
  };
  CHECK(open() == nullptr);
  variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1";
  CHECK(open() != nullptr);
  CHECK(open({}, false) == nullptr);  // the hub elsewhere has its own environment
  variables["OTEL_SDK_DISABLED"] = "true";
  CHECK(open() == nullptr);
  variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"}};
  CHECK_THROWS_WITH_AS(open(),
                       "bad_configuration: OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4317' is no address; "
                       "expected http://host:port, of OTLP/HTTP",
                       yonder::usage_error);
  variables.clear();
  CHECK_THROWS_AS(open({.traces = {.file = "/nowhere/trace.json"}}), yonder::usage_error);
  CHECK_THROWS_AS(open({.traces = {.endpoint = "http://127.0.0.1:1"}}, false), yonder::usage_error);

  collector at(200);
  variables = {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", at.address() + "/traces"},
               {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, other = c"},
               {"OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.name=ignored"},
               {"OTEL_SERVICE_NAME", "shop"}};
  open()->take(attempt_of(1));
  REQUIRE(at.requests == 1);
  CHECK(at.targets[0] == "/traces");
  CHECK(at.keys[0] == "a b");
  auto const attributes = json::parse(at.bodies[0])["resourceSpans"][0]["resource"]["attributes"];
  CHECK(attributes[0]["value"]["stringValue"] == "test");
  CHECK(attributes[1]["value"]["stringValue"] == "shop");
}

}  // namespace traces_tests
