// SPDX-License-Identifier: Apache-2.0
//
// Worker processes, and the tasks that they run.
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {

std::uint32_t world::free_slot() {
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i].core != nullptr || reserved_.contains_slot(i) || is_foreign(i)) continue;
    reserved_.slots.push_back(i);
    return i;
  }
  return no_slot;
}

void world::start_worker(std::uint32_t index, std::uint32_t start) {
  reserved_.release(index);
  auto& node = workers_[index];
  auto const started = pool_of_start_.extract(start);
  if (node.core != nullptr || (start != 0 && !started)) return;  // it was ended before it came
  auto const generation = node.generation + 1;
  auto const abandoned = node.abandoned;
  auto const runs = node.run;  // what was planned for one of an earlier process is none of this one
  node = {};
  node.run = node.run_before = runs;
  node.abandoned = abandoned;
  node.generation = generation;
  if (auto const grant = grants_.extract(start)) {
    node.gpus = grant.mapped().gpus;
    node.cores = grant.mapped().cores;
  }
  node.start = start;
  node.pool = started ? started.mapped() : index % static_cast<std::uint32_t>(how_.pools);
  worker_config config;
  config.session = first_worker_session + ++worker_sessions_;
  config.timing = timing();
  config.name = "w" + std::to_string(index);
  config.hub_timeout = 1'000 * second;
  config.cancel_grace = 100 * millisecond;
  config.concurrency = node.concurrency = static_cast<std::uint32_t>(how_.concurrency);
  config.max_row = how_.drivers ? 16 : 1;
  config.limits = {largest_at_worker << index % 2, 16};
  config.functions =
      is_foreign(index) ? std::vector<function_info>{{"simulated::foreign", 7, ""}} : offers_of(node.pool);
  config.made_of = node.made_of = build_of_worker(index);
  if (how_.allocation != 0) plan_end(index, config);
  node.core = std::make_unique<worker>(std::move(config), now_);
  connect_worker(index, start);
  if (how_.nests > 0) start_client(inner_of(index));
}

void world::connect_worker(std::uint32_t index, std::uint32_t start) {
  auto& node = workers_[index];
  node.peer = open_connection(true, index, node.generation);
  hub_->connected(now_, node.peer, {how_.reliable, start, identity_of(true, index)}, out_);
  after_hub();
  node.core->connected(now_, node.peer, how_.reliable, out_);
  after_worker(index);
}

// --- tasks

void world::begin_run(std::uint32_t index, out::run const& run) {
  auto& node = workers_[index];
  if (node.tasks.size() >= node.concurrency) violated("a worker runs more attempts at once than it may");
  if (how_.drivers && node.concurrency == 1) begin_watched(index);
  node.row.count = 1;
  node.row_open = false;
  if (is_entry(run)) return begin_entry(index, run);
  if (is_parking(run)) return begin_parking(index, run);
  begin_item(index, run);
}

void world::begin_item(std::uint32_t index, out::run const& run) {
  auto& node = workers_[index];
  auto& made = node.tasks.emplace_back();
  made.key = run.key;
  made.run = ++node.run;
  made.since = now_;
  made.after = node.said + node.ended - node.said_ended;
  if (!knows_late(node) || node.heard >= made.after) made.known_since = now_;
  made.does = draw_conduct();
  node.started = run.mark;
  identify(made, run);
  observe_run(made, run, is_foreign(index) ? no_pool : node.pool);
  observe_turn_of_run(index, made.call);
  observe_lease(index, made.call);
  if (how_.services != 0) observe_service(node, made);
  if (node.tasks.size() > 1) reach(state::ran_together);
  each_call(made, [&](call_id id, attempt_key const&) {
    auto* const call = find(id);
    if (call == nullptr) return;
    observe_build(node, *call);
    if (made.does == conduct::crashes) call->cursed = call->cursed || random_.below(2) == 0;
    if (call->cursed) made.does = conduct::crashes;
    if (made.does == conduct::returns && call->stream == 0 && makes_calls(*call)) made.does = conduct::calls;
  });
  begin_stream(index, made, run);
  if (happens(how_.reports)) plan_report(index, made);
  observe_neighbours(node);
  if (how_.nests > 0) note_computes(node);
  ++seen_.starts;
  if (made.does == conduct::calls)
    return plan(between(microsecond, 20 * microsecond), kind::task_wakes, index, made.run);
  if (made.flow != nullptr && made.does == conduct::returns) return;
  auto lasts = happens(how_.long_runs) ? between(3 * millisecond, 100 * millisecond)
                                       : between(microsecond, 40 * microsecond);
  if (made.does == conduct::hangs) lasts = 5 * second;
  if (made.does == conduct::ignores_stop) lasts = 60 * second;
  plan(lasts, kind::run_ends, index, made.run);
}

namespace {

call_id argument_in(std::span<std::byte const> payload) {
  return {load_le<std::uint64_t>(payload.data()), load_le<std::uint64_t>(payload.data() + 8)};
}

}  // namespace

// Every argument says whose it is.
void world::identify(task& made, out::run const& run) {
  made.call = run.key.call;
  if (made.call.number >= first_callback && find(made.call) != nullptr) return identify_callback(made, run);
  auto const payload = run.message.payload();
  if (auto const* const call = find(made.call); call != nullptr && call->composed != 0)
    return identify_composed(made, *call, run);
  if (payload.size() != argument_size * std::max<std::size_t>(1, run.items.size()))
    return violated("a run with another call's arguments");
  if (run.items.empty()) {
    made.call = argument_in(payload);
    if (run.key.call.session != 0 && run.key.call != made.call)
      violated("a run with another call's arguments");
    return;
  }
  made.items = run.items;
  for (std::size_t i = 0; i < run.items.size(); ++i)
    made.company.push_back(argument_in(payload.subspan(i * argument_size)));
}

conduct world::draw_conduct() {
  if (happens(how_.throws)) return conduct::throws;
  if (happens(how_.hangs)) return conduct::hangs;
  if (happens(how_.ignores_stop)) return conduct::ignores_stop;
  if (happens(how_.crashes)) return conduct::crashes;
  return conduct::returns;
}

void world::stop_run(std::uint32_t index, attempt_key const& key) {
  auto& node = workers_[index];
  auto const one =
      std::find_if(node.tasks.begin(), node.tasks.end(), [&](task const& runs) { return runs.key == key; });
  auto const joins = [&](task const& runs) {
    return std::any_of(runs.items.begin(), runs.items.end(),
                       [&](auto const& item) { return item.key == key; });
  };
  if (one == node.tasks.end() && std::any_of(node.tasks.begin(), node.tasks.end(), joins)) return;
  if (one == node.tasks.end()) return violated("a stop request for what does not run");
  if (!std::exchange(one->stopping, true)) one->told_to_stop = now_;
  observe_stopped_stream(*one);
  if (one->does == conduct::hangs || one->does == conduct::calls || one->flow != nullptr)
    plan(between(0, millisecond), kind::run_ends, index, one->run);
}

void world::end_run(std::uint32_t index, std::uint32_t run) {
  auto& node = workers_[index];
  auto const one =
      std::find_if(node.tasks.begin(), node.tasks.end(), [&](task const& runs) { return runs.run == run; });
  if (node.core == nullptr || one == node.tasks.end()) return;
  if (one->does == conduct::crashes) {
    reach(state::worker_crashed);
    return end_worker(index, 11);
  }
  if (one->does == conduct::ignores_stop && one->stopping) return;  // it goes on until it is killed
  auto const rests = one->does == conduct::hangs || one->does == conduct::ignores_stop;
  if (one->flow != nullptr && rests && !one->stopping) {
    one->does = conduct::returns;
    return stream_later(index, *one);
  }
  check_timeout(node, *one);
  check_reported(*one);
  if (one->stopping && now_ - one->told_to_stop >= cancel_grace(how_) - millisecond) node.ended_late = now_;
  node.ended += std::max<std::size_t>(1, one->company.size());
  if (how_.nests > 0) observe_outlived(*one);
  if (goes_on_in_row(node, *one)) return begin_next(index);
  close_row(index);
  auto const ended = std::move(*one);
  node.tasks.erase(one);
  if (ended.called) end_calls(index, ended);
  if (how_.nests > 0) note_computes(node);
  if (how_.drivers) end_watched(index, ended.key);
  answer(node, ended);
  after_worker(index);
}

void world::answer(worker_node& node, task const& ended) {
  auto const gave_up = ended.stopping && (ended.does == conduct::hangs || ended.does == conduct::calls ||
                                          ended.flow != nullptr);
  auto const throws = gave_up || ended.does == conduct::throws;
  if (ended.makes != 0) return end_entry(node, ended);
  if (ended.moves != task::of_worker::none) return end_parking(node, ended);
  if (ended.company.empty() && throws) return node.core->finished(now_, ended.key, failure_of(ended), out_);
  if (ended.flow != nullptr && streams_[ended.flow->story - 1].reads)
    return node.core->finished(now_, ended.key, ended.flow->made.items, out_);
  if (ended.company.empty())
    return node.core->finished(now_, ended.key, value_of(ended.call, ended.key), out_);
  // All of them, or one.
  auto const shared = throws && (gave_up || random_.below(2) == 0);
  auto const alone = throws && !shared ? random_.below(ended.items.size()) : ended.items.size();
  for (std::size_t i = 0; i < ended.items.size(); ++i) {
    if (!shared && i != alone) {
      node.core->finished(now_, ended.items[i].key, value_of(ended.company[i], ended.items[i].key), out_);
      continue;
    }
    auto error = failure_of(ended);
    error.shared = shared;
    node.core->finished(now_, ended.items[i].key, std::move(error), out_);
  }
}

failure world::failure_of(task const& ended) {
  failure error;
  error.code = ended.does == conduct::throws ? errc::failed : errc::cancelled;
  error.message = "simulated";
  error.type_name = "simulated::error";
  return error;
}

frame world::value_of(call_id id, attempt_key const& key) {
  frame value;
  byte_buffer body;
  add_value(body, id, key);
  value.body = std::move(body);
  auto* const call = find(id);
  auto large = draw_large();
  if (call != nullptr) {  // its value is the same whichever attempt makes it
    if (call->value_large == record::undrawn) call->value_large = static_cast<std::uint32_t>(large);
    large = call->value_large;
  }
  add_large(value, id.number, large);
  if (call != nullptr && large + 1024 > largest_at_client) call->large_value = true;
  return value;
}

void world::add_value(byte_buffer& to, call_id call, attempt_key const& key) {
  auto* const at = to.extend(value_size);
  store_le(at, mix(call.session, call.number));
  store_le(at + 8, name_of(key));
  store_le(at + 12, key.epoch);
}

void world::end_worker(std::uint32_t index, std::uint32_t signal) {
  auto& node = workers_[index];
  if (node.core == nullptr) return;
  note_loss(node, signal);
  if (how_.nests > 0) end_client(inner_of(index));
  disconnect(node.peer, signal);
  node.core.reset();
  node.row_open = false;
  node.sizes.clear();
  node.values.clear();
  node.tasks.clear();
  ++node.generation;
  if (!how_.launcher || is_foreign(index))
    plan(between(millisecond, 30 * millisecond), kind::worker_starts, index, 0);
}

// What its end will be laid to, as far as the hub hears of it.
void world::note_loss(worker_node const& node, std::uint32_t signal) {
  lost_level made{node.peer, node.started, {}, {}, {}};
  auto const several = node.tasks.size() > 1 || (!node.tasks.empty() && node.tasks[0].company.size() > 1);
  made.given = node.given;
  for (auto const& one : node.tasks) {
    if (!several && one.does == conduct::crashes && signal == 11 && !one.stopping) made.crashed = one.call;
    each_call(one, [&](call_id id, attempt_key const& key) {
      if (several && signal == 11) made.together.push_back({id, name_of(key)});
    });
  }
  lost_levels_.push_back(std::move(made));
}

}  // namespace yonder::core::simulation
