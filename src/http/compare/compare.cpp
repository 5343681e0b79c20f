// SPDX-License-Identifier: Apache-2.0
#include "src/http/compare/compare.hpp"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "src/http/compare/environments.hpp"
#include "src/http/compare/order.hpp"
#include "src/http/compare/probe.hpp"
#include "src/http/compare/report.hpp"
#include "src/platform/process.hpp"
#include "src/platform/system_call.hpp"
#include "src/runtime/awaited_endings.hpp"
#include "yonder/error.hpp"

namespace yonder::http {
namespace {

namespace fs = std::filesystem;
using compare::row;

constexpr std::size_t most_output = std::size_t{1} << 20;

[[noreturn]] void refuse_comparison(std::string message) {
  yonder::detail::throw_error({.code = errc::bad_configuration, .message = std::move(message)});
}

// A file without a name that a process reads or writes.
platform::unique_fd file_with(std::string_view text) {
  auto file = platform::empty_memory();
  while (!text.empty()) {
    auto const written = platform::retry([&] { return ::write(file.get(), text.data(), text.size()); });
    if (written < 0) platform::throw_errno("write");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

// The end of what was written into it.
std::string text_in(platform::unique_fd const& file) {
  auto const size = ::lseek(file.get(), 0, SEEK_END);
  auto const most = static_cast<off_t>(most_output);
  std::string text(static_cast<std::size_t>(std::clamp<off_t>(size, 0, most)), '\0');
  auto const read = platform::retry(
      [&] { return ::pread(file.get(), text.data(), text.size(), std::max<off_t>(0, size - most)); });
  text.resize(read < 0 ? 0 : static_cast<std::size_t>(read));
  return text;
}

// The last lines of what a program said on stderr, as one.
std::string last_words(std::string const& text) {
  constexpr std::size_t longest = 300;
  auto end = text.find_last_not_of(" \n\r\t");
  if (end == std::string::npos) return {};
  auto said = text.substr(0, end + 1);
  if (said.size() > longest) said = "..." + said.substr(said.size() - longest);
  std::replace_if(
      said.begin(), said.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return said;
}

// What the machine's processors have taken, in joules: of each package's counter its place and its range
// (https://www.kernel.org/doc/html/latest/power/powercap/powercap.html). Empty: it cannot be read.
struct energy_counter {
  double joules;
  double range;
};
std::vector<energy_counter> energy_now() {
  constexpr double microjoule = 1e-6;
  std::vector<energy_counter> all;
  std::error_code none;
  for (auto const& zone : fs::directory_iterator("/sys/class/powercap", none)) {
    double used = 0;
    double range = 0;
    std::string name;
    if (!(std::ifstream(zone.path() / "name") >> name) || !name.starts_with("package")) continue;
    if (std::ifstream(zone.path() / "energy_uj") >> used &&
        std::ifstream(zone.path() / "max_energy_range_uj") >> range)
      all.push_back({used * microjoule, range * microjoule});
  }
  return all;
}

std::optional<double> energy_since(std::vector<energy_counter> const& before) {
  auto const now = energy_now();
  if (before.empty() || now.size() != before.size()) return std::nullopt;
  double sum = 0;
  for (std::size_t i = 0; i < now.size(); ++i) {
    auto const more = now[i].joules - before[i].joules;
    sum += more < 0 ? more + now[i].range : more;
  }
  return sum;
}

// What a comparison has begun is ended with it: containers, images and folders stay for ever otherwise.
struct interruption {
  runtime_detail::awaited_endings endings{};
  int signal = 0;  // that has come, the latest; 0: none has

  bool has_come() {
    if (auto const latest = endings.come(); latest != 0) signal = latest;
    return signal != 0;
  }
};

// Why it had not ended by itself, and was killed. Empty: it had.
std::string wait_for(platform::child_process const& child, std::chrono::seconds limit, interruption& told) {
  auto const longest = std::min<std::chrono::milliseconds>(limit, std::chrono::milliseconds(1 << 30));
  auto const until = platform::now() + std::chrono::nanoseconds(longest).count();
  auto const signal = told.endings.wait(child.handle(), longest);
  if (signal == 0 && platform::now() < until) return {};
  ::kill(-child.pid(), SIGKILL);  // its group
  if (signal == 0) return "it took more than " + std::to_string(limit.count()) + " s (--limit)";
  told.signal = signal;
  return "it " + platform::to_string({.signal = signal});
}

struct ended_run {
  std::string output;
  std::string errors;
  std::string trouble;
};

ended_run run(std::vector<std::string> const& command, std::string const& input, std::chrono::seconds limit,
              interruption& told) {
  auto const in = file_with(input);
  auto const out = file_with({});
  auto const errors = file_with({});
  platform::spawn_request wanted{.path = command.front(),
                                 .arguments = command,
                                 .input = in.get(),
                                 .output = out.get(),
                                 .errors = errors.get()};
  if (::getenv("USER") == nullptr) wanted.environment.emplace_back("USER=user");  // charliecloud wants it
  try {
    auto const child = platform::spawn(wanted);
    auto killed = wait_for(child, limit, told);
    auto const how = child.wait();
    ended_run ended{text_in(out), text_in(errors), std::move(killed)};
    if (ended.trouble.empty() && (how.signal != 0 || how.status != 0))
      ended.trouble = command.front() + " " + platform::to_string(how);
    return ended;
  } catch (std::system_error const& fault) {
    return {{},
            {},
            fault.code().value() == ENOENT ? command.front() + " is not installed"
                                           : command.front() + ": " + fault.code().message()};
  }
}

// With what it said, if it ended badly.
std::string trouble_of(ended_run const& ended) {
  auto const said = ended.trouble.empty() ? std::string() : last_words(ended.errors);
  return ended.trouble + (said.empty() ? "" : ": " + said);
}

row measure_in(compare::environment const& where, compare::order const& wanted, interruption& told) {
  row made{.name = where.name};
  auto const clean_up = [&] {
    for (auto const& command : where.after) static_cast<void>(run(command, {}, wanted.limit, told));
  };
  for (auto const& command : where.before)
    if (auto const trouble = trouble_of(run(command, {}, wanted.limit, told)); !trouble.empty()) {
      made.trouble = trouble;
      if (&command != &where.before.front()) clean_up();  // the first one makes nothing
      return made;
    }
  auto const what = compare::to_text({.what = wanted.what, .in_process = where.in_process});
  auto const energy = where.is_here ? energy_now() : std::vector<energy_counter>();
  auto const begin = platform::now();
  auto ended = run(where.command, what, wanted.limit, told);
  made.real = static_cast<double>(platform::now() - begin) * 1e-9;
  auto const seen = compare::parse_figures(ended.output);
  if (ended.trouble.empty() && !seen) ended.trouble = where.command.front() + " told no figures";
  made.trouble = trouble_of(ended);
  if (made.trouble.empty()) {
    made.joules = energy_since(energy);
    made.seen = *seen;
  }
  clean_up();
  return made;
}

void write_file(fs::path const& at, std::string const& text) {
  std::ofstream file(at, std::ios::binary);
  file << text;
  if (!file.flush()) refuse_comparison("--to: '" + at.string() + "' cannot be written");
}

bool has_gpu() {
  std::error_code none;
  fs::directory_iterator const gpus("/proc/driver/nvidia/gpus", none);
  return !none && gpus != fs::directory_iterator();
}

// Run once more, as the first row was, under Nsight Systems: what that costs is in no row.
compare::gpu_kernels kernels_of(compare::order const& wanted, compare::environment const& here,
                                compare::root_folder const& root, interruption& told) {
  compare::gpu_kernels found;
  bool const has_tool = compare::is_on_path("nsys");
  if (!has_tool && has_gpu())
    found.trouble = "nsys (NVIDIA Nsight Systems), which tells them apart, is not installed";
  if (!has_tool) return found;
  std::cerr << "yonder: looking for kernels on GPUs\n";
  auto const record = root.path() + ".nsys-rep";
  std::vector<std::string> profiled{
      "nsys",     "profile", "--trace=cuda", "--sample=none", "--cpuctxsw=none", "--force-overwrite=true",
      "--output", record};
  profiled.insert(profiled.end(), here.command.begin(), here.command.end());
  found.trouble = trouble_of(run(
      profiled, compare::to_text({.what = wanted.what, .in_process = here.in_process}), wanted.limit, told));
  if (found.trouble.empty()) {
    auto const ended = run(
        {"nsys", "stats", "--report", "cuda_gpu_kern_sum", "--format", "csv", "--force-export=true", record},
        {}, wanted.limit, told);
    found.trouble = trouble_of(ended);
    auto table = compare::parse_kernel_table(ended.output);
    if (found.trouble.empty() && table)
      found.all = std::move(*table);
    else if (found.trouble.empty() && !compare::says_no_kernels(ended.output))
      found.trouble =
          "nsys stats has printed no table of kernels that is known here: " + last_words(ended.output);
  }
  std::error_code ignored;
  for (auto const* const name : {".nsys-rep", ".sqlite"}) fs::remove(root.path() + name, ignored);
  return found;
}

// Before anything is measured: that takes minutes.
void check_folder(fs::path const& folder) {
  std::error_code fault;
  fs::create_directories(folder, fault);
  auto name = (folder / ".yonder-XXXXXX").string();
  platform::unique_fd const file(fault ? -1 : ::mkstemp(name.data()));
  if (!file)
    refuse_comparison("--to: in '" + folder.string() + "' nothing can be written: " +
                      (fault ? fault.message() : std::generic_category().message(errno)));
  ::unlink(name.c_str());
}

void write_all(compare::order const& wanted, std::vector<row> const& rows,
               compare::gpu_kernels const& kernels) {
  fs::path const folder(wanted.folder);
  write_file(folder / "results.json", compare::json_of(wanted.what, rows, kernels));
  write_file(folder / "index.html", compare::page_of(wanted.what, rows, kernels));
  for (auto const& [name, picture] : compare::pictures_of(rows)) write_file(folder / name, picture);
}

int compare_all(compare::order const& wanted, std::vector<std::string> const& program) {
  static_cast<void>(compare::checked_endpoint(wanted.what));
  if (program.empty())
    refuse_comparison("--yonder-compare: this program's file is not known, so that it cannot be started");
  if (!wanted.folder.empty()) check_folder(wanted.folder);
  interruption told;
  compare::root_folder const root(program.front(), wanted.with);
  std::vector<row> rows;
  auto const ended_early = [&] {
    std::cerr << "yonder: the comparison " << platform::to_string({.signal = told.signal})
              << ", and with it what it had begun\n";
    return 128 + told.signal;  // as shells say it
  };
  auto const environments = compare::environments_of(wanted, program, root);
  for (auto const& where : environments) {
    if (told.has_come()) return ended_early();
    std::cerr << "yonder: measuring in " << where.name << '\n';
    rows.push_back(measure_in(where, wanted, told));
  }
  if (told.has_come()) return ended_early();
  auto const kernels = kernels_of(wanted, environments.front(), root, told);
  if (told.has_come()) return ended_early();
  std::cout << (wanted.json ? compare::json_of(wanted.what, rows, kernels) : compare::table_of(rows, kernels))
            << std::flush;
  if (!wanted.folder.empty()) write_all(wanted, rows, kernels);
  bool const any = std::any_of(rows.begin(), rows.end(), [](row const& one) { return one.trouble.empty(); });
  return any ? EXIT_SUCCESS : EXIT_FAILURE;
}

int measure_here(compare_request const& how) {
  std::string const text(std::istreambuf_iterator<char>(std::cin), {});
  auto const told = compare::parse_probe(text);
  if (!told) refuse_comparison("--yonder-compare - is how a comparison starts a program that it measures");
  auto const engine = how.start(told->in_process);
  compare::figures seen;
  try {
    seen = compare::measure(engine, told->what);
  } catch (std::exception const& fault) {  // what the task threw
    std::cerr << fault.what() << '\n';
    how.stop(engine);
    return EXIT_FAILURE;
  }
  how.stop(engine);
  compare::add_own_use(seen);
  std::cout << compare::to_text(seen) << std::flush;
  return EXIT_SUCCESS;
}

}  // namespace

int compare_environments(compare_request const& how) {
  if (how.arguments.size() == 1 && how.arguments[0] == "-") return measure_here(how);
  return compare_all(compare::parse_order(how.arguments), how.program);
}

}  // namespace yonder::http
