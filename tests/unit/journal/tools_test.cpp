// SPDX-License-Identifier: Apache-2.0
//
// yonder journal check, compact and export.
#include "src/journal/tools.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "src/journal/folder.hpp"
#include "src/journal/journal.hpp"
#include "tests/unit/journal/folder.hpp"
#include "tests/unit/journal/oracle.hpp"

namespace {

using namespace yonder::journal;
using namespace yonder::journal::testing;

std::string const first_segment = "/0000000001.segment";

// A journal of three calls, one of which has ended.
std::string made_in(temporary_folder const& here) {
  auto folder = here.in("j");
  auto const disk = open_folder(folder, true);
  opened_store made(*disk, {.segment_bytes = 300});
  made.commit({{kind::call, {7, 1}, 1, "one"}, {kind::call, {7, 2}, 1, "two"}});
  made.commit({{kind::call, {7, 3}, 1, "three"}, {kind::ended, {7, 1}, 1, "value"}});
  made.commit({{kind::started, {7, 3}, 1, {}}});
  made.files.sign();
  return folder;
}

void flip(std::string const& file, std::streamoff at) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(at);
  auto const byte = static_cast<char>(bytes.get() ^ 1);
  bytes.seekp(at);
  bytes.put(byte);
}

std::vector<std::string> exported(std::string const& folder, std::optional<error>& why) {
  std::vector<std::string> bodies;
  why = export_records(folder, [&](record const&, auto body) { bodies.push_back(testing::text_of(body)); });
  return bodies;
}

}  // namespace

TEST_CASE("check says what is in a journal and changes nothing") {
  temporary_folder const here;
  auto const folder = made_in(here);
  auto const found = check(folder);
  CHECK(found.records == 5);
  CHECK(found.queued == 1);
  CHECK(found.started == 1);
  CHECK(found.ended == 1);
  CHECK(found.notes.empty());
  flip(folder + first_segment, 150);
  CHECK_THROWS_AS(check(folder), error);
  CHECK_THROWS_AS(check(here.in("nothing")), error);
}

TEST_CASE("compact leaves what counts") {
  temporary_folder const here;
  auto const folder = made_in(here);
  auto const done = compact(folder);
  CHECK(done.after < done.before);
  auto const found = check(folder);
  CHECK(found.queued == 1);
  CHECK(found.started == 1);
  CHECK(found.ended == 1);
}

TEST_CASE("a backup is the journal, on disk, in a folder that was not there") {
  temporary_folder const here;
  auto const folder = made_in(here);
  std::optional<error> why;
  auto const records = exported(folder, why);
  {
    auto const hub = open_folder(folder, true);  // has it open
    auto const made = backup(folder, here.in("copy"));
    CHECK(made.records == 5);
    CHECK(made.queued == 1);
    CHECK(made.started == 1);
    CHECK(made.ended == 1);
  }
  CHECK(check(here.in("copy")).records == 5);
  CHECK(exported(here.in("copy"), why) == records);
  CHECK_THROWS_AS(backup(folder, here.in("copy")), error);
  CHECK_THROWS_AS(backup(here.in("nothing"), here.in("other")), error);
  flip(folder + first_segment, 150);
  CHECK_THROWS_AS(backup(folder, here.in("damaged")), error);
  CHECK_FALSE(std::filesystem::exists(here.in("damaged") + "/witness"));
  CHECK_FALSE(std::filesystem::exists(here.in("damaged") + first_segment));
}

namespace {

// Takes calls, of which it forgets all but each eighth, in files that are soon full.
class busy_log {
 public:
  explicit busy_log(std::string const& folder)
      : log_({.folder = folder, .segment_bytes = 4096}, [](auto const&, auto) {}),
        thread_([this] { write(); }) {}
  ~busy_log() {
    over_ = true;
    thread_.join();
  }
  busy_log(busy_log const&) = delete;
  busy_log& operator=(busy_log const&) = delete;

  std::uint64_t on_disk() const { return on_disk_; }

 private:
  void write() {
    for (std::uint64_t call = 1; !over_ && !log_.failure(); ++call) {
      append(kind::call, call, std::string(100, 'x'));
      if (call % 8 == 0) continue;
      append(kind::ended, call, "value");
      auto const number = append(kind::forgotten, call, {});
      if (call % 8 != 7) continue;
      log_.flush();
      while (log_.synced() < number && !log_.failure()) {
        pollfd ready{log_.descriptor(), POLLIN, 0};
        ::poll(&ready, 1, -1);
      }
      on_disk_ = call;
    }
  }
  std::uint64_t append(kind what, std::uint64_t call, std::string_view body) {
    auto const piece = std::as_bytes(std::span(body));
    return log_.append(what, {1, call}, 1, {&piece, 1});
  }

  yonder::journal::log log_;
  std::atomic<std::uint64_t> on_disk_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("a backup of a journal that is written and compacted has what was on disk when it began") {
  temporary_folder const here;
  busy_log const busy(here.in("j"));
  std::uint64_t segments = 0;
  for (int round = 0; round < 10 || busy.on_disk() < 1'000; ++round) {
    auto const before = busy.on_disk();
    auto const to = here.in("copy" + std::to_string(round));
    segments = backup(here.in("j"), to).segments;
    std::set<std::uint64_t> waiting;
    {
      yonder::journal::log const copy({.folder = to}, [&](record const& one, auto) {
        if (one.what == kind::call) waiting.insert(one.call.number);
      });
    }
    for (std::uint64_t call = 1; call <= before; ++call) CHECK((call % 8 == 0) == (waiting.count(call) != 0));
    std::filesystem::remove_all(to);
  }
  CHECK(segments > 1);
  CHECK(std::filesystem::exists(here.in("j") + first_segment) == false);  // it was compacted meanwhile
}

TEST_CASE("export tells what counts, of a damaged journal what still reads") {
  temporary_folder const here;
  auto const folder = made_in(here);
  std::optional<error> why;
  CHECK(exported(folder, why) == std::vector<std::string>{"two", "three", "value", ""});
  CHECK_FALSE(why);
  flip(folder + first_segment,
       segment_header_size + record_header_size + 8 + record_header_size + 1);  // "two"
  CHECK(exported(folder, why) == std::vector<std::string>{"three", "value", ""});
  REQUIRE(why);
  CHECK(why->why() == problem::damaged);
  std::filesystem::remove(folder + "/witness");
  flip(folder + first_segment, 20);
  CHECK(exported(folder, why) == std::vector<std::string>{"three", "value", ""});
  CHECK(why);
}

#ifdef YONDER_COMMAND
namespace {

struct answer {
  int code = 0;
  std::string text{};
};

answer run(std::string const& arguments) {
  std::unique_ptr<FILE, int (*)(FILE*)> output(
      ::popen((YONDER_COMMAND " journal " + arguments + " 2>&1").c_str(), "r"), &::pclose);
  answer made;
  char part[512];
  while (auto const count = ::fread(part, 1, sizeof part, output.get())) made.text.append(part, count);
  made.code = WEXITSTATUS(::pclose(output.release()));
  return made;
}

}  // namespace

TEST_CASE("the command's exit codes say what was found") {
  temporary_folder const here;
  auto const folder = made_in(here);
  auto const whole = run("check " + folder);
  CHECK(whole.code == 0);
  CHECK(whole.text.find("1 calls wait, 1 were started, 1 outcomes are kept") != std::string::npos);
  auto const json = run("export --json " + folder);
  CHECK(json.code == 0);
  CHECK(
      json.text.find(
          R"({"record": 2, "kind": "call", "call": "00000000000000070000000000000002", "items": 1, "time_ms": 1000, "schema": 1, "body": "dHdv"})") ==
      0);
  CHECK(json.text.find(R"("body": "dGhyZWU="})") != std::string::npos);
  CHECK(json.text.find(R"("kind": "started")") != std::string::npos);
  CHECK(run("compact " + folder).code == 0);
  {
    auto const other = open_folder(folder, true);
    auto const used = run("check " + folder);
    CHECK(used.code == 8);
    CHECK(used.text.find("in use by process " + std::to_string(::getpid())) != std::string::npos);
    auto const copied = run("backup " + folder + " " + here.in("copy"));
    CHECK(copied.code == 0);
    CHECK(copied.text.find("1 calls wait, 1 were started, 1 outcomes are kept") != std::string::npos);
    CHECK(run("backup " + folder + " " + here.in("copy")).code == 1);
  }
  CHECK(run("check " + here.in("nothing")).code == 1);
  auto const newest = folder + "/0000000003.segment";
  flip(newest, static_cast<std::streamoff>(std::filesystem::file_size(newest)) - 5);
  auto const damaged = run("check " + folder);
  CHECK(damaged.code == 6);
  CHECK(damaged.text.find("damaged at byte") != std::string::npos);
  CHECK(run("export " + folder).code == 6);
  CHECK(run("compact " + folder).code == 6);
}
#endif
