// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/frame.hpp"
#include "src/core/resources.hpp"
#include "yonder/detail/spare_blocks.hpp"
#include "yonder/errc.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// The vocabulary of the three cores. A core is told what happened and when, and says what is to be done: it
// has no clock, no socket, no thread and no source of randomness. It is not thread-safe.
namespace yonder::core {

// Nanoseconds of a monotonic clock, chosen by the driver; never negative, never going back between two steps.
using time_point = std::int64_t;
using duration = std::int64_t;
inline constexpr time_point never = std::numeric_limits<time_point>::max();
inline constexpr duration microsecond = 1'000;
inline constexpr duration millisecond = 1'000'000;
inline constexpr duration second = 1'000'000'000;

// One connection, drawn by the driver, unique in the core's life.
using peer_id = std::uint64_t;

// What a program offers, or what a caller believes it offers.
struct function_info {
  std::string name;
  std::uint64_t signature = 0;
  std::string schema;  // the argument and result structure in words; may be empty
};

struct call_policy {
  std::uint32_t retries = 0;  // further attempts after one that was lost, timed out or threw
  duration timeout = 0;       // of each attempt, queueing excluded; 0: none
  duration deadline = 0;      // from submission to outcome; 0: none
  bool idempotent = false;    // a lost attempt may be repeated although `retries` is used up or 0
  bool durable = false;       // the hub writes it down before it runs, and keeps its outcome; see out::append
};

// How a worker's process ended, told by the one that takes its place.
struct predecessor {
  std::uint64_t session = 0;  // 0: there is none
  std::uint32_t epoch = 0;    // of the last attempt that it started
  std::uint64_t started = 0;  // the out::run::mark of that; 0: none
  int signal = 0;
  std::optional<int> exit_status{};
  std::string reason{};  // what follows "the worker"
  std::string stderr_tail{};
};

// A place in a stream, counted from its beginning: so many items, and so many bytes of them. The producer of
// one may send its next item as long as it has not reached the level that its reader allows, in neither.
struct stream_level {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(stream_level const&, stream_level const&) = default;
  bool reaches(stream_level const& other) const noexcept {
    return items >= other.items || bytes >= other.bytes;
  }
};

// What the call of a task that produces a stream says of it.
struct stream_terms {
  stream_level allowed;  // by its reader, when it was said
  stream_level begin;    // what came before that, its reader has already
};

// How a call may run together with others of its function.
struct batch_policy {
  std::uint32_t max_items = 0;   // of one batch; 0: it runs by itself
  duration max_wait = 0;         // while every worker is busy, before its batch is handed to one of them
  std::uint64_t max_weight = 0;  // of one batch; 0: none
  std::uint64_t weight = 0;      // of this call
};

// How far a task says that it is.
struct progress_report {
  std::uint32_t millionths = 0;  // of the whole, which is 1'000'000
  std::string text;              // for people; may be empty
  friend bool operator==(progress_report const&, progress_report const&) = default;
};

// Why a call ended without its value.
struct failure {
  errc code = errc::failed;
  std::string function;
  std::string type_name;  // of the C++ exception
  std::string message;
  byte_buffer payload;  // the serialized exception, if its type was registered
  std::uint32_t attempt = 0;
  std::string worker;
  int signal = 0;
  std::optional<int> exit_status;
  std::string stderr_tail;
  bool shared = false;  // by all of a batch: it need not be this item's
};

failure failure_of(errc code, std::string text);
failure copy_of(failure const& error);

// A value frame (payload and buffers), or why there is none.
class outcome {
 public:
  explicit outcome(frame value) : value_(std::move(value)) {}
  explicit outcome(failure error) : error_(std::make_unique<failure>(std::move(error))) {}
  bool ok() const noexcept { return error_ == nullptr; }
  frame& value() noexcept { return value_; }
  frame const& value() const noexcept { return value_; }
  failure& error() noexcept { return *error_; }
  failure const& error() const noexcept { return *error_; }

 private:
  frame value_;
  std::unique_ptr<failure> error_;
};

// One try at a call. A worker's session has an epoch; what another epoch says is fenced.
struct attempt_key {
  call_id call;
  std::uint32_t attempt = 0;
  std::uint32_t epoch = 0;
  friend bool operator==(attempt_key const&, attempt_key const&) = default;
};

// Shared ownership of a frame within one core and its driver's lock: the count is not atomic.
class frame_ref {
 public:
  frame_ref() noexcept = default;
  explicit frame_ref(frame&& message) : node_(new node(std::move(message))) {}
  frame_ref(frame_ref const& other) noexcept : node_(other.node_) {
    if (node_ != nullptr) ++node_->references;
  }
  frame_ref(frame_ref&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  frame_ref& operator=(frame_ref other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~frame_ref() {
    if (node_ != nullptr) [[unlikely]]  // moved from much more often than not
      let_go();
  }

  explicit operator bool() const noexcept { return node_ != nullptr; }
  frame& operator*() const noexcept { return node_->message; }
  frame* operator->() const noexcept { return &node_->message; }
  bool unique() const noexcept { return node_ != nullptr && node_->references == 1; }

 private:
  struct node {
    explicit node(frame&& made) noexcept : message(std::move(made)) {}

    frame message;
    std::uint32_t references = 1;

    static void* operator new(std::size_t) { return detail::spare_blocks<sizeof(node)>::take(); }
    static void operator delete(void* gone) noexcept { detail::spare_blocks<sizeof(node)>::give(gone); }
  };
  void let_go() noexcept {
    if (--node_->references == 0) delete node_;
  }

  node* node_ = nullptr;
};

namespace out {

// Give message() to the transport. One body may be sent under several headers: the header stands here.
struct send {
  peer_id peer = 0;
  header head;
  frame_ref body;

  // Valid until another `send` of the same body is asked for its message.
  frame const& message() const {
    body->head = head;
    return *body;
  }
  // Calls `receive(frame&&)`, without a copy where nobody else holds the body: for links inside one process.
  template <class Receive>
  void give(Receive&& receive) {
    body->head = head;
    if (body.unique())
      receive(std::move(*body));
    else
      receive(frame{head, body->body.duplicate(), body->buffers});
  }
  frame take() {
    frame taken;
    give([&](frame&& message) { taken = std::move(message); });
    return taken;
  }
};

// Hub: start a worker of this pool, then say connected(peer, …, start) or worker_start_failed(start). One
// whose connection cannot be told from others brings `token` in its hello.
struct start_worker {
  std::uint64_t start = 0;
  std::uint32_t pool = 0;
  std::uint64_t token = 0;    // cannot be guessed
  duration exit_timeout = 0;  // from being let go to its end; 0: as it is
  std::vector<std::string>
      gpus{};  // the only ones that it may see, as CUDA_VISIBLE_DEVICES names them; none: as it is
  std::vector<std::uint32_t> cores{};  // the only ones that it may run on; none: as it is
  bool elsewhere = false;              // on another machine: say worker_placed() when it runs there
  resource_needs needs{};              // elsewhere: what it is to have there
  std::uint64_t build = 0;             // elsewhere: of which build it is to be; 0: of any
};
// Hub: find out what this machine has, then say observed(). Once at most.
struct observe_machine {};
// Hub: end what was started for start_worker::start: it did not connect in time, or, if it was started
// elsewhere, its worker is no more. Nothing is to be said of it.
struct abandon_start {
  std::uint64_t start = 0;
};
// Hub: the worker of a start elsewhere has come.
struct worker_came {
  std::uint64_t start = 0;
};
// Hub with a journal: write this behind what was written before; then say synced(record).
struct append {
  enum class kind : std::uint8_t {
    call,       // was taken; `body`: its frame
    started,    // may be started from now on, and is started once at most
    ended,      // `body`: its outcome
    forgotten,  // that was taken, or nobody took it in time; or the call was cancelled
  };
  std::uint64_t record = 0;  // rises by one
  kind what{};
  call_id call;
  std::uint32_t items = 1;   // calls, with consecutive numbers
  frame_ref body;            // none: of the others
  std::string identity{};    // call, ended: the credential that it belongs to
  std::string function{};    // ended
  std::string key{};         // ended: digest of the arguments, and the idempotency key; empty: it has none
  bool with_next = false;    // it counts if the record behind it does, or else neither
  std::uint64_t worker = 0;  // started: the session of the worker that it is for; ends_with_hub: of one such
  // Of workers that are of one hub only, and are of no use to another.
  static constexpr auto ends_with_hub = ~std::uint64_t{0};
};
// Hub with a journal: find the record that has what is known of this call: its outcome, or else its
// arguments. All of them are on disk. Then say read_back(number).
struct read {
  std::uint64_t number = 0;
  call_id call;
};
// Hub with hub_config::traces: an attempt has ended, or a call has.
struct traced {
  call_id call;  // of the first of `items` calls with consecutive numbers
  std::uint32_t items = 1;
  std::uint32_t attempt = 0;  // which; 0: the call itself
  std::string function;
  std::string worker;       // of an attempt
  std::string traceparent;  // as the call has it; empty: it begins a trace of its own
  time_point since = 0;     // the call: it came; an attempt: it waited for a worker
  time_point assigned = 0;  // to a worker
  time_point began = 0;     // to run
  time_point ended = 0;
  errc code{};  // why without a value; 0: it has one
};
// Hub: end the worker's process; then say lost(). The hub gives it no more work.
struct kill_worker {
  peer_id peer = 0;
  std::string reason;
};
// Hub: after drain(): nothing is awaited any more.
struct drained {
  bool in_time = true;  // or so long was waited for it
};
// Hub, client: a line for whoever runs it.
struct notice {
  std::string text;
};
// Any core: end the connection. No lost() is expected; one does no harm.
struct close {
  peer_id peer = 0;
  std::string reason;
};
// Client: the result of a call that had ended here, as it was cancelled meanwhile. It has references to
// values (read_references), which are to be given back: nobody takes them.
struct came_late {
  frame result;
};
// Client: the hub has written down these calls, which have consecutive numbers. It runs them whatever becomes
// of it, and keeps their outcomes until taken() is said of them.
struct accepted {
  call_id call;
  std::uint32_t count = 1;
  std::uint64_t cookie = 0;  // of the first one's call_spec
};
// Client: the call has ended, in the only outcome it will ever have.
struct completed {
  call_id call;
  std::uint64_t cookie = 0;  // of its call_spec
  outcome result;
};
// Client: items of the call's output have come. Worker: of the attempt's input. In order, each once.
struct stream_arrived {
  attempt_key key;           // client: of the call alone
  std::uint64_t cookie = 0;  // client
  frame items;               // one, or several as packed_items has them; none where it has ended
  bool ended = false;        // the input: no further item will come
};
// Client: the call's task takes so much of its input. Worker: the attempt's reader takes so much.
struct stream_allowed {
  attempt_key key;
  std::uint64_t cookie = 0;
  stream_level level;
};
// Client: the call's task has said how far it is. The latest counts; none comes behind the call's end.
struct progressed {
  call_id call;
  std::uint64_t cookie = 0;  // of its call_spec
  progress_report report;
};
// Worker: publish `mark` as started where the supervisor can read it, run the function, then say
// finished(key). A row of several items, whose keys and marks rise by one, is run in order.
struct run {
  attempt_key key;
  std::uint64_t mark =
      0;  // number of the frame that it came in << 32 | how many of its items were started then
  std::string_view function;  // into `message`
  std::uint64_t signature = 0;
  frame message;  // payload() and buffers are the arguments
  time_point deadline = never;
  std::uint32_t count = 1;           // items
  std::byte const* sizes = nullptr;  // of a row: of each one's arguments, as packed_items has them
  // Of a batch: several attempts that run as one. `message` has their arguments one after the other, and each
  // is finished() by itself.
  struct item {
    attempt_key key;
    std::size_t size = 0;  // of its arguments
  };
  std::vector<item> items{};
  std::optional<stream_terms> stream{};  // of what it produces one item after the other
};
// Worker: the caller no longer wants the running attempt. finished(key) is still expected.
struct stop_requested {
  attempt_key key;
};
// Worker: everything is said; end the process. A running attempt, if any, is no longer wanted.
struct exit {
  bool clean = true;               // drained or let go; otherwise the hub is gone or refused us
  errc code = errc::disconnected;  // why, if not clean
  std::string reason;
};

}  // namespace out

using output =
    std::variant<out::send, out::start_worker, out::observe_machine, out::abandon_start, out::worker_came,
                 out::kill_worker, out::close, out::append, out::read, out::traced, out::drained, out::notice,
                 out::accepted, out::completed, out::came_late, out::stream_arrived, out::stream_allowed,
                 out::progressed, out::run, out::stop_requested, out::exit>;

// What one or several steps ask for, in order. The driver carries it out and clears it; its memory is reused.
using outputs = std::vector<output>;

// The time that links keep. Both ends of a connection may differ: the hub states its heartbeat in its
// welcome.
struct link_timing {
  duration heartbeat = 1 * second;            // at least this often something is said
  int missed = 4;                             // heartbeats, after which the other end is taken for dead
  duration ack_delay = 50 * millisecond;      // received frames are acknowledged together after this time
  duration resend_after = 250 * millisecond;  // doubled for each repetition, up to 8 times
};

// A deterministic generator (SplitMix64; Steele, Lea, Flood 2014), seeded by the driver.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    auto z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // In [0, bound), by the upper half of a product (Lemire 2019); the bias is below 2^-24 for the bounds used
  // here.
  std::uint64_t below(std::uint64_t bound) noexcept {
    __extension__ using wide = unsigned __int128;
    return static_cast<std::uint64_t>((wide{next()} * bound) >> 64);
  }

 private:
  std::uint64_t state_;
};

}  // namespace yonder::core
