// SPDX-License-Identifier: Apache-2.0
//
// What processes do with values: they call with them, run tasks on them, keep them and bring them.
#include "tests/simulation/sharing.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace yonder::core::simulation {

// --- processes that call

void sharing_world::act(std::size_t index) {
  auto& its = all_[index];
  std::vector<value_key> has;
  for (auto const& [key, one] : its.tickets)
    if (one.handles != 0) has.push_back(key);
  auto const which = below(8);
  if (stopping_) {
    if (!has.empty()) drop_handle(index, has.front());
  } else if (has.empty() || which == 0) {
    if (its.orders.size() < 8) call(index, does::make, {});
  } else {
    auto const key = has[below(has.size())];
    if (which < 4) {
      call(index, std::array{does::use, does::pass, does::keep}[which - 1], key);
    } else if (which < 6) {
      ++its.tickets[key].handles;
      bring(index, key, its.tickets[key].pieces, [this, index, key](errc code) {
        if (code != errc{} && must_have(index, key))
          violated("a value is gone although its process lives, and somebody has a reference");
        drop_handle(index, key);
      });
    } else if (its.tickets[key].handles == 1) {
      drop_handle(index, key);
    }
  }
  if (!all_[index].calls) return;
  auto const next =
      stopping_ && its.tickets.empty() ? 50 * millisecond : between(100 * microsecond, 3 * millisecond);
  plan_of(index, next, [this, index] { act(index); });
}

void sharing_world::call(std::size_t index, does what, value_key const& of) {
  static constexpr std::array<std::string_view, 4> names{"make", "use", "pass", "keep"};
  auto& its = all_[index];
  auto const pieces = what == does::make ? 1 + static_cast<std::uint32_t>(below(5)) : its.tickets[of].pieces;
  if (what != does::make) ++its.tickets[of].handles;  // as long as the call is on its way
  std::string payload(20, '\0');
  auto* const at = reinterpret_cast<std::byte*>(payload.data());
  store_le(at, of.owner);
  store_le(at + 8, of.number);
  store_le(at + 16, pieces);
  order made;
  made.what = order::kind::call;
  made.task = what;
  made.value = of;
  made.pieces = pieces;
  ++seen_.calls;
  auto const id = ask(index, std::move(made), names[static_cast<std::size_t>(what)], payload, {}, one_in(2));
  if (!one_in(3)) return;
  plan_of(index, between(0, 3 * millisecond), [this, index, id] {
    if (all_[index].calls->cancel(now_, id, out_)) ++seen_.failures;
    after_calls(index);
  });
}

void sharing_world::ended(std::size_t index, order const& call, outcome& result) {
  using what = order::kind;
  switch (call.what) {
    case what::serve:
      if (!all_[index].calls) return;
      if (result.ok()) take_events(index, result.value());
      all_[index].serves = false;
      return serve(index);
    case what::fetch: return take_piece(index, call, result);
    case what::hold: return call.held(result.ok());
    case what::give:
    case what::drop:
      if (!result.ok()) violated("what is said of values is refused: " + result.error().message);
      return;
    case what::call: break;
  }
  if (result.ok()) {
    ++seen_.values;
    take_references(index, result.value());
    auto const payload = result.value().payload();
    if (call.task == does::use && (payload.size() != 8 || load_le<std::uint64_t>(payload.data()) !=
                                                              sum_of(content_of(call.value, call.pieces))))
      violated("a task ran on another value than it was called with");
  } else if (result.error().code == errc::value_gone && must_have(index, call.value)) {
    violated("a task's argument is gone although its process lives, and its caller has a reference");
  }
  if (call.task != does::make) drop_handle(index, call.value);
}

void sharing_world::take_references(std::size_t index, frame const& result) {
  std::vector<value_key> keys;
  if (!read_references(result.metadata(), keys)) return violated("the references of a result do not decode");
  for (auto const& key : keys) {
    auto& one = all_[index].tickets[key];
    one.pieces = static_cast<std::uint32_t>(key.number % 8);
    ++one.count;
    ++one.handles;
    one.unsure = false;
    reach(state::referred);
  }
}

void sharing_world::drop_handle(std::size_t index, value_key const& key) {
  auto& its = all_[index].tickets;
  auto const found = its.find(key);
  if (found == its.end() || --found->second.handles != 0) return;
  auto const count = found->second.count;
  its.erase(found);
  drop(index, key, count, false);
}

// --- tasks

void sharing_world::run(std::size_t index, out::run const& what) {
  auto& its = all_[index];
  if (its.runs) return violated("a worker runs two at once");
  auto& made = its.runs.emplace(task{});
  auto const payload = what.message.payload();
  made.key = what.key;
  made.what = what.function == "make"   ? does::make
              : what.function == "use"  ? does::use
              : what.function == "pass" ? does::pass
                                        : does::keep;
  made.value = {load_le<std::uint64_t>(payload.data()), load_le<std::uint64_t>(payload.data() + 8)};
  made.pieces = load_le<std::uint32_t>(payload.data() + 16);
  if (made.what == does::make) {
    made.value = {its.session, ++numbers_ * 8 + made.pieces};
    its.own[made.value.number] = {made.pieces, true, 0};
    serve(index);
  }
  plan_of(index, between(10 * microsecond, 2 * millisecond), [this, index] {
    auto const now = *all_[index].runs;
    auto const goes_on = [this, index, key = now.key] {
      return all_[index].runs && all_[index].runs->key == key;
    };
    switch (now.what) {
      case does::make:
      case does::pass:
        return hold(index, now.key.call, now.value, [this, index, now, goes_on](bool held) {
          if (!goes_on()) return;
          held ? finish(index, {now.value}, 0) : fail(index, errc::failed);
          if (now.what == does::make && all_[index].calls) own_no_more(index, now.value.number);
        });
      case does::use:
        return bring(index, now.value, now.pieces, [this, index, now, goes_on](errc code) {
          if (!goes_on()) return;
          if (code != errc{}) return fail(index, code);
          auto const& mine = all_[index];
          finish(index, {},
                 sum_of(now.value.owner == mine.session ? content_of(now.value, now.pieces)
                                                        : mine.brought.at(now.value)));
        });
      case does::keep:
        if (now.value.owner == all_[index].session) return finish(index, {}, 0);
        return hold(index, {}, now.value, [this, index, now, goes_on](bool held) {
          if (held) {
            auto& one = all_[index].tickets[now.value];
            one.pieces = now.pieces;
            ++one.count;
            ++one.handles;
            one.unsure = !caller_needs(now.key.call, now.value);
            plan_of(index, between(millisecond, 20 * millisecond),
                    [this, index, key = now.value] { drop_handle(index, key); });
          }
          if (goes_on()) finish(index, {}, 0);
        });
    }
  });
}

void sharing_world::finish(std::size_t index, std::vector<value_key> const& refers, std::uint64_t sum) {
  auto const key = all_[index].runs->key;
  all_[index].runs.reset();
  frame value;
  byte_buffer body;
  if (!refers.empty()) write_references(body, refers);
  value.head.metadata_size = static_cast<std::uint32_t>(body.size());
  store_le(body.extend(8), sum);
  value.body = std::move(body);
  all_[index].tasks->finished(now_, key, std::move(value), out_);
  after_tasks(index);
}

void sharing_world::fail(std::size_t index, errc code) {
  auto const key = all_[index].runs->key;
  all_[index].runs.reset();
  failure error;
  error.code = code;
  error.message = "simulated";
  all_[index].tasks->finished(now_, key, std::move(error), out_);
  after_tasks(index);
}

void sharing_world::hold(std::size_t index, call_id call, value_key const& key,
                         std::function<void(bool)> held) {
  order made;
  made.what = order::kind::hold;
  made.held = std::move(held);
  ask(index, std::move(made), hold_values, encode_hold({call, {key}}));
}

// --- their values

call_id sharing_world::ask(std::size_t index, order what, std::string_view function,
                           std::string const& payload, std::optional<buffer> block, bool idempotent) {
  auto& its = all_[index];
  call_spec spec;
  spec.function = function;
  spec.signature = function.starts_with(' ') ? 0 : 7;
  spec.policy.idempotent = idempotent;
  byte_buffer body;
  begin_call(body, function, spec.policy);
  spec.message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(payload.data(), payload.size());
  spec.message.body = std::move(body);
  if (block) spec.message.buffers.push_back(std::move(*block));
  auto earlier = std::exchange(out_, {});
  auto const id = its.calls->submit(now_, std::move(spec), out_);
  its.orders[id.number] = std::move(what);
  after_calls(index);
  out_ = std::move(earlier);
  return id;
}

void sharing_world::serve(std::size_t index) {
  if (std::exchange(all_[index].serves, true)) return;
  order made;
  made.what = order::kind::serve;
  ask(index, std::move(made), serve_values, {});
}

void sharing_world::take_events(std::size_t index, frame const& told) {
  value_events events;
  if (!decode_events(told.payload(), events)) return violated("what an owner is told does not decode");
  auto& its = all_[index];
  if (events.wishes.empty() && events.unused.empty()) {
    std::vector<std::uint64_t> unneeded;
    for (auto const& [number, one] : its.own)
      if (!one.used) unneeded.push_back(number);
    for (auto const number : unneeded) drop(index, {its.session, number}, 0, true);
  }
  for (auto const number : events.unused) {
    auto const found = its.own.find(number);
    if (found == its.own.end() || found->second.used) continue;
    observe_freed(index, number);
    its.own.erase(found);
  }
  for (auto const& wish : events.wishes) give(index, wish);
}

void sharing_world::give(std::size_t index, value_events::wish const& wish) {
  auto& its = all_[index];
  auto const found = its.own.find(wish.number);
  order made;
  made.what = order::kind::give;
  std::optional<buffer> block;
  if (found != its.own.end()) {
    auto const bytes = std::make_shared<std::string>(
        content_of({its.session, wish.number}, found->second.pieces).substr(wish.offset, wish.size));
    block = buffer{reinterpret_cast<std::byte const*>(bytes->data()), bytes->size(), bytes};
  }
  ask(index, std::move(made), give_value, encode_gift(wish.request, block.has_value()), block);
}

void sharing_world::bring(std::size_t index, value_key const& key, std::uint32_t pieces,
                          std::function<void(errc)> done) {
  auto& its = all_[index];
  if (key.owner == its.session) return done(its.own.contains(key.number) ? errc{} : errc::value_gone);
  if (its.brought.contains(key)) return done(errc{});
  auto const [found, is_new] = its.coming.try_emplace(key);
  found->second.wait.push_back(std::move(done));
  if (!is_new) return;
  found->second.pieces = pieces;
  found->second.number = ++numbers_;
  ask_pieces(index, key);
}

void sharing_world::ask_pieces(std::size_t index, value_key const& key) {
  for (;;) {
    auto const found = all_[index].coming.find(key);
    if (found == all_[index].coming.end()) return;
    auto& one = found->second;
    if (one.asked == one.pieces || one.asked - one.came == pieces_at_once) return;
    order made;
    made.what = order::kind::fetch;
    made.value = key;
    made.piece = one.asked++;
    made.transfer = one.number;
    auto const wish = encode_wish({key, std::uint64_t{made.piece} * piece_size, piece_size});
    ask(index, std::move(made), fetch_value, wish);
  }
}

void sharing_world::take_piece(std::size_t index, order const& asked, outcome& result) {
  auto& its = all_[index];
  auto const found = its.coming.find(asked.value);
  if (found == its.coming.end() || found->second.number != asked.transfer)
    return;  // another piece has failed
  auto& one = found->second;
  auto code = errc{};
  if (!result.ok()) {
    code = result.error().code;
    if (code != errc::value_gone) violated("a piece of a value is refused: " + result.error().message);
  } else {
    auto const& buffers = result.value().buffers;
    if (buffers.size() != 1 || buffers[0].size != piece_size)
      return violated("a piece is not what was asked for");
    one.bytes.resize(std::size_t{one.pieces} * piece_size);
    std::copy_n(reinterpret_cast<char const*>(buffers[0].data), piece_size,
                one.bytes.data() + std::size_t{asked.piece} * piece_size);
    if (++one.came != one.pieces) return ask_pieces(index, asked.value);
    if (one.bytes != content_of(asked.value, one.pieces))
      return violated("a value has come that is not whole");
    if (!its.brought.emplace(asked.value, std::move(one.bytes)).second) violated("a value was brought twice");
    reach(state::brought);
  }
  auto const wait = std::move(one.wait);
  its.coming.erase(found);
  auto const life = its.life;
  for (auto const& done : wait)
    if (all_[index].life == life && all_[index].calls) done(code);
}

void sharing_world::own_no_more(std::size_t index, std::uint64_t number) {
  auto& its = all_[index];
  its.own.at(number).used = false;
  drop(index, {its.session, number}, 0, true);
}

void sharing_world::drop(std::size_t index, value_key const& key, std::uint32_t count, bool of_owner) {
  order made;
  made.what = order::kind::drop;
  ask(index, std::move(made), drop_values, encode_drops(std::vector<value_drop>{{key, count, of_owner}}));
}

std::string sharing_world::content_of(value_key const& key, std::uint32_t pieces) {
  std::string made(std::size_t{pieces} * piece_size, '\0');
  for (std::size_t i = 0; i < made.size(); ++i)
    made[i] = static_cast<char>(mix(key.owner, key.number * 4096 + i));
  return made;
}

std::uint64_t sharing_world::sum_of(std::string const& bytes) {
  std::uint64_t sum = bytes.size();
  for (char const c : bytes) sum = sum * 31 + static_cast<unsigned char>(c);
  return sum;
}

}  // namespace yonder::core::simulation
