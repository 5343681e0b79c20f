// SPDX-License-Identifier: Apache-2.0
// A service that a worker holds, the threads of one that takes several calls at the same time, and what it
// has on its GPUs.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <utility>

#include "src/core/metadata.hpp"
#include "src/core/requirements.hpp"
#include "src/platform/gpu_checkpoint.hpp"
#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/registry.hpp"
#include "src/runtime/supervisor.hpp"
#include "src/runtime/worker_loop.hpp"
#include "src/runtime/worker_start.hpp"

namespace yonder {
namespace runtime_detail {

// What the hub's own call has made stands; its metadata say how it is to be used.
void worker_loop::entered(core::out::run const& work) {
  core::call_message said;
  core::requirements needs;
  if (work.function == core::leave_service) {
    leaves_service_ = true;
    core_.allow(work.key, 1);
    return;
  }
  if (!core::read_call(work.message.metadata(), said) || said.requirements.empty() ||
      !core::decode_requirements(std::as_bytes(std::span(said.requirements)), needs))
    return;
  exit_timeout_ = needs.exit_timeout;
  if (needs.concurrency == 1) return;
  start_lanes(needs.concurrency);
  core_.allow(work.key, needs.concurrency);
}

void worker_loop::start_lanes(std::uint32_t size) {
  lanes_.reserve(size);
  while (lanes_.size() < size) {
    auto made = std::make_unique<lane>(*this);
    made->thread = platform::start_thread("yonder-call", [this, one = made.get()] { run_lane(*one); });
    lanes_.push_back(std::move(made));
  }
}

// The core runs no more at once than there are lanes: one is free.
void worker_loop::hand_over(core::out::run&& work) {
  auto const free = std::find_if(lanes_.begin(), lanes_.end(), [](auto const& one) { return !one->work; });
  auto& chosen = **free;
  look_at_output(platform::now());  // it is of those that ran before
  chosen.context.begin(work);
  chosen.streams.begin(work);
  if (abandoned_.load()) chosen.context.request_stop();
  publish(work);
  chosen.work.emplace(std::move(work));
  chosen.wakes.notify_one();
}

void worker_loop::run_lane(lane& own) {
  lock held(mutex_);
  for (;;) {
    own.wakes.wait(held, [&] { return own.work || lanes_end_; });
    if (!own.work) return;
    held.unlock();
    run_task(own, *own.work);
    held.lock();
    survive(held, [&] {
      endurance_.once([&] {
        auto const time = platform::now();
        end_output(time);
        auto const work = std::move(*own.work);
        own.work.reset();
        settle(own, time, work);
      });
      flush();
    });
    poller_->ring();
  }
}

// Nothing stands of a service any more, and nothing of it runs: this thread serves again.
void worker_loop::dismiss(lock& held) {
  leaves_service_ = false;
  end_lanes(held);
  lanes_.clear();
  lanes_end_ = false;
  dismissing_ = true;
  held.unlock();
  if (frozen_) ::_exit(EXIT_SUCCESS);  // see leave_service()
  service_.clear();
  held.lock();
  dismissing_ = false;
}

// Waits for what still runs, unless the process may end around it.
void worker_loop::end_lanes(lock& held) {
  if (lanes_.empty()) return;
  if (turns_.leaves_now() && turns_.runs()) leave_process();
  lanes_end_ = true;
  for (auto& one : lanes_) one->wakes.notify_one();
  held.unlock();
  for (auto& one : lanes_) one->thread.join();
  held.lock();
}

// What the hub asks of a worker that runs nothing. False: that is a task.
bool worker_loop::obey(std::string_view function) {
  if (function == core::leave_service)
    service_.clear();
  else if (function == core::park_worker)
    release_gpus();
  else if (function == core::unpark_worker)
    restore_gpus();
  else
    return false;
  return true;
}

// By the service's own hooks; else the driver freezes the whole process, which must then be the worker's own.
void worker_loop::release_gpus() {
  if (service_.has_hooks()) return service_.release_gpu();
  if (!config_.own_process)
    throw std::runtime_error("a worker that is a thread cannot be parked by the driver");
  frozen_ = platform::release_gpus();
}

void worker_loop::restore_gpus() {
  if (service_.has_hooks()) return service_.restore_gpu();
  if (!frozen_) return;
  platform::restore_gpus();
  frozen_ = false;  // not where that has failed
}

// Destroys what the worker has made. A process that this keeps for too long ends. Nothing is destroyed where
// that would wait for a GPU that this process has no part in any more.
void worker_loop::leave_service() noexcept {
  if (frozen_) ::_exit(EXIT_SUCCESS);
  if (service_.empty()) return;
  limit_exit();
  service_.clear();
}

// From now on the service has its exit_timeout to be destroyed in.
void worker_loop::limit_exit() noexcept {
  if (!config_.own_process || exit_timeout_ == 0) return;
  try {
    platform::start_thread("yonder-exit", [time = exit_timeout_] {
      std::this_thread::sleep_for(std::chrono::nanoseconds(time));
      say("the service did not end within its exit_timeout");
      ::_exit(EXIT_FAILURE);
    }).detach();
  } catch (std::exception const&) {  // without a thread nobody watches it
  }
}

}  // namespace runtime_detail
}  // namespace yonder
