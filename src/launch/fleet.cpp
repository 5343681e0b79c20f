// SPDX-License-Identifier: Apache-2.0
#include "src/launch/fleet.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/platform/process.hpp"

namespace yonder::launch {
namespace {

using runtime_detail::pool_event;

// What a worker has said last may still be on its way when its end is seen.
constexpr std::int64_t last_words = 1 * second;
// With a worker that has taken its leave, before what it ran on is stopped.
constexpr std::int64_t farewell = 2 * second;
// Of what was run and printed, in an error.
constexpr std::size_t most_text = std::size_t{8} << 10;

std::string shortened(std::string text) {
  if (text.size() <= most_text) return text;
  return text.substr(0, most_text / 4) + "\n[…]\n" + text.substr(text.size() - most_text * 3 / 4);
}

}  // namespace

fleet::fleet(fleet_config config, std::vector<fleet_pool> pools, transport::listener& keys)
    : config_(std::move(config)), keys_(keys) {
  for (auto& one : pools) {
    auto const limits = one.limits;
    pools_.push_back({std::move(one), driver::launch_ledger(limits)});
  }
}

// --- starting

void fleet::start(core::out::start_worker const& wanted) {
  auto& from = pools_.at(wanted.pool - 1);
  auto& one = starts_[wanted.start];
  one.pool = wanted.pool - 1;
  one.exit_timeout = wanted.exit_timeout;
  one.request = request_of(wanted, from);
  from.waiting.push_back(wanted.start);
  if (from.waiting.size() == 1)
    let_in(from);
  else
    hold(wanted.start, from.ledger.why_full());  // as the others
}

// Of those that wait, as many as there is room for. The next one hears why it goes on waiting.
void fleet::let_in(pool& from) {
  while (!from.waiting.empty()) {
    auto const start = from.waiting.front();
    if (!from.ledger.begin(start)) return hold(start, from.ledger.why_full());
    from.waiting.pop_front();
    auto& one = starts_.at(start);
    auto key = keys_.issue_worker_key(start);
    one.own_public = std::move(key.own_public);
    one.request.order.server_public = std::move(key.server_public);
    one.request.order.client_secret = std::move(key.secret);
    auto const pause = from.ledger.not_before() - platform::now();
    if (pause <= 0)
      submit(one);
    else
      wait(start, "it is started after a pause of " + std::to_string((pause + second - 1) / second) +
                      " s, as starts before it have failed");
  }
}

void fleet::hold(std::uint64_t start, std::string why) {
  happened_.push_back({.what = pool_event::kind::held, .start = start, .text = std::move(why)});
}

void fleet::wait(std::uint64_t start, std::string why) {
  happened_.push_back({.what = pool_event::kind::waits, .start = start, .text = std::move(why)});
}

start_request fleet::request_of(core::out::start_worker const& wanted, pool const& from) {
  start_request request{.start = wanted.start,
                        .name = config_.hub_name + "-" + std::to_string(wanted.start),
                        .hub_name = config_.hub_name,
                        .worker = of_build(from.is.worker, wanted.build),
                        .environment = from.is.environment,
                        .before = from.is.before,
                        .patience = from.is.patience};
  request.worker.insert(request.worker.end(), {"--yonder-worker", "-"});
  request.order.hub = config_.address;
  request.order.token = wanted.token;
  request.order.silence = from.is.silence;
  request.order.end = from.is.end;
  request.needs = {.cpus = wanted.needs.cores,
                   .gpus = wanted.needs.gpus,
                   .gpu_memory = wanted.needs.gpu_memory,
                   .memory = wanted.needs.memory};
  return request;
}

void fleet::submit(started& one) {
  one.submitted = true;
  pools_[one.pool].is.by->start(one.request);
}

void fleet::came(std::uint64_t start) {
  auto const found = starts_.find(start);
  if (found == starts_.end()) return;
  found->second.came = true;
  auto& of = pools_[found->second.pool];
  of.ledger.served(start);
  of.is.by->served(start);
}

// --- stopping

void fleet::abandon(std::uint64_t start) {
  auto const found = starts_.find(start);
  if (found == starts_.end()) return;
  auto& one = found->second;
  one.is_unwanted = true;
  if (!one.submitted) {
    auto& from = pools_[one.pool];
    forget(start);
    if (std::erase(from.waiting, start) != 0) return;
    from.ledger.ended(platform::now(), start, false);
    return let_in(from);
  }
  if (one.came)
    one.stop_at = platform::now() + std::max(farewell, one.exit_timeout);
  else
    stop(one);
}

void fleet::stop(started& one) {
  one.stop_at = never;
  auto& from = pools_[one.pool];
  if (from.ledger.stop(one.request.start)) from.is.by->stop(one.request.start);
}

// --- what launchers say

void fleet::take(std::vector<pool_event>& happened) {
  for (auto& one : pools_) {
    if (!one.is.by) continue;
    std::vector<launch_event> said;
    one.is.by->take(said);
    for (auto& event : said) take_event(std::move(event));
  }
  std::move(happened_.begin(), happened_.end(), std::back_inserter(happened));
  happened_.clear();
}

void fleet::take_event(launch_event&& event) {
  using what = launch_event::kind;
  auto const found = starts_.find(event.start);
  if (event.what == what::notice) {
    happened_.push_back({.what = pool_event::kind::notice, .text = shortened(std::move(event.text))});
  } else if (found == starts_.end()) {
    return;
  } else if (event.what == what::held) {
    hold(event.start, shortened(std::move(event.text)));
  } else if (event.what == what::waits) {
    wait(event.start, shortened(std::move(event.text)));
  } else if (event.what == what::placed) {
    found->second.placed = true;
    found->second.placed_by = std::move(event.text);
    happened_.push_back({.what = pool_event::kind::placed, .start = event.start});
  } else if (event.what == what::stop_failed) {
    auto const& one = found->second;
    if (!pools_[one.pool].ledger.stop_refused(platform::now(), event.start)) return;
    auto const who = one.request.name + " of the pool '" + pools_[one.pool].is.name + "'";
    auto const text = shortened(std::move(event.text));
    happened_.push_back(
        {.what = pool_event::kind::notice,
         .text = who + " could not be stopped, and may go on costing; tried again until it is:\n" + text});
    if (!one.came)  // nobody waits for its end to hear why
      happened_.push_back({.what = pool_event::kind::ended,
                           .start = event.start,
                           .text = "(" + who + ") could not be stopped:\n" + text + how_started(one)});
  } else {
    end(event.start, std::move(event));
  }
}

// Of one whose worker has not come.
std::string fleet::how_started(started const& one) const {
  if (one.came) return {};
  std::string text = one.placed_by.empty() ? "" : "\nIt was started by\n" + shortened(one.placed_by);
  if (one.placed && one.is_unwanted)  // it was waited for in vain
    text += "\nIt was to come to " + one.request.order.hub + ": can that be reached from there (`address`)?";
  return text;
}

void fleet::end(std::uint64_t start, launch_event&& event) {
  auto const& one = starts_.at(start);
  auto const now = platform::now();
  auto& from = pools_[one.pool];
  auto const was_given_up = one.is_unwanted && !one.placed;
  from.ledger.ended(now, start, !one.came && !was_given_up && one.stop_at == never);
  // What follows "the worker".
  auto text = "(" + one.request.name + " of the pool '" + from.is.name + "') ended:\n" +
              shortened(std::move(event.text));
  text += how_started(one);
  pool_event told{.what = event.what == launch_event::kind::failed ? pool_event::kind::start_failed
                                                                   : pool_event::kind::ended,
                  .start = start,
                  .text = std::move(text)};
  if (one.came)
    late_.push_back({now + last_words, std::move(told)});
  else
    happened_.push_back(std::move(told));
  forget(start);
  let_in(from);
}

void fleet::forget(std::uint64_t start) {
  auto const found = starts_.find(start);
  if (!found->second.own_public.empty()) keys_.withdraw_worker_key(found->second.own_public);
  starts_.erase(found);
}

// --- time

std::int64_t fleet::next_deadline() const {
  if (!happened_.empty()) return 0;
  auto next = late_.empty() ? never : late_.front().due;
  for (auto const& one : pools_)
    if (one.is.by) next = std::min({next, one.is.by->next_deadline(), one.ledger.next_deadline()});
  for (auto const& [start, one] : starts_) {
    next = std::min(next, one.stop_at);
    if (is_due(one)) next = std::min(next, pools_[one.pool].ledger.not_before());
  }
  return next;
}

void fleet::tick(std::int64_t now) {
  for (; !late_.empty() && late_.front().due <= now; late_.pop_front())
    happened_.push_back(std::move(late_.front().event));
  for (auto& one : pools_) {
    if (!one.is.by) continue;
    for (auto const start : one.ledger.stops_due(now)) one.is.by->stop(start);
    one.is.by->tick(now);
  }
  for (auto& [start, one] : starts_) {
    if (is_due(one) && pools_[one.pool].ledger.not_before() <= now) {
      wait(start, {});  // no more
      submit(one);
    }
    if (one.stop_at <= now) stop(one);
  }
}

// All pools at once, turn by turn: none waits for what another one's commands take.
void fleet::stop(runtime_detail::teller const& say_to) {
  std::vector<pool*> left;
  for (auto& one : pools_)
    if (one.is.by) left.push_back(&one);
  while (!left.empty()) {
    auto const turn = left.size() == 1 ? second : second / 20;
    std::erase_if(left, [&](pool* const one) {
      if (!one->is.by->leave_until(platform::now() + turn, say_to)) return false;
      tell_what_is_left(*one, say_to);
      return true;
    });
  }
}

void fleet::tell_what_is_left(pool& one, runtime_detail::teller const& say_to) {
  std::vector<launch_event> events;
  one.is.by->take(events);
  std::map<std::uint64_t, std::string> refused;  // the last word of each counts
  for (auto& event : events) {
    if (event.what == launch_event::kind::notice) say_to(shortened(std::move(event.text)));
    if (event.what == launch_event::kind::stop_failed) refused[event.start] = std::move(event.text);
    if (event.what == launch_event::kind::ended) refused.erase(event.start);
  }
  for (auto& [start, text] : refused)
    say_to(config_.hub_name + "-" + std::to_string(start) + " of the pool '" + one.is.name +
           "' could not be stopped, and may go on costing:\n" + shortened(std::move(text)));
}

}  // namespace yonder::launch
