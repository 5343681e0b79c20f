// SPDX-License-Identifier: Apache-2.0
// The hub: maps of its callers that go on, for whoever looks at them.
#include "src/core/hub_state.hpp"
#include "src/core/map_orders.hpp"

namespace yonder::core {
namespace {

constexpr std::size_t most_maps = 64;  // of one caller; of further ones nothing is kept
// What goes on is told of every second while its caller waits: perhaps nobody could say that this is over.
constexpr duration untold_time = 300 * second;

}  // namespace

void hub::state::take_map_order(time_point now, client_session& client, std::string_view what,
                                frame const& message, outputs& out) {
  auto const id = message.head.call;
  if (what == list_maps) return answer_order(now, client, id, encode_maps(maps_for(now, client)), out);
  map_report said;
  if (!decode_map(message.payload(), said))
    return answer(now, client, id,
                  failure_of(errc::protocol_violation, "what is said of a map does not decode"), out);
  note_map(now, client, std::move(said));
  answer_order(now, client, id, {}, out);
}

void hub::state::note_map(time_point now, client_session const& client, map_report&& said) {
  call_id const key{client.id, said.number};
  if (said.over) {
    maps.erase(key);
    return;
  }
  std::erase_if(maps, [&](auto const& one) { return now - one.second.told_at > untold_time; });
  auto const first = maps.lower_bound({client.id, 0});
  auto const own =
      static_cast<std::size_t>(std::distance(first, maps.upper_bound({client.id, ~std::uint64_t{0}})));
  if (own < most_maps || maps.count(key) != 0)
    maps.insert_or_assign(key, map_record{now, client.identity, std::move(said)});
}

// Of a caller who is gone: if he comes again, he tells it again.
void hub::state::forget_maps(std::uint64_t session) {
  maps.erase(maps.lower_bound({session, 0}), maps.upper_bound({session, ~std::uint64_t{0}}));
}

// Of his own maps whoever runs them may ask, of all of them an operator.
std::vector<map_census> hub::state::maps_for(time_point now, client_session const& client) const {
  std::vector<map_census> seen;
  for (auto const& [key, one] : maps) {
    if (now - one.told_at > untold_time) continue;
    if (!operates(client) && one.identity != client.identity) continue;
    auto& row = seen.emplace_back(map_census{one.said, key.session, one.identity});
    row.said.elapsed = add(row.said.elapsed, now - one.told_at);
  }
  return seen;
}

}  // namespace yonder::core
