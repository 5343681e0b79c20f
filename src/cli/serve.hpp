// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace yonder::cli {

struct hub_order {
  std::vector<std::string> addresses{};                  // none: tcp://*:5555
  std::string keys{};                                    // empty: as keys_folder()
  std::string journal{};                                 // a folder; empty: none
  std::string http{};                                    // where its metrics and its page are; empty: nowhere
  std::optional<std::chrono::nanoseconds> result_ttl{};  // as runtime_options has it
  std::optional<std::chrono::nanoseconds> drain_timeout{};  // likewise
  std::optional<std::size_t> max_journal_bytes{};           // likewise
  bool json = false;
};

// Runs a hub until SIGTERM, SIGINT or, unless it is ignored, SIGHUP, and lets it end in good order. Prints
// its addresses, one a line, and where it has just made its keys, or somebody reads along, what to paste on
// other machines. Returns the exit code.
int serve_hub(hub_order const& order);

// Becomes a worker of the hub at `endpoint` whose tasks are those of these libraries. Returns where that
// cannot be: the exit code.
int become_worker(std::string const& endpoint, std::vector<std::string> const& libraries);

// This process is that worker.
[[noreturn]] void work(int argc, char** argv);

}  // namespace yonder::cli
