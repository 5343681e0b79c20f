// SPDX-License-Identifier: Apache-2.0
// The hub: what its operator says of its pools.
#include "src/core/crc32c.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr std::string_view first_pool = "default";

std::string hex(std::uint32_t number) {
  std::string text(8, '0');
  for (auto place = text.rbegin(); number != 0; ++place, number >>= 4U)
    *place = "0123456789abcdef"[number & 15U];
  return text;
}

// What such pools are called together that are made for calls.
std::string kind_of(pool_record const& pool) { return pool.has_service() ? pool.needs.service : "needs"; }

// The same in every hub, as long as its needs are.
std::string name_of(pool_record const& pool, bool is_first) {
  if (pool.on_demand) return kind_of(pool) + "-" + hex(crc32c(std::as_bytes(std::span(pool.key))));
  return std::string(first_pool) + (is_first ? "" : "-" + std::to_string(pool.config.id));
}

}  // namespace

std::string hub::state::kind_of_pool(pool_record const& pool) { return kind_of(pool); }

std::string hub::state::name_of_pool(pool_record const& pool) {
  return name_of(pool, &pool == pools.pools().front().get());
}

bool operates(client_session const& client) { return client.peer != nullptr && client.peer->is_operator; }

failure only_for_operators() {
  return failure_of(errc::unauthorized,
                    "only the operator of a hub sees and changes its pools: come with its server.key, or an "
                    "operator's key (runtime_options::as_operator), or by an ipc address of its own");
}

std::vector<pool_census> hub::state::count_pools() {
  std::vector<pool_census> seen;
  for (auto const& pool : pools.pools()) {
    auto const& its = pool->config;
    seen.push_back({.name = name_of(*pool, seen.empty()),
                    .needs = in_words(pool->needs.resources),
                    .min_workers = its.min_workers,
                    .max_workers = its.max_workers,
                    .spare = its.spare,
                    .max_queue = its.max_queue,
                    .scaledown_window = its.scaledown_window,
                    .park_window = its.park_window,
                    .workers = pool->in_service + pool->entering + pool->isolated,
                    .idle = pool->idle.size(),
                    .starting = pool->starting,
                    .parked = pool->parked.size(),
                    .queued = pool->queued_items});
    if (pool->needs.isolate) seen.back().needs += seen.back().needs.empty() ? "isolate" : ", isolate";
    if (auto const build = pool->needs.build.build; build != 0)
      seen.back().needs += (seen.back().needs.empty() ? "" : ", ") + build_in_words(build);
    seen.back().why = why_none_comes(*pool);
  }
  auto const& all = pools.pools();
  for (auto const& [id, worker] : sessions.workers()) {
    auto const* const whose = worker->pool;
    if (whose == nullptr || !worker->lease) continue;
    auto const its =
        std::find_if(all.begin(), all.end(), [whose](auto const& one) { return one.get() == whose; });
    seen[static_cast<std::size_t>(its - all.begin())].gpu_memory += pools.gpu_memory_of(*worker->lease);
  }
  return seen;
}

// A service's name is enough where it has one pool.
pool_record* hub::state::named_pool(std::string_view name, failure& refused) {
  if (name == first_pool) return pool_of(std::string_view(), refused);
  auto const& all = pools.pools();
  std::vector<pool_record*> meant;
  std::string there;
  for (auto const& pool : all) {
    auto const its = name_of(*pool, pool == all.front());
    if (its == name) return pool.get();
    if (pool->has_service() && pool->needs.service == name) meant.push_back(pool.get());
    there += (there.empty() ? "" : ", ") + its;
  }
  if (meant.size() == 1) return meant.front();
  auto const what = meant.empty() ? "there is no pool '" : "there are several pools of the service '";
  refused = failure_of(
      errc::bad_configuration,
      what + std::string(name) + "'; " + (there.empty() ? "the hub has none now" : "there are: " + there));
  return nullptr;
}

pool_record* hub::state::pool_of(pool_order const& order, failure& refused) {
  return order.name.empty() ? pool_of(order.needs, refused) : named_pool(order.name, refused);
}

std::optional<failure> hub::state::scale(pool_order const& order) {
  failure refused;
  auto* const pool = pool_of(order, refused);
  if (pool == nullptr) return refused;
  if (auto fault = pools.scale(*pool, order.change); !fault.empty())
    return failure_of(errc::bad_configuration, std::move(fault));
  return std::nullopt;
}

std::optional<failure> hub::state::warm(pool_order const& order) {
  failure refused;
  auto* const pool = pool_of(order, refused);
  if (pool == nullptr) return refused;
  pools.warm(*pool, order.count);
  return std::nullopt;
}

// A call that the hub answers itself. It may come again: it says levels.
void hub::state::take_order(time_point now, client_session& client, call_message const& said,
                            frame const& message, outputs& out) {
  auto const id = message.head.call;
  // As any outcome that its task is told of; no depth is too deep for it.
  if (said.parent.attempt != 0 && !is_entering(client, said.parent)) {
    failure refused;
    if (auto* const parent = parent_of(now, client, said.parent, refused)) note_ended(*parent, 1, 0);
  }
  if (is_call_order(said.function)) return take_call_order(now, client, said.function, message, out);
  if (!operates(client)) return answer(now, client, id, only_for_operators(), out);
  std::string value;
  std::optional<failure> refused;
  pool_order order;
  if (said.function == list_pools)
    value = encode_pools(count_pools(), !message.payload().empty());
  else if (said.function == list_usage)
    value = encode_usage(used.rows());
  else if (!decode_order(message.payload(), order))
    refused = failure_of(errc::protocol_violation, "what is said of a pool does not decode");
  else
    refused = said.function == scale_pool ? scale(order) : warm(order);
  if (refused) return answer(now, client, id, std::move(*refused), out);
  answer_order(now, client, id, value, out);
}

void hub::state::answer_order(time_point now, client_session& client, call_id id, std::string const& value,
                              outputs& out) {
  frame made;
  made.head.type = frame_type::result;
  made.head.call = id;
  made.head.attempt = 1;
  byte_buffer body;
  body.append(value.data(), value.size());
  made.body = std::move(body);
  send_outcome(now, client, frame_ref(std::move(made)), out);
}

}  // namespace yonder::core
