// SPDX-License-Identifier: Apache-2.0
#include "src/platform/own_image.hpp"

#include <link.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>

namespace yonder::platform {
namespace {

constexpr char kernels_link[] = "/proc/self/exe";

std::string real_path(char const* path) {
  std::unique_ptr<char, void (*)(void*)> const real(path != nullptr ? ::realpath(path, nullptr) : nullptr,
                                                    &::free);
  return real != nullptr ? real.get() : "";
}

std::string link_target(char const* path) {
  std::string target(4096, '\0');
  auto const size = ::readlink(path, target.data(), target.size());
  target.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return target;
}

// The kernel started the loader, which then loaded us: a program that names a loader, without one that the
// kernel would have mapped beside it.
bool came_through_loader() noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the auxiliary vector holds numbers
  auto const* const headers = reinterpret_cast<ElfW(Phdr) const*>(::getauxval(AT_PHDR));
  auto const* const end = headers + ::getauxval(AT_PHNUM);
  return ::getauxval(AT_BASE) == 0 &&
         std::any_of(headers, end, [](auto& one) { return one.p_type == PT_INTERP; });
}

std::vector<std::string> command_line() {
  std::vector<std::string> words;
  std::ifstream file("/proc/self/cmdline");
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

}  // namespace

own_image::own_image(int argc, char** argv) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the auxiliary vector holds numbers
  auto program = real_path(reinterpret_cast<char const*>(::getauxval(AT_EXECFN)));
  path_ = link_target(kernels_link);
  if (came_through_loader()) {
    if (program == path_) program = real_path(::program_invocation_name);  // of a loader that leaves it so
    // ld.so [its options] program [our arguments]: all but the last.
    arguments_ = command_line();
    auto const ours = static_cast<std::size_t>(std::max(argc, 1));
    if (path_.empty() || program.empty() || arguments_.size() <= ours) {
      path_.clear();
      return;
    }
    arguments_.resize(arguments_.size() - ours);
    arguments_.push_back(program);
  } else {
    if (path_.empty()) path_ = program;
    arguments_.emplace_back(argc > 0 ? argv[0] : ::program_invocation_name);
  }
  file_ = identity_of(path_);
}

own_image::identity own_image::identity_of(std::string const& path) noexcept {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? identity{status.st_dev, status.st_ino} : identity{};
}

// By name where the file is still there: the link is of another program under a tool that runs ours
// (Valgrind). By the link where it has been moved, replaced, or lies where we may not look.
own_image::command own_image::start() const {
  bool const in_place = !path_.empty() && file_ != identity{} && identity_of(path_) == file_;
  if (in_place) return {path_, arguments_};
  if (::access(kernels_link, X_OK) == 0 && !arguments_.empty()) return {kernels_link, arguments_};
  return {};
}

bool has_raised_rights() noexcept { return ::getauxval(AT_SECURE) != 0; }

}  // namespace yonder::platform
