// SPDX-License-Identifier: Apache-2.0
//
// The journal as its owner sees it: a folder, a thread, a descriptor.
#include "src/journal/journal.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "src/journal/folder.hpp"
#include "tests/unit/journal/folder.hpp"

namespace {

namespace journal = yonder::journal;
using journal::kind;
using journal::testing::temporary_folder;
using yonder::core::call_id;

struct visited {
  journal::record what;
  std::string body;
};

struct opened {
  std::vector<visited> found;
  journal::log log;

  explicit opened(std::string const& folder) : opened(journal::options{.folder = folder}) {}
  explicit opened(journal::options how)
      : log(std::move(how), [this](auto const& what, auto body) {
          found.push_back({what, {reinterpret_cast<char const*>(body.data()), body.size()}});
        }) {}

  std::uint64_t append(kind what, call_id call, std::uint32_t items = 1, std::string_view body = {}) {
    std::span<std::byte const> const piece = std::as_bytes(std::span(body));
    return log.append(what, call, items, {&piece, 1});
  }
  // Until that is on disk.
  void wait(std::uint64_t number) {
    log.flush();
    while (log.synced() < number && !log.failure()) {
      pollfd ready{log.descriptor(), POLLIN, 0};
      ::poll(&ready, 1, -1);
    }
  }
};

std::string text(journal::stored const& found) {
  return {reinterpret_cast<char const*>(found.body().data()), found.body().size()};
}

journal::problem why_refused(std::string const& folder) {
  try {
    opened const again(folder);
  } catch (journal::error const& why) {
    return why.why();
  }
  FAIL("it was not refused");
  return {};
}

}  // namespace

TEST_CASE("records that count with the next one are there with that, or not at all") {
  temporary_folder const here;
  {
    opened made(here.in("j"));
    auto const number = made.append(kind::call, {1, 1}, 1, "first");
    std::string_view const body = "second";
    std::span<std::byte const> const piece = std::as_bytes(std::span(body));
    made.log.append(kind::call, {1, 2}, 1, {&piece, 1}, true);
    made.wait(number);
    CHECK(made.log.synced() == number);  // the second waits for what it counts with
    made.wait(made.append(kind::ended, {1, 1}, 1, "third"));
    CHECK(made.log.synced() == number + 2);
    made.log.append(kind::call, {1, 3}, 1, {&piece, 1}, true);
  }
  opened const again(here.in("j"));
  REQUIRE(again.found.size() == 2);
  CHECK(again.found[0].body == "second");
  CHECK(again.found[1].body == "third");
}

TEST_CASE("what was synced is there when the journal is opened again") {
  temporary_folder const here;
  {
    opened made(here.in("j"));
    CHECK(made.found.empty());
    made.append(kind::call, {7, 1}, 1, "one");
    made.append(kind::call, {7, 2}, 3, "two to four");
    made.append(kind::started, {7, 1});
    made.append(kind::ended, {7, 3}, 1, "outcome");
    made.wait(4);
    CHECK(made.log.synced() == 4);
    CHECK(text(*made.log.read({7, 1})) == "one");
    CHECK(text(*made.log.read({7, 4})) == "two to four");
    CHECK(text(*made.log.read({7, 3})) == "outcome");
    CHECK_FALSE(made.log.read({7, 5}));
  }
  opened again(here.in("j"));
  REQUIRE(again.found.size() == 4);
  CHECK(again.found[0].body == "one");
  CHECK(again.found[1].body == "two to four");
  CHECK(again.found[1].what.call == call_id{7, 2});
  CHECK(again.found[1].what.items == 3);
  CHECK(again.found[2].what.what == kind::started);
  CHECK(again.found[3].body == "outcome");
  CHECK(again.append(kind::ended, {7, 1}) == 1);
}

TEST_CASE("what no longer counts does not come back") {
  temporary_folder const here;
  {
    opened made(here.in("j"));
    made.append(kind::call, {7, 1}, 1, "one");
    made.append(kind::ended, {7, 1}, 1, "value");
    made.append(kind::call, {7, 2}, 1, "two");
    made.append(kind::ended, {7, 2});
    made.append(kind::forgotten, {7, 2});
  }
  opened again(here.in("j"));
  REQUIRE(again.found.size() == 1);
  CHECK(again.found[0].what.what == kind::ended);
  CHECK(again.found[0].body == "value");
}

TEST_CASE("what was appended is written when the journal ends, flushed or not") {
  temporary_folder const here;
  {
    opened made(here.in("j"));
    made.append(kind::call, {7, 1}, 1, "one");
  }
  CHECK(opened(here.in("j")).found.size() == 1);
}

TEST_CASE("a disk that takes no more is told by its descriptor, and keeps what was synced") {
  temporary_folder const here;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  {
    opened made(here.in("j"));
    made.wait(made.append(kind::call, {7, 1}, 1, "one"));
    REQUIRE(made.log.synced() == 1);
    rlimit const little{8192, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
    made.wait(made.append(kind::call, {7, 2}, 1, std::string(20'000, 'x')));
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(made.log.synced() == 1);
    REQUIRE(made.log.failure());
    CHECK(made.log.failure()->why() == journal::problem::disk_full);
    CHECK(std::string(made.log.failure()->what()).find("make room") != std::string::npos);
    CHECK(made.log.admit(1) == journal::admission::failed);
    made.append(kind::call, {7, 3});
    made.log.flush();
    CHECK(text(*made.log.read({7, 1})) == "one");
  }
  opened again(here.in("j"));
  REQUIRE(again.found.size() == 1);
  CHECK(again.found[0].body == "one");
  again.wait(again.append(kind::call, {7, 2}, 1, "two"));
  CHECK(again.log.synced() == 1);
}

TEST_CASE("calls are admitted up to the limits, what ends them always is") {
  temporary_folder const here;
  opened made(journal::options{.folder = here.in("j"), .size_limit = 1000, .queue_limit = 500});
  CHECK(made.log.admit(200) == journal::admission::taken);
  CHECK(made.log.admit(std::uint64_t{1} << 32) == journal::admission::too_large);
  CHECK(made.log.admit(2'000) == journal::admission::over_limit);
  for (std::uint64_t i = 1; i <= 4; ++i) made.append(kind::call, {7, i}, 1, std::string(150, 'x'));
  CHECK(made.log.admit(200) != journal::admission::taken);
  made.wait(4);
  CHECK(made.log.admit(200) == journal::admission::over_limit);
  made.append(kind::ended, {7, 1});
  made.wait(made.append(kind::forgotten, {7, 1}));
  CHECK(made.log.admit(20) == journal::admission::taken);
}

TEST_CASE("results are kept for their time to live, over restarts too") {
  temporary_folder const here;
  {
    opened made(journal::options{.folder = here.in("j"), .result_ttl = std::chrono::milliseconds(0)});
    made.append(kind::call, {7, 1}, 1, "one");
    made.wait(made.append(kind::ended, {7, 1}, 1, "value"));
    auto const gone = made.log.expired();
    REQUIRE(gone.size() == 1);
    CHECK(gone[0].first == call_id{7, 1});
    CHECK_FALSE(made.log.read({7, 1}));
    made.append(kind::call, {7, 2}, 1, "two");
    made.append(kind::ended, {7, 2}, 1, "value");
  }
  {
    opened longer(here.in("j"));
    CHECK(longer.found.size() == 2);  // nobody has written that the first is forgotten: its time says it
  }
  CHECK(opened(journal::options{.folder = here.in("j"), .result_ttl = std::chrono::milliseconds(0)})
            .found.empty());
}

TEST_CASE("bodies are read by any thread while records are written, compacted and removed") {
  temporary_folder const here;
  opened made(journal::options{.folder = here.in("j"), .segment_bytes = 20'000});
  made.wait(made.append(kind::call, {9, 1}, 1, "it stays"));
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::thread reader([&] {
    while (!done) {
      auto const found = made.log.read({9, 1});
      if (!found || text(*found) != "it stays") ++wrong;
      made.log.figures();
    }
  });
  for (std::uint64_t i = 1; i <= 3'000; ++i) {
    made.append(kind::call, {7, i}, 1, std::string(100, 'x'));
    made.append(kind::ended, {7, i});
    made.append(kind::forgotten, {7, i});
    if (i % 50 == 0) made.wait(1 + 3 * i);
  }
  made.wait(9'001);
  done = true;
  reader.join();
  CHECK(wrong == 0);
  CHECK(made.log.figures().bytes < 100'000);
}

TEST_CASE("two processes on one folder are refused, and so is a folder that others may write to") {
  temporary_folder const here;
  {
    opened const made(here.in("j"));
    CHECK(why_refused(here.in("j")) == journal::problem::in_use);
  }
  REQUIRE(::chmod(here.in("j").c_str(), 0770) == 0);
  CHECK(why_refused(here.in("j")) == journal::problem::unusable);
}
