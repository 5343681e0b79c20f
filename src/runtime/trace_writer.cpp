// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/trace_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>

#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "yonder/error.hpp"

namespace yonder::runtime_detail {
namespace {

std::int64_t wall_offset() {
  using std::chrono::duration_cast, std::chrono::nanoseconds, std::chrono::system_clock;
  return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count() - platform::now();
}

}  // namespace

trace_writer::trace_writer(config how) : how_(std::move(how)), events_(platform::now()) {
  constexpr std::string_view head =
      "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
      "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":\"yonder\"}},\n";
  if (!how_.file.empty()) {
    file_ = std::fopen(how_.file.c_str(), "we");
    if (file_ == nullptr || std::fwrite(head.data(), 1, head.size(), file_) != head.size())
      detail::throw_error({.code = errc::bad_configuration,
                           .message = "the trace cannot be written to '" + how_.file +
                                      "' (trace_options::file): " + std::strerror(errno)});
  }
  thread_ = platform::start_thread("yonder-traces", [this] { serve(); });
}

void trace_writer::take(core::out::traced&& said) noexcept try {
  std::lock_guard const held(mutex_);
  if (stopping_ || waiting_.size() >= most_waiting) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  waiting_.push_back(std::move(said));
  if (waiting_.size() == most_together) due_.notify_one();
} catch (std::exception const&) {
  lost_.fetch_add(1, std::memory_order_relaxed);
}

void trace_writer::stop() noexcept {
  {
    std::lock_guard const held(mutex_);
    stopping_ = true;
    due_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void trace_writer::serve() {
  for (bool last = false; !last;) {
    std::vector<core::out::traced> all;
    {
      std::unique_lock held(mutex_);
      due_.wait_for(held, period, [&] { return stopping_ || waiting_.size() >= most_together; });
      last = stopping_;
      all.swap(waiting_);
    }
    if (!all.empty()) write(all);
  }
  close_file();
}

void trace_writer::write(std::vector<core::out::traced> const& all) {
  auto good = false;
  try {
    good = write_file(all);
    good = post(all) && good;
  } catch (std::bad_alloc const&) {
    good = false;
  }
  (good ? written_ : lost_).fetch_add(all.size(), std::memory_order_relaxed);
}

bool trace_writer::write_file(std::vector<core::out::traced> const& all) {
  if (how_.file.empty()) return true;
  if (file_ == nullptr) return false;
  std::string text;
  for (auto const& one : all) events_.add(text, one);
  file_bytes_ += text.size();
  auto const full = file_bytes_ > most_file_bytes;
  if (!full && std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0)
    return true;
  how_.tell("the trace in '" + how_.file + "' ends here: " +
            (full ? "it has " + std::to_string(most_file_bytes >> 20) + " MiB" : std::strerror(errno)));
  close_file();
  return false;
}

void trace_writer::close_file() {
  if (file_ == nullptr) return;
  std::fputs("\n]}\n", file_);
  std::fclose(std::exchange(file_, nullptr));
}

bool trace_writer::post(std::vector<core::out::traced> const& all) {
  if (how_.poster == nullptr) return true;
  auto good = true;
  for (auto left = std::span(all); !left.empty();) {
    auto const size = std::min(left.size(), most_together);
    good = post_part(left.first(size)) && good;
    left = left.subspan(size);
  }
  return good;
}

bool trace_writer::post_part(std::span<core::out::traced const> part) {
  auto const body = otlp_json(part, wall_offset(), how_.resource);
  std::string why;
  for (int tries = 1;; ++tries) {
    auto const fate = how_.poster->post(body, why);
    if (fate == http::span_poster::fate::taken) {
      unreachable_ = false;
      return true;
    }
    if (fate == http::span_poster::fate::refused || tries == most_tries || !pause()) break;
  }
  if (!std::exchange(unreachable_, true)) how_.tell("traces are lost: " + why);
  return false;
}

// Before it is tried again. False: there is no time for that any more.
bool trace_writer::pause() {
  std::unique_lock held(mutex_);
  return !due_.wait_for(held, period, [&] { return stopping_; });
}

}  // namespace yonder::runtime_detail
