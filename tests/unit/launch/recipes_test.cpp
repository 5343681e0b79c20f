// SPDX-License-Identifier: Apache-2.0
// The recipes of docs/launch_command.md, run against stand-ins that take the options which the documentation
// of these systems has, and print what it says that they print.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "src/launch/command_launcher.hpp"
#include "src/launch/plan.hpp"

namespace recipes {
namespace {

using namespace yonder;
using what = launch::launch_event::kind;

// Those of the page, by the heading above them.
std::map<std::string, std::string> blocks() {
  std::ifstream page(YONDER_RECIPES);
  REQUIRE(page);
  std::map<std::string, std::string> found;
  std::string heading;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) heading = line.substr(3);
    if (line.starts_with("    ")) found[heading] += line.substr(4) + "\n";
  }
  return found;
}

launch::command commands_of(std::string const& block) {
  auto const plan =
      launch::parse_plan("[pools.default]\nlauncher = \"command\"\nmax = 4\n" + block, "the page");
  return std::get<launch::command>(plan.pools.at(0).by);
}

struct stand_ins {
  std::filesystem::path folder;
  std::string path = ::getenv("PATH");
  std::unique_ptr<platform::poller> poller = platform::make_poller();

  stand_ins() {
    auto name = (std::filesystem::temp_directory_path() / "yonder-recipes-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    ::setenv("PATH", (name + ":" + path).c_str(), 1);
  }
  ~stand_ins() {
    ::setenv("PATH", path.c_str(), 1);
    std::filesystem::remove_all(folder);
  }
  // `d` is the folder.
  void add(std::string const& name, std::string const& does) const {
    std::ofstream(folder / name) << "#!/bin/sh\nd=" << folder.string() << "\n" << does << "\n";
    std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
  }
  launch::launch_event next(launch::launcher& by) const {
    std::vector<launch::launch_event> happened;
    by.take(happened);
    while (happened.empty()) {
      auto const due = by.next_deadline();
      poller->wait(due == launch::never ? -1 : std::max<std::int64_t>(0, due - platform::now()));
      by.tick(platform::now());
      by.take(happened);
    }
    REQUIRE(happened.size() == 1);
    return happened[0];
  }
  std::string read(std::string const& name) const {
    std::ifstream file(folder / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

launch::start_request small_request() {
  return {.start = 1,
          .name = "yonder-abc-1",
          .hub_name = "yonder-abc",
          .worker = {"true"},
          .order = {.hub = "tcp://hub:5555"}};
}

// Starts, ends by itself as its list says, and is stopped, by these commands.
void check_recipe(std::string const& heading, stand_ins const& here, std::string const& id,
                  std::string const& name = "yonder-abc-1") {
  CAPTURE(heading);
  auto how = commands_of(blocks().at(heading));
  how.list_interval = std::chrono::seconds(1);
  launch::command_launcher by(how, *here.poller);
  by.start(small_request());
  auto event = here.next(by);
  CAPTURE(event.text);
  CHECK(event.what == what::placed);
  CHECK(here.read("ran").find("--yonder-worker") == std::string::npos);  // "true" was, by the script
  CHECK(here.read("submitted") == name + "\n");
  by.stop(1);
  event = here.next(by);
  CAPTURE(event.text);
  CHECK(event.what == what::ended);
  CHECK(here.read("stopped") == id + "\n");
  by.start(small_request());
  CHECK(here.next(by).what == what::placed);
  std::ofstream(here.folder / "over");  // it is listed no longer
  event = here.next(by);
  CHECK(event.what == what::ended);
  CHECK(event.text == "it is not listed any more");
}

}  // namespace

TEST_CASE("the recipe for LSF submits, lists and ends a job") {
  stand_ins const here;
  here.add("bsub",
           R"([ "$1" = -Zs ] && [ "$2 $3" = "-o /dev/null" ] && [ "$4" = -J ] && [ "$6" = -n ] || exit 9
echo "$5" >"$d/submitted"; sh "$8" >"$d/ran" || exit 8
echo 'Job <4711> is submitted to default queue <normal>.')");
  here.add("bkill", R"(echo "$1" >"$d/stopped"; echo "Job <$1> is being terminated")");
  here.add("bjobs", R"([ "$*" = '-noheader -o jobid' ] || exit 9
[ -e "$d/over" ] || { echo 4711; exit 0; }
echo 'No unfinished job found' >&2; exit 255)");
  check_recipe("LSF", here, "4711");
}

TEST_CASE("the recipe for PBS submits, lists and ends a job") {
  stand_ins const here;
  here.add(
      "qsub",
      R"([ "$1" = -N ] && [ "$3 $4 $5 $6" = '-j oe -o /dev/null' ] && [ "$7" = -l ] && [ "$9" = -l ] || exit 9
echo "$2" >"$d/submitted"; shift 10; sh "$1" >"$d/ran" || exit 8
echo 4711.server)");
  here.add("qdel", R"(echo "$1" >"$d/stopped")");
  here.add("qselect", R"([ "$1" = -u ] || exit 9
[ -e "$d/over" ] || echo 4711.server)");
  check_recipe("PBS", here, "4711.server", "yonder");
}

TEST_CASE("every recipe of the page is one that a file may have") {
  auto const all = blocks();
  for (auto const* heading : {"A cloud (AWS)", "A cloud (Google)", "LSF", "PBS"}) {
    CAPTURE(heading);
    CHECK(launch::fault_of(commands_of(all.at(heading))).empty());
  }
}

}  // namespace recipes
