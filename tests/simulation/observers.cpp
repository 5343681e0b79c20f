// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {

std::string_view to_string(state one) {
  switch (one) {
    case state::queue_full: return "a transport took no more";
    case state::too_large: return "a call was past a limit";
    case state::large_value: return "a large block came back";
    case state::frame_refused: return "a frame could not be sent at all";
    case state::step_threw: return "a driver's step threw";
    case state::read_interrupted: return "a read was interrupted";
    case state::several_read: return "a worker read several frames at once";
    case state::stopped_early: return "a stop came before its attempt began";
    case state::taken_over: return "the watchdog read while a task ran";
    case state::exit_while_running: return "a worker was told to end while its task ran";
    case state::handed_over: return "a caller that left let another lead";
    case state::leader_woken: return "a thread woke the leader for an earlier deadline";
    case state::lied_to: return "a peer lied to the hub";
    case state::chose_rarely: return "the cores made their rare choices";
    case state::part_abandoned: return "the world healed but for some nodes";
    case state::left_unsent: return "a call gathered while its caller worked";
  }
  return "?";
}

void world::finish() {
  if (!seen_.violation.empty()) return;
  for (auto& node : clients_)
    if (node.abandoned) lives_[node.life].ended = true;
  for (auto const& life : lives_) {
    for (auto const& one : life.records) {
      if (one.outcomes == 0 && !life.ended) return violated("a call never ended: " + describe(one));
    }
  }
  note_counters();
  auto const left = hub_->census();
  if (left.calls != 0 || left.queued != 0 || left.delayed != 0)
    return violated("the hub keeps calls that ended");
  if (!hung_starts_.empty()) return violated("a worker that did not come in time is not ended");
  if (left.attempts != 0) return violated("a slot of a worker is leaked");
  if (left.bytes != 0 || left.client_bytes != 0) return violated("credit is leaked");
  if (left.frames_held != 0) return violated("the hub keeps frames");
  std::size_t alive = 0;
  for (auto const& node : workers_) {
    if (node.core == nullptr || node.abandoned) continue;
    ++alive;
    if (!node.core->idle() || node.core->frames_held() != 0) {
      return violated("a worker keeps work or frames: " + std::to_string(node.core->queued()) + " queued, " +
                      std::to_string(node.core->frames_held()) + " frames");
    }
  }
  if (left.workers != alive || left.idle_workers != alive)
    return violated("the hub has lost count of its workers");
  auto const abandoned =
      std::count_if(clients_.begin(), clients_.end(), [](auto& one) { return one.abandoned; });
  if (left.clients + static_cast<std::size_t>(abandoned) != clients_.size())
    return violated("the hub has lost count of its clients");
  for (auto const& node : clients_) {
    if (node.abandoned) continue;
    if (node.core->frames_held() != 0 || node.core->calls_in_flight() != 0 ||
        node.core->bytes_in_flight() != 0) {
      return violated("a client keeps calls or frames");
    }
  }
}

std::string world::describe(record const& call) const {
  auto const left = hub_->census();
  return "attempt " + std::to_string(call.last_attempt) + ", " + std::to_string(call.starts) +
         " starts; the hub has " + std::to_string(left.calls) + " calls, " + std::to_string(left.queued) +
         " queued, " + std::to_string(left.delayed) + " delayed, " + std::to_string(left.attempts) +
         " attempts, " + std::to_string(left.workers) + " workers, " + std::to_string(left.idle_workers) +
         " idle";
}

// True: the call failed, its client had better wait before it asks again.
bool world::completed(client_node& node, out::completed const& done) {
  auto& life = lives_[node.life];
  if (done.call.session != first_session + node.life || done.call.number > life.records.size()) {
    violated("an outcome for no call");
    return true;
  }
  auto& call = life.records[done.call.number - 1];
  note(mix(done.call.number, done.result.ok() ? 1 : static_cast<std::uint64_t>(done.result.error().code)));
  if (++call.outcomes != 1) violated("a call has two outcomes");
  --node.in_flight;
  --open_calls_;
  if (call.deadline != never && now_ > call.deadline + 60 * millisecond)
    violated("an outcome long past the deadline");
  if (done.result.ok()) {
    ++seen_.values;
    check_value(done);
    return false;
  }
  ++seen_.failures;
  check_failure(call, done.result.error());
  return true;
}

void world::check_value(out::completed const& done) {
  auto const& value = done.result.value();
  auto const payload = value.payload();
  std::size_t large = 0;
  for (auto const& one : value.buffers) large += one.size;
  if (payload.size() != value_size || !is_large_of(value, done.call.number, large) ||
      load_le<std::uint64_t>(payload.data()) != mix(done.call.session, done.call.number)) {
    violated("a wrong value");
  }
  if (large != 0) reach(state::large_value);
}

void world::check_failure(record const& call, failure const& error) {
  auto const lossy = how_.worker_crash_every != 0 || how_.crashes > 0 || how_.ignores_stop > 0 ||
                     how_.partition_every != 0 || how_.hub_restart_every != 0 || broken_;
  auto allowed = true;
  switch (error.code) {
    case errc::failed: allowed = how_.throws > 0; break;
    case errc::timed_out: allowed = call.timeout != 0 && (call.starts != 0 || !how_.reliable); break;
    case errc::deadline_exceeded: allowed = call.deadline != never; break;
    case errc::too_large:
      allowed = call.large + 1024 > largest_at_worker || call.large_value;
      reach(state::too_large);
      break;
    case errc::cancelled: allowed = how_.cancels > 0; break;
    case errc::worker_lost: allowed = lossy; break;
    case errc::worker_start_failed: allowed = how_.start_fails > 0; break;
    case errc::disconnected:
      allowed = how_.hub_restart_every != 0 || how_.partition_every != 0 || broken_;
      break;
    default: allowed = false;
  }
  if (!allowed)
    violated("a call failed for no reason: " + std::string(to_string(error.code)) + ": " + error.message);
}

record* world::find(call_id id) {
  if (id.session < first_session || id.session - first_session >= lives_.size()) return nullptr;
  auto& records = lives_[id.session - first_session].records;
  return id.number == 0 || id.number > records.size() ? nullptr : &records[id.number - 1];
}

void world::observe_run(out::run const& run) {
  auto* const call = find(run.key.call);
  if (call == nullptr) return violated("a run of no call");
  if (++call->starts > 1 && !call->may_repeat) violated("a call that must be started once is started again");
  if (call->cancelled_in_queue) violated("a call is started that was cancelled while it was queued");
  if (call->deadline != never && now_ > call->deadline + slack_) violated("an expired call is started");
  auto const payload = run.message.payload();
  if (payload.size() != argument_size || !is_large_of(run.message, run.key.call.number, call->large) ||
      load_le<std::uint64_t>(payload.data() + 8) != run.key.call.number) {
    violated("a run with another call's arguments");
  }
}

// Whoever waits in a worker is small, or the only one.
void world::observe_prefetch(frame const& assign) {
  auto const attempts = ++unanswered_[assign.head.epoch];
  auto const smallest = header_size + assign.head.metadata_size + argument_size;
  if (attempts > 1 && attempts * smallest > how_.prefetch_bytes + smallest)
    violated("more bytes wait in a worker than may");
}

// Whoever may be gone is given nothing new. What was sent before the last word of it may leave later.
void world::observe_silence(std::uint32_t epoch) {
  constexpr auto longest = 5 * heartbeat / 4 + 10 * millisecond;
  auto const heard = last_heard_.find(epoch);
  if (heard != last_heard_.end() && now_ - heard->second > longest)
    violated("work is given to a worker that has been silent for " +
             std::to_string((now_ - heard->second) / millisecond) + " ms");
}

void world::observe_at_hub(frame const& message) {
  last_heard_[message.head.epoch] = now_;
  auto const answers = message.head.type == frame_type::result || message.head.type == frame_type::error;
  if (answers && how_.prefetch_bytes != 0 && how_.reliable) --unanswered_[message.head.epoch];
  if (message.head.type != frame_type::cancel || !how_.reliable) return;
  auto const& id = message.head.call;
  for (std::uint32_t i = 0; i < read_item_count(message); ++i) {
    auto* const call = find({id.session, id.number + i});
    if (call != nullptr && call->last_attempt == 0) call->cancelled_in_queue = true;
  }
}

void world::observe_from_hub(frame const& message) {
  auto head = message.head;
  if (head.type == frame_type::welcome) last_heard_[head.epoch] = now_;
  transfer_message announced;
  if (head.type == frame_type::chunk && head.metadata_size != 0 && read_transfer(message, announced)) {
    head.type = announced.head.type;
    if (head.type == frame_type::result) return;  // its value is in the chunks
  }
  packed_items items;
  if (head.type == frame_type::assign) {
    if (!how_.reliable && is_repetition(head)) return;
    if (!how_.reliable) observe_silence(head.epoch);
    if (message.head.type == frame_type::assign && !read_items(message, items))
      violated("items that do not add up");
    for (std::uint32_t i = 0; i < items.count; ++i)
      observe_assigned(head, {head.call.session, head.call.number + i});
    if (how_.prefetch_bytes != 0 && how_.reliable) observe_prefetch(message);
  } else if (head.type == frame_type::result) {
    if (!read_items(message, items)) violated("items that do not add up");
    for (std::uint32_t i = 0; i < items.count; ++i) {
      auto const payload = message.payload();
      observe_value({head.call.session, head.call.number + i},
                    items.count == 1 ? payload : payload.subspan(i * value_size, value_size));
    }
  }
}

void world::observe_assigned(header const& head, call_id id) {
  auto* const call = find(id);
  if (call == nullptr) return violated("an assignment of no call");
  call->last_attempt = head.attempt;
  call->last_epoch = head.epoch;
}

void world::observe_value(call_id id, std::span<std::byte const> payload) {
  auto const* const call = find(id);
  if (call == nullptr || payload.size() != value_size) return violated("a result of no call");
  auto const attempt = load_le<std::uint32_t>(payload.data() + 8);
  auto const epoch = load_le<std::uint32_t>(payload.data() + 12);
  if (!restarted_ && (attempt != call->last_attempt || epoch != call->last_epoch)) {
    violated("a fenced attempt's value is taken: attempt " + std::to_string(attempt) + " of epoch " +
             std::to_string(epoch) + ", not " + std::to_string(call->last_attempt) + " of " +
             std::to_string(call->last_epoch));
  }
}

bool world::is_repetition(header const& assign) {
  auto& level = assigned_levels_[assign.epoch];
  if (assign.sequence <= level) return true;
  level = assign.sequence;
  return false;
}

void world::check_timeout(worker_node const& node) {
  auto const* const call = find(node.key.call);
  if (call == nullptr || call->timeout == 0 || !how_.reliable || node.stopping) return;
  if (now_ - node.since > call->timeout + slack_ + millisecond) violated("an attempt outlasts its timeout");
}

}  // namespace yonder::core::simulation
