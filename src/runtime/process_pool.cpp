// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/process_pool.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include "src/platform/descriptors.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/system_call.hpp"
#include "src/runtime/worker_start.hpp"

namespace yonder::runtime_detail {
namespace {

constexpr std::size_t tail_size = 4096;
constexpr int patience_ms = 1000;            // with workers that were told to end, before they are killed
constexpr long look_again_ns = 500'000'000;  // whether workers are stopped
constexpr int relay_patience_ms = 100;       // with a stderr that takes no more, at the end
// Of a worker that ended by itself.
constexpr char const* runtime_comes_first =
    "; a worker runs main up to its yonder::runtime: construct it first, before anything that may return";

struct descriptor_pair {
  platform::unique_fd ours;
  platform::unique_fd theirs;
};

descriptor_pair lifted(int const (&ends)[2]) {
  descriptor_pair pair{platform::unique_fd(ends[0]), platform::unique_fd(ends[1])};
  pair.ours = platform::above_standard(std::move(pair.ours));
  pair.theirs = platform::above_standard(std::move(pair.theirs));
  if (!pair.ours || !pair.theirs) platform::throw_errno("fcntl(F_DUPFD_CLOEXEC)");
  return pair;
}

descriptor_pair make_sockets() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) platform::throw_errno("socketpair");
  return lifted(ends);
}

// Ours is the end to read from, non-blocking.
descriptor_pair make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) platform::throw_errno("pipe2");
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return lifted(ends);
}

// What a worker is started with; throws std::runtime_error.
platform::own_image::command worker_command(std::vector<std::string> const& wanted) {
  if (!wanted.empty()) return {wanted.front(), wanted};
  if (platform::has_raised_rights())
    throw std::runtime_error(
        "this program has more rights than whoever started it (set-user-id, set-group-id, or capabilities of "
        "its file), so it could not tell its own workers from a stranger's; let workers be another program "
        "(runtime_options::worker_command), run elsewhere (hub, bind), or be threads (in_process)");
  auto own = own_image().start();
  if (own.path.empty())
    throw std::runtime_error(
        "this program does not find its own file: /proc is missing, or it was moved; mount /proc, name the "
        "workers' program (runtime_options::worker_command), or let them be threads (in_process)");
  return own;
}

// The order of CUDA's devices is that of the PCI bus, in which they were counted.
std::vector<std::string> environment_of(core::out::start_worker const& wanted) {
  std::vector<std::string> variables{std::string(token_name) + "=" + token_value};
  if (wanted.gpus.empty()) return variables;
  std::string devices;
  for (auto const& gpu : wanted.gpus) devices += (devices.empty() ? "" : ",") + gpu;
  variables.push_back("CUDA_VISIBLE_DEVICES=" + devices);
  variables.emplace_back("CUDA_DEVICE_ORDER=PCI_BUS_ID");
  return variables;
}

bool is_readable(int fd) noexcept {
  pollfd end{fd, POLLIN, 0};
  return ::poll(&end, 1, 0) == 1;
}

}  // namespace

// --- one worker

struct process_pool::worker {
  std::uint64_t start = 0;
  core::duration exit_timeout = 0;
  transport::peer_id peer = 0;
  transport::peer_id calls = 0;  // by which its tasks call
  int socket = -1;               // the endpoint owns both
  int calls_socket = -1;
  bool calls_told = false;  // a frame came by it
  std::optional<platform::child_process> process;
  platform::unique_fd output;   // its stdout and stderr, which it reads itself as long as it can
  platform::unique_fd relayed;  // what it has read there
  bool output_watched = false;
  std::string tail;  // the end of what it wrote
  shared_page* page = nullptr;
  bool greeted = false;  // a frame came
  bool offered_memory = false;
  bool ended = false;  // the process
  int stopped = 0;     // looks in a row that found it stopped by a signal
  platform::exit_report how;
  std::string reason;  // why we killed it: what follows "the worker"

  ~worker() {
    if (page != nullptr) ::munmap(page, page_size);
  }

  bool reads_itself() const noexcept {
    return !ended && page->reads_printed.load(std::memory_order_relaxed) != 0;
  }

  // Passes on what it wrote, at most about a pipe's content, and keeps the end. False: nothing more will
  // come.
  bool forward(platform::unique_fd const& from, stderr_relay& relay) {
    char text[4096];
    for (int i = 0; i < 16; ++i) {
      tail.reserve(tail_size + sizeof text);
      auto const count = ::read(from.get(), text, sizeof text);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return count < 0 && errno == EAGAIN;
      pass({text, static_cast<std::size_t>(count)}, relay);
    }
    return true;
  }
  void pass(std::string_view text, stderr_relay& relay) {
    tail.append(text);
    if (tail.size() > tail_size) tail.erase(0, tail.size() - tail_size);
    relay.pass(text);
  }
};

namespace {

// A worker has three descriptors to watch; their tokens hold its address, which is aligned.
constexpr std::uint64_t output_bit = 1;
constexpr std::uint64_t relayed_bit = 2;
constexpr std::uint64_t of_clock = 0;

platform::unique_fd make_clock() {
  auto clock = platform::above_standard(
      platform::unique_fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)));
  if (!clock) platform::throw_errno("timerfd_create");
  timespec const period{0, look_again_ns};
  itimerspec const times{period, period};
  ::timerfd_settime(clock.get(), 0, &times, nullptr);
  return clock;
}

}  // namespace

// --- the pool

process_pool::process_pool(transport::poller& poller, process_pool_config config)
    : config_(std::move(config)), poller_(poller), endpoint_(poller, config_.limits) {}

process_pool::~process_pool() { stop(); }

void process_pool::start(core::out::start_worker const& wanted) {
  try {
    launch(wanted);
  } catch (std::exception const& error) {
    happened_.push_back({.what = pool_event::kind::start_failed,
                         .start = wanted.start,
                         .text = std::string("no process could be started: ") + error.what()});
  }
}

void process_pool::launch(core::out::start_worker const& wanted) {
  auto const command = worker_command(config_.command);
  auto& fresh = *workers_.emplace_back(std::make_unique<worker>());
  fresh.start = wanted.start;
  fresh.exit_timeout = wanted.exit_timeout;
  try {
    connect(fresh, command, wanted);
  } catch (...) {
    if (fresh.process) {
      fresh.process->kill(SIGKILL);
      fresh.process->wait();
    }
    release(fresh);
    workers_.pop_back();
    stop_clock();
    throw;
  }
}

void process_pool::connect(worker& fresh, platform::own_image::command const& command,
                           core::out::start_worker const& wanted) {
  auto channel = make_channel();
  fresh.offered_memory = channel.has_value();
  auto const theirs =
      add_connection(fresh, fresh.socket, fresh.peer, channel ? std::move(channel->ours) : nullptr);
  auto const their_calls = add_connection(fresh, fresh.calls_socket, fresh.calls, nullptr);

  auto const token = reinterpret_cast<std::uint64_t>(&fresh);
  auto [readable, writable] = make_pipe();
  auto [relayed, relay] = make_pipe();
  fresh.output = std::move(readable);
  fresh.relayed = std::move(relayed);
  poller_.add(fresh.output.get(), *this, token | output_bit);
  fresh.output_watched = true;
  poller_.add(fresh.relayed.get(), *this, token | relayed_bit);

  auto const memory = platform::sealed_memory(page_size);  // a worker that cuts it would end its hub
  fresh.page = map_page(memory.get());
  fresh.page->magic = page_magic;
  fresh.page->max_call_bytes = config_.max_call_bytes;
  fresh.page->max_decoded_bytes = config_.max_decoded_bytes;
  fresh.page->max_value_bytes = config_.max_value_bytes;
  fresh.page->has_channel = channel ? 1 : 0;
  fresh.page->has_arenas = channel && channel->theirs.blocks_from_parent ? 1 : 0;
  std::vector<int> inherited{theirs.get(), memory.get(), their_calls.get(), fresh.output.get(), relay.get()};
  if (channel)
    inherited.insert(inherited.end(),
                     {channel->theirs.from_parent.get(), channel->theirs.to_parent.get(),
                      channel->theirs.wakes_child.get(), channel->theirs.wakes_parent.get()});
  if (fresh.page->has_arenas != 0)
    inherited.insert(inherited.end(),
                     {channel->theirs.blocks_from_parent.get(), channel->theirs.blocks_to_parent.get()});
  fresh.process = platform::spawn({.path = command.path,
                                   .arguments = command.arguments,
                                   .environment = environment_of(wanted),
                                   .output = writable.get(),
                                   .inherited = std::move(inherited),
                                   .cores = wanted.cores});
  poller_.add(fresh.process->handle(), *this, token);
  start_clock();
}

// A connection to it; returns its end.
platform::unique_fd process_pool::add_connection(worker& fresh, int& socket, transport::peer_id& peer,
                                                 std::unique_ptr<transport::channel> memory) {
  auto [ours, theirs] = make_sockets();
  socket = ours.get();
  platform::close_in_forks(socket);  // so that it notices when we, not a fork of us, are gone
  peer = endpoint_.add(std::move(ours), std::move(memory));
  by_peer_.insert(peer, fresh);
  return std::move(theirs);
}

std::optional<transport::channel::made> process_pool::make_channel() {
  try {
    return transport::channel::make();
  } catch (std::system_error const& error) {
    say_that_socket_serves_alone(error.what());
    return std::nullopt;
  }
}

void process_pool::say_that_socket_serves_alone(std::string const& why) {
  if (said_alone_) return;
  happened_.push_back({.what = pool_event::kind::notice,
                       .text = "no memory is shared with workers, their sockets serve alone: " + why});
  said_alone_ = true;
}

// What others hold of it.
void process_pool::release(worker& gone) {
  unwatch_output(gone);
  if (gone.relayed) poller_.remove(gone.relayed.get());
  if (gone.process) poller_.remove(gone.process->handle());
  for (int const socket : {gone.socket, gone.calls_socket})
    if (socket >= 0) platform::close_in_no_fork(socket);
  for (auto const peer : {gone.peer, gone.calls}) {
    if (peer == 0) continue;
    by_peer_.erase(peer);
    endpoint_.close(peer);
  }
}

void process_pool::on_ready(std::uint64_t token, bool, bool) {
  if (token == of_clock) return look_for_stopped();
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a poller's token is a number
  auto* const one = reinterpret_cast<worker*>(token & ~(output_bit | relayed_bit));
  if ((token & output_bit) != 0)
    read_output(*one);
  else if ((token & relayed_bit) != 0)
    read_relayed(*one);
  else
    reap(*one);
}

void process_pool::start_clock() {
  if (clock_) return;
  auto clock = make_clock();
  poller_.add(clock.get(), *this, of_clock);
  clock_ = std::move(clock);
}

void process_pool::stop_clock() {
  if (!clock_ || !workers_.empty()) return;
  poller_.remove(clock_.get());
  clock_.reset();
}

// A worker that somebody has stopped answers nothing: after two looks it is ended.
void process_pool::look_for_stopped() {
  std::uint64_t rings = 0;
  [[maybe_unused]] auto const taken = ::read(clock_.get(), &rings, sizeof rings);
  for (auto& one : workers_) {
    if (one->ended) continue;
    one->stopped = one->process->is_stopped() ? one->stopped + 1 : 0;
    if (one->stopped == 2) kill(one->peer, "was stopped by a signal, and ended");
  }
}

void process_pool::unwatch_output(worker& one) {
  if (std::exchange(one.output_watched, false)) poller_.remove(one.output.get());
}

// What is left there when it has ended is read then.
void process_pool::read_output(worker& one) {
  if (one.reads_itself()) return unwatch_output(one);
  if (one.forward(one.output, relay_)) return;
  unwatch_output(one);
  one.output.reset();
}

void process_pool::read_relayed(worker& one) {
  if (one.forward(one.relayed, relay_)) return;
  poller_.remove(one.relayed.get());
  one.relayed.reset();
}

// It has ended, or is about to.
void process_pool::reap(worker& one) {
  poller_.remove(one.process->handle());
  one.how = one.process->wait();
  one.ended = true;
}

void process_pool::kill(transport::peer_id peer, std::string_view reason) {
  auto* const one = by_peer_.find(peer);
  if (one == nullptr || one->ended) return;
  one->reason = reason;
  one->process->kill(SIGKILL);
}

void process_pool::abandon(std::uint64_t start) {
  for (auto& one : workers_)
    if (one->start == start && !one->ended) one->process->kill(SIGKILL);
}

void process_pool::take(std::vector<pool_event>& happened, std::vector<transport::event>& frames) {
  sorted_ = std::min(sorted_, frames.size());
  receive(frames);
  for (auto one = workers_.begin(); one != workers_.end();) {
    if (!(*one)->ended) {
      ++one;
      continue;
    }
    drain_and_report(**one, frames);
    one = workers_.erase(one);
  }
  stop_clock();
  happened.reserve(happened.size() + happened_.size());
  std::move(happened_.begin(), happened_.end(), std::back_inserter(happened));
  happened_.clear();
  sorted_ = all;
}

void process_pool::receive(std::vector<transport::event>& frames) {
  constexpr std::size_t most = 1024;
  endpoint_.receive(frames, most);
  sort(frames);
}

// Leaves the hub's frames of those that were not sorted yet.
void process_pool::sort(std::vector<transport::event>& frames) {
  auto kept = sorted_;
  auto next = sorted_;
  auto const close_gap = [&] {
    frames.erase(frames.begin() + static_cast<std::ptrdiff_t>(kept),
                 frames.begin() + static_cast<std::ptrdiff_t>(next));
    sorted_ = kept;
  };
  try {
    for (; next < frames.size(); ++next) {
      if (!is_for_hub(frames[next])) continue;
      if (next != kept) frames[kept] = std::move(frames[next]);
      ++kept;
    }
  } catch (...) {
    close_gap();
    throw;
  }
  close_gap();
}

bool process_pool::is_for_hub(transport::event const& event) {
  auto* const from = by_peer_.find(event.peer);
  if (from == nullptr) return false;
  if (event.peer == from->calls) return take_calls(*from, event);
  if (event.what == transport::event::kind::lost) {
    // It ends, or it closed its socket, which comes to the same.
    if (!from->ended) from->process->kill(SIGKILL);
    return false;
  }
  if (event.what != transport::event::kind::received) return false;
  if (!from->greeted) greet(*from);
  return true;
}

void process_pool::greet(worker& fresh) {
  if (fresh.offered_memory && !endpoint_.shares_memory(fresh.peer))
    say_that_socket_serves_alone("a worker has not joined; a sandbox refuses it, or it is of another build");
  happened_.push_back({.what = pool_event::kind::connected, .peer = fresh.peer, .start = fresh.start});
  fresh.greeted = true;
}

// What its tasks call; the hub sees another client. True: it is for the hub.
bool process_pool::take_calls(worker& one, transport::event const& event) {
  if (event.what == transport::event::kind::received) {
    if (!one.calls_told) happened_.push_back({.what = pool_event::kind::connected, .peer = one.calls});
    one.calls_told = true;
    return true;
  }
  if (event.what == transport::event::kind::lost) lose_calls(one);
  return false;
}

void process_pool::lose_calls(worker& one) {
  if (!one.calls_told) return;
  happened_.push_back(
      {.what = pool_event::kind::lost, .peer = one.calls, .loss = {.reason = "ended with its worker"}});
  one.calls_told = false;
}

// Its last frames, then its loss.
void process_pool::drain_and_report(worker& dead, std::vector<transport::event>& frames) {
  endpoint_.on_ready(dead.peer, true, false);
  endpoint_.on_ready(dead.calls, true, false);
  endpoint_.drain(dead.peer, frames);
  endpoint_.drain(dead.calls, frames);
  sort(frames);
  if (dead.relayed) dead.forward(dead.relayed, relay_);
  dead.pass(dead.page->in_hand.left(dead.tail), relay_);
  if (dead.output) dead.forward(dead.output, relay_);
  lose_calls(dead);
  happened_.push_back(report_of(dead));
  release(dead);
}

pool_event process_pool::report_of(worker const& dead) {
  if (!dead.greeted)
    return {.what = pool_event::kind::start_failed,
            .start = dead.start,
            .loss = {.stderr_tail = dead.tail},
            .text = "the worker " + platform::to_string(dead.how) + " before it was ready" +
                    (dead.how.signal == 0 ? runtime_comes_first : "")};
  core::peer_loss loss{.started = dead.page->started.load(std::memory_order_acquire),
                       .signal = dead.how.signal,
                       .stderr_tail = dead.tail,
                       .reason = dead.reason.empty() ? platform::to_string(dead.how) : dead.reason};
  if (dead.how.known && dead.how.signal == 0) loss.exit_status = dead.how.status;
  return {.what = pool_event::kind::lost, .peer = dead.peer, .start = dead.start, .loss = std::move(loss)};
}

void process_pool::stop() {
  for (auto& one : workers_) {
    if (!one->greeted && !one->ended) one->process->kill(SIGKILL);  // it has run nothing
    endpoint_.close(one->calls);
    endpoint_.close(one->peer);  // by which the others notice, and end
  }
  auto patience = std::int64_t{patience_ms} * 1'000'000;
  for (auto& one : workers_)
    if (one->greeted) patience = std::max<std::int64_t>(patience, one->exit_timeout);
  auto const began = platform::now();
  await_ends(began + std::min(patience, std::numeric_limits<std::int64_t>::max() - began));
  for (auto& one : workers_) {
    if (!one->ended) {
      one->process->kill(SIGKILL);
      reap(*one);
    }
    if (one->relayed) read_relayed(*one);
    if (one->output) read_output(*one);
    release(*one);
  }
  workers_.clear();
  stop_clock();
  relay_.finish(platform::now() + std::int64_t{relay_patience_ms} * 1'000'000);
}

// Reads what they print meanwhile, so that none waits for us.
void process_pool::await_ends(std::int64_t until) {
  for (;;) {
    std::vector<pollfd> watched;
    for (auto& one : workers_) {
      if (!one->ended) watched.push_back({one->process->handle(), POLLIN, 0});
      if (!one->ended && one->relayed) watched.push_back({one->relayed.get(), POLLIN, 0});
      if (!one->ended && one->output && !one->reads_itself())
        watched.push_back({one->output.get(), POLLIN, 0});
    }
    auto const left = (until - platform::now()) / 1'000'000;
    if (watched.empty() || left <= 0) return;
    if (::poll(watched.data(), watched.size(),
               static_cast<int>(std::min<std::int64_t>(left, std::numeric_limits<int>::max()))) <= 0)
      continue;
    for (auto& one : workers_) {
      if (one->relayed) read_relayed(*one);
      if (one->output && !one->reads_itself()) read_output(*one);
      if (!one->ended && is_readable(one->process->handle())) reap(*one);
    }
  }
}

}  // namespace yonder::runtime_detail
