// SPDX-License-Identifier: Apache-2.0
// How calls are made: alone, or gathered with those that follow.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "src/core/call_orders.hpp"
#include "src/core/metadata.hpp"
#include "src/core/pool_orders.hpp"
#include "src/core/service_order.hpp"
#include "src/platform/heap.hpp"
#include "src/platform/process.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/exceptions.hpp"
#include "src/runtime/own_build.hpp"
#include "src/runtime/registry.hpp"
#include "src/runtime/values.hpp"
#include "yonder/runtime.hpp"

namespace yonder::detail {
namespace {

using platform::now;
using runtime_detail::calling_attempt;

core::duration or_none(std::optional<std::chrono::nanoseconds> const& time) {
  return time ? std::max<core::duration>(time->count(), 1) : 0;
}

bool has_turn(options const& settings) {
  return settings.priority || settings.fairness_key || settings.weight || settings.order_key;
}

core::call_turn turn_of(options const& settings) {
  core::call_turn turn{.priority = settings.priority, .weight = settings.weight.value_or(0)};
  if (settings.fairness_key) turn.fairness_key = settings.fairness_key->view();
  if (settings.order_key) turn.order_key = settings.order_key->view();
  return turn;
}

// Why no call can be served like that, in words; empty: it can.
std::string fault_of_turn(options const& settings) {
  auto const most = [](auto const& key) { return key && key->size() > call_key::max_size; };
  if (settings.priority > core::highest_priority)
    return "the priority is " + std::to_string(*settings.priority) +
           "; there are 0 to 9, and 9 is served first";
  if (settings.weight && (*settings.weight == 0 || *settings.weight > core::most_weight))
    return "the weight is " + std::to_string(*settings.weight) + "; there are 1 to " +
           std::to_string(core::most_weight);
  if (settings.weight && !settings.fairness_key)
    return "a weight is set, and no fairness_key that would have it; set both";
  if (most(settings.fairness_key) || most(settings.order_key))
    return "a fairness_key or order_key takes " +
           std::to_string(std::max(settings.fairness_key ? settings.fairness_key->size() : 0,
                                   settings.order_key ? settings.order_key->size() : 0)) +
           " bytes; the limit is " + std::to_string(call_key::max_size) + ": take a hash of it";
  return {};
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

// Puts more behind what the call's metadata say.
template <class Write>
void extend_metadata(outgoing& call, Write&& write) {
  auto const& made = call.content.head;
  core::byte_buffer body;
  body.append(made.data(), call.metadata_size);
  write(body);
  auto const size = body.size();
  body.append(made.data() + call.metadata_size, made.size() - call.metadata_size);
  call.content.head = std::move(body);
  call.metadata_size = size;
}

using digest = std::array<std::uint8_t, core::digest_size>;

digest digest_of(std::span<std::byte const> bytes) {
  return core::sha256({reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size()});
}

// SHA-256 of the digests of what is encoded, and of each block beside it.
digest digest_of_arguments(outgoing const& call) {
  std::string all;
  auto const add = [&](std::span<std::byte const> bytes) {
    auto const one = digest_of(bytes);
    all.append(reinterpret_cast<char const*>(one.data()), one.size());
  };
  add(call.content.head.bytes().subspan(call.metadata_size));
  for (auto const& block : call.content.buffers) add(block.bytes());
  return digest_of(std::as_bytes(std::span(all)));
}

void add_key(call_key const& key, outgoing& call) {
  auto const stated = digest_of_arguments(call);
  extend_metadata(call, [&](core::byte_buffer& body) {
    core::write_idempotency(body, std::as_bytes(std::span(stated)), key.view());
  });
}

std::uint64_t build_to_ask_for() {
  static auto const own = runtime_detail::own_program_build().build;
  if (own == 0)
    throw_error({.code = errc::unsatisfiable,
                 .message = "options::build is same, and which build this is cannot be told: its file has no "
                            "build id (ld --build-id), and cannot be read"});
  return own;
}

void write_retry(core::byte_buffer& body, retry_rule const& rule) {
  std::vector<std::string> names;
  for (auto const* const type : rule.types) names.push_back(runtime_detail::type_name_of(*type));
  core::write_retry(body, {rule.others, {names.begin(), names.end()}});
}

bool is_equal(std::span<std::byte const> a, std::span<std::byte const> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

core::call_policy policy_of(options const& settings) {
  return {.retries = settings.retries.value_or(0),
          .timeout = or_none(settings.timeout),
          .deadline = or_none(settings.deadline),
          .idempotent = settings.idempotent.value_or(false),
          .durable = settings.durable.value_or(false)};
}

outgoing::outgoing() = default;
outgoing::outgoing(outgoing&&) noexcept = default;
outgoing& outgoing::operator=(outgoing&&) noexcept = default;
outgoing::~outgoing() = default;

outgoing begin_call(task_entry const& task, options const& settings, std::string_view needs,
                    batch_terms const& batch) {
  runtime_detail::check_task(task);
  if (has_references()) begin_value();
  outgoing call;
  std::optional<core::trace_of> inherited;
  if (!settings.traceparent)
    if (auto const* const outer = runtime_detail::current_call()) inherited = outer->trace();
  core::begin_call(call.content.head, task.name, policy_of(settings),
                   settings.traceparent ? settings.traceparent->view()
                   : inherited          ? inherited->text()
                                        : std::string_view());
  call.of_service = !needs.empty();
  if (call.of_service)
    core::write_requirements(call.content.head, needs);
  else if (settings.names_pool())
    core::write_requirements(call.content.head, encode_needs(settings));
  if (settings.retry && settings.retries.value_or(0) != 0) write_retry(call.content.head, *settings.retry);
  if (has_turn(settings)) core::write_turn(call.content.head, turn_of(settings));
  if (settings.build)
    core::write_pinned(call.content.head, *settings.build == build::any ? 0 : build_to_ask_for());
  if (batch.max_size != 0)
    core::write_batching(call.content.head, {batch.max_size, std::max<std::int64_t>(batch.max_wait, 0),
                                             batch.max_weight, batch.weight});
  call.metadata_size = call.content.head.size();
  return call;
}

void add_parent(core::attempt_key const& parent, outgoing& call) {
  extend_metadata(call, [&](core::byte_buffer& body) { core::write_parent(body, parent); });
}

void take_references(outgoing& call) {
  if (!has_references()) return;
  auto kept = take_encoded_references();
  if (kept.empty()) return;
  if (!call.values) call.values = std::make_shared<outgoing_values>();
  call.values->kept = std::move(kept);
}

void add_referred(outgoing& call) {
  if (!call.values || call.values->arguments.empty()) return;
  extend_metadata(call, [&](core::byte_buffer& body) { core::write_referred(body, call.values->arguments); });
}

void add_schedule_terms(std::string_view terms, outgoing& call) {
  extend_metadata(call, [&](core::byte_buffer& body) { core::write_schedule(body, terms); });
}

void add_callback(outgoing& call, task_entry const& callback, options const& settings, outgoing&& made,
                  bool of_any_outcome) {
  auto const refuse = [&](std::string why) {
    throw_error({.code = errc::bad_configuration,
                 .message = "then: the callback " + std::move(why),
                 .task = std::string(callback.name)});
  };
  if (settings.idempotency_key) refuse("takes no idempotency_key: it is made once for each call");
  if (made.of_service && settings.names_pool())
    refuse("is a method, and what its workers are like is said where the service is declared");
  if (auto fault = fault_of_turn(settings); has_turn(settings) && !fault.empty()) refuse(": " + fault);
  auto const deadline = policy_of(settings).deadline;
  auto const metadata = made.content.head.bytes().first(made.metadata_size);
  extend_metadata(call, [&](core::byte_buffer& body) {
    core::write_callback(
        body, {of_any_outcome, callback.signature(),
               deadline == 0 ? 0 : static_cast<std::uint64_t>(deadline / core::microsecond) + 1, metadata});
  });
  call.called_back = true;
}

call_pack::~call_pack() {
  if (capacity_ > 1) where->let_go(capacity_);
}

call_ref engine::submit(task_entry const& task, options const& settings, outgoing&& call, departure when,
                        std::unique_ptr<call_stream> stream, resumption* told) {
  if (auto refused = refusal_of(task, settings, call)) return refused;
  (void)
      task.signature();  // where a structure cannot be found this throws: before anything is kept of the call
  auto const policy = policy_of(settings);
  auto const parent = calling_attempt(this);
  add_referred(call);
  if (parent.attempt != 0) add_parent(parent, call);
  auto const is_keyed = settings.idempotency_key.has_value();
  if (is_keyed && (stream || when == departure::gathered))
    return ended(task, errc::bad_configuration,
                 stream ? "a task that streams takes no idempotency_key: what it yields is read once"
                        : "a map takes no idempotency_key, which is one call's: spawn each under its own");
  if (call.called_back && !policy.durable && !is_keyed)
    return ended(
        task, errc::bad_configuration,
        "then: a callback is of durable calls: set options::durable; another task takes this call as "
        "its argument");
  if (is_keyed) add_key(*settings.idempotency_key, call);
  lock held(mutex_);
  if (lead_.ending()) return ended(task, errc::disconnected, why_ended());
  // An order is the hub's own, which takes one at a time.
  auto const joins_others =
      !is_keyed && !core::is_hub_order(task.name) && !call.called_back && !stream && !call.values &&
      (when == departure::gathered || when == departure::held ||
       (when == departure::now && packs_.in_burst(in_flight_))) &&
      driver::pack_size::takes(call.content.head.size() - call.metadata_size) && call.content.buffers.empty();
  auto made = joins_others
                  ? gather(held, task, policy, parent, call, when)
                  : submit_alone(held, task, policy, parent, std::move(call), when, std::move(stream));
  if (told != nullptr && add_resumption(*made, *told)) *told = {};
  return made;
}

// Why a call cannot be made, as its outcome; null: it can.
call_ref engine::refusal_of(task_entry const& task, options const& settings, outgoing const& call) {
  if (has_turn(settings))
    if (auto fault = fault_of_turn(settings); !fault.empty())
      return ended(task, errc::bad_configuration, std::move(fault));
  if (auto const& key = settings.idempotency_key;
      key && (key->size() == 0 || key->size() > call_key::max_size))
    return ended(task, errc::bad_configuration,
                 "an idempotency_key takes 1 to " + std::to_string(call_key::max_size) +
                     " bytes; this one has " + std::to_string(key->size()) + ": take a hash of it");
  if (settings.traceparent && !core::is_traceparent(settings.traceparent->view()))
    return ended(task, errc::bad_configuration,
                 "the traceparent is '" + std::string(settings.traceparent->view()) +
                     "'; W3C Trace Context has 00-<32 hex>-<16 hex>-<2 hex>, in lower case");
  if (config_.no_workers && !(call.of_service && config_.has_service_pools))
    return ended(
        task, errc::unsatisfiable,
        "this runtime has no workers, and none can come; set runtime_options::max, or `bind` for workers "
        "elsewhere");
  if (call.of_service && settings.names_pool())
    return ended(task, errc::bad_configuration,
                 "gpu, gpu_memory, cpu, memory, isolate or max_queue is set for a method; what the workers "
                 "of a service "
                 "are like is said where the service is declared (service_options)");
  if (call.values && (settings.durable.value_or(false) || settings.idempotency_key))
    return ended(
        task, errc::bad_configuration,
        "an argument is a reference, and the call is durable or has an idempotency_key: it may outlive "
        "the process that has the value; pass get(), not the reference");
  if (auto const bytes = bytes_of(call); bytes > config_.max_call_bytes)
    return ended(task, errc::too_large,
                 "the arguments take " + std::to_string(bytes) + " bytes; the limit is " +
                     std::to_string(config_.max_call_bytes) + " (runtime_options::max_call_bytes)");
  return nullptr;
}

call_ref engine::ended(task_entry const& task, errc code, std::string message) {
  auto const pack = one_call(shared_from_this(), task.name, 0);
  auto& state = pack->add();
  state.failure.reset(new call_failure{
      {.code = code, .message = std::move(message), .task = std::string(task.name)}, nullptr});
  state.done.store(true, std::memory_order_release);
  return {pack, &state};
}

call_ref engine::submit_alone(lock& held, task_entry const& task, core::call_policy const& policy,
                              core::attempt_key const& parent, outgoing&& call, departure when,
                              std::unique_ptr<call_stream> stream, std::unique_ptr<found_call const> found) {
  close_pack();
  time_ = now();
  auto pack = one_call(shared_from_this(), task.name, time_);
  pack->of_task = parent.attempt != 0;
  pack->durable = policy.durable;
  pack->found = std::move(found);
  auto& state = pack->add();
  state.borrows = borrows(call);
  if (call.values) state.with_extras().values = std::move(call.values);
  pack->in_flight = pack;
  ++in_flight_;
  core::call_spec spec{
      task.name, task.signature(), policy, reinterpret_cast<std::uint64_t>(&state), parent, {}, false, {}};
  if (stream) {
    spec.feeds = stream->feeds;
    if (stream->reads) spec.stream = {stream->reader.allowed(), {}};
    state.with_extras().stream = std::move(stream);
  }
  spec.message.head.metadata_size = static_cast<std::uint32_t>(call.metadata_size);
  spec.message.head.buffer_count = static_cast<std::uint32_t>(call.content.buffers.size());
  spec.message.body = std::move(call.content.head);
  spec.message.buffers = std::move(call.content.buffers);
  try {
    number(*pack, client_.submit(time_, std::move(spec), client_due_.items()));
  } catch (std::bad_alloc const&) {  // and nothing was taken
    pack->in_flight = nullptr;
    --in_flight_;
    return ended(task, errc::overloaded, "there is no memory for the call, or for a copy of its arguments");
  }
  survive(held, [&] {
    carry_out();
    if (when == departure::now) flush();
  });
  if (when == departure::gathered && lead_.left_unsent()) poller_->ring();
  if (when != departure::held) wake_leader_if_needed();
  return {std::move(pack), &state};
}

// Calls whose metadata are the same travel as one batch if they are made one after the other: until their
// pack is full, or somebody waits, or it is due.
call_ref engine::gather(lock& held, task_entry const& task, core::call_policy const& policy,
                        core::attempt_key const& parent, outgoing const& call, departure when) {
  auto const metadata = call.content.head.bytes().first(call.metadata_size);
  auto const arguments = call.content.head.bytes().subspan(call.metadata_size);
  auto const joins = [&] {
    return !pack_->full() && pack_task_ == &task && is_equal(pack_spec_.metadata, metadata) &&
           packs_.has_room(pack_spec_.payloads.size(), arguments.size());
  };
  while (pack_ && !joins()) {  // others may open one while this is tried again
    survive(held, [&] { send_pack(); });
    if (lead_.ending()) return ended(task, errc::disconnected, why_ended());
  }
  auto const opens = !pack_;
  if (opens) begin_pack_spec(task, policy, parent, metadata);
  add_to_pack_spec(arguments);
  if (opens) open_pack(task, parent);
  auto& state = pack_->add();
  ++in_flight_;
  pack_spec_.items.back().cookie = reinterpret_cast<std::uint64_t>(&state);
  call_ref made{pack_, &state};
  if (pack_->full())
    survive(held, [&] {
      send_pack();
      if (when == departure::now) flush();
    });
  if (!opens || when == departure::held) return made;
  if (lead_.left_unsent())
    poller_->ring();
  else
    wake_leader_if_needed();
  return made;
}

std::string engine::why_broken() const { return std::string("the runtime cannot go on: ") + broken_by_; }

std::string engine::why_ended() const { return is_broken() ? why_broken() : "the runtime has ended"; }

void engine::begin_pack_spec(task_entry const& task, core::call_policy const& policy,
                             core::attempt_key const& parent, std::span<std::byte const> metadata) {
  pack_spec_.function = task.name;
  pack_spec_.signature = task.signature();
  pack_spec_.policy = policy;
  pack_spec_.parent = parent;
  pack_spec_.metadata.clear();
  pack_spec_.metadata.append(metadata.data(), metadata.size());
  pack_spec_.items.clear();
  pack_spec_.payloads.clear();
}

// Or throws, and leaves it as it was.
void engine::add_to_pack_spec(std::span<std::byte const> arguments) {
  auto const before = pack_spec_.payloads.size();
  pack_spec_.payloads.append(arguments.data(), arguments.size());
  try {
    pack_spec_.items.push_back({static_cast<std::uint32_t>(arguments.size()), 0});
  } catch (...) {
    pack_spec_.payloads.truncate(before);
    throw;
  }
}

void engine::open_pack(task_entry const& task, core::attempt_key const& parent) {
  time_ = now();
  pack_ = std::make_shared<call_pack>(shared_from_this(), task.name, packs_.next(), time_);
  if (held_calls_.fetch_add(pack_->capacity(), std::memory_order_relaxed) > many_calls)
    held_many_.store(true, std::memory_order_relaxed);
  pack_->in_flight = pack_;
  pack_task_ = &task;
  pack_->of_task = parent.attempt != 0;
  pack_->durable = pack_spec_.policy.durable;
}

// Gives the pack to the client core, which takes all of it or, with a throw, nothing: it stays.
void engine::close_pack() {
  if (!pack_) return;
  time_ = now();
  auto const first = client_.submit(time_, pack_spec_, client_due_.items());
  auto const pack = std::exchange(pack_, nullptr);
  packs_.closed(pack->size());
  number(*pack, first);
}

void engine::send_pack() {
  if (!pack_) return;
  close_pack();
  carry_out();
}

void engine::send_due_pack() {
  if (pack_due() <= time_) send_pack();
}

std::int64_t engine::pack_due() const noexcept {
  return pack_ ? pack_->submitted + driver::pack_size::patience : core::never;
}

void engine::number(call_pack& pack, core::call_id const& first) noexcept {
  pack.session = first.session;
  pack.number.store(first.number, std::memory_order_release);
}

core::call_id engine::id_of(call_state const& call) {
  if (call.pack->number.load(std::memory_order_acquire) == 0) send_now();
  return call.pack->id_of(call);
}

// What many calls took goes back to the system a moment after they have gone.
void engine::trim_heap_if_due(lock& held) {
  constexpr auto delay = 200 * core::millisecond;
  if (heap_fell_.exchange(false, std::memory_order_relaxed)) trim_at_ = now() + delay;
  if (trim_at_ == core::never || trim_at_ > now()) return;
  trim_at_ = core::never;
  held.unlock();
  platform::trim_heap();
  held.lock();
}

}  // namespace yonder::detail
