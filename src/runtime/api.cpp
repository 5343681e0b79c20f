// SPDX-License-Identifier: Apache-2.0
//
// What the templates of include/yonder call.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "src/core/callbacks.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/process.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/exceptions.hpp"
#include "src/runtime/shown_map.hpp"
#include "yonder/call.hpp"
#include "yonder/detail/placement.hpp"
#include "yonder/map.hpp"
#include "yonder/runtime.hpp"

namespace yonder {

std::string to_string(call_id const& id) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text(32, '0');
  auto const write = [&](std::size_t end, std::uint64_t value) {
    for (std::size_t i = 0; i < 16; ++i, value >>= 4U) text[end - 1 - i] = digits[value & 15U];
  };
  write(16, id.session);
  write(32, id.number);
  return text;
}

call_id callback_id(call_id const& of) {
  auto const made = core::callback_id({of.session, of.number});
  return {made.session, made.number};
}

std::optional<call_id> parse_call_id(std::string_view text) noexcept {
  if (text.size() != 32) return std::nullopt;
  auto const read = [](std::string_view digits, std::uint64_t& value) {
    auto const* const end = digits.data() + digits.size();
    auto const [read_to, fault] = std::from_chars(digits.data(), end, value, 16);
    return fault == std::errc() && read_to == end;
  };
  call_id id;
  if (!read(text.substr(0, 16), id.session) || !read(text.substr(16), id.number)) return std::nullopt;
  return id;
}

namespace detail {
namespace {

constinit std::mutex standing_mutex;

// The oldest is the current one. For ever: objects of static storage call, too, whatever is constructed
// before them and destroyed behind them.
std::vector<engine_ref>& standing() {
  static auto* const engines = new std::vector<engine_ref>;
  return *engines;
}

error_details no_runtime(bool in_fork_of_task) {
  if (in_fork_of_task)
    return {.code = errc::no_runtime,
            .message =
                "this process is a fork that a task has made, and has no part in its worker's connection; "
                "construct a yonder::runtime here"};
  if (is_worker())
    return {.code = errc::no_runtime,
            .message =
                "this process is a worker, and of a task only the thread that it was called on calls tasks; "
                "make the call there"};
  return {.code = errc::no_runtime,
          .message =
              "no yonder::runtime stands in this process; construct one first in main: "
              "yonder::runtime here(argc, argv);"};
}

bool has_ended(call_state const& call) noexcept { return call.done.load(std::memory_order_acquire); }

}  // namespace

call_state::~call_state() { delete failure_in_fork_.load(std::memory_order_relaxed); }

error_details const& call_state::failure_in_fork() const {
  auto const* known = failure_in_fork_.load(std::memory_order_acquire);
  if (known != nullptr) return *known;
  auto made = std::make_unique<error_details>(
      error_details{.code = errc::no_runtime,
                    .message = "this process is a fork of the one that made the runtime; construct one here",
                    .task = std::string(task())});
  if (failure_in_fork_.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel))
    return *made.release();
  return *known;
}

engine_ref current_engine() {
  auto* const outer = runtime_detail::current_call();
  if (outer != nullptr && outer->is_ours()) return outer->hub();
  std::lock_guard const lock(standing_mutex);
  if (standing().empty()) throw_error(no_runtime(outer != nullptr));
  return standing().front();
}

void add_standing_engine(engine_ref engine) {
  static bool const held = (platform::hold_while_forking(standing_mutex), true);
  (void)held;
  std::lock_guard const lock(standing_mutex);
  std::erase_if(standing(),
                [](auto const& other) { return !other->is_ours(); });  // of the process that we are a fork of
  standing().push_back(std::move(engine));
}

void remove_standing_engine(engine const* engine) noexcept {
  std::lock_guard const lock(standing_mutex);
  std::erase_if(standing(), [engine](auto const& other) { return other.get() == engine; });
}

namespace {

// Throws what kept it from being accepted. What may have run was: the hub that said so ended as it did.
void wait_accepted(call_state& call) {
  if (!has_ended(call)) call.where()->wait_accepted(call);
  if (call.accepted || !has_ended(call) || !call.failure || call.failure->details.attempt != 0) return;
  call.where()->take(call);  // nobody else will
  throw_error(call.failure->details);
}

}  // namespace

call_ref find_call(engine_ref const& where, std::uint64_t session, std::uint64_t number,
                   std::string const& (*structure)()) {
  if (where->is_ours()) return where->find({session, number}, structure);
  auto const pack = one_call(where, core::find_call, 0);
  return {pack, &pack->add()};
}

namespace {

call_ref submit_and_tell(engine_ref const& where, task_entry const& task, options const& settings,
                         outgoing&& call, departure when, resumption* told) {
  take_references(call);
  if (where->is_ours()) {
    auto made = where->submit(task, settings, std::move(call), when, nullptr, told);
    if (settings.durable.value_or(false) && when == departure::now) wait_accepted(*made);
    return made;
  }
  auto const pack = one_call(where, task.name, 0);
  return {pack, &pack->add()};
}

}  // namespace

call_ref submit(engine_ref const& where, task_entry const& task, options const& settings, outgoing&& call,
                departure when) {
  return submit_and_tell(where, task, settings, std::move(call), when, nullptr);
}

call_ref submit_held(engine_ref const& where, task_entry const& task, options const& settings,
                     outgoing&& call, void (*told)(void*), void* argument) {
  resumption next{told, argument, true};
  auto made = submit_and_tell(where, task, settings, std::move(call), departure::held, &next);
  if (next.resume != nullptr) told(argument);
  return made;
}

void send_now(engine_ref const& where) {
  if (where->is_ours()) where->send_now();
}

call_ref submit_composed(engine_ref const& where, task_entry const& task, options const& settings,
                         outgoing&& call, std::vector<awaited_value>&& arguments) {
  take_references(call);
  if (where->is_ours()) return where->submit_composed(task, settings, std::move(call), std::move(arguments));
  auto const pack = one_call(where, task.name, 0);
  return {pack, &pack->add()};
}

runtime_snapshot snapshot_of(engine& where) {
  return where.is_ours() ? where.snapshot() : runtime_snapshot();
}

namespace {

void check_driven(engine const& where) {
  if (where.descriptor() >= 0) return;
  throw_error({.code = errc::bad_configuration,
               .message = "a thread of this runtime drives it; for a loop of the program's own set "
                          "runtime_options::own_thread = false"});
}

}  // namespace

int descriptor_of(engine& where) {
  check_driven(where);
  return where.is_ours() ? where.descriptor() : -1;
}

bool drive(engine& where) {
  check_driven(where);
  return where.drive();
}

bool is_done(call_state const& call) noexcept { return has_ended(call) || !call.where()->is_ours(); }

void wait(call_state& call) {
  if (!is_done(call)) call.where()->wait(call);
}

bool wait_until(call_state& call, std::chrono::steady_clock::time_point until) {
  return is_done(call) || call.where()->wait_until(call, until.time_since_epoch().count());
}

void cancel(call_state& call) noexcept {
  if (!is_done(call)) call.where()->cancel(call);
}

id_pair id_of(call_state const& call) noexcept {
  auto const id = call.where()->is_ours() ? call.where()->id_of(call) : call.pack->id_of(call);
  return {id.session, id.number};
}

bool resume_when_done(call_state& call, void (*resume)(void*), void* argument) {
  return !is_done(call) && call.where()->resume_when_done(call, {resume, argument});
}

bool forget_resumption(call_state& call, void (*resume)(void*), void* argument) {
  return call.where()->is_ours() && call.where()->forget_resumption(call, {resume, argument});
}

bool tell_when_done(call_state& call, void (*told)(void*), void* argument) {
  return !is_done(call) && call.where()->resume_when_done(call, {told, argument, true});
}

void forget_to_tell(call_state& call, void (*told)(void*), void* argument) {
  if (call.where()->is_ours()) call.where()->forget_resumption(call, {told, argument, true});
}

reply take_reply(call_state& call) {
  if (!has_ended(call)) throw_error(call.failure_in_fork());
  if (call.is_kept.load(std::memory_order_relaxed)) call.where()->take(call);
  if (call.failure) {
    if (call.failure->told) runtime_detail::raise_registered(*call.failure->told);
    throw_error(call.failure->details);
  }
  if (call.elsewhere)
    throw_error({.code = errc::already_read,
                 .message = "the call was moved into another one, which has its value",
                 .task = std::string(call.task())});
  auto const buffers =
      call.extras ? std::span<buffer const>(call.extras->buffers) : std::span<buffer const>();
  return {call.value.bytes().subspan(call.value_offset), buffers, call.where()->decoding()};
}

void throw_undecodable(call_state const& call, codec_error const& fault) {
  throw_error({.code = fault.code(),
               .message = "the result does not decode: " + fault.details().message,
               .task = std::string(call.task())});
}

// The error outlives the call, and may be asked for what the task threw.
error error_of(call_state const& call) {
  if (has_ended(call) && call.is_kept.load(std::memory_order_relaxed))
    call.where()->take(const_cast<call_state&>(call));
  auto const* const told = has_ended(call) && call.failure ? call.failure->told.get() : nullptr;
  error_source source;
  if (told != nullptr && !told->payload.empty())
    source = {std::make_shared<core::failure const>(core::copy_of(*told)), [](void const* of) {
                runtime_detail::raise_registered(*static_cast<core::failure const*>(of));
              }};
  return error(*failure_of(call), std::move(source));
}

error_details const* failure_of(call_state const& call) noexcept {
  if (!has_ended(call)) return &call.failure_in_fork();
  return call.failure ? &call.failure->details : nullptr;
}

// --- fan_out

void fan_out::add(call_ref call) {
  if (active_ == slots_.size()) grow();
  auto const place =
      ordered_ ? (cursor_ + active_) % slots_.size() : *find([](slot const& one) { return !one.call; });
  constexpr std::int64_t patience = 100'000;  // ns
  slow_ = call->submitted() - std::exchange(last_, call->submitted()) > patience;
  slots_[place] = {std::move(call), added_++};
  ++active_;
}

// Every slot is taken, from the oldest call's on.
void fan_out::grow() {
  constexpr std::size_t least = 16;
  std::rotate(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(cursor_), slots_.end());
  cursor_ = 0;
  slots_.resize(std::min(window_, std::max(least, 2 * slots_.size())));
}

fan_out::finished fan_out::next() {
  if (!ordered_) cursor_ = first_done();
  auto& taken = slots_[cursor_];
  if (!is_done(*taken.call)) {
    auto* const call = taken.call.get();
    wait_for({&call, 1});
  } else if (slow_ && taken.call->where()->is_ours()) {
    taken.call->where()->send_now();  // whoever takes the results may be away for as long again
  }
  --active_;
  finished done{std::exchange(taken.call, nullptr), taken.index};
  if (ordered_) cursor_ = (cursor_ + 1) % slots_.size();
  if (shown_ && shown_->add(*done.call)) show_running(*done.call);
  return done;
}

// The slot of a call that has ended; waits for one.
std::size_t fan_out::first_done() {
  for (;;) {
    if (auto const done = find([](slot const& one) { return one.call && is_done(*one.call); })) return *done;
    std::vector<call_state*> running;
    for (auto const& one : slots_)
      if (one.call) running.push_back(one.call.get());
    wait_for(running);
  }
}

// Until one of them has ended. What is shown goes on meanwhile.
void fan_out::wait_for(std::span<call_state* const> calls) {
  auto& own = *calls.front()->where();
  if (!shown_) {
    calls.size() == 1 ? wait(*calls.front()) : (void)own.wait_any(calls);
  } else if (own.is_ours()) {
    while (!own.wait_any(calls, platform::now() + shown_->period())) show_running(*calls.front());
  }
  last_ = platform::now();  // what follows is the time of whoever takes the results
}

void fan_out::show(std::size_t const* total) { shown_ = std::make_shared<shown_map>(total); }

void fan_out::show_running(call_state const& call) {
  double running = 0;
  for (auto const& one : slots_)
    if (progress_report latest; one.call && latest_progress(*one.call, latest)) running += latest.fraction;
  shown_->show(call, running);
}

// The first such slot from the one that was taken last: calls end nearly in the order in which they began.
template <class Wanted>
std::optional<std::size_t> fan_out::find(Wanted wanted) const {
  for (std::size_t i = 0, place = cursor_; i < slots_.size(); ++i) {
    if (wanted(slots_[place])) return place;
    if (++place == slots_.size()) place = 0;
  }
  return std::nullopt;
}

void fan_out::cancel() noexcept {
  for (auto& running : slots_)
    if (running.call) detail::cancel(*std::exchange(running.call, nullptr));
  active_ = 0;
}

// --- placement

namespace {

std::atomic<unsigned> running_here{0};

}  // namespace

here_or_yonder::here_or_yonder(placement where) noexcept
    : here_(where == placement::local), counted_(where == placement::prefer_local) {
  if (!counted_) return;
  static unsigned const cores = std::max(1U, std::thread::hardware_concurrency());
  here_ = counted_ = running_here.fetch_add(1, std::memory_order_relaxed) < cores;
  if (!counted_) running_here.fetch_sub(1, std::memory_order_relaxed);
}

here_or_yonder::~here_or_yonder() {
  if (counted_) running_here.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace detail
}  // namespace yonder
