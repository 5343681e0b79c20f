// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <typeinfo>

#include "yonder/detail/durations.hpp"

namespace yonder {

// A short text that calls have in common: options::fairness_key, order_key, idempotency_key, traceparent. It
// holds its own copy.
class call_key {
 public:
  static constexpr std::size_t max_size = 64;  // bytes; a call with a longer one fails with bad_configuration

  template <std::convertible_to<std::string_view> Text>
  constexpr call_key(Text const& text) : call_key(std::string_view(text)) {}
  constexpr call_key(std::string_view text) noexcept : size_(text.size()) {
    text.copy(text_.data(), max_size);
  }

  // Of a longer one, its beginning.
  [[nodiscard]] constexpr std::string_view view() const noexcept {
    return {text_.data(), size_ < max_size ? size_ : max_size};
  }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }  // of the whole text
  friend constexpr bool operator==(call_key const&, call_key const&) = default;

 private:
  std::array<char, max_size> text_{};
  std::size_t size_ = 0;
};

// Where `task(arguments…)` runs.
enum class placement : std::uint8_t {
  remote,        // on a worker, as remote()
  local,         // in this process, as local()
  prefer_local,  // here, unless as many such calls run here already as the machine has cores
};

// Which workers may run a call, by what their program was built as: options::build.
enum class build : std::uint8_t {
  same,  // those of the caller's build, and no others
  any,   // whoever has the task, with this structure
};

// Which of the exceptions that a task throws are worth another attempt: options::retry.
struct retry_rule {
  std::span<std::type_info const* const> types;  // each of them itself, not what derives from it
  bool others = false;                           // these are not, and all others are
};

namespace detail {

template <class... Exception>
inline constexpr std::type_info const* listed_types[] = {&typeid(Exception)...};

}  // namespace detail

// These types, and no others.
template <class... Exception>
inline constexpr retry_rule retry_for{detail::listed_types<Exception...>, false};
// All others than these.
template <class... Exception>
inline constexpr retry_rule no_retry_for{detail::listed_types<Exception...>, true};

// How a task's calls are made. Every field may be unset: `.with()` overrides only what is set.
struct options {
  // How often an attempt that was lost, timed out or threw is made again; the n-th retry waits up to 2ⁿ⁻¹ s
  // (at most 60 s, full jitter). Setting it says that the task may run more than once. Unset: 0.
  std::optional<unsigned> retries{};

  // For one attempt, from the moment it starts on a worker. Unset: none; zero or less: over as it begins.
  std::optional<std::chrono::nanoseconds> timeout{};

  // For the whole call, queueing and retries included. Unset: none; zero or less: over as it begins.
  std::optional<std::chrono::nanoseconds> deadline{};

  // The task may run more than once: an attempt that was lost is made again, without counting. Unset: false.
  std::optional<bool> idempotent{};

  // The call is in the hub's journal (runtime_options::journal) before spawn() returns, and survives the end
  // of this process, of its worker and of the hub: it runs as its retries and `idempotent` say, whether
  // anybody waits or not, and yonder::find() has its outcome until one get() has. A hub without a journal
  // refuses it (unsatisfiable). Not for tasks that stream, nor where arguments are calls. Unset: false.
  std::optional<bool> durable{};

  // Of attempts that threw, which are made again, as far as `retries` allows: yonder::retry_for<E…> or
  // yonder::no_retry_for<E…>. Unset: all.
  std::optional<retry_rule> retry{};

  // The call is made once, however often it is asked for: while one of the same task, credential and key is
  // under way, or for runtime_options::result_ttl (of the hub: 24 h) after it has ended, another one joins it
  // and has its outcome; with other arguments it fails with idempotency_key_reused. Whoever cancels, or has
  // another deadline, leaves the others alone. A hub with a journal makes the call durable; one without
  // forgets its keys when it ends. Not for maps, for tasks that stream, nor where arguments are calls.
  std::optional<call_key> idempotency_key{};

  // Where `task(arguments…)` runs; local() and remote() say it themselves. Unset: remote.
  std::optional<yonder::placement> placement{};

  // 0 to 9: where calls wait for workers, those of a higher priority are started first. Unset: 4, or, within
  // a task, that of the call which it runs.
  std::optional<unsigned> priority{};

  // Of one priority, callers with the same credential share the workers as if they were one; within that
  // share, so do the calls under the same key (a customer's, say), whatever each has waiting. Unset: those
  // without a key share as if they had one.
  std::optional<call_key> fairness_key{};

  // From 1 to 1000: how much of its credential's share the key gets, compared with others. Unset: as was said
  // last, or 1.
  std::optional<unsigned> weight{};

  // Calls with the same key and credential, of whatever task, are started in the order in which they reach
  // the hub, each when the one before it has ended, with all its retries. Unset: in no order.
  std::optional<call_key> order_key{};

  // Of which build its workers are. Two processes are of one build where their executables, and the shared
  // libraries that have tasks, are equal files. same: a call that no worker of the caller's build can take
  // fails with unsatisfiable. Unset: no other build of the caller's program, which is known by its file's
  // name, but any build of other programs that have the task; where the call is durable or made by a
  // schedule, which outlive the program, any.
  std::optional<yonder::build> build{};

  // What each worker that runs the task has for itself. Calls that say any of these, isolate or max_queue
  // have workers of their own, started where they are needed, and share them with calls that say the same;
  // one that no worker can ever have fails with unsatisfiable. Unset: nothing in particular.
  std::optional<unsigned> gpu{};  // GPUs, of which it sees no others (CUDA_VISIBLE_DEVICES)
  std::optional<std::uint64_t>
      gpu_memory{};                       // bytes on each of them, which it then shares; gpu is 1 if unset
  std::optional<unsigned> cpu{};          // cores, by affinity
  std::optional<std::uint64_t> memory{};  // bytes; they are counted, not enforced

  // Each call has a process of its own, which goes with it. Unset: false.
  std::optional<bool> isolate{};

  // How many calls may wait for those workers once there is one: a further one fails with overloaded. Unset:
  // as many as the caller may have under way.
  std::optional<unsigned> max_queue{};

  // The trace that the call belongs to, as W3C Trace Context writes it ("00-<trace>-<span>-01"). Unset: that
  // of the call whose task makes it, or one of its own (this_call::trace()).
  std::optional<call_key> traceparent{};

  // Whether they say anything of the workers.
  [[nodiscard]] constexpr bool names_pool() const {
    return gpu || gpu_memory || cpu || memory || isolate || max_queue;
  }

  // These options, and `base` where they are unset.
  constexpr options over(options const& base) const {
    return {.retries = retries ? retries : base.retries,
            .timeout = timeout ? timeout : base.timeout,
            .deadline = deadline ? deadline : base.deadline,
            .idempotent = idempotent ? idempotent : base.idempotent,
            .durable = durable ? durable : base.durable,
            .retry = retry ? retry : base.retry,
            .idempotency_key = idempotency_key ? idempotency_key : base.idempotency_key,
            .placement = placement ? placement : base.placement,
            .priority = priority ? priority : base.priority,
            .fairness_key = fairness_key ? fairness_key : base.fairness_key,
            .weight = weight ? weight : base.weight,
            .order_key = order_key ? order_key : base.order_key,
            .build = build ? build : base.build,
            .gpu = gpu ? gpu : base.gpu,
            .gpu_memory = gpu_memory ? gpu_memory : base.gpu_memory,
            .cpu = cpu ? cpu : base.cpu,
            .memory = memory ? memory : base.memory,
            .isolate = isolate ? isolate : base.isolate,
            .max_queue = max_queue ? max_queue : base.max_queue,
            .traceparent = traceparent ? traceparent : base.traceparent};
  }
};

}  // namespace yonder
