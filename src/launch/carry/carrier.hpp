// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/launch/carry/cargo.hpp"
#include "src/launch/carry/errand.hpp"
#include "src/launch/carry/far_machine.hpp"
#include "src/launch/command_runner.hpp"

namespace yonder::launch {

// What is carried, and to where.
struct carry_terms {
  std::string program;               // of this machine
  std::string cache{};               // there: a folder; empty: the user's own
  std::vector<std::string> files{};  // of this machine, and folders, that it reads
};

// Brings a program to machines where it is not yet, and says what they lack for it. To each it goes once, as
// far as its files are not there; the machine is looked at first. Nothing blocks. Used under the driver's
// lock.
class carrier {
 public:
  // The command that runs a line of a shell on a machine, and whose stdin that line reads; `large`: which is
  // much, and not compressed.
  using command_at =
      std::function<std::vector<std::string>(std::string const& machine, std::string line, bool large)>;

  carrier(carry_terms terms, platform::poller& poller, command_runner& runner, command_at at);

  // Calls `done`, maybe at once, with what stands against starting it there, in words; empty: it is there,
  // whole. `hub`: "tcp://host:port", as that machine is to reach it. What is sent ends with this process, and
  // where nothing of it is taken for ten minutes.
  void bring(std::string const& machine, std::string const& hub, far_terms const& terms,
             std::function<void(std::string fault)> done);

  // Reads what is carried, if that was not done; calls `done`, maybe at once, with what is wrong with it.
  void load(std::function<void(std::string const& fault)> done);
  bool is_loaded() const noexcept { return cargo_ != nullptr; }

  // The line of a shell that starts it on `machine`, to which it has been brought. `arguments`: of the
  // program.
  std::string start_line(std::string const& machine, std::vector<std::string> const& arguments,
                         std::vector<std::string> const& environment) const;
  // The command, there, that does so; once it is loaded.
  std::vector<std::string> start_command(std::string const& machine,
                                         std::vector<std::string> const& arguments) const;
  // The same on whatever machine, which waits for what is not there yet: behind cache_line(), in a shell.
  std::vector<std::string> waiting_start(std::vector<std::string> const& arguments,
                                         std::int64_t patience) const;
  // A line of a script, before all that may set other variables: where what is carried is kept there.
  std::string cache_line() const;

  // It was not whole there: it is brought again.
  void forget(std::string const& machine);

  // For a dry run.
  std::string describe() const;

 private:
  struct waiting {
    far_terms terms;
    std::function<void(std::string)> done;
  };
  struct place {
    std::string hub;
    bool is_there = false;
    bool is_sent_again = false;
    far_machine is;
    std::deque<waiting> waits;
  };

  std::vector<std::string> start_words(std::string const& cache, std::vector<std::string> const& arguments,
                                       std::int64_t patience) const;
  std::string cache_at(std::string const& machine) const;
  void look(std::string const& machine);
  void looked(std::string const& machine, command_result const& result);
  void pack_next();
  std::shared_ptr<pack_result const> packed_for(far_machine const& one);
  void send(std::string const& machine, std::shared_ptr<pack_result const> const& made);
  void sent(std::string const& machine, command_result const& result);
  void answer(std::string const& machine, std::string const& fault);

  carry_terms terms_;
  command_runner& runner_;
  command_at at_;
  std::shared_ptr<cargo const> cargo_;
  std::vector<std::function<void(std::string const&)>> wait_for_load_;
  std::map<std::string, place> places_;
  std::deque<std::string> to_pack_;  // for which machines
  // What is on its way to some, and is the same for all that lack the same.
  struct packing {
    std::set<std::string> there;
    bool compressed = false;
    std::weak_ptr<pack_result const> made;
  };
  std::vector<packing> packed_;
  errand errand_;  // the last one: it may use what stands above
};

// A command that runs a script of far_script(), with these words.
std::vector<std::string> far_command(far_step step, std::vector<std::string> const& words);

// A line of a shell that runs a script of far_script(), with these words.
std::string far_line(far_step step, std::vector<std::string> const& words,
                     std::vector<std::string> const& environment = {});

// The words of far_step::look. `hub`: an address; empty: none is looked for.
std::vector<std::string> look_words(cargo const& all, std::string const& cache, std::string const& hub);
inline constexpr std::int64_t look_patience = 60 * second;

// What was run and printed, with "(what)" in place of a script.
std::string text_of(command_result result, std::string const& what);

// "tcp://host:port" in two.
std::pair<std::string, std::string> host_and_port(std::string const& address);

}  // namespace yonder::launch
