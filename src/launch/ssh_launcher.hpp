// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/driver/host_slots.hpp"
#include "src/launch/carry/carrier.hpp"
#include "src/launch/command_runner.hpp"
#include "src/launch/launcher.hpp"
#include "yonder/launch.hpp"

namespace yonder::launch {

// What is wrong with it, in words that begin with the name of its part; empty: nothing.
std::string fault_of(ssh const& how);

// What runs a line of a shell on a host. `large`: what that reads is much, and not compressed.
std::vector<std::string> ssh_line(std::vector<std::string> const& options, std::string const& host,
                                  std::string text, bool large);

// Workers on other machines by OpenSSH's client. A worker lives as long as its ssh does, which lives as long
// as we hold its stdin.
class ssh_launcher final : public launcher {
 public:
  // `carried`: what is brought to the hosts before it is started there; none: it is there.
  ssh_launcher(ssh how, platform::poller& poller, std::optional<carry_terms> carried = {});

  void start(start_request const& wanted) override;
  void stop(std::uint64_t start) override;
  void served(std::uint64_t start) override;
  void take(std::vector<launch_event>& happened) override;
  std::string describe(start_request const& wanted) const override;
  time_point next_deadline() const override;
  void tick(time_point now) override;
  bool leave_until(time_point until, teller const& say_to) override;

 private:
  struct carried_start {
    start_request wanted;
    driver::host_slots::place at;
  };
  struct running {
    command_runner::job_id job = 0;
    start_request wanted{};
    bool came = false;      // its worker
    bool is_ended = false;  // by us
    bool is_late = false;   // likewise, as its worker had not come in time
    time_point since = 0;
    std::string said{};     // the last of what it has printed on stderr; before its worker has come
    bool has_said = false;  // more than was told
    bool was_told = false;  // something of it
  };
  struct attempts {
    std::size_t failed = 0;  // so many hosts have
    bool is_placed = false;  // which is said once
  };

  std::vector<std::string> words(start_request const& wanted, std::string const& host,
                                 std::vector<std::string> const& gpus) const;
  bool begin(time_point now, start_request const& wanted);
  void run(start_request const& wanted, driver::host_slots::place const& at);
  void run_waiting(time_point now);
  void carried(std::uint64_t start, std::string const& fault);
  std::string why(time_point now, start_request const& wanted, bool waits) const;
  void ended(std::uint64_t start, command_result const& result);
  void heard(std::uint64_t start, std::string_view piece);
  void tell_heard(time_point now);
  bool try_another(start_request const& wanted);
  void over(launch_event::kind what, std::uint64_t start, std::string text);
  void say(launch_event::kind what, std::uint64_t start, std::string text);

  ssh how_;
  driver::host_slots slots_;
  command_runner runner_;
  std::map<std::uint64_t, running> jobs_;
  std::map<std::uint64_t, attempts> attempts_;  // of starts that are under way
  std::deque<start_request> waiting_;           // for a place, the first first
  bool may_have_room_ = false;                  // for one of those
  time_point looked_ = 0;                       // last
  time_point leaves_by_ = never;                // as the hub ends
  time_point tell_at_ = never;                  // what starts that are under way have said
  std::map<std::string, std::string>
      failures_;  // of hosts that could not be reached: what was run and printed last
  std::vector<launch_event> happened_;
  std::map<std::uint64_t, carried_start> carried_;  // that wait for their program
  std::optional<carrier> carrier_;
};

}  // namespace yonder::launch
