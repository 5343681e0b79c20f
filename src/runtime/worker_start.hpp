// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/platform/own_image.hpp"
#include "src/platform/unique_fd.hpp"
#include "src/runtime/text_in_hand.hpp"
#include "transports/local/channel.hpp"
#include "yonder/http_options.hpp"

// What makes a process a worker, seen from both sides.
namespace yonder::runtime_detail {

// The first argument of a worker of a hub elsewhere; the hub's address follows it, or `=` and the address. Of
// one that a launcher has started the address is `-`: its stdin says what it is to do (worker_order.hpp).
inline constexpr std::string_view worker_flag = "--yonder-worker";

// The first argument of a program that serves its tasks over HTTP; the address follows it, or `=` and the
// address.
inline constexpr std::string_view serve_flag = "--yonder-serve";

// The first argument of a program that measures one of its tasks in several environments; what it measures
// follows, or, of one that is measured, `-`: its stdin says it.
inline constexpr std::string_view compare_flag = "--yonder-compare";

// The first argument of a program that runs a recorded attempt again (recording.hpp); the file follows it, or
// `=` and the file.
inline constexpr std::string_view replay_flag = "--yonder-replay";

// The only argument of a program that prints its build (own_build.hpp), and ends.
inline constexpr std::string_view build_flag = "--yonder-build";

// What a process_pool gives its workers: a variable of the environment that says so, one end each of two
// socketpairs, by one of which it serves while its tasks make calls by the other, a page of memory, the other
// end of the pipe that its stdout and stderr are, a pipe for what it has read there, and the memories of a
// channel beside the first socket (or nothing that is one). They are descriptors of stated numbers. A program
// that starts itself once more before its runtime stands, or that is started without that variable, is known
// by them.
inline constexpr char token_name[] = "YONDER_INHERITED";
inline constexpr char token_value[] = "v4:socket=3,page=4,calls=5,printed=6,relay=7,channel=8";
inline constexpr int inherited_socket = 3;
inline constexpr int inherited_page = 4;
inline constexpr int inherited_calls = 5;
inline constexpr int inherited_printed = 6;
inline constexpr int inherited_relay = 7;
inline constexpr int inherited_channel = 8;  // and three more
inline constexpr int inherited_arenas = 12;  // and one more

struct shared_page {
  std::uint64_t magic;  // page_magic
  std::atomic<std::int32_t>
      worker;  // the worker writes: its process, which keeps it through exec; 0: none yet
  std::atomic<std::uint64_t> started;        // the worker writes: the highest out::run::mark
  std::uint64_t max_call_bytes;              // of the runtime that started it
  std::uint64_t max_decoded_bytes;           // likewise
  std::uint32_t has_channel;                 // 1: its four descriptors are there
  std::uint32_t has_arenas;                  // 1: and the two of its arenas
  std::atomic<std::uint32_t> reads_printed;  // the worker writes: 1: what is printed is for it to read
  std::uint64_t max_value_bytes;             // of the runtime that started it
  text_in_hand in_hand;                      // the worker writes
};
constexpr std::size_t page_size = 8192;
inline constexpr std::uint64_t page_magic = 0x6b726f7772646e79;

// Throws std::system_error.
void* map_memory(int memory);
inline shared_page* map_page(int memory) { return static_cast<shared_page*>(map_memory(memory)); }

// What a supervisor and its worker share.
struct supervised_page {
  std::uint64_t magic;  // page_magic
  // The worker writes.
  std::atomic<std::uint64_t> session;        // its own; 0: none yet
  std::atomic<std::uint32_t> epoch;          // of `started`
  std::atomic<std::uint64_t> started;        // the highest out::run::mark of that epoch
  std::atomic<std::uint32_t> reads_printed;  // these two as in shared_page
  text_in_hand in_hand;
  // The supervisor writes, before it starts the worker: of the one before.
  std::uint64_t last_session;  // 0: there is nothing to tell
  std::uint64_t last_started;
  std::uint32_t last_epoch;
  std::int32_t last_signal;
  std::int32_t last_status;  // -1: it was ended by a signal
  char last_reason[128];     // both end with a null
  char last_words[3584];
};
static_assert(sizeof(shared_page) <= page_size && sizeof(supervised_page) <= page_size);

// As what this process was started; known from before main.
enum class start_kind : std::uint8_t {
  program,      // no worker
  pool_worker,  // by a process_pool
  hub_worker,   // with the flag
  http_server,  // with serve_flag
  comparison,   // with compare_flag
  replay,       // with replay_flag
  build,        // with build_flag
  misused,      // as a worker, wrongly
};
// Whether a worker runs, and not main's program.
constexpr bool is_of_worker(start_kind kind) noexcept {
  return kind == start_kind::pool_worker || kind == start_kind::hub_worker || kind == start_kind::misused;
}
struct start_info {
  start_kind kind = start_kind::program;
  std::string hub{};    // hub_worker: its address
  http_options http{};  // http_server: what the arguments say
  std::vector<std::string>
      arguments{};      // hub_worker: all of main's, without argv[0]; comparison: those behind the flag
  int supervisor = -1;  // hub_worker: where its supervisor listens; -1: it has none yet
  int order = -1;       // hub_worker: a memory with its order; -1: its arguments are all
  int printed = -1;     // hub_worker: where what is printed is read, and
  int relay = -1;       // where that goes; -1: it has no supervisor
  supervised_page* page = nullptr;  // that it shares with it; null where it has none
  std::string recording{};          // replay: its file
  std::string fault{};              // misused, or of one with a flag of ours: what is wrong
};
start_info const& how_started() noexcept;

// The program's own options, but for what the arguments of --yonder-serve say.
http_options with_arguments(http_options own, http_options const& arguments);

// The hub's address of a hub_worker is this one from now on, also for what its supervisor starts: what stood
// behind it (`#TOKEN`) has been used.
void move_to_hub(std::string address);

// This program, to be started once more.
platform::own_image const& own_image() noexcept;

// What a supervisor tells its worker: the descriptors by which it listens, of the page that they share, of
// the worker's order and of what is printed, and itself, with whom the worker ends.
inline constexpr char supervised_name[] = "YONDER_SUPERVISED";
struct supervised_descriptors {
  int channel = -1;
  int page = -1;
  int order = -1, printed = -1, relay = -1;  // as start_info has them
};
std::string supervised_value(supervised_descriptors const& passed, pid_t supervisor);
inline constexpr std::string_view launched_address = "-";

// A line on stderr.
void say(std::string const& text);

struct worker_inheritance {
  platform::unique_fd socket;
  platform::unique_fd calls;  // for what its tasks call
  platform::unique_fd printed, relay;
  shared_page* page = nullptr;
  transport::channel::descriptors channel{};  // none: it offers none
};

// To be called once, by a pool_worker.
worker_inheritance take_inheritance();

}  // namespace yonder::runtime_detail
