// SPDX-License-Identifier: Apache-2.0
//
// How an engine ends: because its runtime does, or because it cannot go on.
#include <cstring>
#include <utility>

#include "src/platform/process.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/hub_journal.hpp"
#include "src/runtime/schedules.hpp"
#include "src/runtime/values.hpp"

namespace yonder::detail {

using platform::now;

// Every call ends, so that nobody waits for ever. Nothing is sent any more.
void engine::give_up(char const* what) noexcept {
  lead_.end();
  if (!is_broken()) std::strncpy(broken_by_, what[0] != 0 ? what : "an exception", sizeof broken_by_ - 1);
  outbox_ = {};
  if (auto left = std::exchange(unfinished_, std::nullopt)) complete(*left);
  try {
    end_calls();
  } catch (std::exception const&) {
    end_calls_without_memory();
  }
}

void engine::end_calls() {
  auto const why = why_broken();
  close_pack();
  end_parked(errc::disconnected, why);
  client_.shutdown(now(), why, client_due_.items());
  client_due_.work_off([this](core::output& output) {
    if (auto* const completed = std::get_if<core::out::completed>(&output)) complete(*completed);
  });
}

// What it calls takes none either: nothing waits to be sent, and nothing for arguments.
void engine::end_calls_without_memory() noexcept {
  auto* parked = std::exchange(parked_, nullptr);
  client_due_.work_off([this](core::output& output) {
    if (auto* const completed = std::get_if<core::out::completed>(&output)) complete(*completed);
  });
  auto const end = [](void* self, std::uint64_t cookie) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the core carries it as a number
    auto& call = *reinterpret_cast<call_state*>(cookie);
    if (call.done.load(std::memory_order_relaxed)) return;
    auto& of = *static_cast<engine*>(self);
    if (std::exchange(call.borrows, false)) of.detach(call);
    of.set_ended(call, failure_of_broken_runtime());
  };
  while (parked != nullptr) {
    auto* const next = parked->composed()->next_parked;
    end(this, reinterpret_cast<std::uint64_t>(parked));
    parked = next;
  }
  if (auto const pack = std::exchange(pack_, nullptr))
    for (auto const& item : pack_spec_.items) end(this, item.cookie);
  client_.abandon(end, this);
}

std::shared_ptr<runtime_detail::schedules> engine::schedules(bool make) {
  if (!is_ours()) return nullptr;
  std::lock_guard const held(schedules_mutex_);
  if (make && !schedules_ && takes_schedules_) schedules_ = std::make_shared<runtime_detail::schedules>();
  return schedules_;
}

int engine::drain(core::duration within) {
  if (!is_ours()) return -1;
  lock held(mutex_);
  if (!hub_ || lead_.ending() || is_broken()) return -1;
  if (drained_ == nullptr) drained_ = std::make_unique<platform::event_counter>();
  time_ = now();
  survive(held, [&] {
    endurance_.once([&] { hub_->drain(time_, within, hub_due_.items()); });
    carry_out();
    flush();
  });
  wake_leader_if_needed();
  return drained_->descriptor();
}

void engine::stop() {
  if (!is_ours()) return;
  std::shared_ptr<runtime_detail::schedules> ending;
  {
    std::lock_guard const held(schedules_mutex_);
    takes_schedules_ = false;
    ending = std::move(schedules_);
  }
  if (ending) ending->stop();  // before the calls that its runs are
  {
    lock held(mutex_);
    lead_.end();
    time_ = now();
    survive(held, [&] {
      close_pack();
      endurance_.once([&] {
        constexpr auto why = "this runtime ended before the call did";
        end_parked(errc::disconnected, why);
        client_.shutdown(time_, why, client_due_.items());
        if (hub_) hub_->shutdown(time_, hub_due_.items());
      });
      carry_out();
      flush();
    });
    poller_->ring();
    if (hook_) hook_->wake_at(0);
    housekeeper_wakes_.notify_all();
    wake_followers();
    nobody_inside_.wait(held, [&] { return lead_.deserted(); });
  }
  if (values_) values_->stop();
  if (housekeeper_.joinable()) housekeeper_.join();
  if (observer_.joinable()) observer_.join();
  executor_.stop();
  if (config_.traces) config_.traces->stop();
  lock held(mutex_);
  resume_here(held);
  if (pool_) pool_->stop();
  pool_.reset();
  if (auto const leaving = std::move(launching_)) {
    held.unlock();  // the user's function may well look at this runtime
    leaving->stop([this](std::string line) {
      try {
        config_.log ? config_.log(line) : tell(std::move(line));
      } catch (...) {  // the user's function has failed, which nobody can be told any more
      }
    });
    held.lock();
  }
  listener_.reset();
  uplink_.reset();
  journal_.reset();
}

}  // namespace yonder::detail
