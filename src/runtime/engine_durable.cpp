// SPDX-License-Identifier: Apache-2.0
// Durable calls: the journal of the embedded hub, and calls that are found by their ids.
#include <utility>

#include "src/core/call_orders.hpp"
#include "src/platform/process.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/hub_journal.hpp"
#include "src/runtime/registry.hpp"
#include "yonder/error.hpp"

namespace yonder::detail {

using platform::now;

void engine::open_journal(std::string const& folder, core::duration result_time, std::uint64_t max_bytes) {
  journal::options how;
  how.folder = folder;
  how.size_limit = max_bytes;
  how.result_ttl =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds(result_time));
  lock const held(mutex_);
  time_ = now();
  try {
    journal_ = std::make_unique<hub_journal>(*poller_, std::move(how), *hub_, time_);
  } catch (journal::error const& refused) {
    throw_error({.code = errc::bad_configuration,
                 .message = "runtime_options::journal: " + std::string(refused.what())});
  }
  for (auto const& line : journal_->notes()) tell(line);
  hub_->recovered(time_, 0, hub_due_.items());
}

void engine::append(core::out::append const& record) {
  if (journal_) journal_->append(record);
}

void engine::flush_journal() {
  if (journal_) journal_->flush(*hub_);
}

void engine::take_journal() {
  if (journal_) endurance_.once([&] { journal_->take(*hub_, time_, hub_due_.items()); });
}

// --- calls

void engine::accept(core::out::accepted const& accepted) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the core carries it as a number
  auto& first = *reinterpret_cast<call_state*>(accepted.cookie);
  for (std::size_t i = 0; i < accepted.count; ++i) {
    auto& call = first.pack->at(first.place + i);
    call.accepted = true;
    wake(call);
  }
}

void engine::wait_accepted(call_state& call) {
  lock held(mutex_);
  lead_until(held, call, [&] { return call.accepted || call.done.load(std::memory_order_relaxed); });
}

// Nothing is lost where there is no memory to say it: the hub keeps the outcome for longer.
void engine::take(call_state& call) noexcept {
  if (!is_ours()) return;
  if (!call.is_kept.exchange(false)) return;
  lock const held(mutex_);
  if (lead_.ending()) return;
  try {
    client_.taken(now(), call.pack->id_of(call));
    wake_leader_if_needed();
  } catch (std::exception const&) {
  }
}

namespace {

constexpr auto none = [] { return std::uint64_t{0}; };
constinit task_entry find_entry{core::find_call, none, nullptr, nullptr, nullptr, nullptr, false};
constinit task_entry list_entry{core::list_calls, none, nullptr, nullptr, nullptr, nullptr, false};

}  // namespace

call_ref engine::find(core::call_id id, std::string const& (*structure)()) {
  options const settings{.idempotent = true};
  auto call = begin_call(find_entry, settings);
  auto const payload = core::encode_call_id(id);
  call.content.head.append(payload.data(), payload.size());
  auto const parent = runtime_detail::calling_attempt(this);
  if (parent.attempt != 0) add_parent(parent, call);
  lock held(mutex_);
  if (lead_.ending()) return ended(find_entry, errc::disconnected, why_ended());
  return submit_alone(held, find_entry, policy_of(settings), parent, std::move(call), departure::now, nullptr,
                      std::make_unique<found_call const>(found_call{id, structure}));
}

// What the hub keeps until it is told that we have it: not that it was lost, or could not be had here.
bool engine::is_outcome(errc code) noexcept {
  switch (code) {
    case errc::disconnected:
    case errc::hub_unreachable:
    case errc::too_large:
    case errc::signature_mismatch:
    case errc::unknown_call: return false;
    default: return true;
  }
}

// Whoever asks for a call by its id has not named its task.
void engine::name_call(call_state const& call, error_details& failure) {
  auto const id = call.pack->id_of(call);
  failure.call = {id.session, id.number};
  if (!call.pack->found) return;
  if (failure.task == core::find_call) failure.task = "find";
  if (is_outcome(failure.code)) return;
  if (auto const text = to_string(failure.call); failure.message.find(text) == std::string::npos)
    failure.message += "; the call is " + text;
}

// Where the task is one of this program's, what it returns is known in words. Null: it fits, or is not known.
call_failure* engine::misfit_of(call_state const& call, core::frame const& value) noexcept try {
  if (!call.pack->found) return nullptr;
  auto const* const task = runtime_detail::find_task(value.head.signature);
  if (task == nullptr) return nullptr;
  auto const has = task->structure();
  auto const& wanted = call.pack->found->structure();
  if (has.starts_with(wanted) && (has.size() == wanted.size() || has[wanted.size()] == ' ')) return nullptr;
  return new call_failure{
      {.code = errc::signature_mismatch,
       .message = "find: the call is one of '" + std::string(task->name) +
                  "', whose result and arguments are " + has + "; what was asked for is " + wanted},
      nullptr};
} catch (std::exception const&) {
  return failure_without_memory();
}

core::call_listing engine::calls() {
  if (!is_ours())
    throw_error(
        {.code = errc::no_runtime, .message = "this process is a fork of the one that made the runtime"});
  auto const answer = ask_hub(list_entry, {});
  core::call_listing list;
  if (!core::decode_calls(take_reply(*answer).payload, list))
    throw_error({.code = errc::undecodable, .message = "what the hub says of its calls does not decode"});
  return list;
}

}  // namespace yonder::detail
