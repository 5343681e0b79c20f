// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

namespace e2e {
namespace pools {

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

inline std::string devices() {
  auto const* const seen = std::getenv("CUDA_VISIBLE_DEVICES");
  return seen == nullptr ? "all" : seen;
}
struct loaded {
  explicit loaded(int size) : size_(size) {}
  std::string where() const {
    return devices() + " " + std::to_string(size_) + " " + std::to_string(::getpid());
  }

 private:
  int size_;
};

// Its "weights" are on the GPU, but while it is parked.
struct sleeper {
  explicit sleeper(std::string const& fails) : fails_(fails) {}
  void release_gpu() {
    if (fails_ == "release") throw std::runtime_error("held");
    on_gpu_ = false;
  }
  void restore_gpu() {
    if (fails_ == "restore") throw std::runtime_error("gone");
    on_gpu_ = true;
    ++restored_;
  }
  std::string state() const {
    return devices() + " " + (on_gpu_ ? "on" : "off") + " " + std::to_string(restored_);
  }
  int process() const { return ::getpid(); }

 private:
  std::string fails_;
  bool on_gpu_ = true;
  int restored_ = 0;
};
inline constexpr yonder::service<sleeper(std::string), "e2e.sleeper"> sleepers{
    {.max = 1,
     .scaledown_window = std::chrono::milliseconds(1),
     .park_window = std::chrono::minutes(5),
     .gpu = 2}};
inline constexpr yonder::method<&sleeper::state, "e2e.sleeper_state"> state_of;
inline constexpr yonder::method<&sleeper::process, "e2e.sleeper_process"> sleeping_process;

// Says nothing of its GPU: the driver, a fake one, has to park it. Marks its end.
struct driven {
  explicit driven(std::string const& mark) : mark_(mark), library_(::dlopen(YONDER_FAKE_CUDA, RTLD_NOW)) {}
  driven(driven const&) = delete;
  driven& operator=(driven const&) = delete;
  ~driven() { std::ofstream(mark_).put('x'); }
  std::string calls() const {
    return reinterpret_cast<char const* (*)()>(::dlsym(library_, "fake_cuda_calls"))();
  }
  int process() const { return ::getpid(); }

 private:
  std::string mark_;
  void* library_;
};
inline constexpr yonder::service<driven(std::string), "e2e.driven"> driven_by_cuda{
    {.max = 1,
     .scaledown_window = std::chrono::milliseconds(1),
     .park_window = std::chrono::minutes(5),
     .gpu = 1}};
inline constexpr yonder::method<&driven::calls, "e2e.driven_calls"> driver_calls;
inline constexpr yonder::method<&driven::process, "e2e.driven_process"> driven_process;

inline constexpr yonder::service<loaded(int), "e2e.loaded"> loaded_model{{.max = 2, .gpu_memory = 4 * gib}};
inline constexpr yonder::method<&loaded::where, "e2e.where"> where;

}  // namespace pools

namespace {

using namespace pools;

constexpr yonder::task<pools::devices, "e2e.devices"> seen_devices;

int usable_cores() {
  cpu_set_t set;
  ::sched_getaffinity(0, sizeof set, &set);
  return CPU_COUNT(&set);
}
constexpr yonder::task<usable_cores, "e2e.usable_cores"> cores;

// Descriptors, and what of the memory is shared by one. (Of the other runtime's workers some may go
// meanwhile.)
std::set<std::string> held_by_this_process() {
  std::set<std::string> held;
  for (auto const& one : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code closed;  // that of this very folder
    auto const what = std::filesystem::read_symlink(one.path(), closed).string();
    if (!closed && what.find("/fd") == std::string::npos) held.insert(one.path().string() + " " + what);
  }
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("memfd:") != std::string::npos || line.find("/dev/shm/") != std::string::npos)
      held.insert(line);
  return held;
}

// In lines; empty: no more than before.
std::string held_besides(std::set<std::string> const& before) {
  std::string more;
  for (auto const& one : held_by_this_process())
    if (!before.contains(one)) more += one + '\n';
  return more;
}

void await_parked(yonder::runtime const& here) {
  while (here.snapshot().parked_workers == 0) std::this_thread::sleep_for(1ms);
}

yonder::runtime_options with_gpus() {
  return {.max = 2,
          .resources = yonder::resources{.gpu_memory = {8 * gib, 8 * gib}, .cpu = 1, .memory = 4 * gib},
          .is_current = false};
}

}  // namespace

TEST_CASE("a worker sees the GPUs that were leased for it, by their indices, and runs on its cores only") {
  if (threads()) return;
  yonder::runtime here(with_gpus());
  auto const task = seen_devices.on(here);
  CHECK(task.remote() == devices());  // it has said nothing, and sees what we see
  CHECK(task.with({.gpu = 2}).remote() == "0,1");
  CHECK(task.with({.gpu = 1}).remote() == "0");
  CHECK(cores.on(here).with({.cpu = 1}).remote() == 1);
}

TEST_CASE("workers of a service share a GPU where they say how much of its memory they need") {
  if (threads()) return;
  yonder::runtime here(with_gpus());
  auto const one = where.on(loaded_model(1)).on(here).remote();
  auto const other = where.on(loaded_model(2)).on(here).remote();
  CHECK(one.substr(0, 3) == "0 1");
  CHECK(other.substr(0, 3) == "0 2");
  CHECK(seen_devices.on(here).with({.gpu = 1}).remote() == "1");
}

TEST_CASE(
    "what no worker can ever have is refused in words that say what there is, and the next call works") {
  if (threads()) return;
  yonder::runtime here(with_gpus());
  auto const task = task::twice.on(here);
  auto const refused = [&](yonder::options settings) {
    return failure_of([&] { task.with(settings).remote(1); });
  };
  auto const three = refused({.gpu = 3});
  CHECK(three.code == yonder::errc::unsatisfiable);
  CHECK(three.message ==
        "each worker is to have gpu = 3; there are 2 GPUs (0: 8 GiB, 1: 8 GiB), 1 core and 4 GiB of memory");
  CHECK(refused({.gpu_memory = 9 * gib}).code == yonder::errc::unsatisfiable);
  CHECK(refused({.cpu = 2}).code == yonder::errc::unsatisfiable);
  CHECK(refused({.memory = 5 * gib}).code == yonder::errc::unsatisfiable);
  CHECK(failure_of([&] { where.with({.gpu = 1}).on(loaded_model(1)).on(here).remote(); }).code ==
        yonder::errc::bad_configuration);
  CHECK(task.with({.gpu = 1, .memory = gib}).remote(2) == 4);
}

TEST_CASE("what this machine has is found out when a call asks for it") {
  if (threads()) return;
  auto const failure = failure_of([] { task::twice.with({.memory = std::uint64_t{1} << 60}).remote(1); });
  CHECK(failure.code == yonder::errc::unsatisfiable);
  CHECK(failure.message.find(" of memory") != std::string::npos);
  CHECK(task::twice.with({.cpu = 1, .memory = 1 << 20}).remote(2) == 4);
}

TEST_CASE("workers that are threads have nothing for themselves, and that is said") {
  yonder::runtime here({.max = 1, .in_process = true, .is_current = false});
  auto const failure = failure_of([&] { task::twice.on(here).with({.cpu = 1}).remote(1); });
  CHECK(failure.code == yonder::errc::unsatisfiable);
  CHECK(failure.message.find("in_process") != std::string::npos);
}

TEST_CASE("an isolated call has a process of its own") {
  if (threads()) return;
  auto const alone = task::process.with({.isolate = true});
  auto const first = alone.remote();
  auto const next = alone.remote();
  CHECK(first != next);
  CHECK(watched_process(first).ends_within(10s));
  CHECK(watched_process(next).ends_within(10s));
}

TEST_CASE("from zero: a call starts what it needs, waits, runs; after the window everything is gone") {
  if (threads()) return;
  auto options = with_gpus();
  options.scaledown_window = 20ms;
  yonder::runtime here(options);
  auto const all = yonder::options{.gpu = 2, .cpu = 1, .memory = 4 * gib};
  auto const is_zero = [&] { return here.worker_count() == 0 && here.pools().size() == 1; };
  REQUIRE(is_zero());
  auto const before = held_by_this_process();
  for (int round = 0; round < 2; ++round) {  // the second finds everything as the first did
    {
      watched_process const worker(task::process.on(here).with(all).remote());
      CHECK(seen_devices.on(here).with({.gpu = 2}).remote() ==
            "0,1");  // the leases: it waits for the first's
      CHECK(worker.ends_within(10s));
    }
    auto const until = std::chrono::steady_clock::now() + 60s;
    while ((!is_zero() || !held_besides(before).empty()) && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(1ms);
    CHECK(is_zero());
    CHECK(held_besides(before) == "");
  }
}

TEST_CASE(
    "a parked worker keeps its process, gives its GPUs to others, and has them back for the next call") {
  if (threads()) return;
  yonder::runtime here(with_gpus());
  auto const model = sleepers("");
  auto const state = state_of.on(model).on(here);
  CHECK(state.remote() == "0,1 on 0");
  auto const process = sleeping_process.on(model).on(here).remote();
  await_parked(here);
  CHECK(here.pools().at(1).parked_workers == 1);
  CHECK(seen_devices.on(here).with({.gpu = 2}).remote() == "0,1");
  CHECK(state.remote() == "0,1 on 1");  // the other one was in the way, and went
  CHECK(sleeping_process.on(model).on(here).remote() == process);
  here.scale(model, {.park_window = 0ns});
  CHECK(watched_process(process).ends_within(10s));
}

TEST_CASE("a worker whose hook throws is let go, or another takes its place") {
  if (threads()) return;
  yonder::runtime here(with_gpus());
  auto const held = sleeping_process.on(sleepers("release")).on(here);
  CHECK(watched_process(held.remote()).ends_within(10s));
  auto const gone = sleeping_process.on(sleepers("restore")).on(here);
  auto const first = gone.remote();
  await_parked(here);
  CHECK(gone.remote() != first);
}

TEST_CASE("without hooks the CUDA driver parks a worker, whose end waits for nothing then") {
  if (threads()) return;
  folder const marks;
  yonder::runtime here(with_gpus());
  auto const model = driven_by_cuda(marks / "ended");
  auto const calls = driver_calls.on(model).on(here);
  CHECK(calls.remote().empty());
  auto const process = driven_process.on(model).on(here).remote();
  await_parked(here);
  CHECK(calls.remote() == "lock 10000, checkpoint, restore, unlock");
  CHECK(driven_process.on(model).on(here).remote() == process);
  await_parked(here);
  here.scale(model, {.park_window = 0ns});
  CHECK(watched_process(process).ends_within(10s));
  CHECK_FALSE(std::filesystem::exists(marks / "ended"));
}

TEST_CASE("a pool that is warmed has its workers before the first call; its size changes while it lives") {
  yonder::runtime here({.max = 1, .in_process = threads(), .is_current = false});
  here.warm();
  while (here.snapshot().idle_workers < 1) std::this_thread::yield();
  CHECK(here.worker_count() == 1);
  here.scale({.min = 3, .max = 4});
  while (here.snapshot().idle_workers < 3) std::this_thread::yield();
  here.scale({.min = 0, .max = 1});
  while (here.snapshot().workers > 1) std::this_thread::yield();
  auto const model = loaded_model.with({.max = 2})(5);
  here.scale(model, {.min = 1});
  here.warm(where.on(model), 2);
  while (here.snapshot().idle_workers < 3) std::this_thread::yield();
  CHECK(where.on(model).on(here).remote().find(" 5 ") != std::string::npos);
  auto const failure = failure_of([&] { here.scale({.min = 2}); });
  CHECK(failure.code == yonder::errc::bad_configuration);
  CHECK(failure.message.find("max would be 1, min 2") == 0);
}

}  // namespace e2e
