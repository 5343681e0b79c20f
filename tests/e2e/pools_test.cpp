// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sched.h>

#include "tests/e2e/fixture.hpp"
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

TEST_CASE("from zero to zero: a call starts what it needs, and after the window all is gone") {
  if (threads()) return;
  yonder::runtime here({.max = 1, .scaledown_window = 20ms, .is_current = false});
  CHECK(here.worker_count() == 0);
  watched_process const worker(task::process.on(here).with({.cpu = 1}).remote());
  CHECK(worker.ends_within(10s));
  CHECK(task::process.on(here).with({.cpu = 1}).remote() != 0);
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
