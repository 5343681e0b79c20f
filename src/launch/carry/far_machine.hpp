// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/launch/carry/cargo.hpp"

namespace yonder::launch {

// What a machine says of itself: what far_script(far_step::look) prints there.
struct far_machine {
  std::string cache{};    // the folder of what was carried there
  std::string trouble{};  // why it has no such folder; empty: it has
  bool runs = false;      // what lies there may be run
  std::string machine{};
  std::string libc{};  // "glibc 2.36"
  bool has_loader = false;
  std::set<std::string> cpu{};
  std::optional<std::uint64_t> free_bytes{};
  std::set<std::string> tools{};
  std::set<std::string> libstdcxx{};  // "GLIBCXX_3.4.30"
  std::string driver{};               // of NVIDIA's: "550.54.15"; empty: there is none
  enum class reach : std::uint8_t { unknown, yes, no };
  reach hub = reach::unknown;
  std::string hub_said{};
  std::set<std::string> there{};  // hashes of files that are there, whole
  bool has_all = false;           // it can be started as it is
  std::string program_trouble{};  // of far_step::installed: why the program that is there cannot be started
};

// Returns what is wrong with what was printed, before which a login may have printed what it likes; empty:
// nothing. It may hold anything.
std::string read_far_machine(std::string_view printed, far_machine& machine);

// One line of an examination.
struct finding {
  enum class verdict : std::uint8_t { fine, unknown, refused };
  std::string what;    // "glibc"
  std::string needed;  // "2.34"
  std::string found;   // "2.31"
  verdict is = verdict::fine;
  std::string to_do{};  // if it is refused
};

// What is asked of a machine besides what the program needs.
struct far_terms {
  bool gpu = false;     // a GPU is asked for
  bool carries = true;  // the program is carried there; otherwise it is there as it is
  bool hub = true;      // a hub is to be within reach
};

std::vector<finding> examine(cargo const& all, far_machine const& machine, far_terms const& terms);

// Of those that are refused, in words; empty: none is.
std::string refusal_of(std::vector<finding> const& findings);

// Of a script that starts what is carried: the folder where that is, if no cache is named among its words.
inline constexpr char carry_cache[] = "YONDER_CARRY_CACHE";

// What runs on the far side, by any POSIX shell: each a script in one line, whose words are its arguments.
enum class far_step : std::uint8_t {
  look,       // cache, loader, the hub's host and port, id, hashes
  take,       // cache, "zstd" or "tar", id; an archive on its stdin
  start,      // cache, for how many seconds to wait for it, id, loader, program, its arguments
  installed,  // loader, program: whether that is there, with its libraries
};
char const* far_script(far_step step);

// What the third exits with where what it should start is not there, or is not whole.
inline constexpr int not_whole = 94;

}  // namespace yonder::launch
