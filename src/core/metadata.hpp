// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/builds.hpp"
#include "src/core/composition.hpp"
#include "src/core/session_secret.hpp"
#include "src/core/types.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

// What frames say beyond their header: type-length-value fields, u16 tag, u32 length, value. A tag with its
// top bit set is critical: who does not know it refuses the frame; other unknown tags are skipped.
namespace yonder::core {

enum class tag : std::uint16_t {
  traceparent = 0x0003,       // text, W3C Trace Context
  name = 0x0013,              // text
  process = 0x0014,           // u64
  offered_function = 0x0016,  // u64 signature, u16 length of the name, name, schema
  start_token = 0x0017,       // u64: which start of a launcher this worker comes of
  concurrency = 0x0018,       // u32
  build = 0x0019,             // u64: equal where the code is; text: the name of the program
  heartbeat = 0x0020,         // u64 microseconds
  credit = 0x0021,            // u64 calls, u64 bytes
  frame_limits = 0x0022,      // u64 bytes, u32 buffers: of one frame that the sender can receive
  received = 0x0030,          // bit i: head.sequence + 1 + i has been received
  text = 0x0040,              // text: why
  error_function = 0x0051,    // text
  error_type = 0x0052,        // text
  error_message = 0x0053,     // text
  error_worker = 0x0054,      // text
  error_signal = 0x0055,      // i32
  error_exit = 0x0056,        // i32
  error_stderr = 0x0057,      // text
  // Of the process whose place this worker takes.
  predecessor = 0x0058,         // u64 session, u32 epoch, u64 started mark, i32 signal, i32 status (-1: none)
  predecessor_reason = 0x0059,  // text
  predecessor_stderr = 0x005a,  // text
  secret = 0x005b,              // u64, u64: of which the session's id is the hash
  // Of what this worker was assigned by an earlier hub, and has begun: u64 session, u64 number, u32 attempt,
  // u64 microseconds for which it has run.
  held = 0x0060,
  progress = 0x006c,      // u32 millionths, text
  skipped = 0x0078,       // u64: bytes that were printed before these, and lost
  remaining = 0x0064,     // u64 microseconds: for which the allocation of this worker lasts
  gpus = 0x0065,          // text: those that this worker sees, for people
  function = 0x8001,      // text
  policy = 0x8002,        // u32 retries, u32 flags (1: idempotent, 2: durable), u64 timeout in microseconds
  transfer = 0x8003,      // u8 type, u32 metadata size, u32 CRC32C of the metadata, u64 size of each part
  items = 0x8004,         // u32 count, then, where there are payloads, u32 size of each (items.hpp)
  requirements = 0x8005,  // requirements.hpp
  batching = 0x8006,      // u32 most items, u64 longest wait in microseconds, u64 most weight, u64 weight
  parent = 0x8009,    // u64 session, u64 number, u32 attempt, u32 epoch of the worker's session: who calls
  wait = 0x800a,      // u32 epoch of the worker's session, u64, u64: task_progress; ended all ones: no longer
  priority = 0x8014,  // u32, 0 to 9
  fairness = 0x8015,  // u32 weight (0: as it is), text: the key
  order = 0x8016,     // text: the key
  stream = 0x800b,    // u64 items, u64 bytes: so much its reader takes of a stream
  position = 0x800c,  // u64: of the first item in the frame; of an end: how many items there were
  stream_begin = 0x8013,  // u64 items, u64 bytes: what comes before that is not sent again
  arguments = 0x8018,  // for each that is another call's value: u64 number, u32 offset, u32 buffer, u8 sole
  // For each argument that is a value by reference: u64 owner, u64 number, u64 size, u32 CRC32C, u32 offset,
  // u32 buffer (values.hpp).
  referred = 0x8030,
  references = 0x0070,   // of a result, for each reference in it: u64 owner, u64 number
  idempotency = 0x8020,  // 32 bytes: SHA-256 of the arguments (digest_of), text: the key
  schedule = 0x8022,     // schedule_record.hpp: the call is to be made again and again
  callback = 0x8023,     // u8 1: of any outcome, 0: of a value; u64 signature, u64 deadline in microseconds
                         // and 1 (0: none), metadata: of the call that is made with the outcome
  pinned = 0x8024,       // u64: the build that its worker has to be of; 0: any
  retry = 0x8021,        // u8 1: these, 2: all others; names of exception types, each u16 length, text
  role = 0x8010,         // u8: 1 client, 2 worker
  session = 0x8011,      // u64
  versions = 0x8012,     // u16 lowest, u16 highest
  code = 0x8050,         // u16, yonder::errc
};

// Flags of the header.
inline constexpr std::uint8_t flag_not_started = 1;  // error: nothing of the attempt was run
inline constexpr std::uint8_t flag_resumed = 2;     // welcome: the hub still knows this session and its epoch
inline constexpr std::uint8_t flag_recall = 4;      // cancel: only if it has not been started
inline constexpr std::uint8_t flag_rejoin = 8;      // bye: the session is over, another may begin: say hello
inline constexpr std::uint8_t flag_withdrawn = 16;  // chunk: the rest will not come, the frame is void
inline constexpr std::uint8_t flag_elsewhere = 64;  // result: without the value, which other calls were given
inline constexpr std::uint8_t flag_shared = 32;     // error: of a whole batch, and need not be this item's
inline constexpr std::uint8_t flag_known = 128;     // call: the hub has said accepted; it is not made anew
inline constexpr std::uint8_t flag_claimed = 64;  // call: a worker may run it that an earlier hub gave it to
inline constexpr std::uint8_t flag_held = 128;    // result, error: kept until the hub says that it is taken

inline constexpr std::size_t max_name_size = 1024;    // of functions, workers, clients
inline constexpr std::size_t max_text_size = 65'536;  // longer messages are cut where they are written
inline constexpr std::size_t max_functions = 65'536;
inline constexpr std::size_t max_key_size = 64;  // of fairness and order
inline constexpr std::size_t digest_size = 32;   // SHA-256
inline constexpr std::size_t max_progress_text = 256;
inline constexpr std::size_t max_printed_text = std::size_t{16} << 10;  // of one frame
inline constexpr std::size_t max_requirements_size = std::size_t{80} << 10;

enum class peer_role : std::uint8_t { client = 1, worker = 2 };

// What a worker has begun for an earlier hub, and runs, or has the outcome of.
struct held_attempt {
  call_id call;
  std::uint32_t attempt = 0;
  duration ran = 0;          // for so long, where it goes on
  std::uint32_t ticket = 0;  // by which its caller claims it (frame_type::keep); 0: a journal has it
};

struct hello_message {
  peer_role role{};
  std::uint64_t session = 0;
  session_secret secret{};  // zeros: not told
  std::uint16_t lowest_version = protocol_version;
  std::uint16_t highest_version = protocol_version;
  std::string name;
  std::uint64_t process = 0;
  std::uint64_t start_token = 0;  // 0: none
  std::uint32_t concurrency = 1;  // of a worker: attempts that it runs at once
  frame_limits limits;            // what the sender can receive
  std::vector<function_info> functions;
  core::predecessor predecessor;     // of a worker
  duration remaining = never;        // of a worker: for which its allocation lasts
  std::vector<held_attempt> held{};  // of a worker
  program_build made_of{};
  std::string gpus{};  // of a worker: those that it was given ("0,1"), for people; empty: that is not known
};

// How much a client may have outstanding at the hub, in all.
struct credit_window {
  std::uint64_t calls = 0;
  std::uint64_t bytes = 0;
};

struct welcome_message {
  std::uint16_t version = protocol_version;
  duration heartbeat = 0;
  credit_window credit;
  frame_limits limits;  // what the hub can receive
};

// When a call is served, among others.
struct call_turn {
  std::optional<std::uint32_t> priority{};
  std::string_view fairness_key{};  // into the frame; empty: none
  std::uint32_t weight = 0;         // of that key, within its credential's share; 0: as it is
  std::string_view order_key{};     // into the frame; empty: none
  bool is_usual() const { return !priority && fairness_key.empty() && order_key.empty(); }
};

// Which of the exceptions that a task throws are worth another attempt. The names are into the frame.
struct retry_terms {
  bool others = false;  // all but these
  std::vector<std::string_view> types;
  bool allows(std::string_view type) const {
    return (std::find(types.begin(), types.end(), type) != types.end()) != others;
  }
};

// Under which a call is made once only. The texts are into the frame.
struct idempotency_terms {
  std::string_view digest;  // of the arguments
  std::string_view key;     // empty: none
};

// The call that is made with the outcome of another one.
struct callback_terms {
  bool of_any_outcome = false;  // or of values only
  std::uint64_t signature = 0;
  std::uint64_t remaining_us = 0;            // as a header has it, when it is made
  std::span<std::byte const> metadata = {};  // into the frame; empty: there is none
};

struct call_message {
  std::string_view function;  // into the frame
  call_policy policy;         // without the deadline, which the header carries
  batch_policy batching;
  std::string_view requirements;  // of the worker, encoded; empty: none
  attempt_key parent;             // the attempt whose task calls; attempt 0: no task does
  call_turn turn;
  std::optional<stream_terms> stream;       // of a task that produces one
  std::vector<awaited_argument> arguments;  // that are values of other calls
  idempotency_terms idempotency;
  std::string_view schedule;  // schedule_terms, encoded; empty: it is made once
  callback_terms callback{};
  build_choice build{};
  bool says_build = false;  // or else as calls of its caller usually have it
};

// What a task that waits was told of so far. Both ends of a connection count alike, so that a wait is known
// that has crossed something for which it ends. It never comes back to what it was: a call that ends takes
// its frames along, of which some may be on their way to a client that has cancelled it.
struct task_progress {
  std::uint64_t ended = 0;     // calls that it has made
  std::uint64_t streamed = 0;  // frames of the streams of those that have not
  friend bool operator==(task_progress const&, task_progress const&) = default;
  void end(std::uint64_t calls, std::uint64_t their_frames) noexcept {
    ended += calls;
    streamed -= their_frames;
  }
};

// From a client: the task of an attempt waits for calls that it has made. From a worker: the attempt's task
// waits for its input, of which it has had so many items (streamed).
struct wait_message {
  static constexpr task_progress no_longer{~std::uint64_t{0}, 0};
  attempt_key parent;
  // When it was said. It holds as long as there is no further one.
  task_progress told = no_longer;
};

// What an announcement says of the frame that comes in chunks.
struct transfer_message {
  header head;                       // of the whole frame
  std::uint32_t checksum = 0;        // of its metadata
  std::vector<std::uint64_t> sizes;  // of its body, then of each buffer
};

struct bye_message {
  errc code = errc::disconnected;
  std::string text;
};

void write_call(byte_buffer& body, std::string_view function, call_policy const& policy,
                std::string_view traceparent);
// Behind it, if they are not empty: what the worker has to be like, as encode_requirements() gives it.
void write_requirements(byte_buffer& body, std::string_view needs);
void write_turn(byte_buffer& body, call_turn const& turn);
// The build that its worker has to be of; 0: any.
void write_pinned(byte_buffer& body, std::uint64_t build);
void write_batching(byte_buffer& body, batch_policy const& batching);
// Behind it: the attempt whose task calls.
void write_parent(byte_buffer& body, attempt_key const& parent);
// Behind it, of a task that produces a stream.
void write_stream(byte_buffer& body, stream_terms const& terms);
bool read_call(std::span<std::byte const> metadata, call_message& message);
void write_idempotency(byte_buffer& body, std::span<std::byte const> digest, std::string_view key);
// Behind it: that it is to be made again and again; see schedule_terms.
void write_schedule(byte_buffer& body, std::string_view terms);
void write_callback(byte_buffer& body, callback_terms const& terms);
// The call with other such terms; and as each of the calls is that are made then.
frame with_schedule(frame const& message, std::string_view terms);
frame without_schedule(frame const& message);
void write_retry(byte_buffer& body, retry_terms const& terms);
// None: another attempt is worth it whatever was thrown.
std::optional<retry_terms> read_retry(std::span<std::byte const> metadata);
void write_arguments(byte_buffer& body, std::span<awaited_argument const> arguments);
// The fields of a call, but that one and `referred`.
void copy_without_arguments(byte_buffer& body, std::span<std::byte const> metadata);
// The call or assignment, with other terms.
frame with_stream(frame const& message, stream_terms const& terms);

// Whole frames; the caller sets what the header says of session and order.
frame make_hello(hello_message const& message);
frame make_welcome(welcome_message const& message);
frame make_bye(bye_message const& message);
frame make_error(failure const& error);
frame make_error(errc code, std::string_view function, std::string_view text);
// The same without the exception where the other end could not receive it: its type and text go on.
frame make_error(failure& error, frame_limits const& most);
frame make_credit(credit_window const& credit);
frame make_notice(std::string_view text);
frame make_control(frame_type type);
// A worker takes no more work, as its allocation ends after so long at the latest; never: for another reason.
frame make_drain(duration remaining);
frame make_wait(wait_message const& message);
frame make_progress(progress_report const& report);
// Of `count` attempts with consecutive numbers. `skipped`: so many bytes before the text were lost.
frame make_printed(std::string_view text, std::uint64_t skipped, std::uint32_t count);
frame make_stream_credit(stream_level const& level);
// The last frame of a stream (a result, or stream_end): how many items it had.
frame make_end(frame_type type, std::uint64_t items);
// Items from number `first` on: their encoded values one behind the other, or one with its buffers.
frame make_stream_items(std::uint64_t first, std::span<std::uint32_t const> sizes,
                        std::span<std::byte const> values, std::vector<buffer> buffers);
// Announces `message`, which is sent with `head`.
frame make_transfer(header const& head, frame const& message);

// False: the metadata is malformed, or lacks what it must hold.
bool read_hello(frame const& message, hello_message& hello);
bool read_welcome(frame const& message, welcome_message& welcome);
bool read_bye(frame const& message, bye_message& bye);
bool read_error(frame const& message, failure& error);
bool read_error_code(frame const& message, errc& code);
bool read_transfer(frame const& message, transfer_message& transfer);
bool read_drain(frame const& message, duration& remaining);
bool read_wait(frame const& message, wait_message& wait);
bool read_progress(frame const& message, progress_report& report);
// The text is the payload.
bool read_printed(frame const& message, std::uint64_t& skipped);
bool read_stream_credit(frame const& message, stream_level& level);
// Of stream_items and of an end.
bool read_position(frame const& message, std::uint64_t& position);
bool read_credit(frame const& message, credit_window& credit);
bool read_notice(frame const& message, std::string_view& text);

// What has no metadata of its own: only unknown fields that are not critical.
bool read_nothing(frame const& message);

// The bitmap of an acknowledgement; empty if there is none.
bool read_received(frame const& message, std::span<std::byte const>& bitmap);
void write_received(byte_buffer& body, std::span<std::byte const> bitmap);

}  // namespace yonder::core
