// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "tests/e2e/ssh_site.hpp"

// Programs that are carried to where they are not: by a real sshd, to a machine that has neither the program
// nor libzmq. That is a mount namespace, which only root may make.
namespace e2e {
namespace {

namespace fs = std::filesystem;

bool has_far_root() {
  return has_sshd() && ::geteuid() == 0 && std::system("unshare --mount true 2>/dev/null") == 0;
}

// A folder that is there before whoever is told of it.
struct far_root {
  folder at;

  std::string enter() const { return at / "enter"; }
  std::string cache() const { return at / "home/yonder"; }

  // `more`: commands, in that namespace.
  explicit far_root(std::string const& more = {}) {
    fs::create_directory(at / "home");
    auto const build = fs::path(YONDER_LAUNCHING_HUB).parent_path().string();
    write(enter(),
          "#!/bin/sh\nset -e\necho >>" + at / "connections" + "\nmount -t tmpfs none '" + build + "'\n" +
              "for file in /usr/lib/*/libzmq.so.5; do mount --bind /dev/null \"$file\"; done\n" + more +
              "exec \"$@\"\n",
          0700);
  }
};

struct carry_site : far_root, ssh_site {
  explicit carry_site(std::string const& more = {})
      : far_root(more),
        ssh_site("unshare --mount " + far_root::enter() + " ",
                 "SetEnv XDG_CACHE_HOME=" + far_root::at / "home" + "\n") {}

  program hub(std::vector<std::string> const& arguments,
              std::string const& more = "carry = true\nmax = 1\n") const {
    return ssh_site::hub(plan(more), arguments);
  }
  std::size_t connections() const {
    std::ifstream file(far_root::at / "connections");
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) ++count;
    return count;
  }
  fs::path carried(std::string const& name) const {
    for (auto const& one : fs::directory_iterator(cache() + "/programs"))
      if (fs::exists(one.path() / name)) return one.path() / name;
    return {};
  }
};

std::string const program_name = fs::path(YONDER_LAUNCHING_HUB).filename().string();

TEST_CASE("a program is carried to a host that has neither it nor its libraries, and once" *
          doctest::skip(!has_far_root())) {
  carry_site site;
  auto hub = site.hub({"once"});
  auto const line = hub.read_line_past_log();
  REQUIRE_MESSAGE(line.starts_with("ran in "), line << "\n" << hub.read_all());
  hub.read_all();
  CHECK(hub.wait().status == 0);
  CHECK(site.connections() == 3);  // it is looked at, is sent what is missing, and the worker is started
  CHECK(fs::exists(site.carried("libzmq.so.5")));
  CHECK(fs::hard_link_count(site.carried(program_name)) == 2);
  for (auto const& one : fs::directory_iterator(site.cache()))
    CHECK_FALSE(one.path().filename().string().starts_with("incoming"));

  auto again = site.hub({"once"});
  CHECK(again.read_line_past_log().starts_with("ran in "));
  again.read_all();
  CHECK(site.connections() == 5);  // nothing was sent

  fs::resize_file(site.carried(program_name), 100'000);  // a disk that was full, say
  auto once_more = site.hub({"once"});
  auto const said = once_more.read_all();
  CHECK_MESSAGE(said.find("ran in ") != std::string::npos, said);
  CHECK(fs::file_size(site.carried(program_name)) == fs::file_size(YONDER_LAUNCHING_HUB));
}

TEST_CASE("without carrying it a host that has no program says so" * doctest::skip(!has_far_root())) {
  carry_site site;
  auto hub = site.hub({"once"}, "");
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("exited with status 127") != std::string::npos, said);
}

TEST_CASE("a host with an older glibc is refused in words before anything is sent" *
          doctest::skip(!has_far_root())) {
  folder tools;
  write(tools / "getconf", "#!/bin/sh\necho glibc 2.17\n", 0755);
  carry_site site("mount --bind " + tools / "getconf" + " /usr/bin/getconf\n");
  auto hub = site.hub({"once"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("worker_start_failed: no worker could be started") != std::string::npos, said);
  CHECK(said.find("the program cannot be started on 'near':\nglibc: needed 2.") != std::string::npos);
  CHECK(said.find(", found 2.17: build on a system as old as that one") != std::string::npos);
  CHECK(fs::is_empty(site.cache() + "/files"));
  CHECK(said.find("sha256sum -c") == std::string::npos);  // scripts are not for people
}

#if defined(YONDER_STATIC_HUB)
TEST_CASE("a static build runs on a host with an older glibc and no libstdc++" *
          doctest::skip(!has_far_root())) {
  folder tools;
  write(tools / "getconf", "#!/bin/sh\necho glibc 2.17\n", 0755);
  carry_site site(
      "mount --bind " + tools / "getconf" +
      " /usr/bin/getconf\nfor file in /usr/lib/*/libstdc++.so.6; do mount --bind /dev/null $file; done\n");
  auto hub =
      site.hub({"once"}, "carry = true\nmax = 1\nworker = [\"" + std::string(YONDER_STATIC_HUB) + "\"]\n");
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("ran in ") != std::string::npos, said);
  CHECK(std::distance(fs::directory_iterator(site.cache() + "/files"), {}) == 1);
}
#endif

#if defined(YONDER_COMMAND)
TEST_CASE("the doctor's table says which versions a host lacks, and what to do" *
          doctest::skip(!has_far_root())) {
  folder tools;
  write(tools / "getconf", "#!/bin/sh\necho glibc 2.17\n", 0755);
  std::ofstream(tools / "libstdc++.so.6") << std::string("GLIBCXX_3.4\0GLIBCXX_3.4.20\0", 27);
  carry_site site("mount --bind " + tools / "getconf" + " /usr/bin/getconf\n" +
                  "for file in /usr/lib/*/libstdc++.so.6; do mount --bind " + tools / "libstdc++.so.6" +
                  " $file; done\n");
  std::vector<std::string> const words{"doctor",    "near",
                                       "--ssh=-F",  "--ssh=" + site.ssh_site::at / "ssh_config",
                                       "--program", YONDER_LAUNCHING_HUB};
  program doctor(YONDER_COMMAND, {}, words);
  auto const said = doctor.read_all();
  CHECK_MESSAGE(said.find("\nWhat to do:\n  glibc: build on a system as old") != std::string::npos, said);
  CHECK(said.find("2.17") != std::string::npos);
  CHECK(said.find("it travels") != std::string::npos);
  CHECK(doctor.wait().status == 1);

  auto installed = words;
  installed.insert(installed.end(), {"--installed", "--json"});
  program other(YONDER_COMMAND, {}, installed);
  auto const json = other.read_all();
  CHECK_MESSAGE(json.find("\"found\": \"GLIBCXX_3.4.20\", \"verdict\": \"no\"") != std::string::npos, json);
  CHECK(json.find("have it carried (carry = true)") != std::string::npos);
  CHECK(other.wait().status == 1);
}
#endif

TEST_CASE("a host whose disk is full is refused in words, and what was cut off is not there" *
          doctest::skip(!has_far_root())) {
  folder disk;
  carry_site site("mount -t tmpfs -o size=1m none " + disk / "" + "\n");
  auto hub = site.hub({"once"}, "carry = true\ncache = \"" + disk / "cache" + "\"\n");
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("room: needed ") != std::string::npos, said);
  CHECK(said.find(", found 1 MiB: make room in " + disk / "cache") != std::string::npos);
}

}  // namespace
}  // namespace e2e
