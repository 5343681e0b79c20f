// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "transports/zmq/keys.hpp"

namespace e2e {

inline constexpr char sshd_path[] = "/usr/sbin/sshd";
inline bool has_sshd() { return ::access(sshd_path, X_OK) == 0; }

inline void write(std::filesystem::path const& file, std::string const& text, mode_t mode = 0600) {
  std::ofstream(file) << text;
  ::chmod(file.c_str(), mode);
}

// What a hub needs, and a line of what it starts is.
struct launching_site {
  folder at;

  launching_site() { yonder::transport::keygen(at / "keys"); }

  program hub(std::string const& plan, std::vector<std::string> const& arguments) const {
    write(at / "launch.toml", plan);
    return program(YONDER_LAUNCHING_HUB,
                   {"YONDER_LAUNCH=" + at / "launch.toml", "YONDER_KEYS=" + at / "keys"}, arguments);
  }
};

// A machine that ssh reaches as "near": its sshd is started for each connection, and needs no port.
// `entrance`: in front of sshd's command line; `settings`: more of its settings.
struct ssh_site : launching_site {
  explicit ssh_site(std::string const& entrance = {}, std::string const& settings = {}) {
    auto const run = [](std::string const& command) { REQUIRE(std::system(command.c_str()) == 0); };
    for (auto const* const key : {"host", "user"}) run("ssh-keygen -q -t ed25519 -N '' -f " + at / key);
    run("cp " + at / "user.pub" + " " + at / "authorized");
    if (::geteuid() == 0) ::mkdir("/run/sshd", 0755);  // that of root wants it
    write(at / "sshd_config",
          "HostKey " + at / "host" + "\nAuthorizedKeysFile " + at / "authorized" +
              "\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n" + settings);
    write(at / "ssh_config", "Host near\n  HostKeyAlias near\n  User " +
                                 std::string(::getpwuid(::geteuid())->pw_name) + "\n  IdentityFile " +
                                 at / "user" + "\n  IdentitiesOnly yes\n  UserKnownHostsFile " +
                                 at / "known" + "\n  ProxyCommand " + entrance + sshd_path + " -i -f " +
                                 at / "sshd_config" + "\n");
    know("host");
  }
  // As of which machine the far side is known.
  void know(std::string const& key) const {
    std::ifstream file(at / (key + ".pub"));
    std::string line;
    std::getline(file, line);
    write(at / "known", "near " + line + "\n");
  }
  std::string plan(std::string const& more = "") const {
    return "[pools.default]\nlauncher = \"ssh\"\noptions = [\"-F\", \"" + at / "ssh_config" +
           "\"]\nhosts = [{name = \"near\", slots = 2}]\n" + more;
  }
};

}  // namespace e2e
