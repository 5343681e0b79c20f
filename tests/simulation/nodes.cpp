// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/world.hpp"

#include <cstring>

namespace yonder::core::simulation {

// --- the hub

// A cancel may wait behind a window of chunks, or for a worker that stands still.
duration cancel_grace(profile const& how) {
  auto const waits = how.slow_bytes_per_second != 0 || how.stop_every != 0;
  return waits ? 600 * millisecond : 100 * millisecond;
}

void world::make_hub() {
  hub_config config;
  config.seed = random_.next();
  some_unknown_ = false;
  auto const all_known = random_.below(2) == 0;
  for (std::uint32_t i = 0; how_.launcher && i < static_cast<std::uint32_t>(how_.pools); ++i) {
    auto& pool = config.pools.emplace_back();
    pool.id = i;
    if (how_.foreign_worker || (how_.pools > 1 && (all_known || random_.below(2) == 0)))
      pool.functions = offers_of(i);
    else
      some_unknown_ = true;
    pool.max_workers = static_cast<std::size_t>(how_.workers);
    pool.scaledown_window = 20 * millisecond;
    pool.max_queue = how_.max_queue;
  }
  plan_services(config);
  for (std::uint32_t i = 0; i < clients_.size(); ++i)
    config.weights.emplace_back(identity_of(false, i), turn_watch::weight_of_credential(i));
  if (how_.client_bytes != 0) config.max_client_bytes = how_.client_bytes;
  config.journal = how_.journal;
  if (how_.cached_bytes != 0) config.max_cached_bytes = how_.cached_bytes;
  if (how_.keys > 0) config.result_time = how_.key_window;
  if (how_.needs != 0) config.machine = simulated_machine();
  if (how_.prefetch_bytes != 0) config.max_prefetch_bytes = how_.prefetch_bytes;
  config.silence = how_.silence;
  if (how_.builds) config.function_grace = 50 * millisecond;
  config.backoff_first = 20 * millisecond;
  config.backoff_cap = 200 * millisecond;
  config.cancel_grace = cancel_grace(how_);
  config.start_timeout = 1 * second;
  config.session_timeout = 2 * second;
  config.retry_tokens_per_second = retries_per_second;
  hub_since_ = now_;
  config.timing = timing();
  config.limits = {largest_at_hub, 16};
  company_.clear();
  ++hub_life_;
  hub_ = std::make_unique<hub>(std::move(config), now_);
  hub_ticks_at_ = never;
}

link_timing world::timing() {
  link_timing made;
  made.heartbeat = heartbeat;
  made.ack_delay = 10 * millisecond;
  made.resend_after = 40 * millisecond;
  return made;
}

void world::do_for_hub(output& one) {
  if (auto* const sent = std::get_if<out::send>(&one)) {
    if (!sent->body) return violated("a step is made twice");
    send(hub_shell_, std::move(*sent), false);
  } else if (auto* const start = std::get_if<out::start_worker>(&one)) {
    begin_start(*start);
  } else if (auto* const record = std::get_if<out::append>(&one)) {
    append(*record);
  } else if (auto* const wanted = std::get_if<out::read>(&one)) {
    read(*wanted);
  } else if (auto const* const done = std::get_if<out::drained>(&one)) {
    hurried_ = hurried_ || !done->in_time;
    if (done->in_time) reach(state::hub_upgraded);
    plan(1, kind::hub_drained, hub_life_);
  } else if (auto* const late = std::get_if<out::abandon_start>(&one)) {
    pool_of_start_.erase(late->start);
    if (auto const hung = hung_starts_.extract(late->start)) reserved_.release(hung.mapped());
  } else if (auto* const kill = std::get_if<out::kill_worker>(&one)) {
    hub_shell_.unsent.forget(kill->peer);
    killed(kill->peer);
  } else if (auto* const close = std::get_if<out::close>(&one)) {
    hub_shell_.unsent.forget(close->peer);
    last_close_ = close->reason;
    closed(close->peer);
  }
}

void world::begin_start(out::start_worker const& start) {
  auto const slot = free_slot();
  lacks_room_ = lacks_room_ || slot == no_slot;
  auto const pool = start.pool;
  pool_of_start_[start.start] = pool;
  grants_[start.start] = start;
  if (how_.services != 0) started_at_[start.start] = now_;
  auto const fails = slot == no_slot || pool == barren_ || (is_troubled(pool) && happens(how_.start_fails));
  if (!fails && is_troubled(pool) && happens(how_.start_hangs)) {
    reach(state::start_hung);
    hung_starts_[start.start] = slot;
    return;
  }
  plan(between(100 * microsecond, 3 * millisecond), fails ? kind::start_fails : kind::worker_starts, slot,
       static_cast<std::uint32_t>(start.start));
}

void world::plan_tick(time_point due, time_point& planned, kind what, std::uint32_t node) {
  due = due == never ? never : std::max(due, now_ + 1);
  if (due >= planned) return;
  planned = due;
  schedule_.plan(due, what, node, 0U);
}

void world::killed(peer_id peer) {
  auto const& over = link_of(peer);
  if (!over.of_worker || workers_[over.node].generation != over.generation) return;
  auto const& node = workers_[over.node];
  auto const stood = [this](stillness const& one) {
    return one.still || (one.went_on != 0 && now_ < one.went_on + second);
  };
  auto const stubborn = [](task const& one) {
    return (one.stopping && one.does == conduct::ignores_stop) ||
           ((one.makes != 0 || one.moves != task::of_worker::none) && one.does == conduct::hangs);
  };
  // Its answer was on its way.
  auto const was_late = node.ended_late != 0 && now_ - node.ended_late <= millisecond;
  auto const has_cause = was_late || std::any_of(node.tasks.begin(), node.tasks.end(), stubborn) ||
                         stood(worker_stillness_[over.node]) || stood(hub_stillness_);
  if (node.core != nullptr && how_.reliable && !has_cause)
    violated("a worker is killed that did nothing wrong");
  if (how_.reliable) observe_kill(node);
  end_worker(over.node, 9);
}

void world::closed(peer_id peer) {
  auto& over = link_of(peer);
  if (!over.open_at_hub) return;
  over.open_at_hub = false;
  turns_.lost(peer);
  auto const current = over.of_worker
                           ? workers_[over.node].core != nullptr && workers_[over.node].peer == peer
                           : clients_[over.node].core != nullptr && clients_[over.node].peer == peer;
  if (!current || !over.open_at_node) return;
  if (how_.reliable) return violated("the hub closed an honest connection");
  plan(between(microsecond, millisecond), kind::reconnects, over.node, over.of_worker ? 1 : 0);
}

// --- clients

void world::start_client(std::uint32_t index) {
  auto& node = clients_[index];
  ++node.generation;
  node.in_flight = 0;
  node.driven = {};
  node.life = lives_.size();
  node.ticks_at = never;
  lives_.emplace_back().node = index;
  client_config config;
  config.session = first_session + node.life;
  config.timing = timing();
  config.connect_timeout = 100 * second;
  config.limits = {largest_at_client, 16};
  if (node.worker == no_slot) config.made_of = build_of_client(index);
  node.core = std::make_unique<client>(std::move(config));
  connect_client(index);
}

void world::connect_client(std::uint32_t index) {
  auto& node = clients_[index];
  node.peer = open_connection(false, index, node.generation);
  hub_->connected(now_, node.peer, {how_.reliable, 0, identity_of(false, index)}, out_);
  after_hub();
  node.core->connected(now_, node.peer, how_.reliable, out_);
  after_client(index);
}

void world::submit(std::uint32_t index) {
  auto& node = clients_[index];
  if (stopping_ || node.core == nullptr || node.worker != no_slot || node.in_flight >= how_.window) return;
  auto const calls = lives_[node.life].records.size();
  if (how_.most_calls != 0 && calls >= static_cast<std::size_t>(how_.most_calls)) return;
  if (happens(how_.searches)) {
    search(index);
    return after_client(index);
  }
  auto const policy = draw_policy();
  auto const function = how_.functions == 1 ? 0 : random_.below(how_.functions);
  auto const room = static_cast<std::uint64_t>(how_.window - node.in_flight);
  auto const count = happens(how_.batches) ? 1 + random_.below(std::min<std::uint64_t>(room, 40)) : 1;
  auto const first = lives_[node.life].records.size() + 1;
  auto const composed = count == 1 && !batches(static_cast<std::uint32_t>(function)) && happens(how_.composes)
                            ? draw_composed(node, {})
                            : 0;
  auto const turn = draw_turn(index);
  auto const pinned = draw_pin(index, policy);
  auto const needs = draw_needs();
  auto const kinds = static_cast<std::uint64_t>(how_.services);
  auto const service = static_cast<std::uint8_t>(how_.services == 0   ? 0
                                                 : is_services_only() ? 1 + random_.below(kinds)
                                                                      : random_.below(kinds + 1));
  auto const weight = static_cast<std::uint8_t>(how_.batched ? 1 + random_.below(6) : 0);
  for (std::uint64_t i = 0; i < count; ++i) {
    add_record(node, policy, static_cast<std::uint32_t>(function), static_cast<std::uint32_t>(count - i));
    lives_[node.life].records.back().turn = turn;
    lives_[node.life].records.back().pinned = pinned;
    lives_[node.life].records.back().needs = needs;
    lives_[node.life].records.back().weight = weight;
    lives_[node.life].records.back().service = service;
  }
  auto& last = lives_[node.life].records.back();
  draw_kind(last, composed, count);
  if (count == 1 && composed == 0 && last.stream == 0 && happens(how_.keys)) draw_key(node, index, last);
  if (last.durable && count == 1 && composed == 0 && last.stream == 0 && last.keyed == 0 &&
      happens(how_.callbacks)) {
    auto const callback = draw_callback({first_session + node.life, first});
    lives_[node.life].records.back().callback = callback;
  }
  auto const id = count == 1 ? submit_one(node, function_names()[function], policy)
                             : submit_batch(node, function_names()[function], policy, count);
  if (id.number != first) violated("calls are not numbered one by one");
  after_client(index);
}

// Of a call by itself.
void world::draw_kind(record& made, std::uint32_t composed, std::uint64_t count) {
  made.composed = composed;
  if (count == 1 && composed == 0 && !batches(made.function) && happens(how_.streams))
    made.stream = draw_story();
}

call_policy world::draw_policy() {
  call_policy policy;
  if (happens(how_.retries)) policy.retries = static_cast<std::uint32_t>(1 + random_.below(3));
  if (happens(how_.idempotent)) policy.idempotent = true;
  // Of a worker's time, so that any one lasts for longer when it comes.
  auto const longest = how_.allocation != 0 ? how_.allocation / 4 : 200 * millisecond;
  if (happens(how_.timeouts)) {
    auto const usual = between(2 * millisecond, longest);
    policy.timeout = how_.allocation != 0 ? usual : draw_patience(usual);
  }
  if (happens(how_.deadlines)) policy.deadline = draw_patience(between(200 * microsecond, 500 * millisecond));
  policy.durable = how_.journal && happens(how_.durable);
  return policy;
}

void world::add_record(client_node& node, call_policy const& policy, std::uint32_t function,
                       std::uint32_t rest) {
  auto& records = lives_[node.life].records;
  auto& made = records.emplace_back();
  if (how_.pools > 1 && function % 2 == 1) reach(state::pools_overlap);
  made.function = function;
  made.may_repeat = policy.retries != 0 || policy.idempotent;
  made.idempotent = policy.idempotent;
  made.durable = policy.durable;
  made.timeout = policy.timeout == never ? 0 : policy.timeout;
  made.rest = rest;
  if (policy.deadline != 0 && policy.deadline != never) made.deadline = now_ + policy.deadline;
  ++node.in_flight;
  ++open_calls_;
  ++seen_.calls;
  if (happens(how_.cancels)) {
    plan(between(0, 3 * millisecond), kind::cancels, static_cast<std::uint32_t>(node.life),
         static_cast<std::uint32_t>(records.size()));
  }
}

// Keys come and go.
turn_terms world::draw_turn(std::uint32_t client) {
  turn_terms turn;
  turn.credential = client;
  if (!happens(how_.turns)) return turn;
  if (random_.below(4) == 0) turn.priority = random_.below(2) == 0 ? 9 : 1;
  turn.key = static_cast<std::uint32_t>((now_ / (2 * millisecond) + random_.below(2)) % 4);
  if (random_.below(4) == 0) turn.order = 1 + static_cast<std::uint32_t>(random_.below(2));
  return turn;
}

// What a task calls is served as its own call is, or as it says.
turn_terms world::draw_turn_within(turn_terms const& parent) {
  auto turn = draw_turn(parent.credential);
  if (turn.priority == usual_priority) turn.priority = parent.priority;
  if (turn.key == 0) turn.key = parent.key;
  turn.order = 0;
  turn.depth = parent.depth + 1;
  return turn;
}

void world::write_turn(byte_buffer& body, turn_terms const& turn) {
  static constexpr std::array<std::string_view, 4> keys{"", "1", "2", "3"};
  call_turn said;
  if (turn.priority != usual_priority) said.priority = turn.priority;
  said.fairness_key = keys[turn.key];
  said.weight = turn_watch::weight_of_key(turn.key);
  said.order_key = keys[turn.order];
  core::write_turn(body, said);
}

void world::add_argument(byte_buffer& body, client_node const& node, std::uint64_t number) const {
  auto* const argument = body.extend(argument_size);
  store_le(argument, first_session + node.life);
  store_le(argument + 8, number);
}

call_id world::submit_one(client_node& node, std::string_view function, call_policy const& policy,
                          attempt_key const& parent) {
  auto& records = lives_[node.life].records;
  call_spec spec;
  spec.function = function;
  spec.signature = 7;
  spec.policy = policy;
  byte_buffer body;
  begin_call(body, function, policy);
  write_turn(body, records.back().turn);
  write_pin(body, records.back().pinned);
  write_needs(body, records.back().needs);
  if (parent.attempt != 0) write_parent(body, parent);
  write_stream_of(body, spec, records.back());
  write_arguments_of(body, records.back());
  write_key(body, records.back());
  write_callback_of(body, records.back());
  if (batches(records.back().function))
    write_batching(body, batching_of(records.back().function, records.back().weight));
  if (records.back().service != 0) write_requirements(body, requirements_[records.back().service]);
  spec.parent = parent;
  spec.message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  add_argument(body, node, records.size());
  spec.message.body = std::move(body);
  records.back().large = records.back().composed != 0 ? 0 : draw_large();
  add_large(spec.message, records.size(), records.back().large);
  return node.core->submit(now_, std::move(spec), out_);
}

call_id world::submit_batch(client_node& node, std::string_view function, call_policy const& policy,
                            std::uint64_t count) {
  auto const behind = lives_[node.life].records.size() + 1;
  batch_spec spec;
  spec.function = function;
  spec.signature = 7;
  spec.policy = policy;
  begin_call(spec.metadata, function, policy);
  write_turn(spec.metadata, lives_[node.life].records.back().turn);
  write_pin(spec.metadata, lives_[node.life].records.back().pinned);
  write_needs(spec.metadata, lives_[node.life].records.back().needs);
  if (auto const& last = lives_[node.life].records.back(); batches(last.function))
    write_batching(spec.metadata, batching_of(last.function, last.weight));
  if (auto const needs = lives_[node.life].records.back().service; needs != 0)
    write_requirements(spec.metadata, requirements_[needs]);
  spec.items.assign(count, {argument_size, 0});
  for (auto number = behind - count; number != behind; ++number) add_argument(spec.payloads, node, number);
  return node.core->submit(now_, spec, out_);
}

// Of some, so many; of others, so much, and they wait a while for each other.
batch_policy world::batching_of(std::uint32_t function, std::uint8_t weight) {
  if (function % 4 == 0) return {.max_items = 8};
  return {.max_items = 16, .max_wait = 300 * microsecond, .max_weight = 24, .weight = weight};
}

std::size_t world::draw_large() {
  return happens(how_.large) ? static_cast<std::size_t>(between(200 << 10, 7 << 19) / size_scale) : 0;
}

namespace {

// Where large arguments and values come from, so that nobody has to write them.
std::shared_ptr<byte_buffer const> const& large_content() {
  static auto const made = [] {
    auto bytes = std::make_shared<byte_buffer>();
    auto* const at = bytes->extend((std::size_t{4} << 20) / size_scale);
    for (std::size_t i = 0; i < bytes->size(); ++i) at[i] = static_cast<std::byte>((i * 2654435761U) >> 13);
    return std::shared_ptr<byte_buffer const>(std::move(bytes));
  }();
  return made;
}

buffer large_part(std::uint64_t number, std::size_t from, std::size_t size) {
  auto const& all = large_content();
  return {all->data() + number % 4096 + from, size, all};
}

}  // namespace

// In two buffers.
void world::add_large(frame& message, std::uint64_t number, std::size_t size) {
  if (size == 0) return;
  message.buffers = {large_part(number, 0, size / 3), large_part(number, size / 3, size - size / 3)};
}

bool world::is_large_of(std::span<buffer const> buffers, std::uint64_t number, std::size_t size) {
  if (size == 0) return buffers.empty();
  std::size_t from = 0;
  for (auto const& one : buffers) {
    auto const right = large_part(number, from, std::min(one.size, size - from));
    if (one.size != right.size || std::memcmp(one.data, right.data, one.size) != 0) return false;
    from += one.size;
  }
  return from == size;
}

std::vector<std::string> const& world::function_names() {
  static std::vector<std::string> const names = [] {
    std::vector<std::string> made;
    made.reserve(64);
    for (int i = 0; i < 64; ++i) made.push_back("simulated::function_" + std::to_string(i));
    return made;
  }();
  return names;
}

void world::end_client(std::uint32_t index) {
  auto& node = clients_[index];
  if (node.core == nullptr) return;
  open_calls_ -= node.in_flight;
  seen_.abandoned += static_cast<std::uint64_t>(node.in_flight);
  lives_[node.life].ended = true;
  disconnect(node.peer, 0);
  node.core.reset();
  node.driven = {};
  ++node.generation;
  node.peer = 0;
  if (node.worker == no_slot) plan(between(millisecond, 50 * millisecond), kind::client_comes, index);
}

// The node's end is gone. The hub hears of it on reliable connections, after all that was sent before.
void world::disconnect(peer_id peer, std::uint32_t signal) {
  auto& over = link_of(peer);
  over.open_at_node = false;
  if (!how_.reliable && signal == 0) return;
  auto const when = std::max(over.last_arrival[1], now_ + how_.longest_delay);
  if (how_.reliable) schedule_.plan(when, kind::hub_loses, static_cast<std::uint32_t>(peer), signal);
}

}  // namespace yonder::core::simulation
