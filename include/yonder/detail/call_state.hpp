// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/codec.hpp"
#include "yonder/detail/durations.hpp"
#include "yonder/detail/export.hpp"
#include "yonder/detail/registry.hpp"
#include "yonder/error.hpp"
#include "yonder/options.hpp"
#include "yonder/snapshot.hpp"

namespace yonder {
struct progress_report;
}

// The border between the templates and the compiled runtime.
namespace yonder::detail {

class engine;  // what a yonder::runtime owns; calls share it
struct outgoing_values;
class call_state;  // one submitted call

using engine_ref = std::shared_ptr<engine>;
using call_ref = std::shared_ptr<call_state>;

// The process's current runtime, which may end meanwhile: what is asked of it then fails. Throws usage_error
// (no_runtime).
YONDER_API engine_ref current_engine();

// What runtime::snapshot() returns.
YONDER_API runtime_snapshot snapshot_of(engine& where);

// Begins the body of a call frame; the arguments are encoded behind it, into content.head.
struct outgoing {
  // Not inline: a unit with a task is spared what std::vector and std::shared_ptr are made of.
  YONDER_API outgoing();
  YONDER_API outgoing(outgoing&& other) noexcept;
  YONDER_API outgoing& operator=(outgoing&& other) noexcept;
  YONDER_API ~outgoing();

  encoded content;
  std::size_t metadata_size = 0;
  bool called_back = false;                 // see add_callback()
  bool of_service = false;                  // which says itself what its workers need
  std::shared_ptr<outgoing_values> values;  // by reference; null: there are none
};
// The batches that a call may be in, and what it weighs there.
struct batch_terms {
  unsigned max_size = 0;
  std::int64_t max_wait = 0;  // ns
  std::uint64_t max_weight = 0;
  std::uint64_t weight = 0;
};

// What options::traceparent may be.
YONDER_API bool is_traceparent(std::string_view text) noexcept;

// `needs`: what a hub is told of the workers that may run it (encode_terms()); empty: any.
YONDER_API outgoing begin_call(task_entry const& task, options const& settings, std::string_view needs = {},
                               batch_terms const& batch = {});

// `made`, a call without arguments, is made with the outcome of `call` when that has ended: with any, or only
// with a value. Throws usage_error: bad_configuration, in words.
YONDER_API void add_callback(outgoing& call, task_entry const& callback, options const& settings,
                             outgoing&& made, bool of_any_outcome);

// When a call leaves this process.
enum class departure : unsigned char {
  now,       // nobody waits for it
  awaited,   // when its caller waits for it, which he does next
  gathered,  // with others, when their caller waits or calls send_now(); at the latest when the housekeeper
             // looks
  held,      // with others, when their caller calls send_now(), which it does soon
};

// Hands the call over. Every failure, also an immediate one, is the call's outcome. Thread-safe, as all
// below. In a fork of the process that made `where` every call
// has ended, with no_runtime unless it had ended before.
YONDER_API call_ref submit(engine_ref const& where, task_entry const& task, options const& settings,
                           outgoing&& call, departure when);

// As submit(), of a call that is not durable, and as tell_when_done(), also where it has ended by now. It
// leaves with the next send_now().
YONDER_API call_ref submit_held(engine_ref const& where, task_entry const& task, options const& settings,
                                outgoing&& call, void (*told)(void*), void* argument);
YONDER_API void send_now(engine_ref const& where);

// An argument that is the value of another call: where it belongs in the encoded arguments, and among their
// buffers. `sole`: nobody else asks for the value.
struct awaited_value {
  call_ref of;
  std::size_t offset = 0;
  std::size_t buffer = 0;
  bool sole = false;
};
// As submit(), for a call with such arguments, in order. It starts when they are there.
YONDER_API call_ref submit_composed(engine_ref const& where, task_entry const& task, options const& settings,
                                    outgoing&& call, std::vector<awaited_value>&& arguments);

// A call that was made before, by its id; `structure`: of what it returns, in words. See find().
YONDER_API call_ref find_call(engine_ref const& where, std::uint64_t session, std::uint64_t number,
                              std::string const& (*structure)());

YONDER_API bool is_done(call_state const& call) noexcept;
YONDER_API void wait(call_state& call);
YONDER_API bool wait_until(call_state& call, std::chrono::steady_clock::time_point until);

// A time too long to be added (300 years) waits for ever.
template <class Rep, class Period>
std::chrono::steady_clock::time_point time_after(std::chrono::duration<Rep, Period> time) {
  using clock = std::chrono::steady_clock;
  auto const now = clock::now();
  using seconds = std::chrono::duration<double>;
  if (seconds(time) >= seconds((clock::time_point::max)() - now)) return (clock::time_point::max)();
  return time > time.zero() ? now + std::chrono::duration_cast<clock::duration>(time) : now;
}
YONDER_API void cancel(call_state& call) noexcept;

struct id_pair {
  std::uint64_t session;
  std::uint64_t number;
};
YONDER_API id_pair id_of(call_state const& call) noexcept;

// Resumes once, by the runtime's executor, when the call has ended; false: it has ended already.
YONDER_API bool resume_when_done(call_state& call, void (*resume)(void*), void* argument);
// Takes that back, as long as the call has not ended.
YONDER_API bool forget_resumption(call_state& call, void (*resume)(void*), void* argument);

// As the two above, but `told` runs at once, on the thread that drives the runtime and under its lock: it
// must not block, throw, or ask anything of a runtime.
YONDER_API bool tell_when_done(call_state& call, void (*told)(void*), void* argument);
YONDER_API void forget_to_tell(call_state& call, void (*told)(void*), void* argument);

// What its task has said last of how far it is. False: nothing.
YONDER_API bool latest_progress(call_state& call, progress_report& latest);

// Whoever is told of that.
class YONDER_API progress_listener {
 public:
  progress_listener() = default;
  progress_listener(progress_listener const&) = delete;
  progress_listener& operator=(progress_listener const&) = delete;
  virtual ~progress_listener();
  virtual void told(progress_report const& latest) = 0;
};
// By the runtime's executor, with the latest, one call at a time.
YONDER_API void listen_to_progress(call_state& call, std::shared_ptr<progress_listener> listener);
// As tell_when_done(), whenever some has come, until the call has ended; null: no more.
YONDER_API void tell_of_progress(call_state& call, void (*told)(void*), void* argument);

// Of a call that has ended: its result's bytes, valid as long as the call, or throws its error.
struct reply {
  std::span<std::byte const> payload;
  std::span<buffer const> buffers;
  decode_limits limits;  // of the runtime
};
YONDER_API reply take_reply(call_state& call);

// A result that does not decode. Throws undecodable.
[[noreturn]] YONDER_API void throw_undecodable(call_state const& call, codec_error const& fault);

// The error of a call that has ended with one, else null.
YONDER_API error_details const* failure_of(call_state const& call) noexcept;
// That of a call that has ended with one, as a value.
YONDER_API error error_of(call_state const& call);

}  // namespace yonder::detail
