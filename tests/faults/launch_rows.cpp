// SPDX-License-Identifier: Apache-2.0
//
// What starts workers elsewhere: by a SLURM and an sshd that launch_rows.sh starts.
#include <sstream>

#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "tests/faults/row.hpp"

namespace faults {
namespace {

constexpr int not_installed = 77;

void run_script(findings& seen, std::string const& name) {
  e2e::folder const place;
  std::vector<std::string> words{name, YONDER_COMMAND, YONDER_SLURM_HUB, place / "run"};
  if (seen.how_much().full) words.emplace_back("full");
  e2e::program script(YONDER_LAUNCH_ROWS, {}, words);
  auto const said = script.read_all();
  auto const how = script.wait();
  if (how.signal == 0 && how.status == not_installed) throw skipped(said);
  std::istringstream lines(said);
  std::size_t figures = 0;
  for (std::string line; std::getline(lines, line);) {
    auto const first = line.find('|'), last = line.rfind('|');
    if (first == last) {
      seen.note(line);
      continue;
    }
    ++figures;
    seen.equals(line.substr(0, first), std::stoull(line.substr(first + 1)),
                std::stoull(line.substr(last + 1)));
  }
  seen.holds(
      "it " + yonder::platform::to_string(how) + ", having said " + std::to_string(figures) + " figures",
      how.known && how.signal == 0 && how.status == 0 && figures != 0);
}

void scheduler_away(findings& seen) { run_script(seen, "scheduler_away"); }
void submission_refused(findings& seen) { run_script(seen, "submission_refused"); }
void preemption(findings& seen) { run_script(seen, "preemption"); }
void node_loss(findings& seen) { run_script(seen, "node_loss"); }
void host_key(findings& seen) { run_script(seen, "host_key"); }
void half_copied(findings& seen) { run_script(seen, "half_copied"); }
void far_disk(findings& seen) { run_script(seen, "far_disk"); }

}  // namespace

std::vector<row> launch_rows() {
  return {
      {"scheduler-away", "SLURM's scheduler is down for 8 s (60 s with --full) when calls come",
       "every call answered, once; told once; no job left", scheduler_away, 180s, 300s},
      {"submission-refused", "SLURM refuses a submission for good, and then takes one",
       "every call told in its words, after that answered; no job left", submission_refused, 120s},
      {"preemption", "SIGTERM to all of a job, three times, while it works",
       "every call answered, by the jobs that follow; no job left", preemption, 180s},
      {"node-loss", "a node loses power while both work", "every call answered; no job left", node_loss,
       240s},
      {"host-key", "an ssh host has another key than it had",
       "every call told in ssh's words, none run there", host_key, 120s},
      {"half-copied", "a program's copy is cut short on its way, and later on its disk",
       "every call answered; nothing that is not whole is run, or left", half_copied, 180s},
      {"far-disk", "the disk of an ssh host is full before a program is carried there, and then as it comes",
       "every call told what lacks, after that answered; nothing half is left", far_disk, 120s},
  };
}

}  // namespace faults
