// SPDX-License-Identifier: Apache-2.0
#include "src/journal/journal.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <type_traits>
#include <utility>

#include "src/journal/folder.hpp"
#include "src/platform/event_counter.hpp"
#include "src/platform/thread.hpp"

namespace yonder::journal {
namespace {

using detail::byte_buffer;
using steady = std::chrono::steady_clock;

// So long may the witness lag behind after a power loss.
constexpr std::chrono::milliseconds witness_interval{100};
constexpr std::size_t kept_capacity = 4 << 20;  // of a queue that is empty

std::uint64_t draw() {
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

std::unique_ptr<file_system> open_for_change(std::string const& folder) {
  try {
    return open_folder(folder, true);
  } catch (std::system_error const& why) {
    throw of_system(why);
  }
}

}  // namespace

class log::implementation {
 public:
  implementation(options how, record_visitor const& visit)
      : how_(std::move(how)),
        disk_(open_for_change(how_.folder)),
        store_(*disk_, {how_.segment_bytes, how_.schema, wall_clock() - how_.result_ttl.count()}, draw(),
               visit),
        began_(steady::now()),
        began_at_(std::max(wall_clock(), store_.time())) {
    live_ = store_.live_bytes();
    thread_ = platform::start_thread("yonder journal", [this] { write(); });
  }

  ~implementation() {
    {
      std::lock_guard const lock(mutex_);
      ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  std::uint64_t append(kind what, core::call_id const& call, std::uint32_t items,
                       std::span<std::span<std::byte const> const> pieces, bool with_next) {
    std::uint64_t size = 0;
    for (auto const& piece : pieces) size += piece.size();
    record made;
    made.call = call;
    made.items = items;
    made.size = static_cast<std::uint32_t>(size);
    made.schema = how_.schema;
    made.what = what;
    made.continues = with_next;
    std::lock_guard const lock(mutex_);
    if (failure_) return ++appended_;  // it would only take memory
    auto const whole = size_on_disk(made.size);
    auto& to = with_next ? group_ : queue_;
    auto const before = with_next ? std::size_t{0} : group_.size();
    auto* at = to.extend(before + whole);
    at = std::copy_n(group_.data(), before, at);
    if (!with_next) group_.clear();
    encode(made, at);
    at += record_header_size;
    for (auto const& piece : pieces) at = std::copy(piece.begin(), piece.end(), at);
    std::fill(at, to.data() + to.size(), std::byte{0});
    queued_bytes_.fetch_add(whole, std::memory_order_relaxed);
    ++appended_;
    if (!with_next) queued_ = appended_;
    return appended_;
  }

  void flush() {
    {
      std::lock_guard const lock(mutex_);
      if (queue_.empty()) return;
    }
    wake_.notify_one();
  }

  std::uint64_t synced() {
    risen_.clear();
    return synced_.load(std::memory_order_acquire);
  }

  std::optional<error> failure() const {
    std::lock_guard const lock(mutex_);
    return failure_;
  }

  admission admit(std::uint64_t body_bytes) const {
    if (body_bytes > largest_body) return admission::too_large;
    if (failed_.load(std::memory_order_acquire)) return admission::failed;
    auto const queued = queued_bytes_.load(std::memory_order_relaxed);
    auto const more = size_on_disk(static_cast<std::uint32_t>(body_bytes));
    if (queued != 0 && queued + more > how_.queue_limit) return admission::behind;
    if (how_.size_limit != 0 && live_.load(std::memory_order_relaxed) + queued + more > how_.size_limit)
      return admission::over_limit;
    return admission::taken;
  }

  std::vector<ledger::calls> expire() { return store_.expire(now() - how_.result_ttl.count()); }

  options const& how() const noexcept { return how_; }
  store const& files() const noexcept { return store_; }
  int descriptor() const noexcept { return risen_.descriptor(); }

 private:
  static std::int64_t wall_clock() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  // ms since 1970; does not jump with the wall clock.
  std::int64_t now() const {
    return began_at_ + std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - began_).count();
  }

  void write() {
    try {
      while (turn()) {
      }
      store_.sign();
    } catch (error const& why) {
      fail(why);
    } catch (std::exception const&) {
      fail(no_memory_);
    }
  }

  void fail(error const& why) noexcept {
    static_assert(std::is_nothrow_copy_constructible_v<error>);
    {
      std::lock_guard const lock(mutex_);
      failure_ = why;
      queue_ = {};
      group_ = {};
    }
    failed_.store(true, std::memory_order_release);
    risen_.add();
  }

  // False: it is to end, and everything is on disk.
  bool turn() {
    byte_buffer& batch = batch_;
    std::uint64_t up_to = 0;
    {
      std::unique_lock lock(mutex_);
      if (queue_.empty() && !ending_ && !cleaning_) {
        if (store_.is_signed())
          wake_.wait(lock, [&] { return !queue_.empty() || ending_; });
        else
          wake_.wait_until(lock, signed_at_ + witness_interval, [&] { return !queue_.empty() || ending_; });
      }
      if (queue_.empty() && ending_) return false;
      batch.swap(queue_);
      up_to = queued_;
    }
    if (!batch.empty()) commit(batch, up_to);
    cleaning_ = store_.clean(now());
    if (!store_.is_signed() && steady::now() - signed_at_ >= witness_interval) {
      store_.sign();
      signed_at_ = steady::now();
    }
    return true;
  }

  void commit(byte_buffer& batch, std::uint64_t up_to) {
    store_.commit({batch.data(), batch.size()}, now());
    live_.store(store_.live_bytes(), std::memory_order_relaxed);
    queued_bytes_.fetch_sub(batch.size(), std::memory_order_relaxed);
    batch.clear();
    if (batch.capacity() > kept_capacity) batch = {};
    synced_.store(up_to, std::memory_order_release);
    risen_.add();
  }

  options const how_;
  std::unique_ptr<file_system> const disk_;
  store store_;
  steady::time_point const began_;
  std::int64_t const began_at_;
  platform::event_counter risen_;
  std::atomic<std::uint64_t> synced_{0};
  std::atomic<std::uint64_t> queued_bytes_{0};
  std::atomic<std::uint64_t> live_{0};
  std::atomic<bool> failed_{false};

  // Made while there is some.
  error const no_memory_{problem::disk_failed,
                         "journal: there is no memory; what was acknowledged is kept, nothing new is"};

  byte_buffer batch_;               // of the thread
  bool cleaning_ = true;            // likewise: there may be more to do
  steady::time_point signed_at_{};  // likewise

  mutable std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  byte_buffer queue_;
  byte_buffer group_;           // records that count with one which is to come
  std::uint64_t appended_ = 0;  // records,
  std::uint64_t queued_ = 0;    // and those of them that are not there
  bool ending_ = false;
  std::optional<error> failure_;
  std::thread thread_;
};

log::log(options how, record_visitor const& visit)
    : self_(std::make_unique<implementation>(std::move(how), visit)) {}
log::~log() = default;
std::uint64_t log::append(kind what, core::call_id const& call, std::uint32_t items,
                          std::span<std::span<std::byte const> const> pieces, bool with_next) {
  return self_->append(what, call, items, pieces, with_next);
}
void log::flush() { self_->flush(); }
std::uint64_t log::synced() { return self_->synced(); }
int log::descriptor() const noexcept { return self_->descriptor(); }
std::optional<error> log::failure() const { return self_->failure(); }
admission log::admit(std::uint64_t body_bytes) const { return self_->admit(body_bytes); }
std::optional<stored> log::read(core::call_id const& call) const { return self_->files().read(call); }
std::vector<ledger::calls> log::expired() { return self_->expire(); }
store::figures_type log::figures() const { return self_->files().figures(); }
std::vector<std::string> const& log::notes() const noexcept { return self_->files().notes(); }

}  // namespace yonder::journal
