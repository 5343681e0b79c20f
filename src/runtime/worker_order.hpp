// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/detail/export.hpp"

namespace yonder::runtime_detail {

// What a worker is told that a launcher has started: `program --yonder-worker -` reads it from its stdin. It
// holds secrets: it stands in no command line and in no variable of an environment.
struct worker_order {
  std::string hub;               // "tcp://host:port"
  std::uint64_t token = 0;       // of out::start_worker
  std::string server_public{};   // Z85: the hub's key
  std::string client_secret{};   // Z85: the worker's own
  std::int64_t silence = 0;      // nanoseconds: without a word of the hub for so long it ends
  bool ends_with_input = false;  // it ends when its stdin does, which whoever started it keeps open
  std::vector<std::string>
      end{};  // run on its machine when it has ended, however that came; none: nothing is
};

// Some lines of text, the last of which says that it is the last.
YONDER_API std::string encode_worker_order(worker_order const& order);

// Whether a text that has come so far holds all of it.
bool is_whole_order(std::string_view text) noexcept;

// Empty: `order` is what it says; otherwise what is wrong with it, which quotes nothing of it.
std::string decode_worker_order(std::string_view text, worker_order& order);

inline constexpr std::size_t max_order_size = std::size_t{64} << 10;

}  // namespace yonder::runtime_detail
