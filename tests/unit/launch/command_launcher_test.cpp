// SPDX-License-Identifier: Apache-2.0
#include "src/launch/command_launcher.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "src/launch/template_text.hpp"

namespace {

using namespace yonder;
using launch::command_launcher;
using launch::launch_event;
using what = launch_event::kind;

// A cloud of files: what is started is a file of its folder. A file "refuse" has its stops refused.
struct recording_cloud {
  std::filesystem::path folder;
  std::unique_ptr<platform::poller> poller = platform::make_poller();

  recording_cloud() {
    auto name = (std::filesystem::temp_directory_path() / "yonder-cloud-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    write("cloud", R"sh(case $1 in
  start) echo "starting $2"; cp "$3" "script.$2"; touch "at.$2"; echo "id-$2" ;;
  stop) echo "$2" >>stops; test ! -e refuse || { echo "not now" >&2; exit 4; }; rm "at.${2#id-}" ;;
  list) test ! -e eventual || { rm eventual; exit 0; }; test ! -e long || seq 100000 299999; ls | sed -n 's/^at\./id-/p'; test ! -e long || seq 300000 499999 ;;
esac)sh");
  }
  ~recording_cloud() { std::filesystem::remove_all(folder); }

  // In its folder.
  void write(std::string const& name, std::string const& does) const {
    std::ofstream(folder / name) << "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 9\n" << does << "\n";
    std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
  }
  std::string path() const { return (folder / "cloud").string(); }
  bool has(std::string const& name) const { return std::filesystem::exists(folder / name); }
  launch::command commands() const {
    return {.start = {path(), "start", "{name}", "{script}"},
            .stop = {path(), "stop", "{id}"},
            .list = {path(), "list"},
            .list_interval = std::chrono::seconds(3600)};
  }
};

launch::start_request request(std::uint64_t start) {
  return {.start = start,
          .name = "yonder-abc-" + std::to_string(start),
          .hub_name = "yonder-abc",
          .worker = {"/opt/app", "--yonder-worker", "-"},
          .order = {.hub = "tcp://hub:5555", .token = 77, .client_secret = "the secret", .silence = 1},
          .environment = {"CUDA_VISIBLE_DEVICES=0"}};
}

std::vector<launch_event> next(recording_cloud const& cloud, command_launcher& launcher) {
  std::vector<launch_event> happened;
  while (happened.empty()) {
    auto const due = launcher.next_deadline();
    cloud.poller->wait(due == launch::never ? -1 : std::max<std::int64_t>(0, due - platform::now()));
    launcher.tick(platform::now());
    launcher.take(happened);
  }
  return happened;
}

void place_two(recording_cloud const& cloud, command_launcher& launcher) {
  launcher.start(request(1));
  launcher.start(request(2));
  for (std::size_t placed = 0; placed < 2;) placed += next(cloud, launcher).size();
}

constexpr auto nobody = [](std::string const&) {};

TEST_CASE("what is started is placed, and its script starts a worker wherever it is run") {
  recording_cloud cloud;
  command_launcher launcher(cloud.commands(), *cloud.poller);
  launcher.start(request(1));
  CHECK(next(cloud, launcher).at(0).what == what::placed);
  std::ifstream script(cloud.folder / "script.yonder-abc-1");
  std::string const text(std::istreambuf_iterator<char>(script), {});
  CHECK(text.find("export CUDA_VISIBLE_DEVICES=0\nexec /opt/app --yonder-worker - <<'end of the order'\n") !=
        std::string::npos);
  CHECK(text.find("client_secret the secret\n") != std::string::npos);
  launcher.stop(1);
  auto const ended = next(cloud, launcher).at(0);
  CHECK(ended.what == what::ended);
  CHECK(ended.start == 1);
  CHECK_FALSE(cloud.has("at.yonder-abc-1"));
}

TEST_CASE("a machine is ended by its script where its worker was killed or could not be started") {
  recording_cloud cloud;
  auto wanted = request(1);
  wanted.order.end = {"touch", (cloud.folder / "ended").string()};
  auto const run = [&](std::vector<std::string> worker) {
    std::filesystem::remove(cloud.folder / "ended");
    wanted.worker = std::move(worker);
    std::ofstream(cloud.folder / "script") << launch::worker_script(wanted);
    return std::system(("sh " + (cloud.folder / "script").string() + " 2>/dev/null").c_str());
  };
  CHECK(run({"/no/such/program"}) != 0);
  CHECK(cloud.has("ended"));
  CHECK(run({"sh", "-c", "kill -KILL $$"}) != 0);
  CHECK(cloud.has("ended"));
  CHECK(run({"grep", "-q", "tcp://hub:5555"}) == 0);  // it reads its order, and has ended the machine itself
  CHECK_FALSE(cloud.has("ended"));
}

TEST_CASE("a start that fails says what was run and printed, and leaves no file") {
  recording_cloud cloud;
  command_launcher launcher({.start = {"sh", "-c", "echo no quota left >&2; echo $0; exit 2", "{script}"}},
                            *cloud.poller);
  launcher.start(request(1));
  auto const failed = next(cloud, launcher).at(0);
  CHECK(failed.what == what::failed);
  CHECK(failed.text.find("$ sh -c") == 0);
  CHECK(failed.text.find("no quota left\nexited with status 2") != std::string::npos);
  CHECK(failed.text.find("the secret") == std::string::npos);
}

TEST_CASE("what is stopped while it is being started is stopped when it has been") {
  recording_cloud cloud;
  command_launcher launcher(cloud.commands(), *cloud.poller);
  launcher.start(request(1));
  launcher.stop(1);
  CHECK(next(cloud, launcher).at(0).what == what::placed);
  CHECK(next(cloud, launcher).at(0).what == what::ended);
  CHECK_FALSE(cloud.has("at.yonder-abc-1"));
}

TEST_CASE("a stop that is refused is told, and may be tried again") {
  recording_cloud cloud;
  command_launcher launcher(cloud.commands(), *cloud.poller);
  launcher.start(request(1));
  next(cloud, launcher);
  std::ofstream(cloud.folder / "refuse");
  launcher.stop(1);
  auto const refused = next(cloud, launcher).at(0);
  CHECK(refused.what == what::stop_failed);
  CHECK(refused.text.find("not now\nexited with status 4") != std::string::npos);
  CHECK(cloud.has("at.yonder-abc-1"));
  std::filesystem::remove(cloud.folder / "refuse");
  launcher.stop(1);
  CHECK(next(cloud, launcher).at(0).what == what::ended);
}

TEST_CASE("a stop that is refused because there is nothing left is an end") {
  recording_cloud cloud;
  command_launcher launcher(cloud.commands(), *cloud.poller);
  launcher.start(request(1));
  next(cloud, launcher);
  std::filesystem::remove(cloud.folder / "at.yonder-abc-1");
  std::ofstream(cloud.folder / "refuse");
  launcher.stop(1);
  auto const ended = next(cloud, launcher).at(0);
  CHECK(ended.what == what::ended);
  CHECK(ended.text == "it is not listed any more");
}

TEST_CASE("what is not listed any more has ended, and what is being started has not") {
  recording_cloud cloud;
  auto commands = cloud.commands();
  commands.list_interval = std::chrono::seconds(1);
  command_launcher launcher(commands, *cloud.poller);
  place_two(cloud, launcher);
  std::filesystem::remove(cloud.folder / "at.yonder-abc-1");
  auto const ended = next(cloud, launcher);
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].what == what::ended);
  CHECK(ended[0].start == 1);
  CHECK(ended[0].text == "it is not listed any more");
  // It was stopped once all the same, and the other one was not.
  std::ifstream stops(cloud.folder / "stops");
  CHECK(std::string(std::istreambuf_iterator<char>(stops), {}) == "id-yonder-abc-1\n");
}

TEST_CASE("what is missing in one list, and is in the next one, has not ended") {
  recording_cloud cloud;
  auto commands = cloud.commands();
  commands.list_interval = std::chrono::seconds(1);
  command_launcher launcher(commands, *cloud.poller);
  launcher.start(request(1));
  next(cloud, launcher);
  std::ofstream(cloud.folder / "eventual");
  std::vector<launch_event> happened;
  while (cloud.has("eventual") || happened.empty()) {
    if (!cloud.has("eventual")) std::ofstream(cloud.folder / "long");  // a list further on
    cloud.poller->wait(std::clamp<std::int64_t>(launcher.next_deadline() - platform::now(), 0, 10'000'000));
    launcher.tick(platform::now());
    launcher.take(happened);
  }
  CHECK(happened.at(0).what == what::notice);
  CHECK(cloud.has("at.yonder-abc-1"));
  CHECK_FALSE(cloud.has("stops"));
  launcher.leave(nobody);
}

TEST_CASE("a list that is too long to be kept is none: nothing of it has ended") {
  recording_cloud cloud;
  auto commands = cloud.commands();
  commands.list_interval = std::chrono::seconds(1);
  command_launcher launcher(commands, *cloud.poller);
  launcher.start(request(1));
  next(cloud, launcher);
  std::ofstream(cloud.folder / "long");
  auto const told = next(cloud, launcher).at(0);
  CHECK(told.what == what::notice);
  CHECK(told.text.find("printed more than is kept") != std::string::npos);
  launcher.leave(nobody);
}

TEST_CASE("a hub that ends stops what it has started") {
  recording_cloud cloud;
  command_launcher launcher(cloud.commands(), *cloud.poller);
  launcher.start(request(1));
  next(cloud, launcher);
  launcher.start(request(2));
  launcher.leave(nobody);
  CHECK_FALSE(cloud.has("at.yonder-abc-1"));
  CHECK_FALSE(cloud.has("at.yonder-abc-2"));
}

TEST_CASE(
    "what cannot be stopped at the end is told at once and at the end, and not asked for all the time") {
  recording_cloud cloud;
  auto commands = cloud.commands();
  commands.list.clear();
  command_launcher launcher(commands, *cloud.poller, 2 * launch::second);
  launcher.start(request(1));
  next(cloud, launcher);
  std::ofstream(cloud.folder / "refuse");
  std::vector<std::string> said;
  launcher.leave([&](std::string const& line) { said.push_back(line); });
  REQUIRE(said.size() == 2);
  CHECK(said[0].starts_with("tried again for "));
  CHECK(said[1].starts_with(
      "end by hand what may go on costing: yonder-abc-1 (id id-yonder-abc-1) could not be"));
  for (auto const& line : said) CHECK(line.ends_with("stop id-yonder-abc-1\nnot now\nexited with status 4"));
  std::ifstream stops(cloud.folder / "stops");
  auto const tried = std::count(std::istreambuf_iterator<char>(stops), {}, '\n');
  CHECK(tried > 1);
  CHECK(tried < 4);
}

TEST_CASE("what is gone when a hub ends, and whose stop is refused, is no trouble where there is a list") {
  recording_cloud cloud;
  command_launcher launcher(cloud.commands(), *cloud.poller);
  launcher.start(request(1));
  next(cloud, launcher);
  std::filesystem::remove(cloud.folder / "at.yonder-abc-1");
  std::ofstream(cloud.folder / "refuse");
  std::vector<std::string> said;
  launcher.leave([&](std::string const& line) { said.push_back(line); });
  CHECK(said.empty());
  std::ifstream stops(cloud.folder / "stops");
  CHECK(std::count(std::istreambuf_iterator<char>(stops), {}, '\n') == 1);
}

TEST_CASE("a hub that ends tries each stop again whatever hangs meanwhile: another one, or the list") {
  recording_cloud cloud;
  auto commands = cloud.commands();
  cloud.write("stopper", R"sh(test "$1" != id-yonder-abc-1 || exec sleep 60
test ! -e refuse || { rm refuse; exit 4; }
rm "at.${1#id-}")sh");
  commands.stop = {(cloud.folder / "stopper").string(), "{id}"};
  commands.list = {"sleep", "60"};
  command_launcher launcher(commands, *cloud.poller, 4 * launch::second);
  place_two(cloud, launcher);
  std::ofstream(cloud.folder / "refuse");
  std::string said;
  launcher.leave([&](std::string const& line) { said = line; });
  CHECK_FALSE(cloud.has("at.yonder-abc-2"));
  CHECK(said.starts_with(
      "end by hand what may go on costing: yonder-abc-1 (id id-yonder-abc-1) could not be stopped in "
      "time: this has not ended yet: "));
}

TEST_CASE("whoever is not listed, but whose worker is connected, is left alone, and that is told") {
  recording_cloud cloud;
  auto commands = cloud.commands();
  commands.list_interval = std::chrono::seconds(1);
  command_launcher launcher(commands, *cloud.poller);
  place_two(cloud, launcher);
  launcher.served(1);
  std::filesystem::remove(cloud.folder / "at.yonder-abc-1");
  std::filesystem::remove(cloud.folder / "at.yonder-abc-2");
  auto happened = next(cloud, launcher);
  if (happened.size() == 1) happened.push_back(next(cloud, launcher).at(0));
  CHECK(happened[0].what == what::notice);
  CHECK(happened[0].text.starts_with("yonder-abc-1 (id id-yonder-abc-1) is not listed, and left alone"));
  CHECK(happened[1].what == what::ended);
  CHECK(happened[1].start == 2);
  launcher.stop(1);  // its worker is heard no more
  CHECK(next(cloud, launcher).at(0).text == "it is not listed any more");
}

TEST_CASE("an id that is empty is none") {
  recording_cloud cloud;
  launch::command const commands{
      .start = {"echo", "job=", "{script}"}, .stop = {"echo", "{id}"}, .id = "job=([0-9]*)"};
  command_launcher launcher(commands, *cloud.poller);
  launcher.start(request(1));
  CHECK(next(cloud, launcher).at(0).what == what::failed);
}

TEST_CASE("what would be run is shown without its secrets, and nothing is run") {
  recording_cloud cloud;
  command_launcher const launcher(cloud.commands(), *cloud.poller);
  auto const text = launcher.describe(request(1));
  CHECK(text.find(cloud.path() + " start yonder-abc-1 yonder-abc-1.sh\n") == 0);
  CHECK(text.find("the secret") == std::string::npos);
  CHECK(text.find("77") == std::string::npos);
  CHECK(text.find("to stop it:\n" + cloud.path() + " stop ID\n") != std::string::npos);
  CHECK_FALSE(cloud.has("at.yonder-abc-1"));
}

TEST_CASE("the id is what its pattern finds in what the start command prints") {
  recording_cloud cloud;
  launch::command const commands{.start = {"echo", "Job <1234> is submitted to queue <normal>.", "{script}"},
                                 .stop = {"sh", "-c", "echo $0 >&2; exit 1", "{id}"},
                                 .id = "Job <([0-9]+)>"};
  command_launcher launcher(commands, *cloud.poller);
  launcher.start(request(1));
  next(cloud, launcher);
  launcher.stop(1);
  CHECK(next(cloud, launcher).at(0).text.find("\n1234\n") != std::string::npos);
}

TEST_CASE("a start that prints no id fails at once, in words, and is stopped where that takes no id") {
  recording_cloud cloud;
  launch::command commands{
      .start = {"echo", "no id here", "{script}"}, .stop = {"echo", "{id}"}, .id = "Job <([0-9]+)>"};
  command_launcher launcher(commands, *cloud.poller);
  launcher.start(request(1));
  auto const failed = next(cloud, launcher).at(0);
  CHECK(failed.what == what::failed);
  CHECK(failed.text.find("$ echo 'no id here' /") == 0);
  CHECK(failed.text.ends_with(
      "\nid: 'Job <([0-9]+)>' matches nothing of what it printed, so nobody can stop what it "
      "may have started"));
  commands.stop = {cloud.path(), "stop", "{name}"};
  command_launcher by_name(commands, *cloud.poller);
  by_name.start(request(2));
  std::ofstream(cloud.folder / "at.yonder-abc-2");
  auto const events = next(cloud, by_name);
  CHECK(events.at(0).what == what::placed);
  CHECK(events.at(0).text.ends_with("matches nothing of what it printed"));
  CHECK(next(cloud, by_name).at(0).what == what::ended);
  CHECK_FALSE(cloud.has("at.yonder-abc-2"));
}

TEST_CASE("a start command that hangs is ended with its pool's patience") {
  recording_cloud cloud;
  command_launcher launcher({.start = {"sh", "-c", "echo starting; sleep 1000", "{script}"}}, *cloud.poller);
  auto hurried = request(1);
  hurried.patience = launch::second / 4;
  launcher.start(hurried);
  auto const failed = next(cloud, launcher).at(0);
  CHECK(failed.what == what::failed);
  CHECK(failed.text.ends_with("took too long, and was ended"));
}

TEST_CASE("commands that cannot be meant so are refused in words") {
  auto const fault = [](launch::command const& how) { return launch::fault_of(how); };
  CHECK(fault({.start = {"a", "{name}", "{{x}}", "--f={script}"}}).empty());
  CHECK(fault({.start = {"a", "{{script}}"}}) ==
        "start: no word of it has {script}, which starts the worker: nothing it starts could be one");
  CHECK(fault({}) == "start: there is no command");
  CHECK(fault({.start = {"{script}"}, .stop = {"b", "{script}"}}) ==
        "stop: '{script}' has {script}, which stands for nothing here; there are {name} {hub} {id}");
  CHECK(fault({.start = {"{name"}}) ==
        "start: '{name' has a { without its }; {{ is one that stands for itself");
  CHECK(fault({.start = {"a}"}}) == "start: 'a}' has a } without its {; }} is one that stands for itself");
  CHECK(fault({.start = {"{script}"}, .id = "("}).find("id: '(' is no regular expression: ") == 0);
  CHECK(fault({.start = {"{script}"}, .id = "x"}) == "id: it has not one group in parentheses");
}

}  // namespace
