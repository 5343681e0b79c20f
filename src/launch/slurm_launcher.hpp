// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/driver/job_book.hpp"
#include "src/launch/carry/carrier.hpp"
#include "src/launch/command_runner.hpp"
#include "src/launch/launcher.hpp"
#include "yonder/launch.hpp"

namespace yonder::launch {

// What is wrong with it, in words that begin with the name of its part; empty: nothing.
std::string fault_of(slurm const& how);

// How many workers one of its jobs starts.
std::size_t workers_of_job(slurm const& how);

// Nanoseconds for which a job lasts, as SLURM counts, in whole minutes; `never`: as its partition says.
std::int64_t allocation_of(slurm const& how);

// Of what `sbatch` says: whether the same may be taken later, as the controller was not reached or takes no
// more jobs for now.
bool passes(std::string_view said);

// Likewise: whether the job may have been taken all the same, as only the answer is missing.
bool leaves_doubt(std::string_view said);

// The number in the last line that is "17" or "17;cluster"; empty: there is none. A site may have sbatch
// print more.
std::string job_number_in(std::string_view printed);

// What `squeue --format=%i|%T|%N|%r|%k` prints, by the jobs' ids. What the script of one that is over has
// left as its comment is what its workers have said last.
std::map<std::string, driver::job_book::seen> jobs_in(std::string_view printed);

// Whether that may be the answer of a squeue in which no job was found; a wrapper of a site may print what
// it likes instead, and succeed.
bool is_queue(std::string_view printed, bool has_jobs);

// The command without variables of `environment` that change what it says (SQUEUE_PARTITION), or does
// (SCANCEL_INTERACTIVE): whoever sets them means commands of their own. Nor with those of the job that this
// process itself runs in (SLURM_CPU_BIND, YONDER_END_TIME), which would be those of a job that it submits.
std::vector<std::string> as_written(std::vector<std::string> command, char const* const* environment);

// What runs a line of a shell in a running job, beside what runs there, and hands its stdin on.
// `environment`: of this process, as a list of NAME=value; what a job that this process itself runs in says
// of its own steps does not count.
std::vector<std::string> line_in_job(std::string const& job, std::string line,
                                     char const* const* environment);

// sbatch's --exclude for a job that is not to run on these nodes, nor on those that `extra` excludes, of
// which SLURM would forget: of an option that stands there twice the last one counts. Empty: nothing, also
// where `extra` says which nodes there are.
std::string exclusion_of(std::vector<std::string> const& nodes, std::vector<std::string> const& extra);

// Workers in jobs of SLURM, by its own commands: sbatch, squeue and scancel.
class slurm_launcher final : public launcher {
 public:
  // `carried`: what is brought to the nodes of its jobs before it is started there; none: it is there.
  slurm_launcher(slurm how, platform::poller& poller, std::optional<carry_terms> carried = {});

  void start(start_request const& wanted) override;
  void stop(std::uint64_t start) override;
  void served(std::uint64_t start) override;
  void take(std::vector<launch_event>& happened) override;
  std::string describe(start_request const& wanted) const override;
  time_point next_deadline() const override;
  void tick(time_point now) override;
  bool leave_until(time_point until, teller const& say_to) override;

 private:
  std::size_t gpus_of_worker(start_request const& one) const;
  driver::job_share share_of(start_request const& one) const;
  std::vector<std::string> submission(std::vector<start_request const*> const& workers,
                                      std::vector<std::string> const& excluded) const;
  std::string script(std::vector<start_request const*> const& workers) const;
  void act(time_point now);
  void submit(std::vector<std::uint64_t> const& starts);
  void submitted(command_result const& result);
  void taken(std::string const& id, std::string const& text);
  void search();
  void look();
  void explain_end(driver::job_book::seen& job) const;
  std::string where_it_prints() const;
  std::string remark_of(driver::job_book::event const& one) const;
  void cancel(std::string const& id);
  void cancel_all();
  void guard();
  void carry(driver::job_book::event const& placed);
  void bring(std::uint64_t start);
  void brought(std::uint64_t start, std::string const& job, std::string const& fault);
  void gone(std::uint64_t start);

  slurm how_;
  driver::job_book book_;
  command_runner runner_;
  end_guard guard_;                                  // of jobs that wait, once this process is killed
  std::set<std::string> guarded_;                    // their ids, and those of jobs that run
  std::map<std::uint64_t, start_request> requests_;  // of those that are not over
  std::map<std::uint64_t, std::string> started_by_;  // likewise: what was run and printed
  std::map<std::uint64_t, time_point> awaited_;      // placed then; `never`: its worker has come
  std::string job_name_;                             // that was submitted last
  std::vector<std::uint64_t> submitted_;             // its starts
  std::string refusal_;                              // of that, if it is in doubt
  bool passes_ = false;
  time_point leaves_by_ = never;
  bool cancels_all_ = false;  // as the hub ends
  bool left_ = false;         // and that is done
  std::string farewell_;      // what is to be said when all is over; empty: nothing
  struct placement {
    std::string job;
    std::string node;
  };
  std::vector<std::uint64_t> unread_;              // that wait until what is carried is known
  std::vector<launch_event> never_submitted_;      // of these, those that end so
  std::map<std::uint64_t, placement> placements_;  // of those to whose nodes it is carried
  std::map<std::string, std::string> within_;      // by node: the job in which it is carried there
  command_runner carrying_;
  std::optional<carrier> carrier_;
};

}  // namespace yonder::launch
