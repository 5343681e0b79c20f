// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "src/launch/command_runner.hpp"
#include "src/launch/launcher.hpp"
#include "src/launch/private_files.hpp"
#include "yonder/launch.hpp"

namespace yonder::launch {

// What is wrong with it, in words that begin with the name of its part; empty: nothing.
std::string fault_of(command const& how);

// Workers that commands start, stop and list: of clouds, batch systems, whatever has some.
class command_launcher final : public launcher {
 public:
  // `patience_at_end`: with all stops together, in leave().
  command_launcher(command how, platform::poller& poller, std::int64_t patience_at_end = 20 * second);

  void start(start_request const& wanted) override;
  void stop(std::uint64_t start) override;
  void take(std::vector<launch_event>& happened) override;
  std::string describe(start_request const& wanted) const override;
  time_point next_deadline() const override;
  void tick(time_point now) override;
  void served(std::uint64_t start) override;
  bool leave_until(time_point until, teller const& say_to) override;

 private:
  enum class state : std::uint8_t {
    starting,  // its start command runs
    running,
    stopping,  // its stop command runs
    doubted,   // that was refused: whether there is anything to stop is looked up
  };
  struct instance {
    std::string name;
    std::string id{};  // as its start command has printed it
    state is = state::starting;
    bool stop_wanted = false;  // once it has been started
    bool was_there = false;    // when the list was asked for
    time_point missing_since = never;
    bool came = false;          // its worker, which the hub hears
    bool told_missing = false;  // that it is not listed nevertheless
    std::string refusal{};
    // Of a hub that ends: when a stop that was refused is tried again, and after which pause the next time.
    time_point stop_again = 0;
    std::int64_t pause = second;
  };

  void started(std::uint64_t start, command_result&& result);
  void stopped(std::uint64_t start, command_result&& result);
  void run_stop(std::uint64_t start, instance& one);
  std::string what_is_left();
  void stop_all();
  void gone(std::uint64_t start, std::string text);
  void missing(std::uint64_t start, instance& one);
  void tell_unlisted(instance& one, command_result const& result);
  bool is_missing_for_good(instance& one, bool is_listed) const;
  // Whose stop was refused: perhaps there is nothing to stop any more.
  bool is_in_doubt(instance const& one) const {
    return one.is == state::doubted ||
           (one.is == state::running && leaves_by_ != never && !one.refusal.empty());
  }
  void say(launch_event::kind what, std::uint64_t start, std::string text);
  void list();
  void listed(command_result const& result);
  void refused(std::uint64_t start, instance& one);
  std::vector<std::string> words(std::vector<std::string> const& of, instance const& one) const;
  // Nothing: it is not there.
  std::optional<std::string> id_of(std::string const& printed, std::string const& name) const;

  command how_;
  std::int64_t patience_at_end_;
  bool needs_id_;  // to stop one
  std::regex id_;
  std::string hub_;
  command_runner runner_;
  private_files files_;
  std::map<std::uint64_t, instance> instances_;
  std::vector<launch_event> happened_;
  time_point list_due_ = never;
  time_point leaves_by_ = never;  // as the hub ends
  bool told_refusal_ = false;
  bool listing_ = false;
  bool list_failed_ = false;
};

}  // namespace yonder::launch
