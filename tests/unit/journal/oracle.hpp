// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "src/journal/store.hpp"

// What a journal has to know, call by call, told as plainly as can be.
namespace yonder::journal::testing {

struct said {
  kind what = kind::call;
  core::call_id call;
  std::uint32_t items = 1;
  std::string body{};
};

struct known_call {
  kind is = kind::call;   // call, started or ended
  core::call_id first{};  // of the record that counts for it
  std::uint32_t items = 0;
  std::string body{};
  std::string start{};  // what the record of its start says last
  friend bool operator==(known_call const& a, known_call const& b) {
    return std::tie(a.is, a.first, a.items, a.body, a.start) ==
           std::tie(b.is, b.first, b.items, b.body, b.start);
  }
};

class oracle {
 public:
  void apply(said const& what) {
    for (std::uint32_t i = 0; i < what.items; ++i) {
      core::call_id const call{what.call.session, what.call.number + i};
      auto const found = calls.find(call);
      switch (what.what) {
        case kind::call: calls[call] = {kind::call, what.call, what.items, what.body}; break;
        case kind::started:
          if (found == calls.end() || found->second.is == kind::ended) break;
          found->second.is = kind::started;
          found->second.start = what.body;
          break;
        case kind::ended:
          if (found == calls.end() || found->second.is != kind::ended)
            calls[call] = {kind::ended, what.call, what.items, what.body};
          break;
        case kind::forgotten: calls.erase(call); break;
      }
    }
  }
  std::uint64_t count(kind is) const {
    std::uint64_t found = 0;
    for (auto const& [call, each] : calls) found += each.is == is ? 1 : 0;
    return found;
  }
  friend bool operator==(oracle const& a, oracle const& b) { return a.calls == b.calls; }

  std::map<core::call_id, known_call> calls;
};

inline std::string text_of(std::span<std::byte const> bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

// As a batch of commit() wants them.
inline detail::byte_buffer encoded(std::vector<said> const& records, std::uint16_t schema = 1) {
  detail::byte_buffer made;
  for (auto const& each : records) {
    record what;
    what.what = each.what;
    what.call = each.call;
    what.items = each.items;
    what.size = static_cast<std::uint32_t>(each.body.size());
    what.schema = schema;
    auto const whole = size_on_disk(what.size);
    auto* const at = made.extend(whole);
    std::fill(at, at + whole, std::byte{0});
    encode(what, at);
    std::memcpy(at + record_header_size, each.body.data(), each.body.size());
  }
  return made;
}

// A journal on that disk, and what it told of itself when it was opened.
struct opened_store {
  oracle told;
  std::vector<record> records;
  store files;

  explicit opened_store(file_system& disk, settings how = {}, std::uint64_t identity = 42)
      : files(disk, how, identity, [this](record const& what, std::span<std::byte const> body) {
          records.push_back(what);
          told.apply({what.what, what.call, what.items, text_of(body)});
        }) {}

  void commit(std::vector<said> const& batch, std::int64_t now = 1'000) {
    auto bytes = encoded(batch);
    files.commit({bytes.data(), bytes.size()}, now);
  }
};

}  // namespace yonder::journal::testing
