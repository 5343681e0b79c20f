// SPDX-License-Identifier: Apache-2.0
#include "src/http/compare/environments.hpp"

#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "src/platform/system_call.hpp"
#include "src/runtime/worker_start.hpp"

namespace yonder::http::compare {
namespace {

namespace fs = std::filesystem;

constexpr char home[] = "/yonder";  // within the root
constexpr char loader[] = "/yonder/loader";
constexpr char program_within[] = "/yonder/program";

struct loaded_files {
  std::string loader;  // of the program; empty: it needs none
  std::vector<std::string> libraries;
};

int add_loaded(dl_phdr_info* one, std::size_t, void* to) {
  auto& found = *static_cast<loaded_files*>(to);
  std::string const name = one->dlpi_name != nullptr ? one->dlpi_name : "";
  if (name.find('/') != std::string::npos) found.libraries.push_back(name);
  if (!name.empty()) return 0;
  for (int i = 0; i < one->dlpi_phnum; ++i)
    if (one->dlpi_phdr[i].p_type == PT_INTERP)
      found.loader = reinterpret_cast<char const*>(one->dlpi_addr + one->dlpi_phdr[i].p_vaddr);
  return 0;
}

// As a POSIX shell takes it for one word.
std::string shell_word(std::string const& text) {
  std::string quoted = "'";
  for (char const c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

command_line joined(command_line front, command_line const& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

command_line told_by_stdin(command_line program) {
  return joined(std::move(program), {std::string(runtime_detail::compare_flag), "-"});
}

environment podman(root_folder const& root, command_line const& with) {
  // What it asks for by default is more than somebody may have who is in a container already.
  command_line command{"podman",    "run",
                       "--rm",      "--interactive",
                       "--network", "none",
                       "--ulimit",  "nofile=1024:1024",
                       "--ulimit",  "nproc=4096:4096",
                       "--name",    root.name()};
  for (auto const& path : with) command = joined(std::move(command), {"--volume", path + ":" + path + ":ro"});
  command = joined(std::move(command), {"--rootfs", root.path()});
  // One whose client was killed goes on.
  return {.name = "podman",
          .command = joined(std::move(command), told_by_stdin(root.command())),
          .after = {{"podman", "rm", "--force", "--ignore", root.name()}}};
}

// It runs images alone, and makes one of an archive.
environment docker(root_folder const& root, command_line const& with) {
  auto const image = "yonder-compare:" + root.name();
  command_line command{"docker", "run", "--rm", "--interactive", "--network", "none", "--name", root.name()};
  for (auto const& path : with) command = joined(std::move(command), {"--volume", path + ":" + path + ":ro"});
  command.push_back(image);
  return {.name = "docker",
          .command = joined(std::move(command), told_by_stdin(root.command())),
          .before = {{"docker", "version"},  // whether its daemon answers
                     {"tar", "-C", root.path(), "--owner=0", "--group=0", "-cf", root.archive(), "."},
                     {"docker", "import", root.archive(), image}},
          .after = {{"docker", "rm", "--force", root.name()}, {"docker", "rmi", "--force", image}}};
}

// By either of its names.
command_line apptainer(root_folder const& root, command_line const& with) {
  bool const has_older = !is_on_path("apptainer") && is_on_path("singularity");
  command_line command{has_older ? "singularity" : "apptainer", "--quiet", "exec", "--containall"};
  for (auto const& path : with) command = joined(std::move(command), {"--bind", path + ":" + path + ":ro"});
  command.push_back(root.path());
  return joined(std::move(command), told_by_stdin(root.command()));
}

command_line charliecloud(root_folder const& root, command_line const& with) {
  command_line command{"ch-run", "--private-tmp"};
  for (auto const& path : with) command.push_back("--bind=" + path + ":" + path);
  return joined(joined(std::move(command), {root.path(), "--"}), told_by_stdin(root.command()));
}

command_line ssh(std::string const& host, command_line const& program) {
  std::string line;
  for (auto const& word : told_by_stdin(program)) line += (line.empty() ? "" : " ") + shell_word(word);
  return {"ssh", "-T", "-o", "BatchMode=yes", host, line};
}

void make_mount_point(fs::path const& at, bool is_folder) {
  fs::create_directories(is_folder ? at : at.parent_path());
  if (!is_folder) std::ofstream{at};
}

}  // namespace

bool is_on_path(std::string const& program) {
  auto const* const path = ::getenv("PATH");
  for (std::string_view rest = path != nullptr ? path : ""; !rest.empty();) {
    auto const end = std::min(rest.find(':'), rest.size());
    if (::access((std::string(rest.substr(0, end)) + "/" + program).c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

root_folder::root_folder(std::string const& program, std::vector<std::string> const& with)
    : path_((fs::temp_directory_path() / "yonder-root-XXXXXX").string()) {
  if (::mkdtemp(path_.data()) == nullptr) platform::throw_errno("mkdtemp");
  try {
    fs::path const root(path_);
    // The places where container engines mount things.
    for (auto const* folder : {"bin", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "run",
                               "sbin", "srv", "sys", "tmp", "usr/bin", "var/tmp"})
      fs::create_directories(root / folder);
    for (auto const* file : {"etc/passwd", "etc/group", "etc/hosts", "etc/resolv.conf"})
      std::ofstream(root / file);
    fs::create_directories(path_ + home);
    for (auto const& path : with) make_mount_point(path_ + path, fs::is_directory(path));
    loaded_files loaded;
    ::dl_iterate_phdr(&add_loaded, &loaded);
    fs::copy_file(program, path_ + program_within);
    for (auto const& library : loaded.libraries)
      fs::copy_file(library, fs::path(path_ + home) / fs::path(library).filename(),
                    fs::copy_options::overwrite_existing);
    has_loader_ = !loaded.loader.empty();
    if (has_loader_) fs::copy_file(loaded.loader, path_ + loader, fs::copy_options::overwrite_existing);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    throw;
  }
}

root_folder::~root_folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  fs::remove(archive(), ignored);
}

std::string root_folder::name() const { return fs::path(path_).filename().string(); }

std::vector<std::string> root_folder::command() const {
  if (!has_loader_) return {program_within};
  return {loader, "--library-path", home, program_within};
}

std::vector<environment> environments_of(order const& wanted, command_line const& program,
                                         root_folder const& root) {
  std::vector<environment> all{{.name = "this process", .command = told_by_stdin(program)},
                               {.name = "worker", .command = told_by_stdin(program), .in_process = false},
                               podman(root, wanted.with),
                               docker(root, wanted.with),
                               {.name = "apptainer", .command = apptainer(root, wanted.with)},
                               {.name = "charliecloud", .command = charliecloud(root, wanted.with)}};
  for (auto const& host : wanted.hosts)
    all.push_back({.name = "ssh " + host, .command = ssh(host, program), .is_here = false});
  command_line const srun{"srun", "--quiet", "--ntasks=1", "--job-name=yonder-compare"};
  all.push_back({.name = "SLURM", .command = joined(srun, told_by_stdin(program)), .is_here = false});
  for (auto const& [name, command] : wanted.also)
    all.push_back({.name = name, .command = joined(command, told_by_stdin(program)), .is_here = false});
  return all;
}

}  // namespace yonder::http::compare
