// SPDX-License-Identifier: Apache-2.0
//
// The engine: how far tasks have said that they are.
#include <memory>
#include <utility>

#include "src/runtime/engine.hpp"
#include "yonder/call.hpp"

namespace yonder::detail {
namespace {

progress_report public_form(core::progress_report const& report) {
  constexpr double whole = 1'000'000;
  return {report.millionths / whole, report.text};
}

// A call that is listened to goes on being driven.
void nothing(void*) {}

}  // namespace

progress_listener::~progress_listener() = default;

// It matters to nobody's outcome: without memory it is as if it had not come.
void engine::progressed(core::out::progressed& told) noexcept try {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the core carries it as a number
  auto& call = *reinterpret_cast<call_state*>(told.cookie);
  if (call.done.load(std::memory_order_relaxed)) return;
  auto& its = call.with_progress();
  its.latest = std::move(told.report);
  if (its.watcher.resume != nullptr) its.watcher.resume(its.watcher.argument);
  if (its.listener) post_progress(call);
} catch (std::bad_alloc const&) {
}

bool engine::latest_progress(call_state& call, core::progress_report& latest) {
  lock const held(mutex_);
  auto const* const its = call.extras ? call.extras->progress.get() : nullptr;
  if (its == nullptr || !its->latest) return false;
  latest = *its->latest;
  return true;
}

void engine::tell_of_progress(call_state& call, resumption const& watcher) {
  lock const held(mutex_);
  if (!call.done.load(std::memory_order_relaxed)) call.with_progress().watcher = watcher;
}

void engine::listen_to_progress(call_state& call, std::shared_ptr<progress_listener> listener) {
  executor_.start();
  lock const held(mutex_);
  if (call.done.load(std::memory_order_relaxed)) return;
  auto& its = call.with_progress();
  if (!its.listener) {
    call.extras->resumptions.push_back({&nothing, nullptr, true});
    lead_.await(1);
    housekeeper_wakes_.notify_one();
  }
  std::swap(its.listener, listener);  // what was there goes without the lock
  if (its.latest) post_progress(call);
}

// Not when it has ended.
void engine::post_progress(call_state& call) {
  auto& its = *call.extras->progress;
  its.newer = true;
  if (its.posted) return;
  auto kept = std::make_unique<call_ref>(call.pack->in_flight, &call);
  resumptions_.push_back({&run_listener, kept.get()});
  (void)kept.release();
  its.posted = true;
  ++unposted_;
  post_resumptions();
}

// By the executor.
void engine::run_listener(void* posted) {
  std::unique_ptr<call_ref> const kept(static_cast<call_ref*>(posted));
  auto& call = **kept;
  auto& own = *call.where();
  core::progress_report latest;
  std::shared_ptr<progress_listener> listener;
  try {
    while (own.take_newer(call, latest, listener)) listener->told(public_form(latest));
  } catch (...) {
    lock const held(own.mutex_);
    call.extras->progress->posted = false;
    throw;
  }
}

bool engine::take_newer(call_state& call, core::progress_report& latest,
                        std::shared_ptr<progress_listener>& listener) {
  lock const held(mutex_);
  auto& its = *call.extras->progress;
  its.posted = std::exchange(its.newer, false);
  latest = *its.latest;
  if (listener != its.listener) listener = its.listener;
  return its.posted;
}

bool latest_progress(call_state& call, progress_report& latest) {
  core::progress_report told;
  if (!call.where()->is_ours() || !call.where()->latest_progress(call, told)) return false;
  latest = public_form(told);
  return true;
}

void listen_to_progress(call_state& call, std::shared_ptr<progress_listener> listener) {
  if (call.where()->is_ours()) call.where()->listen_to_progress(call, std::move(listener));
}

void tell_of_progress(call_state& call, void (*told)(void*), void* argument) {
  if (call.where()->is_ours()) call.where()->tell_of_progress(call, {told, argument, true});
}

}  // namespace yonder::detail
