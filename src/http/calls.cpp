// SPDX-License-Identifier: Apache-2.0
#include "src/http/calls.hpp"

#include <algorithm>
#include <tuple>

#include "yonder/call.hpp"

namespace yonder::http {

std::size_t result_bytes(one_call const& one) {
  if (auto const* const failure = yonder::detail::failure_of(*one.call); failure != nullptr)
    return failure->message.size() + failure->type_name.size() + failure->stderr_tail.size();
  auto const reply = yonder::detail::take_reply(*one.call);
  auto bytes = reply.payload.size();
  for (auto const& buffer : reply.buffers) bytes += buffer.size;
  return bytes;
}

namespace {

// It was not even started: whoever tries it again, under the same key too, is to have it tried.
bool may_be_asked_again(one_call const& call) {
  constexpr unsigned unavailable = 503;
  auto const* const failure = yonder::detail::failure_of(*call.call);
  return failure != nullptr && status_of(*failure) == unavailable;
}

}  // namespace

std::string const& one_call::id() const {
  if (known_id.empty() && endpoint != nullptr) {
    auto const id = yonder::detail::id_of(*call);
    known_id = to_string(call_id{id.session, id.number});
  }
  return known_id;
}

call_table::~call_table() {
  for (auto const& [address, one] : running_) {
    yonder::detail::forget_to_tell(*one->call, &told, address);
    one->waiters.clear();  // which hold their call
    let_watchers_go(*one);
  }
}

call_handle call_table::begin(detail::endpoint_entry const& endpoint, yonder::detail::call_ref call,
                              std::string owner, time_point now) {
  return add({.endpoint = &endpoint, .call = std::move(call), .owner = std::move(owner), .begun = now});
}

call_handle call_table::begin(yonder::detail::engine_ref const& where, detail::endpoint_entry const& endpoint,
                              options const& settings, yonder::detail::outgoing&& call, std::string owner,
                              time_point now) {
  auto one = std::make_shared<one_call>(
      one_call{.endpoint = &endpoint, .call = {}, .owner = std::move(owner), .begun = now, .table = this});
  // In the table first: once it is submitted its end is told to this very object.
  running_.emplace(one.get(), one);
  try {
    one->call =
        yonder::detail::submit_held(where, *endpoint.task, settings, std::move(call), &told, one.get());
  } catch (...) {
    running_.erase(one.get());
    throw;
  }
  return one;
}

call_handle call_table::ask(yonder::detail::call_ref asked, time_point now) {
  return add({.call = std::move(asked), .owner = {}, .begun = now});
}

call_handle call_table::add(one_call&& call) {
  auto one = std::make_shared<one_call>(std::move(call));
  one->table = this;
  running_.emplace(one.get(), one);
  if (!yonder::detail::tell_when_done(*one->call, &told, one.get())) told(one.get());
  return one;
}

void call_table::keep(call_handle const& call) {
  if (std::exchange(call->kept, true)) return;
  kept_.emplace(call->id(), call);
  if (call->ended) retire(call);
}

// Kept and ended. What stands under a key stays for its time, lest the call be made again.
void call_table::retire(call_handle const& call) {
  call->bytes = result_bytes(*call);
  if (!call->idempotency_key.empty()) {
    under_keys_[call->owner].bytes += call->bytes;
    over_under_keys_.push_back(call);
    return;
  }
  over_bytes_ += call->bytes;
  over_.push_back(call);
}

call_handle call_table::find(std::string const& id, credential const& who) const {
  auto const found = kept_.find(id);
  if (found == kept_.end() || (found->second->owner != who.name && !who.admin)) return nullptr;
  return found->second;
}

std::vector<call_handle> call_table::list(credential const& who, std::size_t most) const {
  std::vector<call_handle> seen;
  for (auto const& [id, one] : kept_)
    if (who.admin || one->owner == who.name) seen.push_back(one);
  std::sort(seen.begin(), seen.end(), [](auto const& a, auto const& b) {
    return std::tie(a->begun, a->id()) > std::tie(b->begun, b->id());
  });
  if (seen.size() > most) seen.resize(most);
  return seen;
}

call_handle call_table::find_key(std::string const& owner, std::string const& key) const {
  auto const found = keys_.find({owner, key});
  return found == keys_.end() ? nullptr : found->second;
}

void call_table::set_key(call_handle const& call, std::string key, digest const& content) {
  call->idempotency_key = std::move(key);
  call->content = content;
  keys_.emplace(std::pair(call->owner, call->idempotency_key), call);
  ++under_keys_[call->owner].calls;
  keep(call);
}

std::uint64_t call_table::wait(call_handle const& call, time_point until, on_end then) {
  if (call->ended) {
    then(*call, false);
    return 0;
  }
  auto const number = ++last_waiter_;
  call->waiters.push_back({number, std::move(then)});
  deadlines_.emplace(std::pair(until, number), call);
  waiting_.emplace(number, until);
  return number;
}

void call_table::forget(std::uint64_t waiter) {
  auto const found = waiting_.find(waiter);
  if (found == waiting_.end()) return;
  auto const place = deadlines_.find({found->second, waiter});
  auto const call = place->second;
  deadlines_.erase(place);
  waiting_.erase(found);
  std::erase_if(call->waiters, [waiter](auto const& one) { return one.number == waiter; });
  if (call->waiters.empty() && !call->kept) yonder::detail::cancel(*call->call);
}

// On any thread, under the lock of the runtime.
void call_table::told(void* address) {
  auto* const one = static_cast<one_call*>(address);
  auto& table = *one->table;
  bool first = false;
  {
    std::lock_guard const lock(table.mutex_);
    first = table.told_.empty() && table.told_news_.empty();
    table.told_.push_back(one);
  }
  if (first) table.wake_();
}

// Likewise.
void call_table::told_news(void* address) {
  auto* const one = static_cast<one_call*>(address);
  auto& table = *one->table;
  bool first = false;
  {
    std::lock_guard const lock(table.mutex_);
    if (std::exchange(one->news_told, true)) return;
    first = table.told_.empty() && table.told_news_.empty();
    table.told_news_.push_back(one);
  }
  if (first) table.wake_();
}

void call_table::watch(call_handle const& call, std::function<bool()> then) {
  if (call->ended) return;
  if (call->watchers.empty()) {
    yonder::detail::tell_of_items(*call->call, &told_news, call.get());
    yonder::detail::tell_of_progress(*call->call, &told_news, call.get());
  }
  call->watchers.push_back(std::move(then));
  told_news(call.get());  // of what was there before
}

void call_table::let_watchers_go(one_call& call) {
  if (call.watchers.empty()) return;
  yonder::detail::tell_of_items(*call.call, nullptr, nullptr);
  yonder::detail::tell_of_progress(*call.call, nullptr, nullptr);
  call.watchers.clear();
}

// One of them may begin to watch it again.
void call_table::tell_watchers(one_call& call) {
  auto told = std::exchange(call.watchers, {});
  std::erase_if(told, [](auto const& one) { return !one(); });
  for (auto& later : call.watchers) told.push_back(std::move(later));
  call.watchers = std::move(told);
}

// A call has its items before its end.
void call_table::take_told(time_point now) {
  std::vector<one_call*> ended, with_news;
  {
    std::lock_guard const lock(mutex_);
    ended.swap(told_);
    with_news.swap(told_news_);
    for (auto* const one : with_news) one->news_told = false;
  }
  for (auto* const one : with_news)
    if (running_.count(one) != 0) tell_watchers(*one);
  for (auto* const one : ended) end(*one, now);
}

void call_table::end(one_call& call, time_point now) {
  auto const found = running_.find(&call);
  if (found == running_.end()) return;
  auto const keep = std::move(found->second);
  running_.erase(found);
  call.ended = now;
  let_watchers_go(call);
  if (may_be_asked_again(call)) drop_key(call);
  if (call.kept) retire(keep);
  for (auto& waiter : std::exchange(call.waiters, {})) {
    auto const until = waiting_.find(waiter.number);
    if (until == waiting_.end()) continue;  // one before it has seen to that
    deadlines_.erase({until->second, waiter.number});
    waiting_.erase(until);
    waiter.then(call, false);
  }
  ended_(keep);
  trim(now);
}

void call_table::drop(one_call& call) {
  kept_.erase(call.id());
  drop_key(call);
}

void call_table::drop_key(one_call& call) {
  if (call.idempotency_key.empty()) return;
  keys_.erase({call.owner, std::exchange(call.idempotency_key, {})});
  auto const use = under_keys_.find(call.owner);
  use->second.bytes -= call.bytes;
  if (--use->second.calls == 0) under_keys_.erase(use);
}

bool call_table::may_keep_under_key(std::string const& owner) const {
  auto const use = under_keys_.find(owner);
  return use == under_keys_.end() ||
         (use->second.calls < limits_.under_keys && use->second.bytes < limits_.bytes_under_keys);
}

void call_table::trim(time_point now) {
  while (!over_.empty() && (over_.size() > limits_.kept || over_bytes_ > limits_.kept_bytes ||
                            now - *over_.front()->ended >= limits_.keep)) {
    auto const oldest = std::move(over_.front());
    over_.pop_front();
    over_bytes_ -= oldest->bytes;
    drop(*oldest);
  }
  while (!over_under_keys_.empty() && now - *over_under_keys_.front()->ended >= limits_.keep) {
    auto const oldest = std::move(over_under_keys_.front());
    over_under_keys_.pop_front();
    drop(*oldest);
  }
}

void call_table::tick(time_point now) {
  while (!deadlines_.empty() && deadlines_.begin()->first.first <= now) time_out_first();
  trim(now);
}

void call_table::let_go() {
  while (!deadlines_.empty()) time_out_first();
}

void call_table::time_out_first() {
  auto const number = deadlines_.begin()->first.second;
  auto const call = deadlines_.begin()->second;
  deadlines_.erase(deadlines_.begin());
  waiting_.erase(number);
  auto const place = std::find_if(call->waiters.begin(), call->waiters.end(),
                                  [number](auto const& one) { return one.number == number; });
  auto const then = std::move(place->then);
  call->waiters.erase(place);
  then(*call, true);
}

std::optional<time_point> call_table::next_deadline() const {
  std::optional<time_point> next;
  if (!deadlines_.empty()) next = deadlines_.begin()->first.first;
  for (auto const* const over : {&over_, &over_under_keys_}) {
    if (over->empty()) continue;
    auto const expiry =
        *over->front()->ended + std::chrono::duration_cast<std::chrono::steady_clock::duration>(limits_.keep);
    next = next ? std::min(*next, expiry) : expiry;
  }
  return next;
}

}  // namespace yonder::http
