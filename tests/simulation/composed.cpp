// SPDX-License-Identifier: Apache-2.0
//
// Calls whose arguments are the values of others.
#include "src/core/composition.hpp"
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {

// Of those that are on their way. 0: there are none.
std::uint32_t world::draw_composed(client_node const& node, std::span<call_id const> among) {
  auto& records = lives_[node.life].records;
  composed_story made;
  made.sole = random_.below(2) == 0;
  for (auto left = 1 + random_.below(3); left > 0 && !records.empty(); --left) {
    auto const back = random_.below(std::min<std::uint64_t>(records.size(), 16));
    auto const number = among.empty() ? records.size() - back : among[random_.below(among.size())].number;
    auto& one = records[number - 1];
    auto const* const story = story_of(one);
    if (one.outcomes != 0 || one.given_away || (story != nullptr && story->reads)) continue;
    made.of.push_back(static_cast<std::uint32_t>(number));
    made.sole = made.sole && !one.lent;
    one.lent = true;
  }
  if (made.of.empty()) return 0;
  for (auto const number : made.of) records[number - 1].given_away = made.sole;
  made.before = random_.below(made.of.size() + 1);
  compositions_.push_back(std::move(made));
  return static_cast<std::uint32_t>(compositions_.size());
}

void world::write_arguments_of(byte_buffer& body, record const& call) const {
  if (call.composed == 0) return;
  auto const& made = compositions_[call.composed - 1];
  std::vector<awaited_argument> arguments;
  for (std::size_t i = 0; i < made.of.size(); ++i) {
    auto const offset = i < made.before ? 0 : argument_size;
    arguments.push_back({made.of[i], static_cast<std::uint32_t>(offset), 0, made.sole});
  }
  write_arguments(body, arguments);
}

// It runs on exactly the values of the calls that it names.
void world::identify_composed(task const& made, record const& call, out::run const& run) {
  reach(state::composed);
  auto const& named = compositions_[call.composed - 1];
  auto const payload = run.message.payload();
  auto const session = made.call.session;
  std::span<buffer const> buffers = run.message.buffers;
  if (payload.size() != argument_size + named.of.size() * value_size)
    return violated("a call runs without the values that it is made of");
  for (std::size_t i = 0; i < named.of.size(); ++i) {
    auto const* const at = payload.data() + i * value_size + (i < named.before ? 0 : argument_size);
    auto const* const one = find({session, named.of[i]});
    if (load_le<std::uint64_t>(at) != mix(session, named.of[i]))
      return violated("a call runs on other values than it is made of");
    auto const large = one->value_large == record::undrawn ? 0 : one->value_large;
    auto const count = std::min<std::size_t>(buffers.size(), large == 0 ? 0 : 2);
    if (!is_large_of(buffers.first(count), named.of[i], large))
      return violated("a call runs on other blocks than it is made of");
    buffers = buffers.subspan(count);
  }
  if (!buffers.empty()) violated("a call runs on more than it is made of");
}

// Whether it has failed because of what it is made of.
bool world::is_composed_failure(client_node const& node, record const& call, failure const& error) const {
  if (call.composed == 0) return false;
  auto const& records = lives_[node.life].records;
  auto const& of = compositions_[call.composed - 1].of;
  auto const some = [&](auto&& is) {
    return std::any_of(of.begin(), of.end(), [&](auto number) { return is(records[number - 1]); });
  };
  if (error.code == errc::argument_gone)
    return !how_.reliable || some([](record const& one) { return one.over_at_hub || one.outcomes != 0; });
  if (error.code == errc::too_large) return how_.large > 0;
  auto const says = [&](char const* text) { return error.message.find(text) != std::string::npos; };
  auto const passed_on =
      says("an argument was not made: ") || says("the call whose value is an argument here was");
  if (!passed_on) return false;
  return some([&](record const& one) { return one.outcomes == 0 || one.code != errc{}; });
}

// It has a value: so have all that it names, unless their caller has given them up meanwhile.
void world::observe_composed(client_node const& node, record const& call) {
  auto const& records = lives_[node.life].records;
  for (auto const number : compositions_[call.composed - 1].of) {
    auto const& one = records[number - 1];
    auto const given_up = one.code == errc::cancelled || one.code == errc::deadline_exceeded;
    auto const late = one.outcomes == 0 && !how_.reliable;
    auto const lost = one.code == errc::disconnected && !how_.reliable;
    if (!given_up && !late && !lost && (one.outcomes == 0 || one.code != errc{}))
      violated("a call has a value although one that it is made of has none");
  }
}

// The value went to those that are made of it.
void world::observe_elsewhere(record const& call, frame const& value) {
  reach(state::elsewhere);
  if (!call.given_away || !value.payload().empty())
    violated("a caller is told that its value went elsewhere, and has a use for it");
}

void world::note_over_at_hub(header const& head, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i)
    if (auto* const call = find({head.call.session, head.call.number + i})) call->over_at_hub = true;
}

}  // namespace yonder::core::simulation
