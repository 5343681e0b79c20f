// SPDX-License-Identifier: Apache-2.0
//
// The journal as its owner sees it: a folder, a thread, a descriptor.
#include "src/journal/journal.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "src/journal/folder.hpp"

namespace {

namespace journal = yonder::journal;
using journal::kind;
using yonder::core::call_id;

class temporary_folder {
 public:
  temporary_folder() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~temporary_folder() { std::filesystem::remove_all(path_); }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  std::string in(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = "/tmp/yonder_journal_XXXXXX";
};

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

TEST_CASE("two processes on one folder are refused, and so is a folder that others may write to") {
  temporary_folder const here;
  {
    opened const made(here.in("j"));
    CHECK(why_refused(here.in("j")) == journal::problem::in_use);
  }
  REQUIRE(::chmod(here.in("j").c_str(), 0770) == 0);
  CHECK(why_refused(here.in("j")) == journal::problem::unusable);
}
