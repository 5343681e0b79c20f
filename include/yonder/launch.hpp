// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// Workers on other machines, started where calls need them and ended when they have had nothing to do for a
// while. Of the library yonder::launch.
namespace yonder::launch {

// As without a launcher: processes of this machine, as many as its pool says.
struct process {};

// Qt's keyword: a file that has it can include this one; to name the member it needs QT_NO_KEYWORDS.
#pragma push_macro("slots")
#undef slots

// One machine that OpenSSH's client reaches without asking anything.
struct ssh_host {
  std::string name;                 // as of `ssh NAME`; ~/.ssh/config holds
  unsigned slots = 1;               // workers there at once
  std::vector<std::string> gpus{};  // the GPUs that its workers share out, as CUDA_VISIBLE_DEVICES names them
};
#pragma pop_macro("slots")

// Workers are started by OpenSSH's own client: keys and host keys are checked as ~/.ssh/config says, and no
// password is asked for.
struct ssh {
  std::vector<ssh_host> hosts;         // in whose order they are filled
  std::vector<std::string> options{};  // of ssh: {"-p", "2222"}
};

// Workers are started, ended and counted by commands, which run without a shell. Their words may hold {name}
// (unique, of small letters, digits and '-'), {hub} (with which the names of one hub's workers begin), {id}
// (what the start command printed; not in `start`), {script} (a file of mode 0700, of this machine, which
// starts the worker wherever it is run, and holds a key), {cpus}, {gpus}, {gpu_memory_mb} and {memory_mb}
// (what the worker is to have; 0: nothing is said). {{ and }} are braces.
struct command {
  std::vector<std::string> start;   // the command and its arguments
  std::vector<std::string> stop{};  // none: the worker's end is all
  std::vector<std::string>
      list{};  // prints the ids, or the names, of those that there are; none: nobody looks
  // A regular expression with one group, which is what of the start command's output {id} is. Empty: its last
  // line.
  std::string id{};
  // Run on the machine of a worker that ends, however that came: what ends the machine. {name}, {hub} and
  // {id} are not known there.
  std::vector<std::string> end{};
  std::chrono::seconds list_interval{30};
};

// Workers are jobs of SLURM, submitted, looked at and cancelled by its own sbatch, squeue and scancel.
struct slurm {
  std::string partition{};           // empty: the default one
  std::string gres{};                // of one job at most: "gpu:4", "gpu:a100:4"; each worker has its share
  std::chrono::seconds time{0};      // for which a job lasts, in whole minutes; 0: as its partition says
  std::string account{};             // empty: the user's default
  std::vector<std::string> extra{};  // more of sbatch's options: {"--qos=low", "--exclude=n7"}
  unsigned workers = 0;              // that one job starts, at most; 0: one for each of its GPUs, or one
  unsigned max_jobs = 0;             // at once, waiting ones included; 0: any number
  std::string output = "/dev/null";  // where workers' output goes, as of sbatch: "/home/me/logs/%j"
  std::chrono::seconds interval{5};  // from one look at the queue to the next
};

// By what workers are started.
using means = std::variant<process, ssh, slurm, command>;

// How the workers of a pool are started.
struct pool {
  std::string name = "default";  // of a service; "default": of all that are not named here
  means by{};                    // none said: processes of this machine

  // There: the program, and its arguments. Empty: this very one, under the same path. "{build}" in them is
  // the build that the calls ask for, as `--yonder-build` prints it, or "any" (docs/pools.md).
  std::vector<std::string> worker{};

  // There: variables of the program's environment, "NAME=value"; and lines for /bin/sh, as a login shell,
  // which are run before it, one after the other ("module load cuda"). Where one fails the worker does not
  // start.
  std::vector<std::string> environment{};
  std::vector<std::string> before{};

  // Whether that program is brought to where it is not yet, with the shared libraries that it needs (ssh,
  // slurm). Each file travels once, and is checked before it runs.
  bool carry = false;
  std::string cache{};  // there: the folder where it is kept; empty: ~/.cache/yonder
  // Of this machine, files and folders that travel with it, as they are when its first worker is started: see
  // yonder::file. A model's folder is found by the services of yonder/ml/services.hpp under its own path.
  std::vector<std::string> files{};

  // As in runtime_options and pool_size; unset: as without a launcher.
  std::optional<unsigned> min{};
  std::optional<unsigned> max{};     // as in runtime_options
  std::optional<unsigned> buffer{};  // as in runtime_options
  std::optional<std::chrono::nanoseconds> scaledown_window{};

  // How long calls wait, once there is a worker, before a further one is started for them.
  std::chrono::nanoseconds scale_delay = std::chrono::seconds(1);

  // From where it is placed to its first word.
  std::chrono::nanoseconds start_timeout = std::chrono::minutes(2);

  // A worker that has heard no hub for so long ends, and with it what it runs on.
  std::chrono::nanoseconds silence = std::chrono::seconds(60);

  // What one costs by the hour, and what all of them may: a further one waits. In whatever currency.
  double cost_per_hour = 0;
  std::optional<double> max_cost_per_hour{};
};

// Pools with launchers, and under which address their workers reach this hub: runtime_options::launch.
class plan;

// What a plan is made of: plan_of().
struct plan_options {
  // Of this machine, as workers see it: "tcp://login1:5555", or "login1" alone, with the port of
  // runtime_options::bind. Empty: what is bound, and for all addresses ("tcp://0.0.0.0:*") this host's name.
  std::string address{};
  std::vector<pool> pools;
};

// Throws usage_error (bad_configuration), which says what is wrong and where.
YONDER_API std::shared_ptr<plan const> plan_of(plan_options const& options);
// The same from a file (docs/launch.md).
YONDER_API std::shared_ptr<plan const> plan_of_file(std::string const& file);

// What would be run to start a worker of each pool, and to stop it, as a file says it: text for people,
// without secrets. Nothing is run. Throws as plan_of_file().
YONDER_API std::string dry_run(std::string const& file);

}  // namespace yonder::launch
