// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/engine.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "src/platform/process.hpp"
#include "src/runtime/exceptions.hpp"

namespace yonder::detail {
namespace {

using platform::now;

core::duration or_none(std::optional<std::chrono::nanoseconds> const& time) {
  return time ? std::max<core::duration>(time->count(), 1) : 0;
}

core::call_policy policy_of(options const& settings) {
  return {.retries = settings.retries.value_or(0),
          .timeout = or_none(settings.timeout),
          .deadline = or_none(settings.deadline),
          .idempotent = settings.idempotent.value_or(false)};
}

std::size_t bytes_of(outgoing const& call) {
  auto bytes = call.content.head.size();
  for (auto const& block : call.content.buffers) bytes += block.size;
  return bytes;
}

bool borrows(outgoing const& call) {
  return std::any_of(call.content.buffers.begin(), call.content.buffers.end(),
                     [](buffer const& block) { return block.borrowed(); });
}

std::chrono::steady_clock::time_point as_time_point(std::int64_t nanoseconds) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(nanoseconds));
}

constexpr auto shortest_pause = std::chrono::milliseconds(1);
constexpr auto longest_pause = std::chrono::milliseconds(16);

}  // namespace

engine::engine(engine_config config) : config_(std::move(config)), client_(config_.client) {
  if (config_.hub) hub_.emplace(*config_.hub, now());
}

engine::~engine() = default;

void engine::add_pool(std::unique_ptr<runtime_detail::worker_pool> pool) { pool_ = std::move(pool); }
void engine::add_listener(std::unique_ptr<transport::listener> listener) { listener_ = std::move(listener); }
void engine::set_uplink(std::unique_ptr<transport::endpoint> uplink) { uplink_ = std::move(uplink); }

void engine::start() {
  lock held(mutex_);
  if (hub_) {
    auto const link = peer_of(source::client, 1);
    time_ = now();
    hub_->connected(time_, link, {.reliable = true, .start = 0}, hub_outputs_);
    client_.connected(time_, link, true, client_outputs_);
    carry_out();
  }
  housekeeper_ = std::thread([self = shared_from_this()] { self->housekeep(); });
  ::pthread_setname_np(housekeeper_.native_handle(), "yonder");
}

// --- numbers of peers
// ---------------------------------------------------------------------------------------------

core::peer_id engine::peer_of(source from, transport::peer_id peer) noexcept {
  return std::uint64_t{static_cast<std::uint8_t>(from)} << 60U | peer;
}

engine::source engine::source_of(core::peer_id peer) noexcept { return static_cast<source>(peer >> 60U); }

transport::peer_id engine::transport_peer(core::peer_id peer) noexcept {
  return peer & ((std::uint64_t{1} << 60U) - 1);
}

transport::endpoint* engine::endpoint(source from) const noexcept {
  switch (from) {
    case source::pool: return pool_ ? &pool_->endpoint() : nullptr;
    case source::listener: return listener_.get();
    case source::uplink: return uplink_.get();
    default: return nullptr;
  }
}

// --- calls
// --------------------------------------------------------------------------------------------------------

outgoing begin_call(task_entry const& task, options const& settings) {
  outgoing call;
  call.metadata_size = core::begin_call(call.content.head, task.name, policy_of(settings));
  return call;
}

call_ref engine::submit(task_entry const& task, options const& settings, outgoing&& call, bool attended) {
  auto state = std::make_shared<call_state>(shared_from_this(), task.name);
  auto const fail = [&](errc code, std::string message) {
    state->failure =
        error_details{.code = code, .message = std::move(message), .task = std::string(task.name)};
    state->done.store(true, std::memory_order_release);
    return state;
  };
  if (config_.no_workers)
    return fail(
        errc::unsatisfiable,
        "this runtime has no workers, and none can come; set runtime_options::workers, or `bind` for workers "
        "elsewhere");
  if (auto const bytes = bytes_of(call); bytes > config_.max_call_bytes)
    return fail(errc::too_large, "the arguments take " + std::to_string(bytes) + " bytes; the limit is " +
                                     std::to_string(config_.max_call_bytes) +
                                     " (runtime_options::max_call_bytes)");
  auto const policy = policy_of(settings);
  auto const signature = task.signature();

  lock held(mutex_);
  if (stopping_) return fail(errc::disconnected, "the runtime has ended");
  state->borrows = borrows(call);
  state->in_flight = state;
  core::call_spec spec{task.name, signature, policy, reinterpret_cast<std::uint64_t>(state.get()), {}};
  spec.message.head.metadata_size = static_cast<std::uint32_t>(call.metadata_size);
  spec.message.head.buffer_count = static_cast<std::uint32_t>(call.content.buffers.size());
  spec.message.body = std::move(call.content.head);
  spec.message.buffers = std::move(call.content.buffers);
  time_ = now();
  state->id = client_.submit(time_, std::move(spec), client_outputs_);
  carry_out();
  if (!attended) flush();
  wake_leader_if_needed();
  return state;
}

void engine::wake_leader_if_needed() {
  if (asleep_until_ != 0 && (!arm() || next_deadline() < asleep_until_)) poller_->ring();
}

void engine::wait(call_state& call) {
  if (call.done.load(std::memory_order_acquire)) return;
  lock held(mutex_);
  auto* const only = &call;
  lead_until(held, core::never, {&only, 1}, [&] { return call.done.load(std::memory_order_relaxed); });
}

bool engine::wait_until(call_state& call, std::int64_t until) {
  if (call.done.load(std::memory_order_acquire)) return true;
  lock held(mutex_);
  auto* const only = &call;
  return lead_until(held, until, {&only, 1}, [&] { return call.done.load(std::memory_order_relaxed); });
}

void engine::wait_any(std::span<call_state* const> calls) {
  lock held(mutex_);
  lead_until(held, core::never, calls, [&] {
    return std::any_of(calls.begin(), calls.end(),
                       [](auto* call) { return call->done.load(std::memory_order_relaxed); });
  });
}

void engine::cancel(call_state& call) {
  lock held(mutex_);
  if (call.done.load(std::memory_order_relaxed)) return;
  time_ = now();
  client_.cancel(time_, call.id, client_outputs_);
  carry_out();
  flush();
  wake_leader_if_needed();
}

bool engine::resume_when_done(call_state& call, void (*resume)(void*), void* argument) {
  lock held(mutex_);
  if (call.done.load(std::memory_order_relaxed)) return false;
  call.resumptions.push_back({resume, argument});
  ++awaited_;
  housekeeper_wakes_.notify_one();
  return true;
}

void engine::forget_resumption(call_state& call, void (*resume)(void*), void* argument) {
  lock held(mutex_);
  resumption const gone{resume, argument};
  awaited_ -= std::erase(call.resumptions, gone);
  std::erase(resumptions_, gone);
}

void engine::complete(core::out::completed& completed) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the core carries it as a number
  auto* const call = reinterpret_cast<call_state*>(completed.cookie);
  auto const keep = std::move(call->in_flight);
  if (!completed.result.ok()) call->failure = runtime_detail::details_of(completed.result.error());
  call->result.emplace(std::move(completed.result));
  if (call->borrows)
    for (auto const from : {source::pool, source::listener, source::uplink})
      if (auto* const end = endpoint(from)) end->detach();
  call->done.store(true, std::memory_order_release);
  if (call->several_wait)
    for (auto* const follower : followers_) follower->notify_one();
  else if (call->waiter != nullptr)
    call->waiter->notify_one();
  if (call->resumptions.empty()) return;
  awaited_ -= call->resumptions.size();
  resumptions_.insert(resumptions_.end(), call->resumptions.begin(), call->resumptions.end());
  call->resumptions.clear();
  housekeeper_wakes_.notify_one();
}

// --- leading
// ------------------------------------------------------------------------------------------------------

// Returns once done() (true) or `until` has come (false), both looked at under the lock.
template <class Done>
bool engine::lead_until(lock& held, std::int64_t until, std::span<call_state* const> calls, Done done) {
  if (done()) return true;
  ++callers_;
  ++activity_;
  flush();
  bool in_time = true;
  while (!done()) {
    if (until != core::never && now() >= until) {
      in_time = false;
      break;
    }
    if (leader_ == leader::none) {
      leader_ = leader::caller;
      turn(held, until);
      leader_ = leader::none;
    } else {
      follow(held, until, calls);
    }
  }
  --callers_;
  if (callers_ == 0 && stopping_) nobody_inside_.notify_all();
  hand_over();
  return in_time;
}

void engine::follow(lock& held, std::int64_t until, std::span<call_state* const> calls) {
  if (leader_ == leader::housekeeper) poller_->ring();
  std::condition_variable woken;
  followers_.push_back(&woken);
  for (auto* const call : calls)
    if (auto* const other = std::exchange(call->waiter, &woken); other != nullptr && other != &woken)
      call->several_wait = true;
  if (until == core::never)
    woken.wait(held);
  else
    woken.wait_until(held, as_time_point(until));
  for (auto* const call : calls)
    if (call->waiter == &woken) call->waiter = nullptr;
  followers_.erase(std::find(followers_.begin(), followers_.end(), &woken));
}

// Nobody leads now: lets one who waits do it.
void engine::hand_over() {
  if (leader_ != leader::none) return;
  if (!followers_.empty())
    followers_.front()->notify_one();
  else if (awaited_ > 0)
    housekeeper_wakes_.notify_one();
}

// Sends what is to be sent, sleeps until something happens or `until`, and deals with it.
void engine::turn(lock& held, std::int64_t until) {
  flush();
  auto const wake_at = !arm() ? 0 : std::min(until, next_deadline());
  asleep_until_ = std::max<std::int64_t>(wake_at, 1);
  held.unlock();
  poller_->poll(wake_at == core::never ? -1 : std::max<std::int64_t>(0, wake_at == 0 ? 0 : wake_at - now()));
  held.lock();
  asleep_until_ = 0;
  time_ = now();
  poller_->dispatch();
  take_events();
  tick();
  carry_out();
  flush();
}

void engine::tick() {
  if (client_.next_deadline() <= time_) client_.tick(time_, client_outputs_);
  if (hub_ && hub_->next_deadline() <= time_) hub_->tick(time_, hub_outputs_);
}

std::int64_t engine::next_deadline() const {
  return std::min(client_.next_deadline(), hub_ ? hub_->next_deadline() : core::never);
}

void engine::flush() {
  for (auto const from : {source::pool, source::listener, source::uplink})
    if (auto* const end = endpoint(from)) end->flush();
}

// False: something has come already.
bool engine::arm() {
  bool const pool = !pool_ || pool_->arm(*poller_);
  bool const listener = !listener_ || listener_->arm(*poller_);
  bool const uplink = !uplink_ || uplink_->arm(*poller_);
  return pool && listener && uplink;
}

void engine::housekeep() {
  lock held(mutex_);
  auto seen = activity_;
  auto pause = shortest_pause;
  while (!stopping_) {
    if (!resumptions_.empty()) {
      run_resumptions(held);
    } else if (leader_ == leader::none && callers_ == 0 && (activity_ == seen || awaited_ > 0)) {
      pause = shortest_pause;
      leader_ = leader::housekeeper;
      turn(held, core::never);
      leader_ = leader::none;
      hand_over();
    } else {
      pause = activity_ == seen ? std::min(2 * pause, longest_pause) : shortest_pause;
      seen = activity_;
      housekeeper_wakes_.wait_for(held, pause);
    }
  }
  run_resumptions(held);
}

void engine::run_resumptions(lock& held) {
  while (!resumptions_.empty()) {
    auto const [resume, argument] = resumptions_.front();
    resumptions_.pop_front();
    held.unlock();
    resume(argument);
    if (!is_ours())
      ::_exit(EXIT_SUCCESS);  // a coroutine has forked: its child ends where the coroutine waits
    held.lock();
  }
}

// --- events and outputs
// -------------------------------------------------------------------------------------------

void engine::take_events() {
  constexpr std::size_t most = 1024;
  if (pool_) {
    pool_->take(pool_events_, events_);
    auto const greeting = [](auto& event) {
      return event.what == runtime_detail::pool_event::kind::connected;
    };
    auto const endings = std::stable_partition(pool_events_.begin(), pool_events_.end(), greeting);
    std::for_each(pool_events_.begin(), endings, [this](auto& event) { take_pool_event(event); });
    for (auto& event : events_)
      hub_->receive(time_, peer_of(source::pool, event.peer), std::move(event.message), hub_outputs_);
    std::for_each(endings, pool_events_.end(), [this](auto& event) { take_pool_event(event); });
    events_.clear();
    pool_events_.clear();
  }
  if (listener_) {
    listener_->receive(events_, most);
    for (auto& event : events_) take_listener_event(event);
    events_.clear();
  }
  if (uplink_) {
    uplink_->receive(events_, most);
    for (auto& event : events_) take_uplink_event(event);
    events_.clear();
  }
}

void engine::take_pool_event(runtime_detail::pool_event& event) {
  using what = runtime_detail::pool_event::kind;
  auto const peer = peer_of(source::pool, event.peer);
  switch (event.what) {
    case what::connected:
      hub_->connected(time_, peer, {.reliable = true, .start = event.start}, hub_outputs_);
      break;
    case what::lost: hub_->lost(time_, peer, event.loss, hub_outputs_); break;
    case what::start_failed:
      hub_->worker_start_failed(time_, event.start, event.text, event.loss.stderr_tail, hub_outputs_);
      break;
  }
}

void engine::take_listener_event(transport::event& event) {
  using what = transport::event::kind;
  auto const peer = peer_of(source::listener, event.peer);
  switch (event.what) {
    case what::connected:
      hub_->connected(time_, peer, {.reliable = listener_->reliable(), .start = 0}, hub_outputs_);
      break;
    case what::received: hub_->receive(time_, peer, std::move(event.message), hub_outputs_); break;
    case what::lost: hub_->lost(time_, peer, {.reason = std::move(event.reason)}, hub_outputs_); break;
  }
}

void engine::take_uplink_event(transport::event& event) {
  using what = transport::event::kind;
  auto const peer = peer_of(source::uplink, event.peer);
  switch (event.what) {
    case what::connected: client_.connected(time_, peer, uplink_->reliable(), client_outputs_); break;
    case what::received: client_.receive(time_, peer, std::move(event.message), client_outputs_); break;
    case what::lost:
      client_.lost(time_, peer, event.unauthorized,
                   event.unauthorized ? errc::unauthorized : errc::disconnected, event.reason,
                   client_outputs_);
      break;
  }
}

void engine::carry_out() {
  while (!client_outputs_.empty() || !hub_outputs_.empty()) {
    for (std::size_t i = 0; i < client_outputs_.size(); ++i) {
      auto output = std::move(client_outputs_[i]);
      carry_out_client(output);
    }
    client_outputs_.clear();
    for (std::size_t i = 0; i < hub_outputs_.size(); ++i) {
      auto output = std::move(hub_outputs_[i]);
      carry_out_hub(output);
    }
    hub_outputs_.clear();
  }
}

void engine::carry_out_client(core::output& output) {
  if (auto* const message = std::get_if<core::out::send>(&output)) {
    if (hub_)
      hub_->receive(time_, message->peer, message->take(), hub_outputs_);
    else
      send(*message);
  } else if (auto* const completed = std::get_if<core::out::completed>(&output)) {
    complete(*completed);
  } else if (auto* const closed = std::get_if<core::out::close>(&output)) {
    end(closed->peer);
  }
}

void engine::carry_out_hub(core::output& output) {
  if (auto* const message = std::get_if<core::out::send>(&output)) {
    if (source_of(message->peer) == source::client)
      client_.receive(time_, message->peer, message->take(), client_outputs_);
    else
      send(*message);
  } else if (auto* const start = std::get_if<core::out::start_worker>(&output)) {
    if (pool_) pool_->start(start->start);
  } else if (auto* const late = std::get_if<core::out::abandon_start>(&output)) {
    if (pool_) pool_->abandon(late->start);
  } else if (auto* const doomed = std::get_if<core::out::kill_worker>(&output)) {
    kill(*doomed);
  } else if (auto* const closed = std::get_if<core::out::close>(&output)) {
    end(closed->peer);
  }
}

void engine::send(core::out::send& message) {
  auto const from = source_of(message.peer);
  auto* const end_point = endpoint(from);
  if (end_point == nullptr) return;
  auto const status = end_point->send(transport_peer(message.peer), message.message());
  // What a lossy link does not take is sent again by the core; a reliable one has to be given up.
  if (status == transport::send_status::full && from == source::pool)
    pool_->kill(transport_peer(message.peer), "did not read what it was sent");
}

void engine::kill(core::out::kill_worker const& doomed) {
  if (source_of(doomed.peer) == source::pool) {
    pool_->kill(transport_peer(doomed.peer), doomed.reason);
  } else {
    // Out of our reach: the connection ends, and the worker ends itself when it hears that its session is
    // over.
    end(doomed.peer);
    hub_->lost(time_, doomed.peer, {.reason = doomed.reason}, hub_outputs_);
  }
}

void engine::end(core::peer_id peer) {
  if (auto* const end_point = endpoint(source_of(peer))) end_point->close(transport_peer(peer));
}

// --- the end
// ------------------------------------------------------------------------------------------------------

void engine::stop() {
  if (!is_ours()) return;
  {
    lock held(mutex_);
    stopping_ = true;
    time_ = now();
    client_.shutdown(time_, client_outputs_);
    if (hub_) hub_->shutdown(time_, hub_outputs_);
    carry_out();
    flush();
    poller_->ring();
    housekeeper_wakes_.notify_all();
    for (auto* const follower : followers_) follower->notify_all();
    nobody_inside_.wait(held, [&] { return callers_ == 0; });
  }
  if (housekeeper_.get_id() == std::this_thread::get_id())
    housekeeper_.detach();  // a coroutine that it resumed has ended the runtime
  else if (housekeeper_.joinable())
    housekeeper_.join();
  lock held(mutex_);
  if (pool_) pool_->stop();
  pool_.reset();
  listener_.reset();
  uplink_.reset();
}

std::vector<std::string> engine::addresses() {
  lock held(mutex_);
  return listener_ ? listener_->addresses() : std::vector<std::string>();
}

std::size_t engine::worker_count() {
  lock held(mutex_);
  return pool_ ? pool_->size() : 0;
}

}  // namespace yonder::detail
