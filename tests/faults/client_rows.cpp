// SPDX-License-Identifier: Apache-2.0
//
// Clients of a hub: more than it has descriptors for, as many as the machine has room for, ones that take
// nothing of what they have asked for, and whoever has listened to one.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "src/platform/event_counter.hpp"
#include "src/platform/unique_fd.hpp"
#include "tests/faults/journaled_hub.hpp"

namespace faults {
namespace {

using yonder::errc;
using yonder::platform::unique_fd;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t port_of(journaled_site const& site) {
  return static_cast<std::uint16_t>(std::stoul(site.address().substr(site.address().rfind(':') + 1)));
}

// None: nobody takes the connection.
unique_fd connect_to(std::uint16_t port) {
  unique_fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto const address = loopback(port);
  if (!made || ::connect(made.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0)
    made.reset();
  return made;
}

// --- more connections than descriptors

void exhaust_descriptors(findings& seen) {
  constexpr std::size_t strangers = 200;
  journaled_site site;
  board const shared(site.file("board"));
  journaled_hub const hub(site, "/bin/sh", {}, {"-c", "ulimit -n 64; exec \"$@\"", "sh", own_path()});
  if (!hub.serves()) return seen.holds("a hub with 64 descriptors does not start: " + hub.said(), false);
  site.start_worker();
  yonder::runtime client(site.client());
  task::enter.on(client).remote(shared.path(), 0U);
  stall_watch machine;
  {
    std::vector<unique_fd> waiting;
    for (std::size_t i = 0; i < strangers; ++i) waiting.push_back(connect_to(port_of(site)));
    constexpr auto watched = 3s;
    auto const used = processor_time(hub.process());
    std::this_thread::sleep_for(watched);
    auto const spent = processor_time(hub.process()) - used;
    seen.at_most("processor time of the hub while " + std::to_string(strangers) + " wait",
                 100 * std::chrono::duration<double>(spent) / watched, 5, " %");
    nanoseconds slowest{};
    std::uint64_t wrong = 0;
    for (int i = 0; i < 200; ++i) {
      auto const begin = clock::now();
      if (task::enter.on(client).with({.deadline = 20s}).spawn(shared.path(), 1U).try_get().value_or(0) != 2)
        ++wrong;
      slowest = std::max<nanoseconds>(slowest, clock::now() - begin);
    }
    seen.equals("of 200 calls of who was there before lost or wrong", wrong, 0);
    seen.at_most("slowest of them", slowest, 1s, machine.longest());
  }
  auto const gone = clock::now();
  yonder::runtime newcomer(site.client());
  auto call = task::enter.on(newcomer).spawn(shared.path(), 1U);
  auto const failure = failure_of(call);
  seen.holds("whoever comes when they have gone is not served: " + failure.message, failure.code == errc{});
  seen.at_most("served when they have gone after", clock::now() - gone, 5s, machine.longest());
  seen.equals("executions too many", shared[1].entered.load() - 201, 0);
}

// --- many clients

std::uint64_t available_memory() {
  std::uint64_t available = 0;
  if (auto* const from = std::fopen("/proc/meminfo", "r"); from != nullptr) {
    char line[256];
    unsigned long kib = 0;
    while (std::fgets(line, sizeof line, from) != nullptr)
      if (std::sscanf(line, "MemAvailable: %lu kB", &kib) == 1) available = std::uint64_t{kib} << 10;
    std::fclose(from);
  }
  return available;
}

// As many as are asked for, or as this process has room for.
std::vector<std::unique_ptr<yonder::runtime>> make_clients(journaled_site const& site, std::size_t count,
                                                           std::string& why_no_more) {
  constexpr std::uint64_t left_free = std::uint64_t{2} << 30;
  rlimit descriptors{};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &descriptors);
  auto options = site.client();
  options.own_thread = false;
  std::vector<std::unique_ptr<yonder::runtime>> made;
  while (made.size() < count && why_no_more.empty()) {
    if (made.size() % 64 == 0 && available_memory() < left_free) {
      why_no_more = "memory";
      break;
    }
    try {
      made.push_back(std::make_unique<yonder::runtime>(options));
    } catch (std::exception const& full) {
      why_no_more = full.what();
    }
  }
  return made;
}

void serve_many_clients(findings& seen) {
  std::size_t const wanted = seen.how_much().of(std::size_t{100}, std::size_t{10'000});
  constexpr std::size_t threads = 8;
  journaled_site site;
  board const shared(site.file("board"));
  journaled_hub const hub(site);
  if (!hub.serves()) return seen.holds(hub.said(), false);
  site.start_worker();
  site.start_worker();
  std::string why_no_more;
  auto const clients = make_clients(site, wanted, why_no_more);
  stall_watch machine;
  std::mutex mutex;
  sample_of_times times;
  std::uint64_t wrong = 0;
  std::string first;
  constexpr int rounds = 5;
  std::vector<std::thread> callers;
  for (std::size_t each = 0; each < threads; ++each)
    callers.emplace_back([&, each] {
      for (int round = 0; round < rounds; ++round)
        for (auto i = each; i < clients.size(); i += threads) {
          auto const slot = static_cast<std::uint32_t>(i % board::slots);
          auto const begin = clock::now();
          auto call = task::enter.on(*clients[i]).spawn(shared.path(), slot);
          auto const failure = failure_of(call);
          auto const right = failure.code == errc{} && call.get() == 2 * slot;
          std::lock_guard const lock(mutex);
          if (!right && ++wrong == 1) first = failure.message;
          if (round != 0) times.add(clock::now() - begin);  // the first one connects
        }
    });
  for (auto& one : callers) one.join();
  seen.note(std::to_string(clients.size()) + " clients" +
            (why_no_more.empty() ? "" : ", no more for want of " + why_no_more));
  seen.note(std::to_string(resident_bytes(hub.process()) / std::max<std::size_t>(1, clients.size()) >> 10) +
            " KiB of the hub each");
  seen.equals("of " + std::to_string(clients.size() * rounds) + " calls lost or wrong", wrong, 0);
  if (!first.empty()) seen.note("first: " + first);
  seen.at_most("p99, p50 being " + words_of(times.percentile(50)) + ",", times.percentile(99),
               10 * times.percentile(50), machine.percentile(99));
  std::uint64_t executions = 0;
  for (std::uint32_t i = 0; i < std::min(clients.size(), board::slots); ++i)
    executions += shared[i].entered.load();
  seen.equals("executions", executions, clients.size() * rounds);
}

// --- who takes nothing

void stop_taking(findings& seen) {
  constexpr std::size_t credit = std::size_t{32} << 20, each = std::size_t{1} << 20, count = 400;
  journaled_site site;
  board const shared(site.file("board"));
  journaled_hub const hub(site, own_path(), {"YONDER_FAULTS_MAX_BYTES=" + std::to_string(credit)}, {});
  if (!hub.serves()) return seen.holds(hub.said(), false);
  site.start_worker();
  yonder::runtime other(site.client());
  task::enter.on(other).remote(shared.path(), 0U);
  auto const before = resident_bytes(hub.process());
  e2e::program greedy(own_path(), {},
                      {"--greedy", site.keys(), site.address(), std::to_string(count), std::to_string(each)});
  seen.holds("the caller did not begin", greedy.read_line() == "asked");
  int status = 0;
  ::waitpid(greedy.pid(), &status, WUNTRACED);
  stall_watch machine;
  std::uint64_t most = 0, wrong = 0;
  sample_of_times times;
  for (auto const end = clock::now() + 6s; clock::now() < end; std::this_thread::sleep_for(10ms)) {
    most = std::max(most, resident_bytes(hub.process()));
    auto const begin = clock::now();
    auto call = task::enter.on(other).with({.deadline = 20s}).spawn(shared.path(), 1U);
    if (call.try_get().value_or(0) != 2) ++wrong;
    times.add(clock::now() - begin);
  }
  ::kill(greedy.pid(), SIGCONT);
  auto const said = greedy.read_line();
  auto const grown = (static_cast<double>(most) - static_cast<double>(before)) / (1 << 20);
  seen.at_most("of " + std::to_string(count * each >> 20) + " MiB that nobody takes the hub has", grown,
               3.0 * static_cast<double>(credit >> 20), " MiB");
  seen.equals("calls of others meanwhile lost or wrong", wrong, 0);
  seen.at_most("p99 of these", times.percentile(99), 1s, machine.percentile(99));
  seen.holds("when it goes on it has " + said, said == std::to_string(count) + " right");
}

// --- who has listened

// A proxy of TCP before a hub, that remembers what clients say and can say it again.
class eavesdropper {
 public:
  explicit eavesdropper(std::uint16_t port)
      : port_(port), listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto here = loopback(0);
    socklen_t size = sizeof here;
    auto* const address = reinterpret_cast<sockaddr*>(&here);
    if (!listening_ || ::bind(listening_.get(), address, size) != 0 || ::listen(listening_.get(), 64) != 0 ||
        ::getsockname(listening_.get(), address, &size) != 0)
      throw std::system_error(errno, std::generic_category(), "a proxy cannot listen");
    own_port_ = ntohs(here.sin_port);
    pump_ = std::thread([this] { pump(); });
  }
  ~eavesdropper() {
    over_.store(true);
    wake_.add();
    pump_.join();
  }
  eavesdropper(eavesdropper const&) = delete;
  eavesdropper& operator=(eavesdropper const&) = delete;

  std::string address() const { return "tcp://127.0.0.1:" + std::to_string(own_port_); }
  // What the client of the latest connection has said.
  std::string heard() {
    std::lock_guard const lock(mutex_);
    return connections_.empty() ? std::string() : connections_.back().said;
  }
  // The last so many bytes of that again, within the connection.
  void repeat(std::size_t bytes) {
    std::lock_guard const lock(mutex_);
    if (connections_.empty()) return;
    auto& latest = connections_.back();
    auto const again = latest.said.substr(latest.said.size() - std::min(latest.said.size(), bytes));
    (void)!::send(latest.hub.get(), again.data(), again.size(), MSG_NOSIGNAL);
  }

 private:
  struct connection {
    unique_fd client, hub;
    std::string said;
  };

  void pump() {
    while (!over_.load()) {
      std::vector<pollfd> watched{{wake_.descriptor(), POLLIN, 0}, {listening_.get(), POLLIN, 0}};
      {
        std::lock_guard const lock(mutex_);
        for (auto const& one : connections_) {
          watched.push_back({one.client.get(), POLLIN, 0});
          watched.push_back({one.hub.get(), POLLIN, 0});
        }
      }
      if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
      wake_.clear();
      std::lock_guard const lock(mutex_);
      std::size_t at = 2;
      for (auto each = connections_.begin(); each != connections_.end() && at < watched.size(); at += 2) {
        auto const ends = (watched[at].revents != 0 && !pass(each->client, each->hub, &each->said)) ||
                          (watched[at + 1].revents != 0 && !pass(each->hub, each->client, nullptr));
        each = ends ? connections_.erase(each) : std::next(each);
      }
      if ((watched[1].revents & POLLIN) == 0) continue;
      unique_fd client(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      auto hub = connect_to(port_);
      if (client && hub) connections_.push_back({std::move(client), std::move(hub), {}});
    }
  }
  static bool pass(unique_fd const& from, unique_fd const& to, std::string* said) {
    char part[16384];
    auto const count = ::recv(from.get(), part, sizeof part, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (count <= 0) return false;
    if (said != nullptr) said->append(part, static_cast<std::size_t>(count));
    for (ssize_t sent = 0; sent < count;) {
      auto const more = ::send(to.get(), part + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
      if (more <= 0) return false;
      sent += more;
    }
    return true;
  }

  std::uint16_t port_;
  std::uint16_t own_port_ = 0;
  unique_fd listening_;
  yonder::platform::event_counter wake_;
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  std::list<connection> connections_;
  std::thread pump_;
};

void replay(findings& seen) {
  std::uint32_t const rounds = seen.how_much().of(20U, 2'000U);
  journaled_site site;
  board const shared(site.file("board"));
  journaled_hub const hub(site);
  if (!hub.serves()) return seen.holds(hub.said(), false);
  site.start_worker();
  auto const before = resident_bytes(hub.process());
  std::mt19937 random(std::random_device{}());
  std::uint64_t wrong = 0, sent = 0;
  std::uint32_t slot = 0;
  std::string first;
  auto const judge = [&](yonder::call<std::uint32_t>& call) {
    if (auto const failure = failure_of(call); failure.code != errc{} && ++wrong == 1)
      first = failure.message;
  };
  stall_watch machine;
  nanoseconds slowest{};
  for (std::uint32_t round = 0; round < rounds; ++round) {
    eavesdropper proxy(port_of(site));
    auto options = site.client();
    options.hub = proxy.address();
    yonder::runtime client(options);
    for (int i = 0; i < 3; ++i) {
      auto call = task::enter.on(client).spawn(shared.path(), slot++ % board::slots);
      judge(call);
    }
    auto const heard = proxy.heard();
    // Over connections of their own: all of it, and the beginning of it.
    for (auto const size : {heard.size(), random() % (heard.size() + 1)}) {
      auto const other = connect_to(port_of(site));
      if (!other) continue;
      (void)!::send(other.get(), heard.data(), size, MSG_NOSIGNAL);
      ++sent;
    }
    // And within the one that stands, while a call is on its way.
    auto last = task::enter.on(client).spawn(shared.path(), slot++ % board::slots);
    proxy.repeat(1 + random() % 2'000);
    ++sent;
    auto const begin = clock::now();
    auto after = task::enter.on(client).spawn(shared.path(), slot++ % board::slots);
    judge(last);
    judge(after);
    slowest = std::max<nanoseconds>(slowest, clock::now() - begin);
  }
  seen.note(std::to_string(sent) + " replays");
  seen.equals("of " + std::to_string(slot) + " calls lost or wrong", wrong, 0);
  if (!first.empty()) seen.note("first: " + first);
  std::uint64_t executions = 0;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(slot, board::slots); ++i)
    executions += shared[i].entered.load();
  seen.equals("executions", executions, slot);
  seen.at_most("slowest of the calls beside them", slowest, 5s, machine.longest());
  seen.at_most("the hub has grown by",
               (static_cast<double>(resident_bytes(hub.process())) - static_cast<double>(before)) / (1 << 20),
               64, " MiB");
}

}  // namespace

// The process of stop_taking(): asks for a lot, and stops until somebody has it go on.
int be_greedy(std::string const& keys, std::string const& address, std::size_t count, std::size_t size) {
  yonder::runtime_options options;
  options.hub = address;
  options.keys = keys;
  options.connect_timeout = 60s;
  yonder::runtime here(options);
  std::vector<yonder::call<std::string>> asked;
  for (std::size_t i = 0; i < count; ++i)
    asked.push_back(task::fill.on(here).spawn(static_cast<std::uint64_t>(size)));
  asked.front().wait();  // the hub has all of them
  std::puts("asked");
  std::fflush(stdout);
  ::raise(SIGSTOP);
  std::size_t right = 0;
  for (auto& one : asked) {
    auto const outcome = one.try_get();
    right += outcome.has_value() && outcome->size() == size ? 1U : 0U;
  }
  std::printf("%zu right\n", right);
  std::fflush(stdout);
  return 0;
}

std::vector<row> client_rows() {
  return {
      {"descriptors", "a hub with 64 descriptors, and 200 connections",
       "less than 5 % of a processor meanwhile; who was there is served; so are others when there is room",
       exhaust_descriptors, 120s},
      {"clients", "100 clients at once (10,000 with --full, or as many as the machine has room for)",
       "0 lost; p99 within 10 × p50", serve_many_clients, 120s, 1800s},
      {"slow-consumer", "a client that takes nothing of 400 MiB that it has asked for, for 6 s",
       "memory bounded; others are served; it has all of it then", stop_taking, 120s},
      {"replayed", "what clients say, once more: all of it, cut short, and within their own connections",
       "0 extra executions, 0 lost; memory bounded", replay, 240s, 3600s},
  };
}

}  // namespace faults
