// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/process_pool.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <system_error>
#include <utility>

#include "src/platform/fork.hpp"

namespace yonder::runtime_detail {
namespace {

constexpr char token_name[] = "YONDER_INHERITED";
constexpr char token_value[] = "v1:socket=3,page=4";
constexpr int inherited_socket = 3;
constexpr int inherited_page = 4;
constexpr std::size_t page_size = 4096;
constexpr std::size_t tail_size = 4096;
constexpr int patience_ms = 1000;       // with workers that were told to end, before they are killed
constexpr int relay_patience_ms = 100;  // with a stderr that takes no more, at the end

[[noreturn]] void fail(char const* what) { throw std::system_error(errno, std::generic_category(), what); }

struct socket_pair {
  platform::unique_fd ours;
  platform::unique_fd theirs;
};

socket_pair make_sockets() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
  return {platform::unique_fd(ends[0]), platform::unique_fd(ends[1])};
}

// Readable end first, non-blocking.
std::pair<platform::unique_fd, platform::unique_fd> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {platform::unique_fd(ends[0]), platform::unique_fd(ends[1])};
}

// What we and one worker share. The memory is born as zeros.
struct shared_page {
  std::atomic<std::uint32_t> started;
  std::uint64_t max_call_bytes;
  std::uint64_t max_decoded_bytes;
};

shared_page* map_page(int memory) {
  static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
  void* const page = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (page == MAP_FAILED) fail("mmap");
  return static_cast<shared_page*>(page);
}

bool is_readable(int fd) noexcept {
  pollfd end{fd, POLLIN, 0};
  return ::poll(&end, 1, 0) == 1;
}

}  // namespace

// --- one worker
// ---------------------------------------------------------------------------------------------------

struct process_pool::worker {
  std::uint64_t start = 0;
  transport::peer_id peer = 0;
  int socket = -1;  // the endpoint owns it
  std::optional<platform::child_process> process;
  platform::unique_fd output;  // its stdout and stderr
  std::string tail;            // the end of what it wrote
  shared_page* page = nullptr;
  bool greeted = false;  // a frame came
  bool ended = false;    // the process
  platform::exit_report how;
  std::string reason;  // why we killed it: what follows "the worker"

  ~worker() {
    if (page != nullptr) ::munmap(page, page_size);
  }

  // Passes on what it wrote, at most about a pipe's content, and keeps the end. False: nothing more will
  // come.
  bool forward(stderr_relay& relay) {
    char text[4096];
    for (int i = 0; i < 16; ++i) {
      auto const count = ::read(output.get(), text, sizeof text);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return count < 0 && errno == EAGAIN;
      relay.pass({text, static_cast<std::size_t>(count)});
      tail.append(text, static_cast<std::size_t>(count));
      if (tail.size() > tail_size) tail.erase(0, tail.size() - tail_size);
    }
    return true;
  }

  std::string death() const {
    if (!how.known) return "ended, and somebody else waited for it";
    if (how.signal != 0) return "was ended by " + platform::signal_name(how.signal);
    return "exited with status " + std::to_string(how.status);
  }
};

namespace {

// A worker has two descriptors to watch; both tokens hold its address, which is aligned.
constexpr std::uint64_t output_bit = 1;

}  // namespace

// --- the pool
// -----------------------------------------------------------------------------------------------------

process_pool::process_pool(transport::poller& poller, transport::limits const& limits,
                           std::size_t max_call_bytes, std::size_t max_decoded_bytes)
    : poller_(poller),
      endpoint_(poller, limits),
      max_call_bytes_(max_call_bytes),
      max_decoded_bytes_(max_decoded_bytes) {}

process_pool::~process_pool() { stop(); }

void process_pool::start(std::uint64_t start) {
  try {
    launch(start);
  } catch (std::exception const& error) {
    happened_.push_back({.what = pool_event::kind::start_failed,
                         .start = start,
                         .text = std::string("no process could be started: ") + error.what()});
  }
}

void process_pool::launch(std::uint64_t start) {
  auto [ours, theirs] = make_sockets();
  auto [readable, writable] = make_pipe();
  auto const memory = platform::anonymous_memory(page_size);
  auto fresh = std::make_unique<worker>();
  fresh->start = start;
  fresh->page = map_page(memory.get());
  fresh->page->max_call_bytes = max_call_bytes_;
  fresh->page->max_decoded_bytes = max_decoded_bytes_;
  fresh->output = std::move(readable);
  fresh->process = platform::spawn({.path = "/proc/self/exe",
                                    .arguments = {::program_invocation_name},
                                    .environment = {std::string(token_name) + "=" + token_value},
                                    .output = writable.get(),
                                    .inherited = {theirs.get(), memory.get()}});
  fresh->socket = ours.get();
  platform::close_in_forks(fresh->socket);  // so that it notices when we, not a fork of us, are gone
  fresh->peer = endpoint_.add(std::move(ours));
  auto const token = reinterpret_cast<std::uint64_t>(fresh.get());
  poller_.add(fresh->process->handle(), *this, token);
  poller_.add(fresh->output.get(), *this, token | output_bit);
  workers_.push_back(std::move(fresh));
}

void process_pool::on_ready(std::uint64_t token, bool, bool) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a poller's token is a number
  auto* const one = reinterpret_cast<worker*>(token & ~output_bit);
  if ((token & output_bit) != 0)
    read_output(*one);
  else
    reap(*one);
}

void process_pool::read_output(worker& one) {
  if (one.forward(relay_)) return;
  poller_.remove(one.output.get());
  one.output.reset();
}

// It has ended, or is about to.
void process_pool::reap(worker& one) {
  poller_.remove(one.process->handle());
  one.how = one.process->wait();
  one.ended = true;
}

process_pool::worker* process_pool::find(transport::peer_id peer) noexcept {
  auto const found =
      std::find_if(workers_.begin(), workers_.end(), [&](auto& one) { return one->peer == peer; });
  return found != workers_.end() ? found->get() : nullptr;
}

void process_pool::kill(transport::peer_id peer, std::string_view reason) {
  auto* const one = find(peer);
  if (one == nullptr || one->ended) return;
  one->reason = reason;
  one->process->kill(SIGKILL);
}

void process_pool::abandon(std::uint64_t start) {
  for (auto& one : workers_)
    if (one->start == start && !one->ended) one->process->kill(SIGKILL);
}

void process_pool::take(std::vector<pool_event>& happened, std::vector<transport::event>& frames) {
  receive(frames);
  for (auto one = workers_.begin(); one != workers_.end();) {
    if (!(*one)->ended) {
      ++one;
      continue;
    }
    bury(**one, frames);
    one = workers_.erase(one);
  }
  std::move(happened_.begin(), happened_.end(), std::back_inserter(happened));
  happened_.clear();
}

void process_pool::receive(std::vector<transport::event>& frames) {
  constexpr std::size_t most = 1024;
  endpoint_.receive(received_, most);
  for (auto& event : received_) {
    auto* const from = find(event.peer);
    if (from == nullptr) continue;
    if (event.what == transport::event::kind::lost) {
      // It ends, or it closed its socket, which comes to the same.
      if (!from->ended) from->process->kill(SIGKILL);
    } else if (event.what == transport::event::kind::received) {
      if (!std::exchange(from->greeted, true))
        happened_.push_back({.what = pool_event::kind::connected, .peer = from->peer, .start = from->start});
      frames.push_back(std::move(event));
    }
  }
  received_.clear();
}

// Its last frames, then its loss.
void process_pool::bury(worker& dead, std::vector<transport::event>& frames) {
  endpoint_.on_ready(dead.peer, true, false);
  while (endpoint_.pending()) receive(frames);
  if (dead.output) {
    dead.forward(relay_);
    if (dead.output) poller_.remove(dead.output.get());
  }
  platform::close_in_no_fork(dead.socket);
  endpoint_.close(dead.peer);
  report(dead);
}

void process_pool::report(worker& dead) {
  if (!dead.greeted) {
    happened_.push_back({.what = pool_event::kind::start_failed,
                         .start = dead.start,
                         .loss = {.stderr_tail = std::move(dead.tail)},
                         .text = "the worker " + dead.death() + " before it was ready"});
    return;
  }
  core::peer_loss loss{.started = dead.page->started.load(std::memory_order_acquire),
                       .signal = dead.how.signal,
                       .stderr_tail = std::move(dead.tail),
                       .reason = dead.reason.empty() ? dead.death() : dead.reason};
  if (dead.how.known && dead.how.signal == 0) loss.exit_status = dead.how.status;
  happened_.push_back(
      {.what = pool_event::kind::lost, .peer = dead.peer, .start = dead.start, .loss = std::move(loss)});
}

void process_pool::stop() {
  for (auto& one : workers_) {
    if (!one->greeted && !one->ended) one->process->kill(SIGKILL);  // it has run nothing
    platform::close_in_no_fork(one->socket);
    endpoint_.close(one->peer);  // by which the others notice, and end
  }
  await_ends(platform::now() + std::int64_t{patience_ms} * 1'000'000);
  for (auto& one : workers_) {
    if (!one->ended) {
      one->process->kill(SIGKILL);
      reap(*one);
    }
    if (one->output) read_output(*one);
    if (one->output) poller_.remove(one->output.get());
  }
  workers_.clear();
  relay_.finish(platform::now() + std::int64_t{relay_patience_ms} * 1'000'000);
}

// Reads what they print meanwhile, so that none waits for us.
void process_pool::await_ends(std::int64_t until) {
  for (;;) {
    std::vector<pollfd> watched;
    for (auto& one : workers_) {
      if (!one->ended) watched.push_back({one->process->handle(), POLLIN, 0});
      if (!one->ended && one->output) watched.push_back({one->output.get(), POLLIN, 0});
    }
    auto const left = (until - platform::now()) / 1'000'000;
    if (watched.empty() || left <= 0) return;
    if (::poll(watched.data(), watched.size(), static_cast<int>(left)) <= 0) continue;
    for (auto& one : workers_) {
      if (one->output) read_output(*one);
      if (!one->ended && is_readable(one->process->handle())) reap(*one);
    }
  }
}

// --- in the worker
// ------------------------------------------------------------------------------------------------

namespace {

// Read before main, and removed, so that no program that the worker starts takes itself for one.
bool read_token() noexcept {
  char const* const token = ::getenv(token_name);
  if (token == nullptr) return false;
  bool const valid = ::getauxval(AT_SECURE) == 0 && ::strcmp(token, token_value) == 0;
  ::unsetenv(token_name);
  struct stat socket {};
  return valid && ::fstat(inherited_socket, &socket) == 0 && S_ISSOCK(socket.st_mode);
}

bool started_by_pool = false;
bool started_by_flag = false;

// The C library passes main's arguments to constructors.
[[gnu::constructor]] void recognize(int argc, char** argv, char**) {
  started_by_pool = read_token();
  started_by_flag = argc > 1 && ::getauxval(AT_SECURE) == 0 && worker_flag == argv[1];
}

}  // namespace

bool inherited() noexcept { return started_by_pool; }
bool asked_to_serve() noexcept { return started_by_flag; }

worker_inheritance take_inheritance() {
  rlimit const none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::fcntl(inherited_socket, F_SETFD, FD_CLOEXEC);
  platform::unique_fd const memory(inherited_page);
  auto* const page = map_page(memory.get());
  return {platform::unique_fd(inherited_socket), &page->started, page->max_call_bytes,
          page->max_decoded_bytes};
}

}  // namespace yonder::runtime_detail
