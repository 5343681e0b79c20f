// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/engine.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/core/metadata.hpp"
#include "src/platform/heap.hpp"
#include "src/platform/process.hpp"
#include "src/platform/stderr_writer.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/exceptions.hpp"
#include "src/runtime/hub_journal.hpp"
#include "src/runtime/look.hpp"
#include "src/runtime/send_result.hpp"
#include "src/runtime/values.hpp"

namespace yonder::detail {
namespace {

using platform::now;
using runtime_detail::calling_attempt;

std::chrono::steady_clock::time_point as_time_point(std::int64_t nanoseconds) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

// Null, or why there is no value.
call_failure* engine::take_value(call_state& call, core::frame& message) const noexcept try {
  std::vector<core::value_key> references;
  if (message.head.metadata_size != 0 && core::read_references(message.metadata(), references) &&
      !references.empty())
    call.with_extras().tickets = tickets_for(values_, references);
  if (!message.buffers.empty()) {
    if (!call.extras) call.extras = std::make_unique<call_extras>();
    call.extras->buffers = std::move(message.buffers);
  }
  call.elsewhere = (message.head.flags & core::flag_elsewhere) != 0;
  call.value_offset = message.head.metadata_size;
  call.value = std::move(message.body);
  return nullptr;
} catch (std::bad_alloc const&) {
  return failure_without_memory();
}

void engine::give_back_references(core::frame const& result) const {
  std::vector<core::value_key> references;
  if (!core::read_references(result.metadata(), references)) return;
  for (auto const& key : references) values_->give_back(key, 1);
}

// What a call ends with, however little memory is left.
call_failure* engine::failure_of(core::failure& told, call_state const& call) const noexcept try {
  auto details = runtime_detail::details_of(told);
  name_call(call, details);
  return new call_failure{std::move(details), std::make_unique<core::failure>(std::move(told))};
} catch (std::bad_alloc const&) {
  return is_broken() ? failure_of_broken_runtime() : failure_without_memory();
}

call_failure* failure_without_memory() noexcept {
  static call_failure shared{
      {.code = errc::failed, .message = "the call ended with an error that there was no memory to tell of"},
      nullptr};
  return &shared;
}

call_failure* failure_of_broken_runtime() noexcept {
  static call_failure shared{
      {.code = errc::disconnected, .message = "the runtime cannot go on: there was no memory"}, nullptr};
  return &shared;
}

engine::engine(engine_config config) : config_(std::move(config)), client_(config_.client) {
  failure_without_memory();  // made as long as there is some
  failure_of_broken_runtime();
  if (config_.hub) hub_.emplace(*config_.hub, now());
  if (config_.own_thread) return;
  hook_ = std::make_unique<platform::loop_hook>(poller_->descriptor());
  lead_.led_by_loop();
  executor_.run_by_hand();
}

engine::~engine() = default;

void engine::add_pool(std::unique_ptr<runtime_detail::worker_pool> pool) { pool_ = std::move(pool); }
void engine::add_launching(std::unique_ptr<runtime_detail::launching> launching) {
  launching_ = std::move(launching);
}
void engine::add_listener(std::unique_ptr<transport::listener> listener) {
  listener_ = std::move(listener);
  lock const held(mutex_);
  for (auto& line : listener_->warnings()) tell(std::move(line));
}
void engine::set_uplink(std::unique_ptr<transport::endpoint> uplink) { uplink_ = std::move(uplink); }

void engine::start() {
  values_ = std::make_shared<value_store>(weak_from_this(), config_.client.session, config_.max_value_bytes);
  lock held(mutex_);
  if (hub_) {
    auto const link = peer_of(source::client, 1);
    time_ = now();
    hub_->connected(time_, link, {.reliable = true, .start = 0, .is_operator = true}, hub_due_.items());
    client_.connected(time_, link, true, client_due_.items());
    carry_out();
  }
  if (hook_)
    hook_->wake_at(0);
  else
    housekeeper_ = platform::start_thread("yonder", [self = shared_from_this()] { self->housekeep(); });
}

// --- numbers of peers

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

// --- waiting

void engine::send_now() {
  lock held(mutex_);
  survive(held, [&] {
    send_pack();
    flush();
  });
  wake_leader_if_needed();
}

void engine::wake_leader_if_needed() {
  if (lead_.asleep() && lead_.must_wake(!arm(), next_deadline())) poller_->ring();
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

bool engine::wait_any(std::span<call_state* const> calls, std::int64_t until) {
  lock held(mutex_);
  return lead_until(held, until, calls, [&] {
    return std::any_of(calls.begin(), calls.end(),
                       [](auto* call) { return call->done.load(std::memory_order_relaxed); });
  });
}

void engine::cancel(call_state& call) {
  lock held(mutex_);
  if (call.done.load(std::memory_order_relaxed)) return;
  time_ = now();
  survive(held, [&] {
    close_pack();
    endurance_.once([&] {
      if (unpark(call))
        end_unparked(call, errc::cancelled, "the call was cancelled");
      else
        client_.cancel(time_, call.pack->submitted_id_of(call), client_due_.items());
    });
    carry_out();
    flush();
  });
  wake_leader_if_needed();
}

void engine::complete(core::out::completed& completed) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the core carries it as a number
  auto* const call = reinterpret_cast<call_state*>(completed.cookie);
  // A core that was interrupted while it told of a pack tells of all of it again.
  if (call->done.load(std::memory_order_relaxed)) return;
  try {
    if (std::exchange(call->borrows, false)) detach(*call);
  } catch (...) {
    unfinished_ = std::move(completed);
    throw;
  }
  if (call->composed() != nullptr && !is_broken() && !completed.result.ok() &&
      completed.result.error().code == errc::argument_gone) {
    call->composed()->gone = true;
    park(*call);
    return send_parked();
  }
  call_failure* failure = nullptr;
  if (!completed.result.ok())
    failure = failure_of(completed.result.error(), *call);
  else if (failure = misfit_of(*call, completed.result.value()); failure == nullptr)
    failure = take_value(*call, completed.result.value());
  auto const is_told =
      failure == nullptr || (failure != failure_without_memory() && is_outcome(failure->details.code));
  call->is_kept = (call->pack->durable || call->pack->found) && is_told;
  set_ended(*call, failure);
  if (parked_ != nullptr && !is_broken()) send_parked();
}

// With this failure, or, where that is null, with the value that it has.
void engine::set_ended(call_state& call, call_failure* failure) noexcept {
  std::shared_ptr<call_pack> keep;
  if (--call.pack->undone == 0) keep = std::move(call.pack->in_flight);
  --in_flight_;
  call.failure.reset(failure);
  if (call.extras) {
    call.extras->composed.reset();
    call.extras->values.reset();
  }
  call.done.store(true, std::memory_order_release);
  wake(call);
  if (call.extras && !call.extras->resumptions.empty()) continue_later(call);
}

// What is still unsent of buffers that are borrowed is copied: their caller is about to return. Where there
// is no memory for that, it returns when nothing is sent any more: see give_up().
void engine::detach(call_state& call) try {
  for (auto const from : {source::pool, source::listener, source::uplink})
    if (auto* const end = endpoint(from)) end->detach();
  outbox_.each([](core::frame& message) {
    for (auto& block : message.buffers)
      if (block.borrowed()) block = owned_copy(block.bytes());
  });
} catch (...) {
  call.borrows = true;
  throw;
}

// --- leading

// Returns once done() (true) or `until` has come (false), both looked at under the lock.
template <class Done>
bool engine::lead_until(lock& held, std::int64_t until, std::span<call_state* const> calls, Done done) {
  if (done()) return true;
  auto const parent = calling_attempt(this);
  lead_.arrive();
  if (parent.attempt != 0) say_that_waits(held, parent);
  // Who leads sends first.
  if (lead_.is_taken() || until != core::never) survive(held, [&] { flush(); });
  bool in_time = true;
  while (!done()) {
    if (parent.attempt != 0) say_that_waits(held, parent);  // a call of it may have ended meanwhile
    if (until != core::never && now() >= until) {
      in_time = false;
      break;
    }
    if (lead_.lead())
      lead(held, until);
    else
      follow(held, until, calls);
  }
  if (parent.attempt != 0) say_that_goes_on(held, parent);
  lead_.depart();
  if (lead_.deserted() && lead_.ending()) nobody_inside_.notify_all();
  hand_over();
  return in_time;
}

void engine::lead_until(lock& held, call_state& call, std::function<bool()> const& done) {
  auto* const only = &call;
  lead_until(held, core::never, {&only, 1}, std::cref(done));
}

// A worker's task waits here: the worker does not count meanwhile.
void engine::say_that_waits(lock& held, core::attempt_key const& attempt) {
  survive(held, [&] {
    close_pack();
    time_ = now();
    endurance_.once([&] { client_.waits(time_, attempt, client_due_.items()); });
    if (client_due_.empty()) return;
    carry_out();
    wake_leader_if_needed();
  });
}

void engine::say_that_goes_on(lock& held, core::attempt_key const& attempt) {
  survive(held, [&] {
    time_ = now();
    endurance_.once([&] { client_.goes_on(time_, attempt, client_due_.items()); });
    if (client_due_.empty()) return;
    carry_out();
    flush();
    wake_leader_if_needed();
  });
}

void engine::attempt_ended(core::attempt_key const& attempt) noexcept {
  if (!is_ours()) return;
  lock const held(mutex_);
  client_.parent_ended(attempt);
}

void engine::lead(lock& held, std::int64_t until) {
  survive(held, [&] { turn(held, until); });
  lead_.yield();
}

// Takes no memory: a thread that waits must be counted as one, and leave as one.
void engine::follow(lock& held, std::int64_t until, std::span<call_state* const> calls) {
  if (lead_.follow()) poller_->ring();
  follower self;
  auto& woken = self.woken;
  followers_.push_back(self);
  for (auto* const call : calls)
    if (auto* const other = std::exchange(call->waiter, &woken); other != nullptr && other != &woken)
      call->several_wait = true;
  if (until == core::never)
    woken.wait(held);
  else
    woken.wait_until(held, as_time_point(until));
  for (auto* const call : calls)
    if (call->waiter == &woken) call->waiter = nullptr;
  followers_.remove(self);
  lead_.unfollow();
}

void engine::wake_followers() noexcept {
  for (auto* one = followers_.first(); one != nullptr; one = followers_.after(*one)) one->woken.notify_one();
}

// Nobody leads now: lets one who waits do it.
void engine::hand_over() {
  switch (lead_.next_leader()) {
    case driver::leadership::successor::follower: return followers_.front().woken.notify_one();
    case driver::leadership::successor::housekeeper:
      return hook_ ? hook_->wake_at(0) : housekeeper_wakes_.notify_one();
    case driver::leadership::successor::nobody: return;
  }
}

// Sends what is to be sent, sleeps until something happens or `until`, and deals with it.
void engine::turn(lock& held, std::int64_t until) {
  flush();
  bool const waits_for_workers_only = lead_.led_by_only_caller() && pool_ && listener_ == nullptr &&
                                      uplink_ == nullptr && journal_ == nullptr;
  bool const came = waits_for_workers_only && runtime_detail::look(pool_->endpoint(), spin_, held);
  due_ = next_deadline();
  if (came) return take_what_came();
  auto const wake_at = arm() ? std::min(until, due_) : 0;
  lead_.fall_asleep(wake_at);
  held.unlock();
  auto const begin = now();
  poller_->poll(wake_at == core::never ? -1 : std::max<std::int64_t>(0, wake_at == 0 ? 0 : wake_at - begin));
  held.lock();
  take_what_came();
  if (wake_at != 0) spin_.slept(time_ - begin);
}

void engine::take_what_came() {
  lead_.wake_up();
  time_ = now();
  poller_->dispatch();
  if (time_ >= day_ends_) begin_day();
  take_events();
  if (due_ <= time_) endurance_.once([this] { tick(); });
  send_due_pack();
  carry_out();
  flush();
  post_resumptions();
}

// What has become due meanwhile is looked at before the next sleep, which it ends.
void engine::tick() {
  if (client_.next_deadline() <= time_) client_.tick(time_, client_due_.items());
  if (hub_ && hub_->next_deadline() <= time_) hub_->tick(time_, hub_due_.items());
  if (launching_ && launching_->next_deadline() <= time_) launching_->tick(time_);
}

std::int64_t engine::next_deadline() const {
  auto const again = unposted_ != 0 ? time_ + core::millisecond : core::never;
  auto const hub = hub_ ? hub_->next_deadline() : core::never;
  auto const launching = launching_ ? launching_->next_deadline() : core::never;
  return std::min({client_.next_deadline(), hub, launching, pack_due(), again});
}

void engine::flush() {
  outbox_.retry(
      time_, [this](core::out::send const& message) { return offer(message); },
      [this](core::out::send&& message) { refuse_frame(message.peer); });
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

void engine::let_go(std::size_t calls) noexcept {
  auto const left = held_calls_.fetch_sub(calls, std::memory_order_relaxed) - calls;
  if (left > many_calls / 8 || !held_many_.load(std::memory_order_relaxed)) return;
  if (!is_ours() || !held_many_.exchange(false)) return;
  heap_fell_.store(true, std::memory_order_relaxed);
  poller_->ring();
}

void engine::housekeep() {
  using chore = driver::leadership::chore::kind;
  lock held(mutex_);
  for (;;) {
    trim_heap_if_due(held);
    auto const next = lead_.housekeep();
    if (next.what == chore::end) return resume_here(held);
    if (next.what == chore::pause) {
      housekeeper_wakes_.wait_for(
          held,
          std::chrono::nanoseconds(pack_ ? std::min(next.pause, driver::pack_size::patience) : next.pause));
      if (pack_due() <= now())
        survive(held, [&] {
          send_pack();
          flush();
        });
    } else {
      lead(held, trim_at_);
      hand_over();
    }
  }
}

// --- events and outputs

void engine::take_events() {
  constexpr std::size_t most = 1024;
  take_journal();
  if (pool_) take_pool_events();
  if (launching_) take_launched_events();
  if (listener_) {
    listener_->receive(from_listener_.items(), most);
    from_listener_.work_off(
        [this](transport::event& event) { endurance_.once([&] { take_listener_event(event); }); });
  }
  if (uplink_) {
    uplink_->receive(from_uplink_.items(), most);
    from_uplink_.work_off(
        [this](transport::event& event) { endurance_.once([&] { take_uplink_event(event); }); });
  }
}

void engine::take_pool_events() {
  pool_->take(pool_events_, from_pool_.items());
  for (auto* const some : {&greetings_, &endings_})  // all are taken over, or none
    some->items().reserve(some->items().size() + pool_events_.size());
  for (auto& event : pool_events_) {
    auto const greets = event.what == runtime_detail::pool_event::kind::connected;
    (greets ? greetings_ : endings_).items().push_back(std::move(event));
  }
  pool_events_.clear();
  auto const take = [this](runtime_detail::pool_event& event) {
    endurance_.once([&] { take_pool_event(event); });
  };
  greetings_.work_off(take);
  from_pool_.work_off([this](transport::event& event) {
    endurance_.once([&] {
      hub_->receive(time_, peer_of(source::pool, event.peer), std::move(event.message), hub_due_.items());
    });
  });
  endings_.work_off(take);
}

void engine::take_pool_event(runtime_detail::pool_event& event) {
  using what = runtime_detail::pool_event::kind;
  auto const peer = peer_of(source::pool, event.peer);
  switch (event.what) {
    case what::connected:
      hub_->connected(time_, peer, {.reliable = true, .start = event.start}, hub_due_.items());
      break;
    case what::lost:
      outbox_.forget(peer);
      hub_->lost(time_, peer, event.loss, hub_due_.items());
      break;
    case what::start_failed:
      hub_->worker_start_failed(time_, event.start, event.text, event.loss.stderr_tail, hub_due_.items());
      break;
    case what::notice: return tell(std::move(event.text));
    case what::placed: hub_->worker_placed(time_, event.start, hub_due_.items()); break;
    case what::held: hub_->worker_held(time_, event.start, event.text, hub_due_.items()); break;
    case what::waits: hub_->worker_waits(event.start, std::move(event.text)); break;
    case what::ended:
      hub_->worker_ended(time_, event.start, event.text, event.loss.stderr_tail, hub_due_.items());
      break;
  }
}

void engine::take_launched_events() {
  launching_->take(endings_.items());
  endings_.work_off(
      [this](runtime_detail::pool_event& event) { endurance_.once([&] { take_pool_event(event); }); });
}

void engine::take_listener_event(transport::event& event) {
  using what = transport::event::kind;
  auto const peer = peer_of(source::listener, event.peer);
  switch (event.what) {
    case what::connected: {
      auto const may = listener_->rights_of(event.identity);
      hub_->connected(time_, peer,
                      {.reliable = listener_->reliable(),
                       .identity = event.identity,
                       .is_operator = may.operates,
                       .may_call = may.calls,
                       .may_work = may.works,
                       .issued_for = may.issued_for,
                       .max_jobs = may.max_jobs,
                       .max_gpus = may.max_gpus},
                      hub_due_.items());
      break;
    }
    case what::received: hub_->receive(time_, peer, std::move(event.message), hub_due_.items()); break;
    case what::lost:
      outbox_.forget(peer);
      hub_->lost(time_, peer, {.reason = std::move(event.reason)}, hub_due_.items());
      break;
    case what::revoked: hub_->revoked(time_, event.identity, event.reason, hub_due_.items()); break;
  }
}

void engine::take_uplink_event(transport::event& event) {
  using what = transport::event::kind;
  auto const peer = peer_of(source::uplink, event.peer);
  switch (event.what) {
    case what::connected: client_.connected(time_, peer, uplink_->reliable(), client_due_.items()); break;
    case what::received: client_.receive(time_, peer, std::move(event.message), client_due_.items()); break;
    case what::lost:
      outbox_.forget(peer);
      client_.lost(time_, peer, event.unauthorized,
                   event.unauthorized ? errc::unauthorized : errc::disconnected, event.reason,
                   client_due_.items());
      break;
    case what::revoked: break;  // of those who are listened for
  }
}

void engine::carry_out() {
  endurance_.once([this] {
    while (!client_due_.empty() || !hub_due_.empty()) {
      client_due_.work_off([this](core::output& output) { carry_out_client(output); });
      hub_due_.work_off([this](core::output& output) { carry_out_hub(output); });
    }
    flush_journal();
  });
}

void engine::carry_out_client(core::output& output) {
  if (auto* const message = std::get_if<core::out::send>(&output)) {
    if (hub_)
      message->give(
          [&](core::frame&& one) { hub_->receive(time_, message->peer, std::move(one), hub_due_.items()); });
    else
      send(std::move(*message));
  } else if (auto* const completed = std::get_if<core::out::completed>(&output)) {
    complete(*completed);
  } else if (auto const* const taken = std::get_if<core::out::accepted>(&output)) {
    accept(*taken);
  } else if (auto const* const late = std::get_if<core::out::came_late>(&output)) {
    give_back_references(late->result);
  } else if (auto* const items = std::get_if<core::out::stream_arrived>(&output)) {
    arrived(*items);
  } else if (auto* const told = std::get_if<core::out::stream_allowed>(&output)) {
    allowed(*told);
  } else if (auto* const so_far = std::get_if<core::out::progressed>(&output)) {
    progressed(*so_far);
  } else if (auto* const said = std::get_if<core::out::notice>(&output)) {
    tell(std::move(said->text));
  } else if (auto* const closed = std::get_if<core::out::close>(&output)) {
    end(closed->peer);
  }
}

void engine::carry_out_hub(core::output& output) {
  if (auto* const message = std::get_if<core::out::send>(&output)) {
    if (source_of(message->peer) == source::client)
      message->give([&](core::frame&& one) {
        client_.receive(time_, message->peer, std::move(one), client_due_.items());
      });
    else
      send(std::move(*message));
  } else if (auto* const traced = std::get_if<core::out::traced>(&output)) {
    config_.traces->take(std::move(*traced));
  } else if (auto const* const record = std::get_if<core::out::append>(&output)) {
    append(*record);
  } else if (auto const* const wanted = std::get_if<core::out::read>(&output)) {
    if (journal_) journal_->read(*wanted);
  } else if (auto* const start = std::get_if<core::out::start_worker>(&output)) {
    if (start->elsewhere && launching_)
      launching_->start(*start);
    else if (pool_)
      pool_->start(*start);
  } else if (auto* const late = std::get_if<core::out::abandon_start>(&output)) {
    if (pool_) pool_->abandon(late->start);
    if (launching_) launching_->abandon(late->start);
  } else if (auto const* const came = std::get_if<core::out::worker_came>(&output)) {
    if (launching_) launching_->came(came->start);
  } else if (std::holds_alternative<core::out::drained>(output)) {
    drained_->add();
  } else if (std::holds_alternative<core::out::observe_machine>(output)) {
    observe_machine();
  } else if (auto* const said = std::get_if<core::out::notice>(&output)) {
    tell(std::move(said->text));
  } else if (auto* const doomed = std::get_if<core::out::kill_worker>(&output)) {
    kill(*doomed);
  } else if (auto* const closed = std::get_if<core::out::close>(&output)) {
    end(closed->peer);
  }
}

// Waits for nobody: neither for a full stderr, of which the line is lost, nor for the user's function.
void engine::tell(std::string line) try {
  if (!config_.log) {
    platform::stderr_writer().write("yonder: " + line + "\n");
    return;
  }
  if (hook_) hook_->wake_at(0);
  executor_.post([log = config_.log, line = std::move(line)] { log(line); });
} catch (std::exception const&) {  // no memory, or no thread: the line is lost
}

void engine::send(core::out::send&& message) {
  auto const peer = message.peer;
  auto const* const end_point = endpoint(source_of(peer));
  if (end_point == nullptr) return;
  auto const fate = outbox_.send(time_, std::move(message), !end_point->reliable(),
                                 [this](core::out::send const& one) { return offer(one); });
  if (fate == driver::outbox::fate::refused) refuse_frame(peer);
}

driver::send_result engine::offer(core::out::send const& message) {
  auto* const end_point = endpoint(source_of(message.peer));
  if (end_point == nullptr) return driver::send_result::gone;
  return runtime_detail::offer(*end_point, transport_peer(message.peer), message);
}

// Larger than the transport carries, though within the limits that both ends have told, or lost by a throw.
// Better a peer that is given up in words than an outcome that never comes.
void engine::refuse_frame(core::peer_id peer) {
  static constexpr auto reason = "the transport to it could not take a frame";
  if (source_of(peer) == source::uplink) {
    end(peer);
    client_.lost(time_, peer, true, errc::disconnected, reason, client_due_.items());
  } else {
    kill({peer, reason});
  }
}

void engine::kill(core::out::kill_worker const& doomed) {
  outbox_.forget(doomed.peer);
  if (source_of(doomed.peer) == source::pool) {
    pool_->kill(transport_peer(doomed.peer), doomed.reason);
  } else {
    // Out of our reach: the connection ends, and the worker ends itself when it hears that its session is
    // over.
    end(doomed.peer);
    hub_->lost(time_, doomed.peer, {.reason = doomed.reason}, hub_due_.items());
  }
}

void engine::end(core::peer_id peer) {
  outbox_.forget(peer);
  if (auto* const end_point = endpoint(source_of(peer))) end_point->close(transport_peer(peer));
}

// --- what is asked about it

std::vector<std::string> engine::addresses() {
  lock held(mutex_);
  return listener_ ? listener_->addresses() : std::vector<std::string>();
}

std::size_t engine::worker_count() {
  lock held(mutex_);
  return pool_ ? pool_->size() : 0;
}

}  // namespace yonder::detail
