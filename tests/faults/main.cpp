// SPDX-License-Identifier: Apache-2.0
//
// `faults [ROW…] [--full]`: faults on real processes, and whether what was promised holds. Each row runs in a
// process of its own; this program is also the worker of its rows.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "src/platform/process.hpp"
#include "src/platform/unique_fd.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/faults/machine.hpp"
#include "tests/faults/row.hpp"
#include "tests/faults/tasks.hpp"

namespace faults {
namespace {

std::vector<row> all_rows() {
  std::vector<row> all;
  for (auto const& part : {worker_rows(), crash_rows(), link_rows(), hub_rows(), client_rows(), clock_rows(),
                           credential_rows(), http_rows()})
    all.insert(all.end(), part.begin(), part.end());
#if defined(YONDER_LAUNCH_ROWS)
  auto const launchers = launch_rows();
  all.insert(all.end(), launchers.begin(), launchers.end());
#endif
  return all;
}

struct verdict {
  std::string word;  // held, BROKEN, skipped
  std::string seen;
};

// ---- a row's own process
// --------------------------------------------------------------------------------------------

verdict judge(row const& one, effort how_much) {
  try {
    findings seen(how_much);
    one.run(seen);
    return {seen.held() ? "held" : "BROKEN", seen.text()};
  } catch (skipped const& missing) {
    return {"skipped", missing.what()};
  } catch (std::exception const& failure) {
    return {"BROKEN", failure.what()};
  }
}

constexpr int verdict_end = 3;

int run_row(std::string_view name, effort how_much) {
  ::fcntl(verdict_end, F_SETFD, FD_CLOEXEC);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (auto const& one : all_rows()) {
    if (one.name != name) continue;
    auto const [word, seen] = judge(one, how_much);
    auto text = word + "\n" + seen;
    for (auto& c : text)
      if (c == '\t' || c == '\r') c = ' ';
    return ::write(verdict_end, text.data(), text.size()) < 0 ? 1 : 0;
  }
  return 2;
}

// ---- the runner
// ------------------------------------------------------------------------------------------------------

volatile sig_atomic_t interrupted = 0;

// Whatever a row has left behind, its rows' workers elsewhere say.
void end_descendants() {
  for (;;) {
    auto const left = descendants_of(::getpid());
    if (left.empty()) return;
    for (auto const each : left) ::kill(each, SIGKILL);
    ::waitpid(-1, nullptr, 0);
  }
}

std::string read_verdict(int from) {
  std::string text;
  char part[4096];
  for (ssize_t count = 0; (count = ::read(from, part, sizeof part)) > 0;)
    text.append(part, static_cast<std::size_t>(count));
  return text;
}

verdict run_in_process(row const& one, effort how_much, std::string const& log) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  yonder::platform::unique_fd const readable(ends[0]);
  yonder::platform::unique_fd writable(ends[1]);
  yonder::platform::unique_fd const output(
      ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  std::vector<std::string> arguments{"faults", "--row", std::string(one.name)};
  if (how_much.full) arguments.emplace_back("--full");
  if (how_much.canary) arguments.emplace_back("--canary");
  auto const process = yonder::platform::spawn({.path = own_path(),
                                                .arguments = std::move(arguments),
                                                .environment = {},
                                                .output = output.get(),
                                                .inherited = {writable.get()}});
  writable.reset();
  auto const limit = how_much.of(one.limit, one.full_limit);
  pollfd end{process.handle(), POLLIN, 0};
  bool const ended = ::poll(&end, 1, static_cast<int>(limit / 1ms)) == 1;
  process.kill(SIGKILL);
  auto const how = process.wait();
  end_descendants();
  if (!ended) return {"BROKEN", "it had not ended after " + words_of(limit)};
  auto const text = read_verdict(readable.get());
  auto const first = text.find('\n');
  if (first == text.npos) return {"BROKEN", "the row's own process " + to_string(how) + ", see " + log};
  return {text.substr(0, first), text.substr(first + 1)};
}

std::string one_line(std::string text) {
  for (auto& c : text)
    if (c == '\n') c = ' ';
  return text;
}

struct request {
  effort how_much;
  std::string page;
  bool sample = false;
  std::string logs;
  std::vector<std::string> names;
};

std::vector<row> chosen_rows(request const& asked) {
  auto const all = all_rows();
  std::vector<row> chosen;
  for (auto const& one : all)
    if (asked.names.empty() && (!asked.sample || one.sampled)) chosen.push_back(one);
  for (auto const& name : asked.names) {
    auto const found = std::find_if(all.begin(), all.end(), [&](row const& one) { return one.name == name; });
    if (found == all.end()) {
      std::cerr << "faults: there is no row '" << name << "'; there are:";
      for (auto const& one : all) std::cerr << ' ' << one.name;
      std::cerr << '\n';
      std::exit(2);
    }
    chosen.push_back(*found);
  }
  return chosen;
}

// The table as a page of the documents.
class page {
 public:
  explicit page(std::string const& file) {
    if (!file.empty()) out_.open(file);
    out_ << "# Faults on real processes\n\n"
            "`./dev faults [ROW…] [--full]` injects each of these, and looks whether what is promised holds: "
            "`held`, "
            "`BROKEN`, or `skipped` where the\nmachine lacks the means. `--canary` promises what cannot be, "
            "so that every row "
            "has to be seen broken. The rules themselves are tried far more\noften by the simulator (`./dev "
            "sim`); these are "
            "for what it has not: processes, signals, sockets, clocks and memory.\n\nThis page was written "
            "by `--page` on a "
            "busy machine of two cores.\n\n| | fault | promised | seen |\n|---|---|---|---|\n";
  }
  void add(row const& one, verdict const& what) {
    out_ << "| " << what.word << " | `" << one.name << "`: " << one.fault << " | " << one.promised << " | "
         << one_line(what.seen) << " |\n";
  }
  void end(std::string const& summary) { out_ << "\n`" << summary << "`\n"; }

 private:
  std::ofstream out_;
};

int run_rows(request const& asked) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  struct sigaction note {};
  note.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &note, nullptr);
  ::sigaction(SIGTERM, &note, nullptr);
  std::size_t held = 0, broken = 0, left_out = 0;
  page written(asked.page);
  for (auto const& one : chosen_rows(asked)) {
    auto const what = run_in_process(one, asked.how_much, asked.logs + "/" + std::string(one.name) + ".log");
    if (interrupted != 0) return 130;
    ++(what.word == "held" ? held : what.word == "skipped" ? left_out : broken);
    std::cout << what.word << std::string(9 - what.word.size(), ' ') << one.name << ": " << one.fault
              << "  |  " << one.promised << "  |  " << one_line(what.seen) << std::endl;
    written.add(one, what);
  }
  auto const summary = "faults: " + std::to_string(held) + " held, " + std::to_string(broken) + " broken" +
                       (left_out > 0 ? ", " + std::to_string(left_out) + " skipped" : "");
  std::cout << summary << std::endl;
  written.end(summary);
  // Of promises that cannot be kept, none is to hold.
  return (asked.how_much.canary ? held : broken) > 0 ? 1 : 0;
}

// A hub with a journal: says its address, and serves.
int serve_hub(std::string const& keys, std::string const& journal, std::string const& address) {
  yonder::runtime_options options;
  options.max = 0;
  options.bind = {address};
  options.journal = journal;
  options.keys = keys;
  options.max_calls = 2'000'000;
  if (auto const* const bytes = std::getenv("YONDER_FAULTS_MAX_BYTES"))
    options.max_bytes = std::strtoull(bytes, nullptr, 10);
  try {
    yonder::runtime const here(options);
    std::cout << here.addresses().front() << std::endl;
    here.serve();
  } catch (yonder::error const& refused) {
    std::cout << refused.what() << std::endl;
    return 1;
  }
  return 0;
}

int usage() {
  std::cerr << "usage: faults [ROW…] [--full] [--sample] [--canary] [--logs FOLDER] [--page FILE] | --list\n";
  return 2;
}

int run(int argc, char** argv) {
  if (argc == 5 && std::string_view(argv[1]) == "--hub") return serve_hub(argv[2], argv[3], argv[4]);
  if (argc == 6 && std::string_view(argv[1]) == "--greedy")
    return be_greedy(argv[2], argv[3], std::strtoul(argv[4], nullptr, 10),
                     std::strtoul(argv[5], nullptr, 10));
  request asked;
  std::string_view own_row;
  for (int i = 1; i < argc; ++i) {
    std::string_view const word = argv[i];
    if (word == "--full")
      asked.how_much.full = true;
    else if (word == "--canary")
      asked.how_much.canary = true;
    else if (word == "--sample")
      asked.sample = true;
    else if (word == "--page" && i + 1 < argc)
      asked.page = argv[++i];
    else if (word == "--logs" && i + 1 < argc)
      asked.logs = argv[++i];
    else if (word == "--row" && i + 1 < argc)
      own_row = argv[++i];
    else if (word == "--list") {
      for (auto const& one : all_rows()) std::cout << one.name << "  " << one.fault << '\n';
      return 0;
    } else if (word.starts_with("--"))
      return usage();
    else
      asked.names.emplace_back(word);
  }
  if (!own_row.empty()) return run_row(own_row, asked.how_much);
  std::optional<e2e::folder> place;
  if (asked.logs.empty()) asked.logs = place.emplace() / ".";
  return run_rows(asked);
}

}  // namespace
}  // namespace faults

int main(int argc, char** argv) {
  // Before anything else: a worker is started without arguments.
  if (yonder::is_worker() || (argc > 1 && std::string_view(argv[1]).starts_with("--yonder-")))
    yonder::runtime here(argc, argv, {.max = 2, .max_call_bytes = std::size_t{2} << 30});
  return faults::run(argc, argv);
}
