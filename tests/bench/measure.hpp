// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bench {

inline constexpr int rounds = 5;
inline constexpr std::int64_t round_time = 200'000'000;  // ns, of one candidate

inline std::int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// While it lives, this thread and every thread and process that it starts run on one core.
class pinned {
 public:
  pinned();
  ~pinned();
  pinned(pinned const&) = delete;
  pinned& operator=(pinned const&) = delete;

 private:
  cpu_set_t before_;
};

// A process that runs `serve`; it is ended with this object, or with this process. To be made while this
// process has one thread.
class peer_process {
 public:
  explicit peer_process(std::function<void()> const& serve);
  ~peer_process();
  peer_process(peer_process const&) = delete;
  peer_process& operator=(peer_process const&) = delete;

 private:
  pid_t pid_;
};

// What a program printed, how long it took from nothing to its end, and the CPU time of it and its children,
// both in ns.
struct program_run {
  int status = 0;
  std::string output;
  std::int64_t started = 0;
  std::int64_t cpu_time = 0;
};
program_run run_program(std::vector<std::string> arguments);

// This program again.
std::string own_path();

// A program that is killed when this object ends.
class program {
 public:
  // `input`: its standard input; -1: ours.
  explicit program(std::vector<std::string> arguments, int input = -1);
  ~program();
  program(program const&) = delete;
  program& operator=(program const&) = delete;

 private:
  pid_t pid_;
};

// A folder of our own that is removed with this object.
class temporary_folder {
 public:
  temporary_folder();
  ~temporary_folder();
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  std::string const& path() const { return path_; }

 private:
  std::string path_;
};

double median(std::vector<double> values);

// What five interleaved rounds gave; `spread` is (max - min) / median of the rounds' ratios.
struct comparison {
  double ours = 0;
  double peer = 0;
  double ratio = 0;
  double spread = 0;
};
comparison summarize(std::vector<double> const& ours, std::vector<double> const& peer);

// Peer, ours, peer, ours …; each returns its figure.
template <class Ours, class Peer>
comparison compare(Ours ours, Peer peer) {
  std::vector<double> of_ours;
  std::vector<double> of_peer;
  for (int i = 0; i < rounds; ++i) {
    of_peer.push_back(peer());
    of_ours.push_back(ours());
  }
  return summarize(of_ours, of_peer);
}

struct latency {
  double p50;
  double p99;
};
latency percentiles(std::vector<std::int64_t>& times);

// Of single operations, in ns.
template <class Operation>
latency latency_of(Operation operation) {
  std::vector<std::int64_t> times;
  times.reserve(1 << 16);
  for (auto const end = now() + round_time; now() < end;) {
    auto const begin = now();
    operation();
    times.push_back(now() - begin);
  }
  return percentiles(times);
}

struct latency_comparison {
  comparison p50;
  comparison p99;
};
template <class Ours, class Peer>
latency_comparison compare_latency(Ours ours, Peer peer) {
  std::vector<double> of_ours[2];
  std::vector<double> of_peer[2];
  for (int i = 0; i < rounds; ++i) {
    auto const p = latency_of(peer);
    of_peer[0].push_back(p.p50);
    of_peer[1].push_back(p.p99);
    auto const o = latency_of(ours);
    of_ours[0].push_back(o.p50);
    of_ours[1].push_back(o.p99);
  }
  return {summarize(of_ours[0], of_peer[0]), summarize(of_ours[1], of_peer[1])};
}

// Of batches that make `count` calls each: ns per call.
template <class Batch>
double time_per_call(std::size_t count, Batch batch) {
  std::size_t calls = 0;
  auto const begin = now();
  auto end = begin;
  while (end - begin < round_time) {
    batch();
    calls += count;
    end = now();
  }
  return static_cast<double>(end - begin) / static_cast<double>(calls);
}

// Of batches that make `count` calls each: calls per second.
template <class Batch>
double rate_of(std::size_t count, Batch batch) {
  return 1e9 / time_per_call(count, batch);
}

// Makes the compiler believe that the value is used, and may have changed.
template <class T>
void observe(T& value) {
  asm volatile("" : "+m"(value) : : "memory");
}

}  // namespace bench
