// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "src/http/compare/gpu_kernels.hpp"
#include "src/http/keys.hpp"
#include "src/http/message.hpp"
#include "src/http/metrics.hpp"
#include "src/http/service_context.hpp"
#include "src/http/target.hpp"
#include "yonder/error.hpp"

namespace {

using namespace yonder::http;
using namespace std::chrono_literals;

// A folder that goes with the test.
struct folder {
  std::filesystem::path path;
  folder() {
    std::string name = "/tmp/yonder_http_XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~folder() { std::filesystem::remove_all(path); }
};

std::filesystem::path written(folder const& in, std::string const& text, mode_t mode = 0600) {
  auto const file = in.path / "keys";
  std::ofstream(file) << text;
  ::chmod(file.c_str(), mode);
  return file;
}

std::string refusal(std::filesystem::path const& file) {
  try {
    key_file const keys(file);
    return "none";
  } catch (yonder::usage_error const& error) {
    return error.details().message;
  }
}

auto const now = std::chrono::steady_clock::now();

}  // namespace

TEST_CASE("a target is taken apart, and refused where it climbs or is broken") {
  auto const target = parse_target("/v1/tasks/a%3A%3Ab?wait=2.5&x&y=a%20b");
  REQUIRE(target);
  CHECK(target->path == std::vector<std::string>{"v1", "tasks", "a::b"});
  CHECK(target->parameter("wait") == "2.5");
  CHECK(target->parameter("x") == "");
  CHECK(target->parameter("y") == "a b");
  CHECK_FALSE(target->parameter("z"));
  for (char const* bad :
       {"", "v1", "*", "http://x/", "/a/../b", "/%2e%2e/b", "/.", "/%", "/%4", "/%zz", "/%00", "/a?b=%0"})
    CHECK_MESSAGE(!parse_target(bad), bad);
  CHECK(parse_target("HTTP://host:80/v1/tasks?x", "Host:80")->path ==
        std::vector<std::string>{"v1", "tasks"});
  CHECK(parse_target("https://host", "host")->path == std::vector<std::string>{""});
  for (char const* bad :
       {"http://other/", "http://host:81/", "http:/host/", "ftp://host/", "http://host@other/"})
    CHECK_MESSAGE(!parse_target(bad, "host"), bad);
  CHECK(parse_seconds("2.5") == 2.5);
  CHECK(parse_seconds("1e-3") == 0.001);
  for (char const* bad : {"", "-1", "nan", "inf", "1 ", "99999999999", "0x1"})
    CHECK_MESSAGE(!parse_seconds(bad), bad);
}

TEST_CASE("where no keys are, one that may do everything is made for its user alone") {
  folder const in;
  auto const file = in.path / "sub" / "http_keys";
  key_file keys(file);
  CHECK(keys.made());
  struct ::stat state {};
  REQUIRE(::stat(file.c_str(), &state) == 0);
  CHECK((state.st_mode & 0777U) == 0600);
  std::ifstream text(file);
  std::string comment, key;
  std::getline(text, comment);
  text >> key;
  CHECK(key.size() > 60);
  auto const owner = keys.find(key, now);
  REQUIRE(owner != nullptr);
  CHECK(owner->admin);
  CHECK(keys.find(key + "x", now) == nullptr);
  CHECK(keys.find("", now) == nullptr);
  CHECK_FALSE(key_file(file).made());
}

TEST_CASE("a key allows what its line says") {
  folder const in;
  key_file keys(
      written(in, "# who\n\n0123456789abcdef alice call:shout metrics\n0123456789abcdeg bob call:*\n"));
  auto const her = keys.find("0123456789abcdef", now);
  REQUIRE(her != nullptr);
  CHECK(her->name == "alice");
  CHECK(her->may_call("shout"));
  CHECK_FALSE(her->may_call("whisper"));
  CHECK(her->may_measure());
  auto const him = keys.find("0123456789abcdeg", now);
  REQUIRE(him != nullptr);
  CHECK(him->may_call("whisper"));
  CHECK_FALSE(him->may_measure());
}

TEST_CASE("a file of keys that others can read, or that is none, is refused in words") {
  folder const in;
  CHECK(refusal(written(in, "0123456789abcdef alice admin\n", 0644)).find("chmod 600") != std::string::npos);
  CHECK(refusal(written(in, "short alice admin\n")).find("line 1 has a key of fewer than 16") !=
        std::string::npos);
  CHECK(refusal(written(in, "# x\n0123456789abcdef alice\n")).find("line 2 is not KEY NAME") !=
        std::string::npos);
  CHECK(refusal(written(in, "0123456789abcdef alice fly\n")).find("allows 'fly'") != std::string::npos);
  CHECK(refusal(written(in, "# nobody\n")).find("holds no key") != std::string::npos);
  CHECK(refusal(in.path).find("is not a file") != std::string::npos);
}

TEST_CASE("a file of keys is read again when it has changed; a bad one lets nobody in") {
  folder const in;
  auto const file = written(in, "0123456789abcdef alice admin\n");
  key_file keys(file);
  CHECK(keys.find("0123456789abcdef", now) != nullptr);
  written(in, "fedcba9876543210 carol admin\n");
  CHECK(keys.find("fedcba9876543210", now + std::chrono::seconds(2)) != nullptr);
  CHECK(keys.find("0123456789abcdef", now + std::chrono::seconds(2)) == nullptr);
  ::chmod(file.c_str(), 0666);
  CHECK(keys.find("fedcba9876543210", now + std::chrono::seconds(4)) == nullptr);
}

TEST_CASE("why a file of keys lets nobody in is said once, and that it does again") {
  folder const in;
  auto const file = written(in, "0123456789abcdef alice admin\n");
  key_file keys(file);
  auto const said_while = [&](auto step) {
    auto const at = in.path / "stderr";
    int const was = ::dup(STDERR_FILENO);
    int const to = ::open(at.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ::dup2(to, STDERR_FILENO);
    step();
    ::dup2(was, STDERR_FILENO);
    ::close(was);
    ::close(to);
    std::ifstream from(at);
    return std::string((std::istreambuf_iterator<char>(from)), {});
  };
  auto const find = [&](int second) {
    return keys.find("0123456789abcdef", now + std::chrono::seconds(second));
  };
  CHECK(said_while([&] { find(2); }).empty());
  auto const said = said_while([&] {
    written(in, "0123456789abcdef alice admin\n# more\nnothing\n");
    for (int second = 4; second < 10; second += 2) CHECK(find(second) == nullptr);
  });
  CHECK(said == "yonder: no key is let in, bad_configuration: " + file.string() +
                    ": line 3 is not KEY NAME and what it allows: call:TASK, call:*, metrics or admin\n");
  auto const gone = said_while([&] {
    std::filesystem::remove(file);
    for (int second = 10; second < 14; second += 2) CHECK(find(second) == nullptr);
  });
  CHECK(gone.find("cannot be opened: No such file or directory\n") != std::string::npos);
  CHECK_FALSE(keys.is_usable(now + std::chrono::seconds(14)));
  auto const again = said_while([&] {
    written(in, "0123456789abcdef alice admin\n");
    for (int second = 16; second < 20; second += 2) CHECK(find(second) != nullptr);
  });
  CHECK(again == "yonder: the keys of " + file.string() + " are let in again\n");
}

TEST_CASE("errors have the status that says what the caller can do") {
  using yonder::errc;
  CHECK(status_of({.code = errc::unknown_function}) == 404);
  CHECK(status_of({.code = errc::worker_lost, .attempt = 1}) == 502);
  CHECK(status_of({.code = errc::disconnected, .attempt = 1}) == 502);
  CHECK(status_of({.code = errc::signature_mismatch}) == 501);
  CHECK(status_of({.code = errc::deadline_exceeded}) == 503);
  CHECK(status_of({.code = errc::deadline_exceeded, .attempt = 1}) == 504);
  CHECK(status_of({.code = errc::failed, .attempt = 1}) == 500);
  CHECK(problem(404, "x", "bad \xff text").body ==
        "{\"title\":\"Not Found\",\"status\":404,\"code\":\"x\",\"detail\":\"bad \xef\xbf\xbd text\"}");
}

TEST_CASE("a character whose bytes a call has printed at two times is told in one piece") {
  using pieces = std::vector<yonder::detail::printed_page::entry>;
  auto const texts = [](pieces const& all) {
    std::string said;
    for (auto const& one : all) said += std::to_string(one.at) + one.worker + "=" + one.text + ";";
    return said;
  };
  // U+20AC is e2 82 ac.
  pieces split{{0, "w", "a\xe2"},
               {2, "w", "\x82"},
               {3, "w",
                "\xac"
                "b"}};
  CHECK_FALSE(join_characters(split, true));
  CHECK(texts(split) ==
        "0w=a;1w=\xe2\x82\xac"
        "b;");
  pieces goes_on{{0, "w", "a\xe2\x82"}};
  auto const held = join_characters(goes_on, true);
  REQUIRE(held);
  CHECK(texts(goes_on) == "0w=a;");
  CHECK(texts({*held}) == "1w=\xe2\x82;");
  pieces then{*held, {3, "w", "\xac"}};
  CHECK_FALSE(join_characters(then, true));
  CHECK(texts(then) == "1w=\xe2\x82\xac;");
  // The end, what is lost, another worker, and what is no UTF-8, stand between.
  for (auto const& all :
       {pieces{{0, "w", "a\xe2"}}, pieces{{0, "w", "a\xe2"}, {9, "w", "\x82\xac"}},
        pieces{{0, "w", "a\xe2"}, {2, "v", "\x82\xac"}}, pieces{{0, "w", "\x82\x82\x82\x82"}}}) {
    auto told = all;
    CHECK_FALSE(join_characters(told, false));
    CHECK(texts(told) == texts(all));
  }
  pieces whole{{0, "w", "\xe2\x82\xac"}, {3, "w", "\xff"}};
  CHECK_FALSE(join_characters(whole, true));
}

TEST_CASE("a table of kernels is read behind whatever else is printed, the longest first") {
  auto const all = compare::parse_kernel_table(
      "Processing...\n\n"
      "Time (%),Total Time (ns),Instances,Avg (ns),Name\r\n"
      "10.0,1000,3,333.3,\"f<int, \"\"x\"\">(a, b)\"\r\n"
      "90.0,9000,1,9000.0,g\r\n"
      "\nanother table,5\n");
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  CHECK((*all)[0].name == "g");
  CHECK((*all)[0].seconds == doctest::Approx(9e-6));
  CHECK((*all)[1].name == "f<int, \"x\">(a, b)");
  CHECK((*all)[1].launches == 3);
  CHECK(compare::parse_kernel_table("Time (%),Total Time (ns),Instances,Name\n")->empty());
  CHECK_FALSE(compare::parse_kernel_table("Time (%),Total Time (ns),Instances,Name\n1,x,2,f\n"));
  CHECK((*compare::parse_kernel_table("Time (%),Total Time (ns),Instances,Name\n1,\"1,000\",2,f\n"))[0]
            .seconds == doctest::Approx(1e-6));
  CHECK(compare::says_no_kernels("SKIPPED: report.sqlite does not contain CUDA kernel data."));
  CHECK_FALSE(compare::says_no_kernels("Time,Calls,Name"));
  CHECK_FALSE(compare::parse_kernel_table("SKIPPED: report.sqlite does not contain CUDA kernel data."));
  CHECK_FALSE(compare::parse_kernel_table(""));
}

TEST_CASE("metrics are counted, and written as Prometheus reads them") {
  metrics numbers;
  numbers.request("/v1", 200);
  numbers.request("/v1", 200);
  numbers.call_ended("a\"b", yonder::errc{}, std::chrono::milliseconds(3));
  numbers.call_ended("a\"b", yonder::errc::timed_out, std::chrono::minutes(3));
  auto const text = numbers.text(4,
                                 {.workers = 3,
                                  .idle_workers = 1,
                                  .tasks = {{.name = "t",
                                             .pool = "p",
                                             .calls = 3,
                                             .succeeded = 1,
                                             .runs = {0, 1, 0},
                                             .frames = {2, 0, 1, 0},
                                             .calls_in_frames = 6,
                                             .batches = {0, 1, 0, 1},
                                             .calls_in_batches = 11,
                                             .argument_bytes = 640,
                                             .result_bytes = 64},
                                            {.name = "plain", .frames = {0}, .batches = {0}}},
                                  .queues = {{.task = "t", .pool = "p", .calls = 7, .oldest = 1500ms},
                                             {.task = "u", .pool = "p", .calls = 1, .oldest = 2s},
                                             {.task = "t", .pool = ""}},
                                  .pools = {{.name = "p",
                                             .needs = "",
                                             .max = 5,
                                             .workers = 3,
                                             .idle_workers = 1,
                                             .starting_workers = 4,
                                             .parked_workers = 2,
                                             .queued = 8,
                                             .gpu_memory = 30}},
                                  .gpus = {{.id = "0", .memory = 80, .leased = 30}}},
                                 true, {{.id = 7, .name = "nightly", .runs = 5, .failed = 2}});
  auto const has = [&](std::string const& line) { return text.find(line + "\n") != std::string::npos; };
  CHECK(has(R"(yonder_http_requests_total{route="/v1",status="200"} 2)"));
  CHECK(has("yonder_http_calls_running 4"));
  CHECK(has(R"(yonder_workers{state="busy"} 2)"));
  CHECK(has(R"(yonder_schedule_failures_total{schedule="nightly",id="7"} 2)"));
  CHECK(has(R"(yonder_task_calls{task="t",pool="p"} 2)"));
  CHECK(has(R"(yonder_task_calls_total{task="t",pool="p",code="ok"} 1)"));
  CHECK(has(R"(yonder_task_run_seconds_bucket{task="t",pool="p",le="1e-06"} 0)"));
  CHECK(has(R"(yonder_task_run_seconds_bucket{task="t",pool="p",le="2e-06"} 1)"));
  CHECK(has(R"(yonder_task_frame_calls_bucket{task="t",pool="p",le="1"} 2)"));
  CHECK(has(R"(yonder_task_frame_calls_bucket{task="t",pool="p",le="4"} 3)"));
  CHECK(has(R"(yonder_task_frame_calls_sum{task="t",pool="p"} 6)"));
  CHECK(has(R"(yonder_task_batch_calls_bucket{task="t",pool="p",le="4"} 1)"));
  CHECK(has(R"(yonder_task_batch_calls_bucket{task="t",pool="p",le="+Inf"} 2)"));
  CHECK(has(R"(yonder_task_batch_calls_sum{task="t",pool="p"} 11)"));
  CHECK(text.find("_calls_sum{task=\"plain\"") == text.npos);
  CHECK(has(R"(yonder_task_calls_queued{task="t",pool="p"} 7)"));
  CHECK(has(R"(yonder_task_queue_age_seconds{task="t",pool="p"} 1.5)"));
  CHECK(has(R"(yonder_task_queue_age_seconds{task="t",pool=""} 0)"));
  CHECK(has(R"(yonder_pool_queue_age_seconds{pool="p"} 2)"));
  CHECK(has(R"(yonder_pool_calls_queued{pool="p"} 8)"));
  CHECK(has(R"(yonder_pool_max_workers{pool="p"} 5)"));
  CHECK(has(R"(yonder_pool_workers{pool="p",state="busy"} 2)"));
  CHECK(has(R"(yonder_pool_workers{pool="p",state="parked"} 2)"));
  CHECK(has(R"(yonder_task_argument_bytes_total{task="t",pool="p"} 640)"));
  CHECK(has(R"(yonder_task_result_bytes_total{task="t",pool="p"} 64)"));
  CHECK(has(R"(yonder_pool_gpu_memory_leased_bytes{pool="p"} 30)"));
  CHECK(has(R"(yonder_gpu_memory_bytes{gpu="0"} 80)"));
  CHECK(has(R"(yonder_gpu_memory_leased_bytes{gpu="0"} 30)"));
  CHECK(numbers.text(0, {}, true, {}).find("yonder_gpu") == std::string::npos);  // where nothing is known
  CHECK(has(R"(yonder_http_calls_total{task="a\"b",code="ok"} 1)"));
  CHECK(has(R"(yonder_http_calls_total{task="a\"b",code="timed_out"} 1)"));
  CHECK(has(R"(yonder_http_call_duration_seconds_bucket{task="a\"b",le="0.0025"} 0)"));
  CHECK(has(R"(yonder_http_call_duration_seconds_bucket{task="a\"b",le="0.005"} 1)"));
  CHECK(has(R"(yonder_http_call_duration_seconds_bucket{task="a\"b",le="+Inf"} 2)"));
  CHECK(has(R"(yonder_http_call_duration_seconds_count{task="a\"b"} 2)"));
  CHECK(text.find("run_seconds_count{task=\"plain\"") == text.npos);  // of which nothing ran
}

TEST_CASE("a name that is no UTF-8 takes nothing from the others' metrics") {
  metrics numbers;
  auto const text = numbers.text(0,
                                 {.tasks = {{.name = "a\xff"
                                                     "b"}}},
                                 true, {{.id = 7, .name = "caf\xe9"}});
  CHECK(detail::is_utf8(text));
  CHECK(text.find("yonder_task_calls{task=\"a\xef\xbf\xbd"
                  "b\",pool=\"\"} 0\n") != text.npos);
  CHECK(text.find("{schedule=\"caf\xef\xbf\xbd\",id=\"7\"} 0\n") != text.npos);
}

TEST_CASE("of a hub elsewhere there are no metrics, and not metrics of nothing") {
  metrics numbers;
  auto const text = numbers.text(4, {.traced = 3}, false, {{.id = 7, .name = "nightly", .runs = 5}});
  for (auto const* const name : {"yonder_workers", "yonder_calls", "yonder_attempts", "yonder_task_",
                                 "yonder_pool_", "yonder_clients"})
    CHECK_MESSAGE(text.find(name) == text.npos, name);
  CHECK(text.find("yonder_http_calls_running 4\n") != text.npos);
  CHECK(text.find("yonder_traced_total 3\n") != text.npos);
  CHECK(text.find("yonder_schedule_runs_total{schedule=\"nightly\",id=\"7\"} 5\n") != text.npos);
}

TEST_CASE(
    "what a pool serves keeps its name where another pool of the task is nameless, and callers' pools are as "
    "few") {
  metrics numbers;
  yonder::runtime_snapshot seen;
  for (int i = 0; i < 150; ++i)
    seen.tasks.push_back({.name = "classify", .pool = "needs-" + std::to_string(i), .calls = 1});
  seen.tasks.push_back({.name = "classify", .pool = "gpu", .calls = 4, .calls_in_frames = 4});
  seen.queues = {{.task = "classify", .pool = "gpu", .calls = 4},
                 {.task = "classify", .pool = "needs-149", .calls = 1}};
  numbers.gather_unserved(seen);
  CHECK(seen.tasks.size() == metrics::most_unserved + 2);
  REQUIRE(seen.queues.size() == 2);
  CHECK(seen.queues[0].task == "classify");
  CHECK(seen.queues[0].calls == 4);
  CHECK(seen.queues[1].task.empty());
}

TEST_CASE("names that callers make up are one, past some of them, and keep nobody's own out") {
  metrics numbers;
  auto const made_up = [](int from, int to) {
    std::vector<yonder::task_snapshot> all;
    for (int i = from; i < to; ++i)
      all.push_back({.name = "made_up_" + std::to_string(i),
                     .calls = 2,
                     .failed = {{yonder::errc::unknown_function, 2}}});
    return all;
  };
  yonder::runtime_snapshot seen{.tasks = made_up(0, 90)};
  seen.tasks.push_back({.name = "own", .calls = 1, .succeeded = 1, .calls_in_frames = 1});
  numbers.gather_unserved(seen);
  CHECK(seen.tasks.size() == 91);
  seen.tasks = made_up(0, 300);
  seen.tasks.push_back({.name = "own", .calls = 1, .succeeded = 1, .calls_in_frames = 1});
  seen.tasks.push_back({.name = "served_now", .calls = 5, .calls_in_frames = 5});
  seen.queues = {{.task = "made_up_0", .pool = "p", .calls = 1},
                 {.task = "made_up_298", .pool = "p", .calls = 2, .oldest = 3s},
                 {.task = "made_up_299", .pool = "p", .calls = 4, .oldest = 1s}};
  numbers.gather_unserved(seen);
  REQUIRE(seen.tasks.size() == metrics::most_unserved + 3);
  CHECK(seen.tasks[0].name == "made_up_0");
  CHECK(seen.tasks[metrics::most_unserved].name == "own");
  CHECK(seen.tasks[metrics::most_unserved + 1].name == "served_now");
  auto const& others = seen.tasks.back();
  CHECK(others.name.empty());
  CHECK(others.calls == 400);
  REQUIRE(others.failed.size() == 1);
  CHECK(others.failed[0].second == 400);
  CHECK(others.ended() == 400);
  REQUIRE(seen.queues.size() == 2);
  CHECK(seen.queues[1].task.empty());
  CHECK(seen.queues[1].calls == 6);
  CHECK(seen.queues[1].oldest == 3s);
}

TEST_CASE("names of rows that are gone are others', and what has no name is one row") {
  metrics numbers;
  yonder::runtime_snapshot seen;
  for (int round = 0; round < 3; ++round) {
    seen = {};
    for (std::size_t i = 0; i < metrics::most_unserved; ++i)
      seen.tasks.push_back(
          {.name = "classify", .pool = std::to_string(round) + "-" + std::to_string(i), .calls = 1});
    numbers.gather_unserved(seen);
    CHECK(seen.tasks.size() == metrics::most_unserved);
    CHECK(seen.tasks.back().name == "classify");
  }
  // The hub has gathered some itself, which have run.
  seen.tasks.push_back({.name = {}, .calls = 5, .succeeded = 5, .calls_in_frames = 5});
  seen.tasks.push_back({.name = "one more", .calls = 2, .cancelled = 2});
  seen.queues = {{.task = "of these", .pool = "p", .calls = 3},
                 {.task = "classify", .pool = "p", .calls = 4}};
  numbers.gather_unserved(seen);
  REQUIRE(seen.tasks.size() == metrics::most_unserved + 1);
  CHECK(seen.tasks.back().name.empty());
  CHECK(seen.tasks.back().calls == 7);
  CHECK(seen.tasks.back().cancelled == 2);
  REQUIRE(seen.queues.size() == 2);
  CHECK(seen.queues[0].task == "classify");
  CHECK(seen.queues[1].task.empty());
  CHECK(seen.queues[1].calls == 3);
}
