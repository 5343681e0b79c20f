// SPDX-License-Identifier: Apache-2.0
#include "src/launch/slurm_launcher.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <sstream>
#include <tuple>
#include <utility>

#include "src/launch/carry/carrier.hpp"
#include "src/launch/slurm_reasons.hpp"
#include "src/platform/process.hpp"

namespace yonder::launch {
namespace {

using driver::job_book;

constexpr std::int64_t slurm_patience = 120 * second;  // with one command
constexpr std::int64_t slurm_patience_at_end = 20 * second;
constexpr std::string_view not_cancelled_at_end =
    "jobs could not be cancelled, and end by themselves once their workers have heard nothing for as long as "
    "`silence` says:\n";

// "gpu:2", "gpu:a100:2", "gpu": what stands before the number, and the number.
struct gres_request {
  std::string kind;
  std::size_t count = 1;
};

std::optional<std::size_t> number_in(std::string_view text) {
  std::size_t number = 0;
  auto const* const end = text.data() + text.size();
  auto const read = std::from_chars(text.data(), end, number);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

// Before what a job's script leaves as its comment.
constexpr std::string_view comment_mark = "yonder: ";
constexpr std::string_view no_output = "/dev/null";

// Of what the workers of a job say the end is kept: in a pipe whose files are gone at once, so that nothing
// is left of it however the job ends. Where they print into a file anyway, it is there.
constexpr char listens[] =
    "if said=$(mktemp -d 2>/dev/null) && mkfifo \"$said/pipe\" 2>/dev/null; then\n"
    "  (trap '' TERM USR1 INT HUP; exec tail -c 800) >\"$said/last\" <\"$said/pipe\" &\n"
    "  exec 8>\"$said/pipe\" 9<\"$said/last\"\n"
    "else\n"
    "  exec 8>/dev/null 9</dev/null\n"
    "fi\n"
    "rm -rf \"$said\"\n";
// Where they end with an error, and not by a signal, as in a crash.
constexpr char tells[] =
    "exec 8>&-\n"
    "if [ $status != 0 ] && [ $status -lt 128 ]; then\n"
    "  tries=0\n"
    "  until said=$(LC_ALL=C tr -c '[:print:]' ' ' <&9); [ -n \"$said\" ] || [ $tries = 20 ]; do\n"
    "    tries=$((tries + 1)); sleep 0.1 2>/dev/null || sleep 1\n"
    "  done\n"
    "  [ -z \"$said\" ] ||\n"
    "    timeout 10 scontrol update \"JobId=$SLURM_JOB_ID\" \"Comment=yonder: $said\" >/dev/null 2>&1\n"
    "fi\n";

gres_request parse(std::string const& gres) {
  auto const colon = gres.rfind(':');
  if (colon == std::string::npos) return {gres, 1};
  auto const count = number_in(std::string_view(gres).substr(colon + 1));
  return count ? gres_request{gres.substr(0, colon), *count} : gres_request{gres, 1};
}

// "gpu", "gpu:4", "gpu:a100:4", or the same of another name than gpu. Empty: nothing is wrong with it.
std::string fault_of_gres(std::string_view text) {
  constexpr std::string_view shape = "; it is NAME:COUNT or NAME:TYPE:COUNT, as in gpu:a100:4";
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  std::vector<std::string_view> parts;
  for (auto left = text;; left.remove_prefix(parts.back().size() + 1)) {
    parts.push_back(left.substr(0, left.find(':')));
    auto const& part = parts.back();
    if (part.empty() || part.front() == '-' || part.find_first_not_of(letters) != std::string_view::npos)
      return "has '" + std::string(part) + "' in it" + std::string(shape);
    if (part.size() == left.size()) break;
  }
  auto const count = parts.size() > 1 ? number_in(parts.back()) : std::size_t{1};
  if (count == std::size_t{0}) return "asks for none; leave it out where jobs have none";
  if (parts.size() > 3 || (parts.size() == 3 && !count))
    return "has no count at its end" + std::string(shape);
  auto const name = parts.front();
  if (name != "gpu" && name.starts_with("gpu"))
    return "begins with '" + std::string(name) + "', which is not gpu" + std::string(shape);
  return {};
}

std::int64_t minutes_of(slurm const& how) {
  return std::chrono::ceil<std::chrono::minutes>(how.time).count();
}

// Of what a start needs, which is one job, whose number sbatch prints at once and squeue lists.
std::string fault_of_extra(std::string const& word) {
  constexpr std::array<std::tuple<std::string_view, std::string_view, std::string_view>, 5> unfit{{
      {"--array", "-a", "it makes several jobs of one"},
      {"--wait", "-W", "sbatch would answer when the job is over"},
      {"--clusters", "-M", "squeue and scancel would not look there; set SLURM_CLUSTERS in the environment"},
      {"--test-only", "", "no job would be submitted"},
      {"--wrap", "", "it takes the place of what starts the workers"},
  }};
  for (auto const& [name, letter, why] : unfit)
    if (word == name || word.starts_with(std::string(name) + "=") ||
        (!letter.empty() && word.starts_with(letter)))
      return "extra: '" + word + "' cannot be had: " + std::string(why);
  return {};
}

// A word that belongs to no option would be sbatch's script.
std::string fault_of_extra(std::vector<std::string> const& words) {
  auto takes_value = false;
  for (auto const& word : words) {
    if (auto wrong = fault_of_extra(word); !wrong.empty()) return wrong;
    auto const is_option = word.size() > 1 && word.front() == '-';
    if (word == "--" || (!is_option && !takes_value))
      return "extra: '" + word +
             "' is no option of sbatch: it, or what stands behind it, would take the place of "
             "the script that starts the workers";
    takes_value = is_option && word.find('=') == std::string::npos;
  }
  return {};
}

job_book::state state_of(std::string_view word) {
  constexpr std::array<std::string_view, 7> waiting{
      "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"};
  constexpr std::array<std::string_view, 6> running{"RUNNING",  "SUSPENDED", "STOPPED",
                                                    "RESIZING", "SIGNALING", "COMPLETING"};
  auto const is_in = [word](auto const& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (is_in(waiting)) return job_book::state::waiting;
  return is_in(running) ? job_book::state::running : job_book::state::over;
}

// Other ends are a matter of whoever cancels, of time or of priorities.
bool is_failure(std::string_view word) {
  constexpr std::array<std::string_view, 5> known{"FAILED", "NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED",
                                                  "OUT_OF_MEMORY"};
  return std::find(known.begin(), known.end(), word) != known.end();
}

// The value of an option among words: "--exclude=n7", "--exclude", "n7", "-xn7"; the last one counts.
std::optional<std::string> value_of(std::vector<std::string> const& words, std::string_view option,
                                    std::string_view letter) {
  std::optional<std::string> value;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view const word(words[i]);
    if (word == option || word == letter)
      value = i + 1 < words.size() ? words[i + 1] : std::string();
    else if (word.starts_with(option) && word.substr(option.size()).starts_with('='))
      value = word.substr(option.size() + 1);
    else if (word.starts_with(letter) && !word.starts_with("--"))
      value = word.substr(letter.size());
  }
  return value;
}

}  // namespace

std::string exclusion_of(std::vector<std::string> const& nodes, std::vector<std::string> const& extra) {
  if (nodes.empty() || value_of(extra, "--nodelist", "-w")) return {};
  auto list = value_of(extra, "--exclude", "-x").value_or("");
  if (list.find('/') != std::string::npos) return {};  // it is a file
  for (auto const& one : nodes) list += (list.empty() ? "" : ",") + one;
  return "--exclude=" + list;
}

std::string fault_of(slurm const& how) {
  if (how.time < std::chrono::seconds(0)) return "time: it is less than 0 s";
  if (how.time > std::chrono::seconds(0) && how.time < std::chrono::minutes(1))
    return "time: less than a minute, in which SLURM counts";
  if (how.interval <= std::chrono::seconds(0)) return "interval: it is not longer than 0 s";
  for (auto const& [part, text] : {std::pair("partition", &how.partition), std::pair("gres", &how.gres),
                                   std::pair("account", &how.account)})
    if (text->find_first_of(" \t\r\n") != std::string::npos)
      return std::string(part) + ": '" + *text + "' has a blank in it";
  if (auto const wrong = how.gres.empty() ? std::string() : fault_of_gres(how.gres); !wrong.empty())
    return "gres: '" + how.gres + "' " + wrong;
  if (auto wrong = fault_of_extra(how.extra); !wrong.empty()) return wrong;
  if (how.workers != 0 && !how.gres.empty() && parse(how.gres).count % how.workers != 0)
    return "workers: " + std::to_string(how.workers) + " cannot share out '" + how.gres + "' evenly";
  return {};
}

std::size_t workers_of_job(slurm const& how) {
  if (how.workers != 0) return how.workers;
  return how.gres.empty() ? 1 : std::max<std::size_t>(1, parse(how.gres).count);
}

std::int64_t allocation_of(slurm const& how) {
  return how.time == std::chrono::seconds(0) ? never : minutes_of(how) * 60 * second;
}

// As slurmctld, and the client's own library, put it (src/common/slurm_errno.c of SLURM 22.05).
bool passes(std::string_view said) {
  constexpr std::array<std::string_view, 14> known{"Unable to contact slurm controller",
                                                   "Could not establish a configuration source",
                                                   "Unable to resolve",
                                                   "I/O error writing script/environment to file",
                                                   "Socket timed out",
                                                   "Connection refused",
                                                   "Connection timed out",
                                                   "Zero Bytes were transmitted",
                                                   "Slurm temporarily unable to accept job",
                                                   "Slurm controller in standby mode",
                                                   "Resource temporarily unavailable",
                                                   "Job violates accounting/QOS policy",
                                                   "Unable to load config file",
                                                   "Protocol authentication error"};
  return std::any_of(known.begin(), known.end(),
                     [said](auto const& one) { return said.find(one) != std::string_view::npos; });
}

bool leaves_doubt(std::string_view said) {
  constexpr std::array<std::string_view, 3> known{"Socket timed out", "Connection timed out",
                                                  "Zero Bytes were transmitted"};
  return std::any_of(known.begin(), known.end(),
                     [said](auto const& one) { return said.find(one) != std::string_view::npos; });
}

std::string job_number_in(std::string_view printed) {
  std::string last;
  std::istringstream lines{std::string(printed)};
  for (std::string line; std::getline(lines, line);) {
    line.resize(std::min(line.size(), line.find_first_of(";\r")));
    if (number_in(line)) last = line;
  }
  return last;
}

std::map<std::string, job_book::seen> jobs_in(std::string_view printed) {
  std::map<std::string, job_book::seen> jobs;
  std::istringstream lines{std::string(printed)};
  for (std::string line; std::getline(lines, line);) {
    std::string id, word, node, why, comment;
    std::istringstream parts(line);
    if (!std::getline(parts, id, '|') || !std::getline(parts, word, '|') || !std::getline(parts, node, '|'))
      continue;
    if (id.find_first_of("0123456789") != 0) continue;
    std::getline(parts, why, '|');
    std::getline(parts, comment);
    auto& one = jobs[id] = {state_of(word), word + " (" + why + ")", node};
    one.has_failed = is_failure(word);
    if (one.is == job_book::state::over && comment.starts_with(comment_mark))
      one.words += "\n" + comment.substr(comment_mark.size());
    if (one.is != job_book::state::waiting) continue;
    auto const wait = meaning_of(why, id);
    one.lacks_nodes = wait.lacks_nodes;
    one.is_hopeless = wait.is_hopeless;
    if (!wait.to_do.empty()) one.words += ": " + wait.to_do;
  }
  return jobs;
}

bool is_queue(std::string_view printed, bool has_jobs) {
  if (has_jobs) return true;
  std::istringstream lines{std::string(printed)};
  for (std::string line; std::getline(lines, line);)
    if (line.find_first_not_of(" \t\r") != std::string::npos && !line.starts_with("CLUSTER: ")) return false;
  return true;
}

std::vector<std::string> as_written(std::vector<std::string> command, char const* const* environment) {
  std::vector<std::string> words, outer;
  auto is_in_job = false;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    std::string_view const variable(*environment);
    auto const name = variable.substr(0, variable.find('='));
    is_in_job = is_in_job || name == "SLURM_JOB_ID";
    if (name.starts_with("SLURM_") && name != "SLURM_CONF" && name != "SLURM_CLUSTERS")
      outer.insert(outer.end(), {"-u", std::string(name)});
    if (name.starts_with("SQUEUE_") || name.starts_with("SCANCEL_") || name == "SBATCH_WAIT" ||
        name == "SBATCH_ARRAY_INX" || name == "YONDER_END_TIME")
      words.insert(words.end(), {"-u", std::string(name)});
  }
  if (is_in_job) words.insert(words.end(), outer.begin(), outer.end());
  if (!words.empty()) words.insert(words.begin(), "env");
  words.insert(words.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return words;
}

std::vector<std::string> line_in_job(std::string const& job, std::string line,
                                     char const* const* environment) {
  std::vector<std::string> own;
  auto is_in_job = false;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    std::string_view const variable(*environment);
    auto const name = variable.substr(0, variable.find('='));
    if (name.starts_with("SLURM_") && name != "SLURM_CONF") own.insert(own.end(), {"-u", std::string(name)});
    is_in_job = is_in_job || name == "SLURM_JOB_ID";
  }
  std::vector<std::string> words;
  if (is_in_job) words = std::move(own), words.insert(words.begin(), "env");
  words.insert(words.end(), {"srun", "--jobid=" + job, "--overlap", "--nodes=1", "--ntasks=1", "--chdir=/",
                             "sh", "-c", std::move(line)});
  return words;
}

slurm_launcher::slurm_launcher(slurm how, platform::poller& poller, std::optional<carry_terms> carried)
    : how_(std::move(how)),
      book_({.workers = workers_of_job(how_),
             .jobs = how_.max_jobs,
             .look = how_.interval.count() * second,
             .excludes = !exclusion_of({"n1"}, how_.extra).empty()}),
      runner_(poller),
      guard_(shell_line(as_written({"scancel", "--state=PENDING"}, ::environ)) + " $all >/dev/null 2>&1\n"),
      carrying_(poller) {
  if (carried)
    carrier_.emplace(std::move(*carried), poller, carrying_,
                     [this](std::string const& node, std::string line, bool) {
                       return line_in_job(within_.at(node), std::move(line), ::environ);
                     });
}

// --- what is run

// What it asks for, or its share of what a job has.
std::size_t slurm_launcher::gpus_of_worker(start_request const& one) const {
  auto const shared = how_.gres.empty() ? 1 : parse(how_.gres).count / workers_of_job(how_);
  return std::max<std::size_t>({1, one.needs.gpus, shared});
}

// So many together have no more GPUs than `gres` says.
driver::job_share slurm_launcher::share_of(start_request const& one) const {
  std::string needs;
  for (std::uint64_t const part :
       {std::uint64_t{one.needs.cpus}, std::uint64_t{one.needs.gpus}, one.needs.gpu_memory, one.needs.memory})
    needs += std::to_string(part) + " ";
  auto most = workers_of_job(how_);
  if (!how_.gres.empty()) most = std::min(most, parse(how_.gres).count / gpus_of_worker(one));
  return {std::move(needs), std::max<std::size_t>(1, most)};
}

std::vector<std::string> slurm_launcher::submission(std::vector<start_request const*> const& workers,
                                                    std::vector<std::string> const& excluded) const {
  auto const& first = *workers.front();
  std::vector<std::string> line{"sbatch", "--nodes=1", "--ntasks=1", "--output=" + how_.output};
  auto const say = [&line](char const* option, std::string const& value) {
    if (!value.empty()) line.push_back(option + value);
  };
  say("--partition=", how_.partition);
  say("--account=", how_.account);
  if (how_.time != std::chrono::seconds(0)) say("--time=", std::to_string(minutes_of(how_)));
  std::uint64_t cpus = 0, memory = 0, gpus = 0;
  for (auto const* one : workers) {
    cpus += one->needs.cpus;
    memory += one->needs.memory;
    gpus += one->needs.gpus;
  }
  if (!how_.gres.empty()) {
    say("--gres=", parse(how_.gres).kind + ":" + std::to_string(gpus_of_worker(first) * workers.size()));
  } else if (gpus != 0) {
    say("--gres=gpu:", std::to_string(gpus));
  }
  if (cpus != 0) say("--cpus-per-task=", std::to_string(cpus));
  if (memory != 0) say("--mem=", std::to_string((memory + ((1U << 20) - 1)) >> 20U) + "M");
  line.insert(line.end(), how_.extra.begin(), how_.extra.end());
  say("", exclusion_of(excluded, how_.extra));
  // Of an option that stands there twice the last one counts: its job is found by these.
  line.insert(line.end(), {"--parsable", "--no-requeue", "--job-name=" + first.name});
  return line;
}

// It goes to sbatch by its stdin: it holds keys. Each worker has its share of the job's GPUs; a signal to the
// script is one to all of them; the job is over when they are. SLURM before 23.02 says nothing of the end of
// a job's time in its environment.
std::string slurm_launcher::script(std::vector<start_request const*> const& workers) const {
  std::string text =
      "#!/bin/sh\n"
      "# Starts workers of yonder, once. It holds keys: keep it to yourself.\n"
      "if [ -z \"$YONDER_END_TIME$SLURM_JOB_END_TIME\" ]; then\n"
      "  end=$(SLURM_TIME_FORMAT=standard squeue --noheader --jobs=\"$SLURM_JOB_ID\" --format=%e "
      "2>/dev/null)\n"
      "  end=$(date -d \"${end:-none}\" +%s 2>/dev/null) && export YONDER_END_TIME=\"$end\"\n"
      "fi\n"
      "gpus=$CUDA_VISIBLE_DEVICES\n"
      "workers=\n"
      "for signal in TERM USR1; do trap \"kill -$signal \\$workers 2>/dev/null\" $signal; done\n";
  if (carrier_) text += carrier_->cache_line();
  auto const is_heard = how_.output == no_output;
  if (is_heard) text += listens;
  std::size_t behind = 0;
  for (auto const* const one : workers) {
    auto const gpus = gpus_of_worker(*one);
    text += "(\n";
    if (workers.size() > 1)
      text += "[ -z \"$gpus\" ] || export CUDA_VISIBLE_DEVICES=\"$(echo \"$gpus\" | cut -d, -f" +
              std::to_string(behind + 1) + "-" + std::to_string(behind + gpus) + ")\"\n";
    auto there = *one;
    if (carrier_ && carrier_->is_loaded())
      there.worker = carrier_->waiting_start({one->worker.begin() + 1, one->worker.end()}, one->patience);
    text +=
        worker_script(there) + (is_heard ? ") 2>&8 8>&- 9<&- &\n" : ") &\n") + "workers=\"$workers $!\"\n";
    behind += gpus;
  }
  return text +
         "status=0\n"
         "for worker in $workers; do\n"
         "  while wait \"$worker\"; how=$?; kill -0 \"$worker\" 2>/dev/null; do :; done\n"
         "  [ $how = 0 ] || status=$how\n"
         "done\n" +
         (is_heard ? tells : "") + "exit $status\n";
}

std::string slurm_launcher::describe(start_request const& wanted) const {
  auto shown = wanted;
  shown.order.client_secret = shown.order.client_secret.empty() ? "" : "(a key, made for each start)";
  shown.order.token = 0;
  return (carrier_ ? carrier_->describe() : "") + shell_line(submission({&shown}, {})) +
         "\n\nwith this on its stdin:\n" + script({&shown}) + "\nto stop it:\nscancel ID\n";
}

// --- what is asked for

void slurm_launcher::start(start_request const& wanted) {
  requests_[wanted.start] = wanted;
  if (!carrier_ || carrier_->is_loaded()) return book_.start(platform::now(), wanted.start, share_of(wanted));
  unread_.push_back(wanted.start);
  carrier_->load([this, start = wanted.start](std::string const& fault) {
    if (std::erase(unread_, start) == 0) return;
    if (fault.empty()) return book_.start(platform::now(), start, share_of(requests_.at(start)));
    requests_.erase(start);
    never_submitted_.push_back({.what = launch_event::kind::failed, .start = start, .text = fault});
  });
}

void slurm_launcher::stop(std::uint64_t start) {
  if (std::erase(unread_, start) == 0) {
    auto const now = platform::now();
    auto const awaited = awaited_.find(start);
    auto const within = awaited == awaited_.end() ? 0 : requests_.at(start).patience;
    if (within == 0 || now - awaited->second < within) return book_.stop(start);
    return book_.give_up(now, start, "its worker has not come in time");
  }
  requests_.erase(start);
  never_submitted_.push_back(
      {.what = launch_event::kind::failed, .start = start, .text = "its worker is not wanted any more"});
}

void slurm_launcher::served(std::uint64_t start) {
  if (requests_.contains(start)) awaited_[start] = never;
  book_.served(start);
}

// --- what is carried

// Once for each node, within one of its jobs that is not over; the scripts of all of them wait for it.
void slurm_launcher::carry(job_book::event const& placed) {
  auto& job = within_[placed.where];
  if (std::none_of(placements_.begin(), placements_.end(),
                   [&](auto const& one) { return one.second.job == job; }))
    job = placed.job;
  placements_[placed.start] = {placed.job, placed.where};
  bring(placed.start);
}

void slurm_launcher::bring(std::uint64_t start) {
  auto const& node = placements_.at(start).node;
  auto const& wanted = requests_.at(start);
  auto const has_gpus = wanted.needs.gpus != 0 || parse(how_.gres).kind.starts_with("gpu");
  carrier_->bring(
      node, wanted.order.hub, {.gpu = has_gpus},
      [this, start, job = within_.at(node)](std::string const& fault) { brought(start, job, fault); });
}

// `job`: within which it was tried. It may have ended meanwhile, while this start's own goes on.
void slurm_launcher::brought(std::uint64_t start, std::string const& job, std::string const& fault) {
  auto const found = placements_.find(start);
  if (found == placements_.end() || fault.empty()) return;
  auto const& [own, node] = found->second;
  if (own == job) return book_.give_up(platform::now(), start, fault);
  within_[node] = own;
  bring(start);
}

// What its node has is looked at again before the next one there.
void slurm_launcher::gone(std::uint64_t start) {
  requests_.erase(start);
  started_by_.erase(start);
  awaited_.erase(start);
  auto const found = placements_.extract(start);
  if (found.empty()) return;
  carrier_->forget(found.mapped().node);
}

void slurm_launcher::submit(std::vector<std::uint64_t> const& starts) {
  std::vector<start_request const*> workers;
  for (auto const start : starts) workers.push_back(&requests_.at(start));
  job_name_ = workers.front()->name;
  submitted_ = starts;
  runner_.run({.command = as_written(submission(workers, book_.excluded()), ::environ),
               .input = script(workers),
               .timeout = slurm_patience,
               .done = [this](command_result&& result) { submitted(result); }});
}

void slurm_launcher::submitted(command_result const& result) {
  auto const now = platform::now();
  auto const id = job_number_in(result.output);
  if (result.succeeded() && !id.empty()) return taken(id, result.to_text());
  refusal_ = result.to_text();
  passes_ = result.timed_out || passes(result.errors);
  auto const is_cut_short = result.timed_out || (result.how.known && result.how.signal != 0);
  if (is_cut_short || result.succeeded() || leaves_doubt(result.errors))
    book_.doubted(now, refusal_);
  else
    book_.refused(now, refusal_, passes_);
}

void slurm_launcher::taken(std::string const& id, std::string const& text) {
  for (auto const start : submitted_)
    if (requests_.contains(start)) started_by_[start] = text;
  book_.submitted(platform::now(), id);
  guard();
}

// What would begin when nobody is there any more.
void slurm_launcher::guard() {
  auto const all = book_.ids();
  std::set<std::string> now(all.begin(), all.end());
  for (auto const& id : guarded_)
    if (!now.contains(id)) guard_.remove(id);
  for (auto const& id : now)
    if (!guarded_.contains(id)) guard_.add(id);
  guarded_ = std::move(now);
}

// The job whose submission was not answered, by its name, which no other one has.
void slurm_launcher::search() {
  runner_.run(
      {.command = as_written(
           {"squeue", "--me", "--noheader", "--states=all", "--name=" + job_name_, "--format=%i"}, ::environ),
       .timeout = slurm_patience,
       .done = [this](command_result&& result) {
         auto const now = platform::now();
         auto const id = job_number_in(result.output);
         if (!result.lists() || !is_queue(result.output, !id.empty()))
           book_.doubted(now, refusal_ + "\n" + result.to_text());
         else if (id.empty())
           book_.refused(now, refusal_, passes_);
         else
           taken(id, refusal_ + "\n" + result.to_text());
       }});
}

void slurm_launcher::look() {
  runner_.run({.command = as_written(
                   {"squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%N|%r|%k"}, ::environ),
               .keeps = longest_list,
               .timeout = slurm_patience,
               .done = [this](command_result&& result) {
                 auto const now = platform::now();
                 auto jobs = jobs_in(result.output);
                 for (auto& [id, one] : jobs) explain_end(one);
                 if (result.lists() && is_queue(result.output, !jobs.empty()))
                   book_.listed(now, jobs);
                 else
                   book_.unlisted(now, result.to_text());
               }});
}

// Of one that has failed without a word.
void slurm_launcher::explain_end(job_book::seen& job) const {
  if (job.is != job_book::state::over || !job.words.starts_with("FAILED")) return;
  if (job.words.find("JobLaunchFailure") != std::string::npos)
    job.words += ": its script could not be started there; is the folder of its `output`, " + how_.output +
                 ", on its node?";
  else if (how_.output != no_output || job.words.find('\n') == std::string::npos)
    job.words += ": " + where_it_prints();
}

std::string slurm_launcher::where_it_prints() const {
  return how_.output == no_output ? "say `output`, a file there, to see what it prints"
                                  : "what it has printed is in its `output`, " + how_.output;
}

// Of one whose worker has not come, as far as the book's words leave it open.
std::string slurm_launcher::remark_of(job_book::event const& one) const {
  auto const awaited = awaited_.find(one.start);
  if (awaited != awaited_.end() && awaited->second == never) return {};
  auto const is_end = one.what == job_book::event::kind::ended || one.what == job_book::event::kind::failed;
  if (is_end && one.text.find(" is over: COMPLETED") != std::string::npos)
    return ": its program ended by itself, with status 0, before its worker had come, as one does that makes "
           "no yonder::runtime, or whose time is over there (YONDER_END_TIME); " +
           where_it_prints();
  if (one.what == job_book::event::kind::waits && awaited != awaited_.end())
    return " to " + requests_.at(one.start).order.hub + "; " + where_it_prints();
  return {};
}

// By its number, which is nobody else's.
void slurm_launcher::cancel(std::string const& id) {
  runner_.run({.command = as_written({"scancel", id}, ::environ),
               .timeout = slurm_patience,
               .done = [this](command_result&& result) {
                 auto const now = platform::now();
                 if (result.errors.find("Invalid job id") != std::string::npos)
                   return book_.already_over(now);
                 result.succeeded() ? book_.cancelled(now) : book_.not_cancelled(now, result.to_text());
               }});
}

// --- the driver's side

void slurm_launcher::take(std::vector<launch_event>& happened) {
  std::move(never_submitted_.begin(), never_submitted_.end(), std::back_inserter(happened));
  never_submitted_.clear();
  std::vector<job_book::event> said;
  book_.take(said);
  using from = job_book::event::kind;
  for (auto& one : said) {
    auto what = launch_event::kind::notice;
    switch (one.what) {
      case from::waits: what = launch_event::kind::waits; break;
      case from::placed: what = launch_event::kind::placed; break;
      case from::failed: what = launch_event::kind::failed; break;
      case from::ended: what = launch_event::kind::ended; break;
      case from::stop_failed: what = launch_event::kind::stop_failed; break;
      case from::notice: break;
    }
    one.text += remark_of(one);
    auto const how = started_by_.find(one.start);
    if (how != started_by_.end()) {
      if (one.what == from::placed) one.text = how->second;  // told where its worker does not come
      if (one.what == from::failed) one.text += "\nIt was started by\n" + how->second;
    }
    if (one.what == from::placed) awaited_.try_emplace(one.start, platform::now());
    if (one.what == from::placed && carrier_) carry(one);
    if (one.what == from::failed || one.what == from::ended) gone(one.start);
    happened.push_back({.what = what, .start = one.start, .text = std::move(one.text)});
  }
  if (!said.empty()) guard();
  if (!farewell_.empty())
    happened.push_back({.what = launch_event::kind::notice, .text = std::exchange(farewell_, {})});
}

time_point slurm_launcher::next_deadline() const {
  if (!never_submitted_.empty()) return 0;
  return std::min({book_.next_deadline(), runner_.next_deadline(), carrying_.next_deadline()});
}

void slurm_launcher::tick(time_point now) {
  runner_.tick(now);
  carrying_.tick(now);
  act(now);
}

void slurm_launcher::act(time_point now) {
  if (auto const starts = book_.submission(now); !starts.empty()) submit(starts);
  if (book_.should_search(now)) search();
  if (book_.should_look(now)) look();
  if (auto const id = book_.cancel(); !id.empty()) cancel(id);
}

// With what is just being submitted, or may have been: for that half of the time is left. What looks at the
// queue meanwhile is not waited for.
bool slurm_launcher::leave_until(time_point until, teller const&) {
  auto const now = platform::now();
  if (leaves_by_ == never) {
    leaves_by_ = now + slurm_patience_at_end;
    carrying_.stop();
  }
  auto const submits_by = leaves_by_ - slurm_patience_at_end / 2;
  if (!cancels_all_ && book_.is_submitting() && now < submits_by) {
    if (book_.should_search(never)) search();
    runner_.work_until(std::min({until, submits_by, now + second / 20}));
    return false;
  }
  if (!std::exchange(cancels_all_, true)) cancel_all();
  if (!left_) runner_.work_until(std::min({until, leaves_by_, now + second / 20}));
  if (!left_ && platform::now() < leaves_by_) return false;
  for (auto const& id : guarded_) guard_.remove(id);
  if (!left_) farewell_ = std::string(not_cancelled_at_end) + "scancel has not answered in time";
  runner_.stop();
  return true;
}

void slurm_launcher::cancel_all() {
  auto line = book_.ids();
  left_ = line.empty();
  if (left_) return;
  line.insert(line.begin(), "scancel");
  runner_.run({.command = as_written(std::move(line), ::environ),
               .timeout = slurm_patience_at_end,
               .done = [this](command_result&& result) {
                 left_ = true;
                 if (!result.succeeded() && result.errors.find("Invalid job id") == std::string::npos)
                   farewell_ = std::string(not_cancelled_at_end) + result.to_text();
               }});
}

}  // namespace yonder::launch
