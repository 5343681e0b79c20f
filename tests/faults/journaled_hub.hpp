// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "tests/faults/machine.hpp"
#include "tests/faults/row.hpp"
#include "tests/faults/tasks.hpp"
#include "tests/support/held_port.hpp"
#include "transports/zmq/keys.hpp"

namespace faults {

inline constexpr yonder::options once{.durable = true};
inline constexpr yonder::options repeatable{.idempotent = true, .durable = true};

// A place for a hub with a journal, keys to it, and workers of it.
class journaled_site {
 public:
  journaled_site() { yonder::transport::keygen(keys()); }
  ~journaled_site() {
    for (auto& one : workers_) {
      one.kill();
      one.wait();
    }
  }
  journaled_site(journaled_site const&) = delete;
  journaled_site& operator=(journaled_site const&) = delete;

  std::string keys() const { return place_ / "keys"; }
  std::string journal() const { return place_ / "journal"; }
  std::string file(std::string const& name) const { return place_ / name; }
  std::string const& address() const { return address_; }
  void is_at(std::string const& address) { address_ = address; }

  void start_worker() {
    workers_.emplace_back(own_path(), std::vector<std::string>{"YONDER_KEYS=" + keys()},
                          std::vector<std::string>{"--yonder-worker", address_});
  }
  yonder::runtime_options client() const {
    yonder::runtime_options options;
    options.hub = address_;
    options.keys = keys();
    options.as_operator = true;
    options.connect_timeout = 60s;
    options.is_current = false;
    return options;
  }

 private:
  yonder::testing::held_port port_;
  e2e::folder place_;
  std::string address_ = port_.address();
  std::vector<e2e::program> workers_;
};

// A hub there, for as long as it lives. `fault`: of disk_shim.cpp; empty: none.
class journaled_hub {
 public:
  explicit journaled_hub(journaled_site& site, std::string const& fault = {})
      : journaled_hub(site, own_path(), environment(site, fault), {}) {}
  // By what runs it: a program with its first words.
  journaled_hub(journaled_site& site, std::string const& path, std::vector<std::string> environment,
                std::vector<std::string> words)
      : began_(clock::now()), process_(path, std::move(environment), command(site, std::move(words))) {
    do said_ = process_.read_line();
    while (said_.starts_with("yonder: "));  // what it has found in its journal
    if (serves()) site.is_at(said_);
    took_ = clock::now() - began_;
  }
  ~journaled_hub() { kill(); }
  journaled_hub(journaled_hub const&) = delete;
  journaled_hub& operator=(journaled_hub const&) = delete;

  bool serves() const { return said_.starts_with("tcp://"); }
  std::string const& said() const { return said_; }
  nanoseconds took() const { return took_; }  // until it served
  pid_t process() const { return process_.pid(); }
  void kill() {
    send_kill();
    wait();
  }
  void send_kill() { process_.kill(); }
  // In good order. True: it did.
  bool end() {
    process_.end();
    ended_ = true;
    return process_.wait().status == 0;
  }
  void wait() {
    if (!std::exchange(ended_, true)) process_.wait();
  }

 private:
  static std::vector<std::string> command(journaled_site const& site, std::vector<std::string> words) {
    for (auto const& word : {std::string("--hub"), site.keys(), site.journal(), site.address()})
      words.push_back(word);
    return words;
  }
  static std::vector<std::string> environment(journaled_site const& site, std::string const& fault) {
    if (fault.empty()) return {};
    return {"LD_PRELOAD=" YONDER_DISK_SHIM, "YONDER_DISK_FOLDER=" + site.journal(),
            "YONDER_DISK_FAULT=" + fault};
  }

  clock::time_point began_;
  e2e::program process_;
  std::string said_;
  nanoseconds took_{};
  bool ended_ = false;
};

// What calls of a row came to.
struct outcomes {
  std::uint64_t lost = 0;        // acknowledged, and without an outcome, or with another one
  std::uint64_t unknown = 0;     // that may start once only, and may have
  std::uint64_t executions = 0;  // too many
  std::string first{};

  void wrong(std::string const& what) {
    if (++lost == 1) first = what;
  }
  void tell(findings& seen) const {
    seen.equals("acknowledged lost or wrong", lost, 0);
    seen.equals("executions too many", executions, 0);
    if (!first.empty()) seen.note("first: " + first);
  }
};

}  // namespace faults
