// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/core/types.hpp"
#include "src/runtime/worker_pool.hpp"
#include "transports/remote.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::runtime_detail {

// Takes lines for whoever runs a hub.
using teller = std::function<void(std::string)>;

// Starts workers elsewhere, which come in by the hub's listener. Used under the engine's lock.
class launching {
 public:
  virtual ~launching() = default;

  virtual void start(core::out::start_worker const& wanted) = 0;
  // Its worker has come.
  virtual void came(std::uint64_t start) = 0;
  // What was started for this start is to end: its worker did not come in time, or is no more.
  virtual void abandon(std::uint64_t start) = 0;

  // Appends what happened since: kinds held, waits, placed, ended, start_failed and notice.
  virtual void take(std::vector<pool_event>& happened) = 0;

  // When tick() has something to do; it may be in the past.
  virtual std::int64_t next_deadline() const = 0;
  virtual void tick(std::int64_t now) = 0;

  // Ends all that can be ended, and waits for that: for up to 40 s of each pool, one after the other, as a
  // scheduler or a cloud takes its time. What cannot be ended is told as soon as that is known. Nobody else
  // uses it, nor the poller, any more: it needs no lock.
  virtual void stop(teller const& say_to) = 0;
};

}  // namespace yonder::runtime_detail

namespace yonder::launch {

// What a hub must know of a pool whose workers are started elsewhere.
struct pool_terms {
  std::string name;             // of a service; "default": of whatever has no other
  bool elsewhere = true;        // false: its workers are processes of this machine
  bool of_this_program = true;  // they have the tasks of this very program
  std::optional<unsigned> min, max, buffer;
  std::optional<std::int64_t> scaledown_window;  // nanoseconds, as all that follow
  std::int64_t scale_delay = 0;
  std::int64_t start_timeout = 0;
  std::int64_t allocation = core::never;  // for which each of its workers lasts
};

struct plan_context {
  platform::poller& poller;
  transport::listener& listener;     // outlives what is made
  std::vector<std::string> program;  // this one, and what stands before its own arguments
};

// Implemented by a library that the core does not know.
class YONDER_API plan {
 public:
  virtual ~plan() = default;
  virtual std::vector<pool_terms> pools() const = 0;
  // core::pool_config::id of a pool is its place in pools(), and 1. Throws setup_error.
  virtual std::unique_ptr<runtime_detail::launching> open(plan_context const& context) const = 0;
};

}  // namespace yonder::launch
