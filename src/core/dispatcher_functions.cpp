// SPDX-License-Identifier: Apache-2.0
//
// The dispatcher: functions, who offers them, and the pools that serve them.
#include "src/core/check.hpp"
#include "src/core/dispatcher.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace yonder::core {
namespace {

bool has_offer(function_record const& function, image const& by) {
  return std::find(function.offers.begin(), function.offers.end(), &by) != function.offers.end();
}

std::string key_of(std::vector<function_info> const& table, pool_record const* home,
                   program_build const& made_of) {
  std::string key(reinterpret_cast<char const*>(&home), sizeof home);
  key.append(reinterpret_cast<char const*>(&made_of.build), sizeof made_of.build);
  (key += made_of.program) += '\0';
  for (auto const& info : table) {
    key += info.name;
    key += '\0';
    key.append(reinterpret_cast<char const*>(&info.signature), sizeof info.signature);
  }
  return key;
}

}  // namespace

function_record& dispatcher::function_of(std::string_view name, std::uint64_t signature, pool_record* home,
                                         build_choice const& build) {
  if (last_function_ != nullptr && last_function_->signature == signature && last_function_->home == home &&
      last_function_->build == build && last_function_->name == name) {
    return *last_function_;
  }
  auto const found = functions_.find({home, name, signature, build});
  if (found != functions_.end()) return *(last_function_ = found->second.get());
  auto made = std::make_unique<function_record>();
  made->name = name;
  made->signature = signature;
  made->home = home;
  made->build = build;
  if (home != nullptr) ++home->users;
  auto& function = *made;
  functions_.emplace(function_key{home, function.name, signature, build}, std::move(made));
  if (!build.is_any())
    for (auto* const one : in_order_)
      if (one->home == home && one->has(name, signature, build)) offer(function, *one);
  find_pool(function);
  return *(last_function_ = &function);
}

void dispatcher::release(function_record& function) {
  auto const is_kept = function.build.is_any() || held_builds_.contains(function.build.build);
  if (function.calls != 0 || (!function.offers.empty() && is_kept)) return;
  if (unoffered_.contains(function)) {
    if (function.was_offered) return;  // remembered for its grace period
    unoffered_.remove(function);
  }
  forget(function);
}

void dispatcher::forget(function_record& function) {
  for (auto* const by : function.offers) std::erase(by->functions, &function);
  if (last_function_ == &function) last_function_ = nullptr;
  if (function.home != nullptr) --function.home->users;
  if (function.numbers != nullptr) task_tally::let_go(*function.numbers);
  functions_.erase({function.home, function.name, function.signature, function.build});
}

void dispatcher::release_build(std::uint64_t build) {
  auto const held = held_builds_.find(build);
  YONDER_CHECK(held != held_builds_.end(), "a build is released twice");
  if (--held->second != 0) return;
  held_builds_.erase(held);
  std::vector<function_record*> unused;
  for (auto const& [key, function] : functions_)
    if (function->build.build == build && function->calls == 0) unused.push_back(function.get());
  for (auto* const one : unused) release(*one);
}

void dispatcher::offer(function_record& function, image& by) {
  function.was_offered = true;
  function.last_loss.clear();
  function.offers.push_back(&by);
  by.functions.push_back(&function);
  auto& lanes = function.queue.in_order;
  for (auto* lane = lanes.first(); lane != nullptr; lane = lanes.after(*lane)) {
    add_place(*lane, by);
    by.order.update(*lane->places.back());
  }
}

std::vector<function_info> dispatcher::table_of(image const& one) {
  std::vector<function_info> table;
  for (auto const* const function : one.functions)
    if (function->build.is_any()) table.push_back({function->name, function->signature, function->schema});
  return table;
}

image& dispatcher::hold_image(std::vector<function_info>& table, pool_record* home,
                              program_build const& made_of) {
  auto const [found, is_new] = images_.try_emplace(key_of(table, home, made_of));
  auto& one = found->second;
  ++one.holders;
  if (!is_new) return one;
  list_images();
  one.key = found->first;
  one.number = ++last_image_;
  one.home = home;
  one.made_of = made_of;
  for (auto& info : table) {
    auto& function = function_of(info.name, info.signature, home);
    if (has_offer(function, one)) continue;
    function.schema = std::move(info.schema);
    offer(function, one);
    if (unoffered_.contains(function)) unoffered_.remove(function);
  }
  for (auto const& [key, function] : functions_) {
    if (key.build.is_any() || key.home != home) continue;
    if (has_offer(*function, one) || !one.has(key.name, key.signature, key.build)) continue;
    offer(*function, one);
    if (unoffered_.contains(*function)) unoffered_.remove(*function);
  }
  return one;
}

void dispatcher::release(time_point now, image& held) {
  YONDER_CHECK(held.holders != 0, "a table of functions is released twice");
  if (--held.holders != 0) return;
  for (auto* const function : held.functions) {
    std::erase(function->offers, &held);
    auto& lanes = function->queue.in_order;
    for (auto* lane = lanes.first(); lane != nullptr; lane = lanes.after(*lane))
      std::erase_if(lane->places, [&](auto const& place) { return place->by == &held; });
    if (!function->offers.empty()) continue;
    function->unoffered_since = now;
    unoffered_.push_back(*function);
    unknown_due_ = std::min(unknown_due_, add(now, limits_.function_grace));
  }
  if (auto const build = held.made_of.build; build != 0) {
    std::erase_if(gone_builds_,
                  [&](auto const& one) { return add(one.second, limits_.function_grace) <= now; });
    gone_builds_[build] = now;
  }
  images_.erase(std::string(held.key));
  list_images();
}

void dispatcher::list_images() {
  in_order_.clear();
  for (auto& [key, one] : images_) in_order_.push_back(&one);
}

void dispatcher::add_pool(pool_record& pool) {
  if (pool.config.max_workers == 0) return;
  pools_.push_back(&pool);
  if (pool.config.functions.empty() || YONDER_MUTANT(pool_offers_ignored)) return;
  auto table = pool.config.functions;
  pool.program = &hold_image(table, nullptr, pool.config.made_of);
  for (auto* const function : pool.program->functions) find_pool(*function);
}

// Where workers are started elsewhere the file there may be another one by now, of any build. What a
// service's own program has its workers know better than its model, as long as there are any.
bool dispatcher::could_offer(pool_config const* own_model, std::string_view name, std::uint64_t signature,
                             build_choice const& build) const {
  if (own_model == nullptr || YONDER_MUTANT(own_program_ignored)) {
    if (pools_.empty()) return false;
    auto const& first = *pools_.front();
    auto const asked = first.config.elsewhere ? build_choice{} : build;
    return first.program == nullptr || first.program->has(name, signature, asked);
  }
  auto const asked = own_model->elsewhere ? build_choice{} : build;
  auto is_known = false;
  for (auto const* const one : in_order_) {
    if (one->workers == 0 || one->home == nullptr || one->home->own_model != own_model) continue;
    if (one->has(name, signature, asked)) return true;
    is_known = true;
  }
  auto const& all = own_model->functions;
  if (is_known || all.empty()) return !is_known;
  return takes(asked, own_model->made_of) && std::any_of(all.begin(), all.end(), [&](auto const& one) {
           return one.signature == signature && one.name == name;
         });
}

// Of calls that say what they need, the pool that was made for that, if what its workers are made of has it.
// Of others those come first that are known to offer it, then those of which nothing is known.
void dispatcher::find_pool(function_record& function) {
  auto* const home = function.home;
  auto const& [name, signature, build] = std::tie(function.name, function.signature, function.build);
  auto const at_home =
      home != nullptr && (home->recruits ? could_recruit(name, signature, build)
                                         : could_offer(home->own_model, name, signature, build));
  pool_record* found = at_home ? home : nullptr;
  for (auto* const pool : pools_) {
    if (function.home != nullptr) break;
    auto const offers = pool->program != nullptr && has_offer(function, *pool->program);
    if (offers || (pool->program == nullptr && found == nullptr)) found = pool;
    if (offers) break;
  }
  set_pool(function, found);
}

void dispatcher::set_pool(function_record& function, pool_record* found) {
  if (found == function.pool) return;
  auto const waiting = function.queue.size;
  auto const items = function.queue.items;
  if (function.pool != nullptr) {
    function.pool->queued -= waiting;
    function.pool->queued_items -= items;
    function.pool->ordered_items -= function.ordered;
  }
  if (found != nullptr) {
    found->queued += waiting;
    found->queued_items += items;
    found->ordered_items += function.ordered;
  }
  function.pool = found;
}

void dispatcher::hand_over(pool_record const& failing) {
  for (auto const& [key, function] : functions_) {
    if (function->pool != &failing || function->home != nullptr) continue;
    for (auto* const pool : pools_) {
      auto const offers = pool->program == nullptr || has_offer(*function, *pool->program);
      if (pool == &failing || pool->start_failures != 0 || !offers) continue;
      set_pool(*function, pool);
      break;
    }
  }
}

}  // namespace yonder::core
