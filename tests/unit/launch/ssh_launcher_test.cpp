// SPDX-License-Identifier: Apache-2.0
#include "src/launch/ssh_launcher.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

using namespace yonder;
using launch::launch_event;
using launch::ssh;
using what = launch_event::kind;

launch::start_request worker_with(std::uint64_t start, std::uint32_t gpus) {
  return {.start = start,
          .name = "yonder-abc-" + std::to_string(start),
          .hub_name = "yonder-abc",
          .worker = {"/opt/app", "--yonder-worker", "-"},
          .order = {.hub = "tcp://hub:5555", .token = 77, .client_secret = "the secret", .silence = 1},
          .environment = {},
          .needs = {.gpus = gpus}};
}

// An ssh whose far side runs until its stdin ends. As OpenSSH's does, that of "mute" exits with 255 when it
// is told to end.
struct stand_in_ssh {
  std::filesystem::path folder;
  std::string path_before = ::getenv("PATH");
  std::unique_ptr<platform::poller> poller = platform::make_poller();

  stand_in_ssh() {
    auto name = (std::filesystem::temp_directory_path() / "yonder-ssh-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    ::setenv("PATH", (folder.string() + ":" + path_before).c_str(), 1);
    std::ofstream(folder / "ssh") << "#!/bin/sh\ncase \"$*\" in\n"
                                     "*' down'*) echo 'ssh: connect to host down: refused' >&2; exit 255;;\n"
                                     "*' lacks '*) echo 'sh: 1: /opt/app: not found' >&2; exit 127;;\n"
                                     "*' lost '*) exit 255;;\n"
                                     "*' mute'*) printf 'no hub \\007 there\\n' >&2; trap 'exit 255' TERM; "
                                     "exec 3<&0; cat <&3 >/dev/null "
                                     "& wait $!; exit;;\n"
                                     "*' good '*) echo >"
                                  << (folder / "at").string() << ";;\nesac\nexec cat >/dev/null\n";
    std::filesystem::permissions(folder / "ssh", std::filesystem::perms::owner_all);
  }
  ~stand_in_ssh() {
    ::setenv("PATH", path_before.c_str(), 1);
    std::filesystem::remove_all(folder);
  }
  template <class Until>
  void work(launch::ssh_launcher& by, Until until) const {
    while (!until()) {
      auto const left = by.next_deadline() - platform::now();
      poller->wait(std::clamp<std::int64_t>(left, 0, 100'000'000));
      by.tick(platform::now());
    }
  }
  static launch_event said_of(launch::ssh_launcher& by) {
    std::vector<launch_event> happened;
    by.take(happened);
    REQUIRE(happened.size() == 1);
    return happened.front();
  }
};

TEST_CASE(
    "a start that waits for a GPU keeps none waiting that needs less, and a free slot is told as free") {
  stand_in_ssh site;
  launch::ssh_launcher by({.hosts = {{.name = "near", .slots = 3, .gpus = {"0"}}}}, *site.poller);
  by.start(worker_with(1, 1));
  CHECK(site.said_of(by).what == what::placed);
  by.start(worker_with(2, 1));
  auto const waits = site.said_of(by);
  CHECK(waits.what == what::held);
  CHECK(waits.text == "no host has room for it; near: its GPUs are others'");
  by.start(worker_with(3, 0));
  CHECK(site.said_of(by).what == what::placed);
  by.start(worker_with(4, 1));  // one that needs as much comes behind the other
  CHECK(site.said_of(by).what == what::held);
  by.start(worker_with(5, 0));
  CHECK(site.said_of(by).what == what::placed);
  by.start(worker_with(6, 0));
  CHECK(site.said_of(by).text == "no host has room for it; near: all of its slots (3) are taken");
  by.leave([](std::string const&) {});
}

TEST_CASE("a host that is down, or lacks the program, is left alone, and the start goes on to the next one") {
  stand_in_ssh site;
  launch::ssh_launcher by(
      {.hosts =
           {{.name = "down1"}, {.name = "down2"}, {.name = "down3"}, {.name = "lacks"}, {.name = "good"}}},
      *site.poller);
  by.start(worker_with(1, 0));
  CHECK(site.said_of(by).what == what::placed);
  site.work(by, [&] { return std::filesystem::exists(site.folder / "at"); });
  std::vector<launch_event> happened;
  by.take(happened);
  CHECK(happened.empty());  // it is placed once
  by.start(worker_with(2, 0));
  auto const waits = site.said_of(by);  // as the good one is taken
  CHECK(waits.what == what::held);
  CHECK(waits.text.find("connect to host down: refused") != std::string::npos);
  CHECK(waits.text.find("/opt/app: not found") != std::string::npos);
  by.leave([](std::string const&) {});
}

TEST_CASE("where every host has failed a start has ended, with what the last one said") {
  stand_in_ssh site;
  launch::ssh_launcher by({.hosts = {{.name = "down1"}, {.name = "lacks"}}}, *site.poller);
  by.start(worker_with(1, 0));
  CHECK(site.said_of(by).what == what::placed);
  std::vector<launch_event> happened;
  site.work(by, [&] { return by.take(happened), !happened.empty(); });
  REQUIRE(happened.size() == 1);
  CHECK(happened[0].what == what::ended);
  CHECK(happened[0].text.find("/opt/app: not found") != std::string::npos);
  by.leave([](std::string const&) {});
}

TEST_CASE("a start whose connection was cut off goes to no other host: its worker may still come") {
  stand_in_ssh site;
  launch::ssh_launcher by({.hosts = {{.name = "lost"}, {.name = "good"}}}, *site.poller);
  by.start(worker_with(1, 0));
  CHECK(site.said_of(by).what == what::placed);
  std::vector<launch_event> happened;
  site.work(by, [&] { return by.take(happened), !happened.empty(); });
  CHECK(happened[0].what == what::ended);
  by.leave([](std::string const&) {});
}

TEST_CASE("what a start says while its worker has not come is told at once, and no more afterwards") {
  stand_in_ssh site;
  launch::ssh_launcher by({.hosts = {{.name = "mute"}}}, *site.poller);
  by.start(worker_with(1, 0));
  CHECK(site.said_of(by).what == what::placed);
  std::vector<launch_event> happened;
  site.work(by, [&] { return by.take(happened), !happened.empty(); });
  REQUIRE(happened.size() == 1);
  CHECK(happened[0].what == what::waits);
  CHECK(happened[0].text == "on 'mute' it has said:\nno hub \\x07 there");
  by.served(1);
  by.leave([](std::string const&) {});
}

TEST_CASE(
    "a start that is given up leaves its slot at once, and a host on which none comes in time is left "
    "alone") {
  stand_in_ssh site;
  std::vector<launch_event> happened;
  auto const ends = [&](launch::ssh_launcher& by) {
    happened.clear();
    by.stop(1);
    auto const is_over = [](auto const& one) { return one.what == what::ended; };
    site.work(by, [&] { return by.take(happened), std::any_of(happened.begin(), happened.end(), is_over); });
  };
  auto first = worker_with(1, 0);
  first.order.silence = 3600 * launch::second;
  SUBCASE("of one host") {
    launch::ssh_launcher by({.hosts = {{.name = "mute"}}}, *site.poller);
    by.start(first);
    CHECK(site.said_of(by).what == what::placed);
    ends(by);
    by.start(worker_with(2, 0));
    CHECK(site.said_of(by).what == what::placed);
    by.leave([](std::string const&) {});
  }
  SUBCASE("of two") {
    launch::ssh_launcher by({.hosts = {{.name = "mute"}, {.name = "good"}}}, *site.poller);
    first.patience = 1;
    by.start(first);
    CHECK(site.said_of(by).what == what::placed);
    ends(by);
    by.start(worker_with(2, 0));
    CHECK(site.said_of(by).what == what::placed);
    site.work(by, [&] { return std::filesystem::exists(site.folder / "at"); });
    by.leave([](std::string const&) {});
  }
}

TEST_CASE("forwardings among ssh's options are refused, as a worker's ssh has none") {
  auto const fault = [](std::vector<std::string> options) {
    return launch::fault_of(ssh{.hosts = {{.name = "near"}}, .options = std::move(options)});
  };
  for (auto const& option : std::vector<std::vector<std::string>>{{"-R", "7777:127.0.0.1:5555"},
                                                                  {"-L7777:127.0.0.1:1"},
                                                                  {"-D", "1080"},
                                                                  {"-oRemoteForward=7 h:8"},
                                                                  {"-o", "localforward 7 h:8"}})
    CHECK_MESSAGE(fault(option).find("asks for a forwarding") != std::string::npos, option.front());
  for (char const* const option : {"-N", "-f", "-n"})
    CHECK_MESSAGE(fault({option}).find("by which no worker starts") != std::string::npos, option);
  CHECK(fault({"-p", "2222", "-J", "gate", "-F", "/home/me/.ssh/config", "-o", "LogLevel=ERROR"}).empty());
}

}  // namespace

TEST_CASE("what was carried is started where it was brought, whatever is set before its start") {
  stand_in_ssh site;
  auto const home = [&](char const* name) { return (site.folder / name).string(); };
  std::ofstream(site.folder / "ssh") << "#!/bin/sh\nfor line in \"$@\"; do :; done\n"
                                        "exec env XDG_CACHE_HOME="
                                     << home("home") << " sh -c \"$line\"\n";
  for (auto const by_line : {true, false}) {
    launch::ssh_launcher by({.hosts = {{.name = "near"}}}, *site.poller,
                            launch::carry_terms{"/usr/bin/touch"});
    auto const ran = home(by_line ? "ran 1" : "ran 2");
    auto wanted = worker_with(1, 0);
    wanted.order.hub.clear();
    wanted.worker = {"/usr/bin/touch", ran};
    auto const other = "XDG_CACHE_HOME=" + home("scratch");
    if (by_line)
      wanted.before = {"export " + other};
    else
      wanted.environment = {other};
    by.start(wanted);
    std::vector<launch_event> happened;
    site.work(by, [&] {
      by.take(happened);
      return !happened.empty() && happened.back().what == what::ended;
    });
    CHECK_MESSAGE(std::filesystem::exists(ran), happened.back().text);
    CHECK_FALSE(std::filesystem::exists(home("scratch")));
    by.leave([](std::string const&) {});
  }
}
