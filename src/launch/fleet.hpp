// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/driver/launch_ledger.hpp"
#include "src/launch/launcher.hpp"
#include "src/runtime/launching.hpp"
#include "yonder/launch.hpp"

namespace yonder::launch {

// How workers of one pool are started, as a fleet needs it.
struct fleet_pool {
  std::string name;
  std::unique_ptr<launcher> by;
  driver::launch_limits limits;
  std::vector<std::string> worker;         // there: the program and its arguments
  std::vector<std::string> environment{};  // and before: as of a pool
  std::vector<std::string> before{};
  std::int64_t silence = 0;
  std::vector<std::string> end{};  // of an order
  std::int64_t patience = 0;       // of a start_request
};

// Where a hub can be reached by workers elsewhere.
struct fleet_config {
  std::string address;   // "tcp://host:port"
  std::string hub_name;  // begins the names of all that is started
};

// All that is started elsewhere for one hub: carries out what it asks for by its pools' launchers, as far as
// their limits allow, and stops again what is not needed, as often as that takes.
class fleet final : public runtime_detail::launching {
 public:
  // pools[i] is that of core::pool_config::id i + 1; one without a launcher is started here.
  fleet(fleet_config config, std::vector<fleet_pool> pools, transport::listener& keys);

  void start(core::out::start_worker const& wanted) override;
  void came(std::uint64_t start) override;
  void abandon(std::uint64_t start) override;
  void take(std::vector<runtime_detail::pool_event>& happened) override;
  std::int64_t next_deadline() const override;
  void tick(std::int64_t now) override;
  void stop(runtime_detail::teller const& say_to) override;

 private:
  struct pool {
    fleet_pool is;
    driver::launch_ledger ledger;
    std::deque<std::uint64_t> waiting{};  // starts that there is no room for, the first first
  };
  struct started {
    std::size_t pool = 0;
    start_request request;
    std::string own_public;  // of its key
    std::int64_t exit_timeout = 0;
    bool submitted = false;
    bool placed = false;
    bool came = false;
    bool is_unwanted = false;
    std::string placed_by{};  // what was run and printed
    std::int64_t stop_at = never;
  };

  start_request request_of(core::out::start_worker const& wanted, pool const& from);
  void let_in(pool& from);
  void hold(std::uint64_t start, std::string why);
  void wait(std::uint64_t start, std::string why);
  // Whether only a pause after failures keeps it back.
  bool is_due(started const& one) const {
    return !one.submitted && pools_[one.pool].ledger.has(one.request.start);
  }
  void submit(started& one);
  void stop(started& one);
  void take_event(launch_event&& event);
  std::string how_started(started const& one) const;
  void end(std::uint64_t start, launch_event&& event);
  void forget(std::uint64_t start);
  void tell_what_is_left(pool& one, runtime_detail::teller const& say_to);

  fleet_config config_;
  std::vector<pool> pools_;
  transport::listener& keys_;
  std::map<std::uint64_t, started> starts_;
  std::vector<runtime_detail::pool_event> happened_;
  struct late_event {
    std::int64_t due;
    runtime_detail::pool_event event;
  };
  std::deque<late_event> late_;  // the first to be due first
};

}  // namespace yonder::launch
