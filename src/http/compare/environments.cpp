// SPDX-License-Identifier: Apache-2.0
#include "src/http/compare/environments.hpp"

#include <link.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
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

using words = std::vector<std::string>;

words joined(words front, words const& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

words told_by_stdin(words program) {
  return joined(std::move(program), {std::string(runtime_detail::compare_flag), "-"});
}

words podman(root_folder const& root, words const& with) {
  // What it asks for by default is more than somebody may have who is in a container already.
  words command{
      "podman",           "run",      "--rm",           "--interactive", "--network", "none", "--ulimit",
      "nofile=1024:1024", "--ulimit", "nproc=4096:4096"};
  for (auto const& path : with) command = joined(std::move(command), {"--volume", path + ":" + path + ":ro"});
  return joined(joined(std::move(command), {"--rootfs", root.path()}), told_by_stdin(root.command()));
}

words charliecloud(root_folder const& root, words const& with) {
  words command{"ch-run", "--private-tmp"};
  for (auto const& path : with) command.push_back("--bind=" + path + ":" + path);
  return joined(joined(std::move(command), {root.path(), "--"}), told_by_stdin(root.command()));
}

words ssh(std::string const& host, words const& program) {
  std::string line;
  for (auto const& word : told_by_stdin(program)) line += (line.empty() ? "" : " ") + shell_word(word);
  return {"ssh", "-T", "-o", "BatchMode=yes", host, line};
}

void make_mount_point(fs::path const& at, bool is_folder) {
  fs::create_directories(is_folder ? at : at.parent_path());
  if (!is_folder) std::ofstream{at};
}

}  // namespace

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
}

std::vector<std::string> root_folder::command() const {
  if (!has_loader_) return {program_within};
  return {loader, "--library-path", home, program_within};
}

std::vector<environment> environments_of(order const& wanted, words const& program, root_folder const& root) {
  std::vector<environment> all{{.name = "this process", .command = told_by_stdin(program)},
                               {.name = "worker", .command = told_by_stdin(program), .in_process = false},
                               {.name = "podman", .command = podman(root, wanted.with)},
                               {.name = "charliecloud", .command = charliecloud(root, wanted.with)}};
  for (auto const& host : wanted.hosts)
    all.push_back({.name = "ssh " + host, .command = ssh(host, program), .is_here = false});
  words const srun{"srun", "--quiet", "--ntasks=1", "--job-name=yonder-compare"};
  all.push_back({.name = "SLURM", .command = joined(srun, told_by_stdin(program)), .is_here = false});
  for (auto const& [name, command] : wanted.also)
    all.push_back({.name = name, .command = joined(command, told_by_stdin(program)), .is_here = false});
  return all;
}

}  // namespace yonder::http::compare
