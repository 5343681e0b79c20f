// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/call_context.hpp"

#include <utility>

#include "src/runtime/engine.hpp"

namespace yonder {
namespace runtime_detail {

void call_context::begin(core::out::run const& work) noexcept {
  stop_.store(false);  // sequentially consistent: see worker_loop::abandon
  key_ = work.key;
  metadata_ = work.message.metadata();
  items_ = work.items;
}

// What the hub itself asks for has no session, and a trace only where it is a batch of several.
std::optional<core::trace_of> call_context::trace() const {
  auto const given = core::read_traceparent(metadata_);
  if (key_.call.session == 0 && given.empty()) return std::nullopt;
  return core::trace_of(given, key_.call);
}

void call_context::end() noexcept {
  if (std::exchange(called_, false)) hub_->attempt_ended(key_);
  progress_.end();
  if (!is_shared_) return;  // as nearly always
  is_shared_ = false;
  std::lock_guard const held(mutex_);
  shared_.reset();
}

void call_context::request_stop() noexcept {
  stop_.store(true);
  std::lock_guard const held(mutex_);
  if (!shared_) return;
  try {
    callbacks_.post([stopped = shared_] { stopped->stop.request_stop(); });
  } catch (...) {
    shared_->stop.request_stop();  // no thread, no memory: better here than not at all
  }
}

// Nobody waits for what the hub itself asks for.
void call_context::report_progress(double fraction, std::string_view text) {
  if ((key_.call.session == 0 && items_.empty()) || !mark_.is_ours()) return;
  if (progress_.report(key_, items_, fraction, text) && told_of_progress_) told_of_progress_();
}

detail::engine_ref const& call_context::hub() {
  if (!hub_) hub_ = reach_();
  called_ = true;
  return hub_;
}

std::shared_ptr<detail::served_call const> call_context::share() {
  std::lock_guard const held(mutex_);
  if (!shared_) {
    shared_ = std::make_shared<detail::served_call>();
    is_shared_ = true;
    shared_->attempt = attempt();
    shared_->id = id();
    if (stop_requested()) shared_->stop.request_stop();
  }
  return shared_;
}

call_context*& current_call() noexcept {
  thread_local call_context* current = nullptr;
  return current;
}

core::attempt_key calling_attempt(detail::engine const* engine) {
  auto* const outer = current_call();
  return outer != nullptr && outer->is_ours() && outer->calls_through(engine) ? outer->key()
                                                                              : core::attempt_key{};
}

}  // namespace runtime_detail

bool detail::is_traceparent(std::string_view text) noexcept { return core::is_traceparent(text); }

bool call_token::stop_requested() const noexcept { return call_ && call_->stop.stop_requested(); }
std::stop_token stop_token_of(call_token const& token) noexcept {
  auto const* const call = detail::served_call::of(token);
  return call != nullptr ? call->stop.get_token() : std::stop_token();
}
std::uint32_t call_token::attempt() const noexcept { return call_ ? call_->attempt : 0; }
call_id call_token::id() const noexcept { return call_ ? call_->id : call_id{}; }

namespace this_call {

using runtime_detail::current_call;

bool stop_requested() noexcept {
  auto const* const call = current_call();
  return call != nullptr && call->stop_requested();
}
std::stop_token stop_token() { return stop_token_of(token()); }
std::uint32_t attempt() noexcept {
  auto const* const call = current_call();
  return call != nullptr ? call->attempt() : 0;
}
call_id id() noexcept {
  auto const* const call = current_call();
  return call != nullptr ? call->id() : call_id{};
}
std::string trace() {
  auto const* const call = current_call();
  auto const its = call != nullptr ? call->trace() : std::nullopt;
  return std::string(its ? its->text() : std::string_view());
}
call_token token() {
  auto* const call = current_call();
  return call != nullptr ? call_token(call->share()) : call_token();
}
void retire_worker() noexcept {
  if (auto* const call = current_call()) call->retire();
}
void report_progress(double fraction, std::string_view text) {
  if (auto* const call = current_call()) call->report_progress(fraction, text);
}

}  // namespace this_call
}  // namespace yonder
