// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "src/core/streams.hpp"
#include "src/runtime/call_context.hpp"
#include "yonder/detail/streaming.hpp"

namespace yonder::runtime_detail {

// What one attempt of a worker streams: its output, small items of which travel together, and its input.
// Threads: the task's own calls what detail::task_streams has; whoever reads the connection the rest, under
// the worker's lock.
class attempt_streams final : public detail::task_streams {
 public:
  // The worker. All is called under its lock.
  class host {
   public:
    virtual std::mutex& guard() noexcept = 0;
    // False: the hub cannot receive that.
    virtual bool send_items(core::attempt_key const& key, std::uint64_t first,
                            std::span<std::uint32_t const> sizes, std::span<std::byte const> values,
                            std::vector<detail::buffer> buffers) = 0;
    virtual void send_credit(core::attempt_key const& key, core::stream_level const& level) = 0;
    virtual void say_that_waits(core::attempt_key const& key, std::uint64_t items) = 0;  // for its input
    // due() is earlier than it was.
    virtual void look_again() noexcept = 0;
    [[nodiscard]] virtual std::size_t most_bytes() const noexcept = 0;  // of an item
    [[nodiscard]] virtual std::size_t most_decoded() const noexcept = 0;

   protected:
    ~host() = default;
  };

  attempt_streams(host& worker, call_context const& context) : worker_(worker), context_(context) {}

  static constexpr core::stream_level input_window{1024, std::uint64_t{4} << 20};
  static constexpr std::size_t most_packed = std::size_t{64} << 10;  // bytes of items that travel together
  static constexpr std::size_t small = std::size_t{4} << 10;         // one above travels alone
  static constexpr core::duration longest_delay = 200 * core::microsecond;

  // --- Whoever reads the connection, under the lock.
  void begin(core::out::run const& work);
  void end() noexcept;
  [[nodiscard]] bool is_of(core::attempt_key const& key) const noexcept { return active_ && key_ == key; }
  void allow(core::stream_level const& level);
  void arrived(core::frame&& items, bool ended);
  void stop() noexcept { changed_.notify_all(); }
  // What waits for others to travel with leaves at this time at the latest.
  [[nodiscard]] core::time_point due() const noexcept;
  void flush();
  [[nodiscard]] std::uint64_t items() const noexcept { return output_.passed.items; }
  // Why the stream could not go on.
  [[nodiscard]] std::optional<core::failure>& trouble() noexcept { return trouble_; }

  // --- The task's thread.
  [[nodiscard]] bool is_read() const noexcept override { return reads_; }
  [[nodiscard]] std::uint64_t skipped() const noexcept override { return skipped_; }
  [[nodiscard]] bool start() override;
  [[nodiscard]] bool is_wanted() const noexcept override { return !context_.stop_requested(); }
  [[nodiscard]] bool yield(detail::encoded& item) override;
  bool next_input(detail::stream_part& part) override;
  [[nodiscard]] detail::decode_limits limits() const noexcept override {
    return {.bytes = worker_.most_decoded()};
  }

 private:
  bool wait_for_reader(std::unique_lock<std::mutex>& held);
  void pack(detail::encoded const& item);
  bool send_alone(detail::encoded& item);

  host& worker_;
  call_context const& context_;
  core::attempt_key key_;
  bool active_ = false;
  std::condition_variable changed_;
  std::optional<core::failure> trouble_;

  bool reads_ = false;  // somebody reads what the task produces
  std::uint64_t skipped_ = 0;
  core::stream_account output_;
  detail::byte_buffer packed_;  // items that have not left
  std::vector<std::uint32_t> sizes_;
  core::time_point flushed_ = 0;

  bool asks_ = false;  // the task reads its input
  core::stream_reader input_;
  core::stream_level given_;  // what the task was given last
  std::deque<core::frame> inbox_;
  std::uint64_t came_ = 0;  // items of the input
  bool input_ended_ = false;
};

}  // namespace yonder::runtime_detail
