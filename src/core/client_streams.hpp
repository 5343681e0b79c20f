// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub_session.hpp"
#include "src/core/streams.hpp"

#include <string>
#include <unordered_map>

namespace yonder::core {

struct pending;

// What a client's calls stream: out of their tasks, and into them. By the numbers of the calls.
class client_streams {
 public:
  client_streams(std::uint64_t session, hub_session& hub) : session_(session), hub_(hub) {}

  // The call reads a stream.
  void begin(std::uint64_t number, std::uint64_t cookie, stream_terms const& terms);
  // The call may be fed by its caller.
  void begin_feed(std::uint64_t number, std::uint64_t cookie);
  // It has ended.
  void forget(std::uint64_t number) {
    if (!all_.empty()) all_.erase(number);
  }

  // Takes stream_items and stream_credit.
  void take(frame&& message, outputs& out);
  // How far the task of the call is; null: that has ended.
  void take_progress(frame const& message, pending const* call, outputs& out);
  // Whether the call's result says what it may: of a stream, with as many items as have come.
  bool ends(frame const& result) const;

  // `given`: the call is on its way to the hub; else its level is told with it.
  void allow(time_point now, std::uint64_t number, stream_level const& level, bool given, outputs& out);
  // Of a call that is on its way. False: that is more than its task takes, or, with `excess` in words, than
  // the hub can receive.
  bool feed(time_point now, std::uint64_t number, std::span<std::uint32_t const> sizes,
            std::span<std::byte const> values, std::vector<buffer>&& buffers, std::string& excess,
            outputs& out);
  bool end_feed(time_point now, std::uint64_t number, outputs& out);

  // The session is over. Whether the call may be made again in the next one, though it was sent.
  bool may_repeat(std::uint64_t number, bool idempotent) const;
  // The call as it is made then: what was received is not sent again.
  frame_ref again(std::uint64_t number, frame_ref message, outputs& out);

 private:
  struct stream {
    std::uint64_t cookie = 0;
    bool reads = false;
    stream_account output;
    stream_account input;
    bool fed = false;
  };

  stream* find(std::uint64_t number) {
    auto const found = all_.find(number);
    return found == all_.end() ? nullptr : &found->second;
  }
  void say(time_point now, std::uint64_t number, frame&& message, outputs& out);
  void take_items(stream& one, frame&& message, outputs& out);

  std::uint64_t session_;
  hub_session& hub_;
  std::unordered_map<std::uint64_t, stream> all_;
};

}  // namespace yonder::core
