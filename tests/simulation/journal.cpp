// SPDX-License-Identifier: Apache-2.0
//
// The hub's journal, what a hub that is started anew reads there, and calls that are found by their ids.
#include "src/core/call_orders.hpp"
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {

namespace {

std::uint64_t record::*number_of(out::append::kind what) {
  switch (what) {
    case out::append::kind::call: return &record::recorded;
    case out::append::kind::started: return &record::start_recorded;
    case out::append::kind::ended: return &record::end_recorded;
    case out::append::kind::forgotten: break;
  }
  return &record::forgotten;
}

}  // namespace

// The disk takes its time.
void world::append(out::append const& what) {
  if (what.body && read_item_count(*what.body) != what.items)
    violated("a record is of other calls than its body");
  journal_line line{what.record, what.what, what.call, what.items,     what.identity, what.function,
                    what.key,    {},        now_,      what.with_next, what.worker};
  if (what.body) line.body = frame{what.body->head, what.body->body.duplicate(), what.body->buffers};
  for (std::uint32_t i = 0; i < what.items; ++i)
    if (auto* const call = find({what.call.session, what.call.number + i})) {
      // Asked for once more when it had been forgotten, it begins anew.
      if (what.what == out::append::kind::call)
        call->start_recorded = call->end_recorded = call->forgotten = 0;
      call->*number_of(what.what) = what.record;
      if (call->callback != 0 && what.what == out::append::kind::ended) note_outcome(*call, what);
    }
  journal_.push_back(std::move(line));
  if (what.with_next) return;  // the next one brings it
  plan(between(20 * microsecond, 2 * millisecond), kind::syncs, static_cast<std::uint32_t>(what.record),
       journal_life_);
}

void world::sync(std::uint64_t record, std::uint32_t life) {
  if (life != journal_life_ || record <= synced_) return;  // with another one
  synced_ = record;
  hub_->synced(now_, record, out_);
  after_hub();
}

void world::read(out::read const& what) {
  reads_[what.number] = what.call;
  plan(between(20 * microsecond, 2 * millisecond), kind::reads, static_cast<std::uint32_t>(what.number),
       journal_life_);
}

// What counts for the call: the first outcome, or what it is. None where that is forgotten.
void world::read_back(std::uint64_t number, std::uint32_t life) {
  if (life != journal_life_) return;  // another hub asked for it
  auto const wanted = reads_.at(number);
  reads_.erase(number);
  journal_line const* found = nullptr;
  for (auto const& line : journal_) {
    if (line.number > synced_) break;
    auto const has = line.call.session == wanted.session && wanted.number >= line.call.number &&
                     wanted.number - line.call.number < line.items;
    if (!has || line.what == out::append::kind::started) continue;
    auto const ended = found != nullptr && found->what == out::append::kind::ended;
    if (line.what == out::append::kind::forgotten)
      found = nullptr;
    else if (!ended)
      found = &line;
  }
  reach(state::read_back);
  std::optional<recovered_record> said;
  if (found != nullptr) {
    said = recovered_record{.what = found->what,
                            .call = found->call,
                            .items = found->items,
                            .identity = found->identity,
                            .function = found->function,
                            .age = now_ - found->when};
    said->body = frame{found->body->head, found->body->body.duplicate(), found->body->buffers};
  }
  hub_->read_back(now_, number, std::move(said), {}, out_);
  after_hub();
}

// Of what was not synced the disk has a beginning, and all of that is there from now on.
void world::lose_unsynced() {
  ++journal_life_;
  reads_.clear();
  if (journal_.empty()) return;
  auto last = synced_ + random_.below(journal_.back().number - synced_ + 1);
  while (!journal_.empty() && (journal_.back().number > last || journal_.back().with_next)) {
    auto const& line = journal_.back();
    last = std::min(last, line.number - 1);
    for (std::uint32_t i = 0; i < line.items; ++i) {
      auto* const call = find({line.call.session, line.call.number + i});
      if (call == nullptr) continue;
      if (call->*number_of(line.what) == line.number) call->*number_of(line.what) = 0;
      if (call->callback == 0) continue;
      if (auto& story = callbacks_[call->callback - 1]; story.outcome == line.number) story.outcome = 0;
    }
    journal_.pop_back();
  }
  synced_ = last;
}

// A log may have forgotten what counts no more, or not yet.
bool world::counts(journal_line const& line) {
  if (line.what == out::append::kind::forgotten) return true;  // perhaps of others of a batch
  for (std::uint32_t i = 0; i < line.items; ++i) {
    auto const* const call = find({line.call.session, line.call.number + i});
    if (call == nullptr) return true;
    auto const begins = line.what == out::append::kind::call || line.what == out::append::kind::started;
    if (call->forgotten == 0 && !(begins && call->end_recorded != 0)) return true;
  }
  return false;
}

void world::recall() {
  auto const all = random_.below(2) == 0;
  for (auto const& line : journal_) {
    if (!all && !counts(line)) continue;
    recovered_record said{.what = line.what,
                          .call = line.call,
                          .items = line.items,
                          .identity = line.identity,
                          .function = line.function,
                          .key = line.key,
                          .worker = line.worker,
                          .age = now_ - line.when};
    if (line.body) said.body = frame{line.body->head, line.body->body.duplicate(), line.body->buffers};
    if (!hub_->recall(now_, std::move(said))) violated("a record of the journal is not understood");
  }
  reach(state::recalled);
  hub_->recovered(now_, synced_, out_);
  after_hub();
}

// --- calls that are found

// Somebody asks for a durable call, perhaps of somebody else, which may long have ended.
void world::search(std::uint32_t index) {
  auto& node = clients_[index];
  auto const life = random_.below(lives_.size());
  auto const calls = lives_[life].records.size();
  if (calls == 0) return;
  call_id const wanted{first_session + life, 1 + random_.below(calls)};
  auto const* const target = find(wanted);
  if (!target->durable || !(target->accepted || lives_[life].ended)) return;
  call_policy const policy{.idempotent = true};
  add_record(node, policy, target->function, 1);
  auto& made = lives_[node.life].records.back();
  auto const* const call = find(wanted);  // it may have moved
  made.wanted = wanted;
  made.is_foreign = identity_of(false, lives_[life].node) != identity_of(false, index);
  made.is_gone = call->forgotten != 0 && call->forgotten <= synced_;
  made.must_be_found = call->accepted && !call->take_said && !call->cancel_said;
  call_spec spec;
  spec.function = find_call;
  spec.policy = policy;
  byte_buffer body;
  begin_call(body, find_call, policy);
  spec.message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  auto const id = encode_call_id(wanted);
  body.append(id.data(), id.size());
  spec.message.body = std::move(body);
  node.core->submit(now_, std::move(spec), out_);
}

void world::found(client_node& node, record const& search, out::completed const& done) {
  auto* const target = find(search.wanted);
  if (done.result.ok()) {
    reach(state::found);
    if (search.is_foreign) return violated("somebody else's call is found");
    if (search.is_gone) return violated("an outcome is found that was taken before");
    auto const payload = done.result.value().payload();
    if (payload.size() != value_size ||
        load_le<std::uint64_t>(payload.data()) != mix(search.wanted.session, search.wanted.number))
      violated("another call's value is found");
    return take(node, search.wanted);
  }
  auto const& error = done.result.error();
  if (error.code == errc::cancelled) return;
  if (error.code != errc::unknown_call) return check_failure(*target, error);
  if (!search.is_foreign && search.must_be_found && !target->take_said && !target->cancel_said)
    violated("a durable call is not found");
}

// Its caller has the outcome of a durable call, and may say so.
void world::take(client_node& node, call_id id) {
  if (random_.below(2) == 0) return;
  find(id)->take_said = true;
  node.core->taken(now_, id);
}

// What a hub tells of a durable call it has written down before: it tells the same after a crash.
void world::observe_outcome(header const& head, std::uint32_t items) {
  for (std::uint32_t i = 0; i < items; ++i) {
    auto const* call = find({head.call.session, head.call.number + i});
    if (call != nullptr && call->wanted.session != 0) call = find(call->wanted);
    if (call == nullptr || !call->durable || call->recorded == 0 || call->cancel_said) continue;
    if (head.type == frame_type::result && (call->end_recorded == 0 || call->end_recorded > synced_))
      violated("an outcome is told before the journal has it");
  }
}

}  // namespace yonder::core::simulation
