// SPDX-License-Identifier: Apache-2.0
// Hostile frames against the header decoder, every metadata reader and the three cores. The input is a row of
// frames: one byte that says to whom and how much time passes, u16 size of the body, a header without magic
// and checksum, body. The checksum is made right, so that what follows it is reached; the bytes as they are
// go to the decoder too.
#include "src/core/call_orders.hpp"
#include "src/core/client.hpp"
#include "src/core/hub.hpp"
#include "src/core/little_endian.hpp"
#include "src/core/metadata.hpp"
#include "src/core/streams.hpp"
#include "src/core/worker.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

using namespace yonder::core;

namespace {

constexpr peer_id peer_of_client = 1;
constexpr peer_id peer_of_worker = 2;
constexpr peer_id strangers_peer = 3;
constexpr std::size_t small_header = 56;

class target {
 public:
  explicit target(bool reliable)
      : hub_({}, now_),
        client_([] {
          client_config config;
          config.session = 7;
          return config;
        }()),
        worker_(
            [] {
              worker_config config;
              config.session = 8;
              config.functions = {{"f", 1, ""}};
              return config;
            }(),
            now_) {
    for (auto const peer : {peer_of_client, peer_of_worker, strangers_peer})
      hub_.connected(now_, peer, {reliable, 0}, out_);
    out_.clear();
    client_.connected(now_, peer_of_client, reliable, out_);
    carry_to_hub();
    worker_.connected(now_, peer_of_worker, reliable, out_);
    carry_to_hub();
    call_spec spec;
    spec.function = "f";
    spec.signature = 1;
    byte_buffer body;
    begin_call(body, "f", {});
    spec.stream = stream_terms{{4, 400}, {}};
    spec.feeds = true;
    write_stream(body, *spec.stream);
    spec.message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    spec.message.body = std::move(body);
    client_.submit(now_, std::move(spec), out_);
    carry_to_hub();
  }

  void feed(std::uint8_t control, frame message) {
    now_ += duration{1} << (control >> 3);
    switch (control & 7) {
      case 0: hub_.receive(now_, peer_of_client, std::move(message), out_); break;
      case 1: hub_.receive(now_, peer_of_worker, std::move(message), out_); break;
      case 2: hub_.receive(now_, strangers_peer, std::move(message), out_); break;
      case 3: client_.receive(now_, peer_of_client, std::move(message), out_); break;
      case 4: worker_.receive(now_, peer_of_worker, std::move(message), out_); break;
      case 5: hub_.tick(now_, out_); break;
      case 6: client_.tick(now_, out_); break;
      default: worker_.tick(now_, out_);
    }
    out_.clear();
  }

  std::uint32_t epoch() const { return epoch_; }

 private:
  // Hello, welcome and the first call, as honest ends would do it.
  void carry_to_hub() {
    auto const sent = std::exchange(out_, outputs());
    for (auto const& one : sent) {
      auto const* const send = std::get_if<out::send>(&one);
      if (send != nullptr) hub_.receive(now_, send->peer, copy_of(send->message()), out_);
    }
    auto const answers = std::exchange(out_, outputs());
    for (auto const& one : answers) {
      auto const* const send = std::get_if<out::send>(&one);
      if (send == nullptr) continue;
      epoch_ = send->head.epoch;
      if (send->peer == peer_of_client) client_.receive(now_, send->peer, copy_of(send->message()), out_);
      if (send->peer == peer_of_worker) worker_.receive(now_, send->peer, copy_of(send->message()), out_);
    }
    out_.clear();
  }

  static frame copy_of(frame const& message) {
    return {message.head, byte_buffer::copy_of(message.body), {}};
  }

  time_point now_ = second;
  outputs out_;
  std::uint32_t epoch_ = 0;
  hub hub_;
  client client_;
  worker worker_;
};

frame read_frame(std::span<std::byte const> head, std::span<std::byte const> body, std::uint32_t epoch) {
  header made;
  made.type = static_cast<frame_type>(1 + std::to_integer<int>(head[0]) % static_cast<int>(last_frame_type));
  made.flags = std::to_integer<std::uint8_t>(head[1]);
  made.call = {load_le<std::uint64_t>(head.data() + 2), load_le<std::uint64_t>(head.data() + 10)};
  made.attempt = load_le<std::uint32_t>(head.data() + 18);
  made.epoch = epoch - std::to_integer<std::uint32_t>(head[22]) % 4;
  made.signature = load_le<std::uint64_t>(head.data() + 23);
  made.remaining_us = load_le<std::uint64_t>(head.data() + 31);
  made.sequence = load_le<std::uint32_t>(head.data() + 39);
  made.metadata_size =
      static_cast<std::uint32_t>(load_le<std::uint16_t>(head.data() + 43) % (body.size() + 1));
  byte_buffer wire;
  auto const encoded = encode_header(made, body.first(made.metadata_size));
  wire.append(encoded.data(), encoded.size());
  wire.append(body.data(), body.size());
  frame message;
  if (decode_header(wire, message.head) != frame_fault::none) std::abort();
  message.body = byte_buffer::copy_of(body);
  return message;
}

void read_everything(frame const& message) {
  call_message call;
  hello_message hello;
  welcome_message welcome;
  bye_message bye;
  credit_window credit;
  std::string_view notice;
  transfer_message transfer;
  failure error;
  std::span<std::byte const> bitmap;
  stream_level level;
  stream_frame items;
  read_call(message.metadata(), call);
  read_hello(message, hello);
  read_welcome(message, welcome);
  read_bye(message, bye);
  read_credit(message, credit);
  read_notice(message, notice);
  read_transfer(message, transfer);
  read_error(message, error);
  read_received(message, bitmap);
  read_stream_credit(message, level);
  read_stream_items(message, items);
  std::uint64_t skipped = 0;
  read_printed(message, skipped);
  log_order asked;
  if (decode_log_order(message.payload(), asked)) (void)encode_log_order(asked);
  log_page page;
  if (decode_log_page(message.payload(), page)) (void)encode_log_page(page);
  map_report map;
  if (decode_map(message.payload(), map)) (void)encode_map(map);
  std::vector<map_census> maps;
  if (decode_maps(message.payload(), maps)) (void)encode_maps(maps);
  if (call.stream) with_stream(message, *call.stream);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::span<std::byte const> input(reinterpret_cast<std::byte const*>(data), size);
  header ignored;
  decode_header(input, ignored);
  if (input.empty()) return 0;
  target cores((data[0] & 1) != 0);
  input = input.subspan(1);
  while (input.size() >= 3 + small_header) {
    auto const control = std::to_integer<std::uint8_t>(input[0]);
    auto const wanted = load_le<std::uint16_t>(input.data() + 1);
    auto const head = input.subspan(3, small_header);
    input = input.subspan(3 + small_header);
    auto const body = input.first(std::min<std::size_t>(wanted, input.size()));
    input = input.subspan(body.size());
    auto message = read_frame(head, body, cores.epoch());
    read_everything(message);
    cores.feed(control, std::move(message));
  }
  return 0;
}
