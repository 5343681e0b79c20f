// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {

void world::finish() {
  if (!seen_.violation.empty()) return;
  for (auto& node : clients_)
    if (node.abandoned) lives_[node.life].ended = true;
  for (auto const& life : lives_) {
    for (auto const& one : life.records) {
      if (one.outcomes == 0 && !life.ended) return violated("a call never ended: " + describe(one));
    }
  }
  check_callbacks();
  note_counters();
  auto const left = hub_->census();
  if (left.calls != 0 || left.queued != 0 || left.delayed != 0)
    return violated("the hub keeps calls that ended");
  if (!hung_starts_.empty()) return violated("a worker that did not come in time is not ended");
  if (left.bytes != 0 || left.client_bytes != 0) return violated("credit is leaked");
  // A worker that speaks and does not hear says again and again what it has of an earlier hub, and is told
  // again and again that nobody waits for it.
  auto const is_told = how_.journal && std::any_of(workers_.begin(), workers_.end(),
                                                   [](worker_node const& one) { return one.abandoned; });
  if (!is_told && left.attempts != 0) return violated("a slot of a worker is leaked");
  if (!is_told && left.frames_held != 0) return violated("the hub keeps frames");
  if (left.progress != 0) return violated("the hub remembers the progress of calls that ended");
  std::size_t alive = 0;
  for (auto const& node : workers_) {
    if (node.core == nullptr || node.abandoned) continue;
    ++alive;
    if (!node.core->idle() || node.core->frames_held() != 0) {
      return violated("a worker keeps work or frames: " + std::to_string(node.core->queued()) + " queued, " +
                      std::to_string(node.core->frames_held()) + " frames");
    }
  }
  // Of the abandoned ones, the hub may hear some; those that do not hear it count as busy.
  auto const abandoned = [](auto const& nodes) {
    return static_cast<std::size_t>(
        std::count_if(nodes.begin(), nodes.end(), [](auto& one) { return one.abandoned; }));
  };
  if (left.workers < alive || left.workers > alive + abandoned(workers_) || left.idle_workers < alive)
    return violated("the hub has lost count of its workers");
  auto const connected = static_cast<std::size_t>(
      std::count_if(clients_.begin(), clients_.end(), [](auto& one) { return one.core != nullptr; }));
  if (left.clients > connected || left.clients + abandoned(clients_) < connected)
    return violated("the hub has lost count of its clients");
  for (auto const& node : clients_) {
    if (node.abandoned || node.core == nullptr) continue;
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
  if (!done.result.ok()) call.code = done.result.error().code;
  note(done.call.number, done.result.ok() ? 1 : static_cast<std::uint64_t>(done.result.error().code));
  if (++call.outcomes != 1) violated("a call has two outcomes");
  --node.in_flight;
  --open_calls_;
  if (call.wanted.session != 0) {
    found(node, call, done);
    return !done.result.ok();
  }
  auto const is_outcome = done.result.ok() || done.result.error().code != errc::cancelled;
  if (call.durable && is_outcome) take(node, done.call);
  if (call.deadline != never && now_ > call.deadline + 60 * millisecond + how_.longest_stop)
    violated("an outcome long past the deadline");
  if (done.result.ok()) {
    ++seen_.values;
    if (call.composed != 0) observe_composed(node, call);
    check_value(call, done);
    return false;
  }
  ++seen_.failures;
  if (!is_composed_failure(node, call, done.result.error())) check_failure(call, done.result.error());
  return true;
}

void world::check_value(record const& call, out::completed const& done) {
  auto const& value = done.result.value();
  if (auto const* const story = story_of(call); story != nullptr && story->reads)
    return check_streamed(*story, value);
  if ((value.head.flags & flag_elsewhere) != 0) return observe_elsewhere(call, value);
  if (call.keyed != 0) return check_keyed_value(call, value);
  auto const payload = value.payload();
  std::size_t large = 0;
  for (auto const& one : value.buffers) large += one.size;
  if (payload.size() != value_size || !is_large_of(value.buffers, done.call.number, large) ||
      load_le<std::uint64_t>(payload.data()) != mix(done.call.session, done.call.number)) {
    violated("a wrong value");
  }
  if (large != 0) reach(state::large_value);
}

void world::check_failure(record const& call, failure const& error) {
  auto const stops_long = how_.stop_every != 0 && how_.longest_stop > longest_unnoticed;
  auto const parted =
      how_.partition_every != 0 || how_.hub_restart_every != 0 || broken_ || stops_long || hurried_;
  // It may never have come; or what says that it was handed back is lost on its way, or in a queue that is
  // full.
  auto const late = how_.reconnect_every != 0 || how_.stop_every != 0 ||
                    (!how_.reliable && (how_.drop > 0 || how_.drivers));
  auto const lossy = parted || how_.worker_crash_every != 0 || how_.crashes > 0 || how_.ignores_stop > 0;
  auto const under_way =
      how_.drivers && how_.reliable && call.came != call.last_attempt;  // it waits in a transport's queue
  auto const nested = depth_of(call) != 0;
  if (call.keyed != 0 && may_end_as_its_key(call, error.code)) return;
  auto allowed = true;
  switch (error.code) {
    case errc::failed: allowed = how_.throws > 0; break;
    case errc::timed_out:
      allowed = call.timeout != 0 && (call.starts != 0 || late || (lossy && !how_.reliable) || under_way);
      break;
    case errc::deadline_exceeded: allowed = call.deadline != never || nested; break;
    case errc::would_deadlock: allowed = nested; break;
    case errc::too_large:
      allowed = call.large + 1024 > largest_at_worker || call.large_value;
      reach(state::too_large);
      break;
    case errc::cancelled: allowed = (how_.cancels > 0 && call.keyed == 0) || nested; break;
    case errc::worker_lost:
      allowed = lossy || is_cut_short(call);
      reach(state::call_lost);
      break;
    case errc::worker_start_failed: allowed = may_lack_workers(call); break;
    case errc::unsatisfiable:
      allowed = !call.pinned.choice.is_any();
      reach(state::refused_build);
      break;
    case errc::unknown_function: allowed = !call.pinned.choice.is_any(); break;
    case errc::overloaded: allowed = how_.client_bytes != 0 || how_.max_queue != 0; break;
    case errc::disconnected: allowed = parted && !call.durable; break;
    case errc::unknown_call: allowed = call.accepted && (call.take_said || call.cancel_said); break;
    default: allowed = false;
  }
  if (!allowed)
    violated("a call failed for no reason: " + std::string(to_string(error.code)) + ": " + error.message);
}

// Whether its function is one of a pool whose workers may not come, as far as the hub knows.
bool world::may_lack_workers(record const& call) const {
  if (lacks_room_ || may_fail(call.service)) return true;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(how_.pools); ++i) {
    auto const troubled = (how_.start_fails > 0 && is_troubled(i)) || i == barren_;
    if (troubled && (some_unknown_ || offers(i, call.function))) return true;
  }
  return false;
}

// Nothing waits for company, or for anything else, while somebody could take it.
void world::check_idle() {
  auto const seen = hub_->census();
  if (seen.queued != 0 && seen.idle_workers != 0)
    violated("a call waits although a worker has nothing to do");
}

// What the hub holds for clients is bounded, also where they take nothing.
void world::check_held() {
  auto const in_workers = static_cast<std::size_t>(how_.workers) * most_in_a_worker;
  auto const most = clients_.size() * 2 * how_.client_bytes + in_workers;
  if (hub_->census().client_bytes > most) violated("more is held for clients than their credit");
}

// A worker that ends itself says of what it has not started that it was not started.
void world::check_handed_back(worker_node const& node, std::size_t waited) {
  std::size_t returned = 0;
  auto says_bye = false;
  auto ends = false;
  for (auto const& one : out_) {
    ends = ends || std::holds_alternative<out::exit>(one);
    auto const* const sent = std::get_if<out::send>(&one);
    if (sent == nullptr) continue;
    says_bye = says_bye || sent->head.type == frame_type::bye;
    if ((sent->head.flags & flag_not_started) != 0) returned += read_item_count(sent->message());
  }
  if (ends && says_bye && returned == 0 && node.core->frames_held() < link::window)
    violated("a worker ends with " + std::to_string(waited) +
             " calls in its hands that it does not hand back");
}

// What a frame says of its time when it leaves is what is left of it.
void world::observe_remaining(frame const& message) {
  auto const& head = message.head;
  if (head.type != frame_type::call && head.type != frame_type::assign) return;
  auto const* const call = find(head.call);
  if (call == nullptr || call->deadline == never || call->keyed != 0) return;
  auto const until = now_ + static_cast<duration>(head.remaining_us) * microsecond;
  auto on_its_way = head.type == frame_type::call ? 2 * microsecond : slack_;
  if (how_.step_throws > 0) on_its_way += 5 * millisecond;  // it waited for the turn after the throw
  if (until > call->deadline + on_its_way) violated("a frame says that more is left of its deadline than is");
}

epoch_record& world::about(std::uint32_t epoch) {
  if (auto* const known = epochs_.find(epoch)) return *known;
  auto& made = epoch_records_.emplace_back();
  epochs_.insert(epoch, made);
  return made;
}

void world::observe_run(task const& made, out::run const& run, std::uint32_t pool) {
  each_call(made, [&](call_id id, attempt_key const&) { observe_start(id, pool); });
  if (!made.company.empty()) return observe_company(made);
  auto const* const call = find(made.call);
  if (call != nullptr && call->composed == 0 && made.call.number < first_callback &&
      !is_large_of(run.message.buffers, made.call.number, call->large))
    violated("a run with another call's arguments");
}

void world::observe_start(call_id id, std::uint32_t pool) {
  auto* const call = find(id);
  if (call == nullptr)
    return violated("a run of no call: number " + std::to_string(id.number) + " of session " +
                    std::to_string(id.session));
  if (call->starts != 0 && call->stream != 0) observe_restart(*call);
  if (++call->starts > 1 && !call->may_repeat) violated("a call that must be started once is started again");
  if (call->kills > most_kills && !(call->durable && restarted_))
    violated("a call is started that has ended several workers");
  if (how_.pools > 1 && !offers(pool, call->function))
    violated("a worker is given a task that it does not have");
  if (call->keyed != 0) return;  // whoever has joined it wants it, and for longer
  if (call->cancelled_in_queue) violated("a call is started that was cancelled while it was queued");
  if (call->deadline != never && now_ > call->deadline + slack_) violated("an expired call is started");
}

// Calls of one function, no more than their limits allow, and none that must run by itself.
void world::observe_company(task const& made) {
  reach(state::ran_as_one);
  auto const* const first = find(made.company.front());
  std::uint64_t weight = 0;
  for (auto const& id : made.company) {
    auto const* const call = find(id);
    if (call == nullptr || call->function != first->function) return violated("a batch of several functions");
    weight += call->weight;
    if (call->suspect) violated("a call runs beside others that may have ended a worker");
  }
  auto const most = batching_of(first->function, 0);
  if (made.company.size() > most.max_items || (most.max_weight != 0 && weight > most.max_weight))
    violated("a batch is larger than it may be");
}

// Whoever waits in a worker is small, or the only one.
void world::observe_prefetch(frame const& assign) {
  auto const attempts = ++about(assign.head.epoch).unanswered;
  auto const smallest = header_size + assign.head.metadata_size + argument_size;
  if (attempts > 1 && attempts * smallest > how_.prefetch_bytes + smallest)
    violated("more bytes wait in a worker than may");
}

// Whoever may be gone is given nothing new. What was sent before the last word of it may leave later.
void world::observe_silence(std::uint32_t epoch) {
  constexpr auto longest = 5 * heartbeat / 4 + 10 * millisecond;
  auto const heard = about(epoch).heard;
  if (heard != never && now_ - heard > longest)
    violated("work is given to a worker that has been silent for " +
             std::to_string((now_ - heard) / millisecond) + " ms");
}

void world::observe_at_hub(peer_id peer, connection const& over, frame const& message) {
  if (how_.nests > 0) observe_nested_at_hub(over, message);
  if (how_.keys > 0) observe_keyed_at_hub(over, message);
  if (!how_.reliable) about(message.head.epoch).heard = now_;
  observe_turn_at_hub(peer, message);
  auto const answers = message.head.type == frame_type::result || message.head.type == frame_type::error;
  if (how_.batched && answers && over.of_worker && (message.head.flags & flag_shared) != 0) {
    reach(state::threw_together);
    auto const id = own_id(message.head.call);
    auto* const call = find(id);
    attempt_key const key{message.head.call, message.head.attempt, message.head.epoch};
    if (call != nullptr && call->may_repeat) suspect({id, name_of(key)});
  }
  if (answers && over.of_worker) observe_answer_at_hub(over, message);
  if (answers && how_.prefetch_bytes != 0 && how_.reliable) --about(message.head.epoch).unanswered;
  if (how_.services != 0 && over.of_worker && message.head.type == frame_type::error &&
      message.head.call.session == 0)
    observe_entry_failed(over);
  if (how_.composes + how_.keys > 0 && message.head.type == frame_type::cancel)
    note_over_at_hub(message.head, read_item_count(message));
  if (message.head.type != frame_type::cancel || !how_.reliable) return;
  auto const& id = message.head.call;
  for (std::uint32_t i = 0; i < read_item_count(message); ++i) {
    auto* const call = find({id.session, id.number + i});
    if (call == nullptr || call->last_attempt != 0 || call->rest != 1) continue;
    // Of several calls that were given to a worker together, and whose frame has not left, one is not taken
    // back.
    auto const* const before = find({id.session, id.number + i - 1});
    if (before != nullptr && before->rest == 2) continue;
    call->cancelled_in_queue = true;
    reach(state::cancelled_in_queue);
  }
}

// --- when calls are served

void world::observe_turn_at_hub(peer_id peer, frame const& message) {
  if (how_.turns == 0) return;
  auto const& head = message.head;
  if (head.type == frame_type::call) {
    packed_items items;
    read_items(message, items);
    for (std::uint32_t i = 0; i < items.count; ++i) {
      call_id const id{head.call.session, head.call.number + i};
      if (auto const* const call = find(id)) turns_.came(id, call->turn);
    }
  } else if (head.type == frame_type::cancel) {
    for (std::uint32_t i = 0; i < read_item_count(message); ++i)
      turns_.ended({head.call.session, head.call.number + i});
  } else if (head.type == frame_type::error) {
    auto const started = (head.flags & flag_not_started) == 0;
    turns_.answered(peer, head.call, read_item_count(message), started, waits_again(head));
  } else if (head.type == frame_type::result) {
    packed_items items;
    read_items(message, items);
    turns_.answered(peer, head.call, items.count, true);
  }
}

// If it was not started: nothing else has happened to it.
bool world::waits_again(header const& answer) {
  auto const* const call = find(answer.call);
  auto const attempt = name_of({answer.call, answer.attempt, answer.epoch});
  return call != nullptr && call->rest == 1 && call->deadline == never && !call->cancel_said &&
         call->last_attempt == attempt && call->fenced != attempt;
}

void world::observe_turn_from_hub(peer_id peer, frame const& message) {
  if (how_.turns == 0) return;
  auto const& head = message.head;
  auto const ends = head.type == frame_type::result || head.type == frame_type::error;
  if (head.type != frame_type::assign && !ends) return;
  packed_items items;
  if (head.type != frame_type::error) read_items(message, items);
  if (!ends) turns_.assigned(peer, head.call, items.count);
  for (std::uint32_t i = 0; ends && i < items.count; ++i)
    turns_.ended({head.call.session, head.call.number + i});
  if (turns_.shared()) reach(state::turns_shared);
  if (!turns_.fault().empty()) violated(turns_.fault());
}

// Of one order key one call runs, wherever, also one that nobody wants any more.
void world::observe_turn_of_run(std::uint32_t index, call_id id) {
  auto const* const mine = find(id);
  if (mine == nullptr || mine->turn.order == 0) return;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    auto const& other = workers_[i];
    if (i == index || other.core == nullptr || other.tasks.empty()) continue;
    auto const* const its = find(other.tasks.front().call);
    if (its != nullptr && its->turn.order == mine->turn.order &&
        its->turn.credential == mine->turn.credential)
      violated("two calls of one order key run at once");
  }
}

namespace {

header of_item(header head, std::uint32_t place) {
  head.call.number += place;
  return head;
}

}  // namespace

// What the hub has decided counts from now on, also where a throw keeps its shell from carrying it out.
void world::observe_decisions() {
  for (auto const& one : out_) {
    if (auto const* const sent = std::get_if<out::send>(&one)) {
      observe_from_hub(sent->peer, sent->message());
    } else if (auto const* const kill = std::get_if<out::kill_worker>(&one)) {
      auto const& over = link_of(kill->peer);
      if (over.of_worker && workers_[over.node].generation == over.generation)
        workers_[over.node].doomed = true;
    }
  }
}

void world::observe_from_hub(peer_id peer, frame const& message) {
  observe_turn_from_hub(peer, message);
  if (how_.streams > 0) observe_stream_from_hub(peer, message);
  if (message.head.type == frame_type::progress) observe_progress_from_hub(message);
  if (message.head.type != frame_type::chunk || message.head.metadata_size == 0)
    return observe_from_hub(peer, message.head, message);
  auto head = message.head;
  transfer_message announced;
  if (read_transfer(message, announced)) head.type = announced.head.type;
  if (head.type != frame_type::result) observe_from_hub(peer, head, message);  // its value is in the chunks
}

// Whoever does what it is told, and says so, is not sent away.
void world::observe_dismissal(connection const& over) {
  auto const& node = workers_[over.node];
  if (node.core != nullptr && node.generation == over.generation && !node.drains)
    violated("an honest worker is dismissed");
}

// `head`: of what a first chunk announces, or the frame's own.
void world::observe_from_hub(peer_id peer, header const& head, frame const& message) {
  if (head.type == frame_type::welcome && !how_.reliable) about(head.epoch).heard = now_;
  auto const ends = head.type == frame_type::drain || head.type == frame_type::bye;
  if (ends && all_honest_ && link_of(peer).of_worker) observe_dismissal(link_of(peer));
  auto const answers = head.type == frame_type::result || head.type == frame_type::error;
  auto const is_back = (head.flags & flag_not_started) != 0;  // it has not ended
  if (how_.composes + how_.keys > 0 && answers && !is_back) note_over_at_hub(head, read_item_count(message));
  if (how_.nests > 0) {
    failure error;
    if (head.type == frame_type::error && read_error(message, error)) observe_deadlock(error);
    for (std::uint32_t i = 0; i < read_item_count(message); ++i)
      if (auto* const call = find({head.call.session, head.call.number + i}))
        observe_nested_from_hub(peer, of_item(head, i), *call);
  }
  packed_items items;
  if (how_.services != 0 && head.type == frame_type::assign && head.call.session == 0)
    return observe_entry(link_of(peer), message);
  if (how_.needs != 0 && head.type == frame_type::assign && head.call.session == 0)
    return;  // that it parks, or comes back
  if (head.type == frame_type::assign) {
    if (!how_.reliable && is_repetition(head)) return;
    if (!how_.reliable) observe_silence(head.epoch);
    if (message.head.type == frame_type::assign && !read_items(message, items))
      violated("items that do not add up");
    for (std::uint32_t i = 0; i < items.count; ++i) {
      attempt_key const key{{head.call.session, head.call.number + i}, head.attempt, head.epoch};
      auto const id = head.call.session != 0
                          ? key.call
                          : introduced(key.call.number, message.payload().subspan(i * argument_size));
      observe_assigned(key, id);
      if (how_.allocation != 0) observe_allocation(link_of(peer), id);
    }
    if (how_.prefetch_bytes != 0 && how_.reliable) observe_prefetch(message);
  } else if (head.type == frame_type::cancel) {
    observe_cancel(peer, message);
  } else if (head.type == frame_type::result) {
    if (how_.journal) observe_outcome(head, read_item_count(message));
    if (!read_items(message, items)) violated("items that do not add up");
    for (std::uint32_t i = 0; i < items.count; ++i) {
      auto const payload = message.payload();
      observe_value({head.call.session, head.call.number + i},
                    items.count == 1 ? payload : payload.subspan(i * value_size, value_size));
    }
  }
}

// From now on the attempt says nothing that counts.
void world::observe_cancel(peer_id peer, frame const& message) {
  auto const& head = message.head;
  if (!how_.reliable || (head.flags & flag_recall) != 0) return;
  auto const& over = link_of(peer);  // of a worker: nobody else is told so
  auto& node = workers_[over.node];
  for (std::uint32_t i = 0; i < read_item_count(message); ++i) {
    attempt_key const key{{head.call.session, head.call.number + i}, head.attempt, head.epoch};
    if (auto* const call = find(own_id(key.call))) call->fenced = name_of(key);
    if (over.generation == node.generation) node.fenced.push_back(key);
  }
}

// Of a batch that the hub has put together.
call_id world::introduced(std::uint64_t number, std::span<std::byte const> argument) {
  if (argument.size() < argument_size) return {};
  if (company_.size() <= number) company_.resize(number + 1);
  return company_[number] = {load_le<std::uint64_t>(argument.data()),
                             load_le<std::uint64_t>(argument.data() + 8)};
}

void world::observe_assigned(attempt_key const& key, call_id id) {
  auto* const call = find(id);
  if (call == nullptr) return violated("an assignment of no call");
  if (call->durable && call->recorded > synced_)
    violated("a durable call is started before the journal has it");
  if (call->durable && call->recorded == 0) violated("a durable call is started that was not recorded");
  if (call->durable && !call->may_repeat && (call->start_recorded == 0 || call->start_recorded > synced_))
    violated("a call that may start only once is started before the journal says so");
  if (call->keyed != 0) observe_keyed_assigned(*call);
  call->last_attempt = name_of(key);
  call->last_epoch = key.epoch;
}

void world::observe_value(call_id id, std::span<std::byte const> payload) {
  auto const* const call = find(id);
  if (call != nullptr && call->wanted.session != 0) return;  // it is another's
  if (call != nullptr && payload.empty() && (call->given_away || call->stream != 0)) return;
  if (call == nullptr || payload.size() != value_size) return violated("a result of no call");
  if (call->keyed != 0) return observe_keyed_value(*call, payload);
  auto const attempt = load_le<std::uint32_t>(payload.data() + 8);
  auto const epoch = load_le<std::uint32_t>(payload.data() + 12);
  auto const counts = attempt != call->fenced && attempt == call->last_attempt && epoch == call->last_epoch;
  if (!restarted_ && !counts) {
    violated("a fenced attempt's value is taken: attempt " + std::to_string(attempt) + " of epoch " +
             std::to_string(epoch) + ", not " + std::to_string(call->last_attempt) + " of " +
             std::to_string(call->last_epoch));
  }
}

bool world::is_repetition(header const& assign) {
  auto& level = about(assign.epoch).assigned;
  if (assign.sequence <= level) return true;
  level = assign.sequence;
  return false;
}

// An attempt has left the queues of the hub's transport.
void world::observe_come(header const& assign, std::uint32_t items) {
  for (std::uint32_t i = 0; i < items; ++i) {
    attempt_key const key{{assign.call.session, assign.call.number + i}, assign.attempt, assign.epoch};
    if (auto* const call = find(own_id(key.call))) call->came = name_of(key);
  }
}

namespace {

bool is_answer(frame const& message) {
  return message.head.type == frame_type::result || message.head.type == frame_type::error;
}

}  // namespace

void world::observe_answer(worker_node& node, frame const& message) {
  if (!knows_late(node) || !is_answer(message)) return;
  auto const items = read_item_count(message);
  node.said += items;
  if ((message.head.flags & flag_not_started) == 0) node.said_ended += items;
}

void world::observe_answer_at_hub(connection const& over, frame const& message) {
  auto& node = workers_[over.node];
  if (!knows_late(node) || over.generation != node.generation) return;
  node.heard += read_item_count(message);
  for (auto& one : node.tasks)
    if (one.known_since == never && node.heard >= one.after) one.known_since = now_;
}

// The time of an attempt counts from when its worker has ended what came before it, as far as the hub has
// heard of that, until it is told to stop.
void world::check_timeout(worker_node const& node, task const& ended) {
  auto const* const call = find(ended.call);
  auto const others = !ended.company.empty();  // one that outlasts its timeout waits for them
  if (call == nullptr || call->timeout == 0 || !how_.reliable || ended.stopping || others) return;
  if (restarted_ && call->durable && !call->may_repeat) return;  // its hub was away
  if (ended.known_since == never || (knows_late(node) && was_told_to_stop(node, ended.key))) return;
  auto const waited = ended.flow == nullptr ? 0 : ended.flow->waited;
  if (now_ - ended.known_since - waited > call->timeout + slack_ + millisecond)
    violated("an attempt outlasts its timeout");
}

// Whoever ran beside others when their worker ended runs by himself from now on. A throw may have kept back
// that the hub wanted the worker's end.
void world::note_suspects(std::vector<suspicion> const& together) {
  if (together.size() < 2 || restarted_ || how_.step_throws > 0) return;
  reach(state::suspected);
  for (auto const& one : together) suspect(one);
}

void world::suspect(suspicion const& one) {
  auto* const call = find(one.call);
  if (call == nullptr || call->last_attempt != one.attempt || call->fenced == one.attempt) return;
  // Of a batch, nobody is told which of its members has outlasted its time.
  if (call->timeout == 0 || !batches(call->function)) call->suspect = true;
}

void world::observe_neighbours(worker_node const& node) {
  if (node.tasks.size() < 2 || !how_.reliable) return;
  for (auto const& one : node.tasks)
    each_call(one, [&](call_id id, attempt_key const&) {
      if (auto const* const call = find(id); call != nullptr && call->suspect)
        violated("a call runs beside others that may have ended a worker");
    });
}

bool world::was_told_to_stop(worker_node const& node, attempt_key const& key) {
  return std::find(node.fenced.begin(), node.fenced.end(), key) != node.fenced.end();
}

// Neighbours of what does not stop are waited for. A later attempt of the same call may have been told to
// stop, too, somewhere else.
void world::observe_kill(worker_node const& node) {
  for (auto const& one : node.tasks)
    each_call(one, [&](call_id id, attempt_key const& key) {
      if (find(id) != nullptr && !was_told_to_stop(node, key))
        violated("a worker is killed that runs a call which somebody waits for");
    });
}

}  // namespace yonder::core::simulation
