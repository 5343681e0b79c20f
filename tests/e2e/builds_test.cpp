// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "src/platform/process.hpp"
#include "tests/e2e/program.hpp"
#include "tests/e2e/site.hpp"

// Two builds of one program at one hub.
namespace e2e {
namespace {

class two_builds {
 public:
  ~two_builds() {
    for (auto* const one : {&first_, &second_})
      if (*one) stop(*one, SIGKILL);
  }

  void start(int build) { worker(build) = spawn(build, {"--yonder-worker", here_.address()}); }
  // As an upgrade does.
  void stop(int build) { stop(worker(build), SIGTERM); }
  void kill(int build) { stop(worker(build), SIGKILL); }

  // What a caller of this build says.
  program ask(int build, std::vector<std::string> const& how) const {
    return program(path(build), {"YONDER_HUB=" + here_.address(), "YONDER_KEYS=" + here_.keys()}, how);
  }
  std::string answer(int build, std::vector<std::string> const& how) const {
    return ask(build, how).read_line_past_log();
  }

 private:
  using child = std::optional<yonder::platform::child_process>;

  static std::string path(int build) { return build == 1 ? YONDER_BUILD_ONE : YONDER_BUILD_TWO; }
  child& worker(int build) { return build == 1 ? first_ : second_; }
  child spawn(int build, std::vector<std::string> words) const {
    words.insert(words.begin(), path(build));
    return yonder::platform::spawn({.path = path(build),
                                    .arguments = std::move(words),
                                    .environment = {"YONDER_KEYS=" + here_.keys()},
                                    .output = -1,
                                    .inherited = {}});
  }
  static void stop(child& one, int signal) {
    one->kill(signal);
    one->wait();
    one.reset();
  }

  site here_;
  child first_, second_;
};

}  // namespace

TEST_CASE("of two builds of a program each runs its own calls, and rolling back is a call of the old one") {
  two_builds t;
  t.start(1);
  CHECK(t.answer(1, {"usual"}) == "1 ");
  t.start(2);
  CHECK(t.answer(2, {"same"}) == "2 ");
  for (auto const* const how : {"usual", "same", "service"}) {
    CHECK(t.answer(1, {how}) == "1 ");
    CHECK(t.answer(2, {how}) == "2 ");
  }
  t.stop(1);
  CHECK(t.answer(1, {"any"}) == "2 ");
  auto caller = t.ask(1, {"usual"});  // waits for a worker of its build,
  t.start(1);
  CHECK(caller.read_line_past_log() == "1 ");  // as soon as there is one
}

TEST_CASE("a call is refused in words where the only workers are another build of its program") {
  two_builds t;
  t.start(2);
  CHECK(t.answer(1, {"any", "once"}) == "2 ");
  auto const refused = t.ask(1, {"usual", "once"}).read_all();  // also that it waits
  CHECK(refused.find("unsatisfiable: ") != std::string::npos);
  CHECK(refused.find("no worker that has \"e2e.which\" is of build ") != std::string::npos);
  CHECK(refused.find("those that have it are of build ") != std::string::npos);
  CHECK(refused.find(" of 'e2e_build': start workers of that build, or let the call say .build = ") !=
        std::string::npos);
}

}  // namespace e2e
