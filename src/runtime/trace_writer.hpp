// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/runtime/gateway.hpp"
#include "src/runtime/trace_spans.hpp"

namespace yonder::runtime_detail {

// Writes what a hub traces to a file, to a collector, or to both, on a thread of its own: whoever hands it
// over waits for nothing. What there is no room for is lost, and counted.
class trace_writer {
 public:
  static constexpr std::size_t most_waiting = 8192;                       // of out::traced
  static constexpr std::size_t most_together = 256;                       // of them, in one request
  static constexpr std::size_t most_file_bytes = std::size_t{256} << 20;  // then the file is complete
  static constexpr auto period = std::chrono::seconds(1);                 // for which they gather
  static constexpr int most_tries = 3;                                    // of a request

  struct config {
    std::string file{};                           // empty: none
    std::unique_ptr<http::span_poster> poster{};  // null: none
    std::vector<std::pair<std::string, std::string>> resource{};
    std::function<void(std::string const&)> tell{};  // for whoever runs it, on that thread
  };
  // Throws usage_error: the file cannot be made.
  explicit trace_writer(config how);
  ~trace_writer() { stop(); }
  trace_writer(trace_writer const&) = delete;
  trace_writer& operator=(trace_writer const&) = delete;

  // Any thread.
  void take(core::out::traced&& said) noexcept;
  // Calls and attempts that were written, and that were lost. Any thread.
  std::uint64_t written() const noexcept { return written_.load(std::memory_order_relaxed); }
  std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

  // Writes what is left, for some seconds at most, and ends the thread. Nothing is taken any more.
  void stop() noexcept;

 private:
  void serve();
  void write(std::vector<core::out::traced> const& all);
  bool write_file(std::vector<core::out::traced> const& all);
  bool post(std::vector<core::out::traced> const& all);
  bool post_part(std::span<core::out::traced const> part);
  bool pause();
  void close_file();

  config how_;
  std::FILE* file_ = nullptr;
  std::size_t file_bytes_ = 0;
  chrome_events events_;
  bool unreachable_ = false;  // the collector, as was told
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> lost_{0};

  std::mutex mutex_;
  std::condition_variable due_;
  std::vector<core::out::traced> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace yonder::runtime_detail
