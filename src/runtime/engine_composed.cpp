// SPDX-License-Identifier: Apache-2.0
//
// The engine: calls whose arguments are the values of others.
#include <algorithm>
#include <utility>

#include "src/core/composition.hpp"
#include "src/core/metadata.hpp"
#include "src/platform/process.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/engine.hpp"

namespace yonder::detail {

using platform::now;

// Those of another runtime are waited for: no hub knows both.
call_ref engine::submit_composed(task_entry const& task, options const& settings, outgoing&& call,
                                 std::vector<awaited_value>&& arguments) {
  if (auto refused = refusal_of(task, settings, call)) return refused;
  if (settings.idempotency_key)
    return ended(task, errc::bad_configuration,
                 "the arguments of a call with an idempotency_key are values: pass get(), not the call");
  (void)task.signature();
  add_referred(call);
  for (auto const& one : arguments)
    if (one.of->where().get() != this) detail::wait(*one.of);
  auto const parent = runtime_detail::calling_attempt(this);
  lock held(mutex_);
  if (lead_.ending()) return ended(task, errc::disconnected, why_ended());
  for (auto& one : arguments) {
    if (!one.sole) one.of->lent = true;
    one.sole = one.sole && !one.of->lent;
  }
  close_pack();
  time_ = now();
  auto const pack = one_call(shared_from_this(), task.name, time_);
  pack->of_task = parent.attempt != 0;
  auto& state = pack->add();
  state.with_extras().values = std::move(call.values);
  state.with_extras().composed.reset(
      new call_composition{task, policy_of(settings), parent, std::move(call), std::move(arguments)});
  pack->in_flight = pack;
  ++in_flight_;
  try {
    if (!send_composed(state)) park(state);
  } catch (std::bad_alloc const&) {  // and nothing was taken
    pack->in_flight = nullptr;
    --in_flight_;
    return ended(task, errc::overloaded, "there is no memory for the call, or for a copy of its arguments");
  }
  survive(held, [&] {
    carry_out();
    flush();
  });
  wake_leader_if_needed();
  return {pack, &state};
}

// What is here goes with it, what is not the hub puts in. False: it has to wait for an outcome here. Where it
// throws for want of memory nothing was sent.
bool engine::send_composed(call_state& call) {
  auto& composed = *call.composed();
  std::vector<core::argument_value> values;
  std::vector<core::awaited_argument> missing;
  std::size_t bytes = 0, buffers = 0;
  for (auto const& one : composed.arguments) {
    auto& of = *one.of;
    auto const where = [&](std::size_t added, std::size_t added_buffers) {
      return core::awaited_argument{of.pack->submitted_id_of(of).number,
                                    static_cast<std::uint32_t>(one.offset + added),
                                    static_cast<std::uint32_t>(one.buffer + added_buffers), one.sole};
    };
    if (!of.done.load(std::memory_order_acquire)) {
      if (composed.gone || of.where().get() != this || of.pack->number == 0) return false;
      missing.push_back(where(bytes, buffers));
      continue;
    }
    auto const* const failed = detail::failure_of(of);
    if (failed != nullptr)
      return complete_parked(call, failed->code, "an argument was not made: " + failed->message), true;
    if (of.elsewhere)
      return complete_parked(call, errc::disconnected, "the value of an argument went with its hub"), true;
    auto const value = of.value.bytes().subspan(of.value_offset);
    auto const beside = of.extras ? std::span<buffer const>(of.extras->buffers) : std::span<buffer const>();
    values.push_back({where(0, 0), value, beside});
    bytes += value.size();
    buffers += beside.size();
  }
  core::call_spec spec{composed.task.name,
                       composed.task.signature(),
                       composed.policy,
                       reinterpret_cast<std::uint64_t>(&call),
                       composed.parent,
                       {},
                       false,
                       {}};
  core::frame message;
  core::byte_buffer body = core::byte_buffer::copy_of(composed.call.content.head);
  message.head.metadata_size = static_cast<std::uint32_t>(composed.call.metadata_size);
  message.body = std::move(body);
  message.buffers = composed.call.content.buffers;
  auto whole = core::compose(message, values);
  core::byte_buffer finished;
  auto const metadata = whole.metadata();
  finished.append(metadata.data(), metadata.size());
  if (composed.parent.attempt != 0) core::write_parent(finished, composed.parent);
  if (!missing.empty()) core::write_arguments(finished, missing);
  whole.head.metadata_size = static_cast<std::uint32_t>(finished.size());
  auto const payload = whole.body.bytes().subspan(metadata.size());
  finished.append(payload.data(), payload.size());
  whole.body = std::move(finished);
  spec.message = std::move(whole);
  number(*call.pack, client_.submit(time_, std::move(spec), client_due_.items()));
  return true;
}

void engine::park(call_state& call) noexcept { call.composed()->next_parked = std::exchange(parked_, &call); }

bool engine::unpark(call_state& call) noexcept {
  for (auto** link = &parked_; *link != nullptr; link = &(*link)->composed()->next_parked) {
    if (*link != &call) continue;
    *link = call.composed()->next_parked;
    return true;
  }
  return false;
}

// One for which there is no memory ends at once, and those that wait for it with it.
void engine::send_parked() {
  for (auto again = true; std::exchange(again, false);) {
    for (auto** link = &parked_; *link != nullptr;) {
      auto& call = **link;
      auto& next = call.composed()->next_parked;
      try {
        if (send_composed(call))
          *link = next;
        else
          link = &next;
      } catch (std::bad_alloc const&) {
        *link = next;
        set_ended(call, is_broken() ? failure_of_broken_runtime() : failure_without_memory());
        again = true;
      }
    }
  }
}

// As the client core does it for those that it has.
void engine::complete_parked(call_state& call, errc code, std::string const& why) {
  core::failure failure;
  failure.code = code;
  failure.function = call.task();
  failure.message = why;
  client_due_.items().emplace_back(
      core::out::completed{{}, reinterpret_cast<std::uint64_t>(&call), core::outcome(std::move(failure))});
}

// The same, however little memory is left.
void engine::end_unparked(call_state& call, errc code, std::string const& why) {
  try {
    complete_parked(call, code, why);
  } catch (std::bad_alloc const&) {
    set_ended(call, is_broken() ? failure_of_broken_runtime() : failure_without_memory());
  }
}

void engine::end_parked(errc code, std::string const& why) {
  while (parked_ != nullptr) {
    auto& call = *parked_;
    parked_ = call.composed()->next_parked;
    end_unparked(call, code, why);
  }
}

}  // namespace yonder::detail
