// SPDX-License-Identifier: Apache-2.0
#include "src/launch/group_guard.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "src/platform/descriptors.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/no_sigpipe.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::launch {
namespace {

constexpr char guard_script[] =
    "trap '' HUP INT QUIT TERM\n"
    "groups=\n"
    "while read -r what group; do\n"
    "  others=\n"
    "  for one in $groups; do [ \"$one\" = \"$group\" ] || others=\"$others $one\"; done\n"
    "  groups=$others\n"
    "  [ \"$what\" = - ] || groups=\"$groups $group\"\n"
    "done\n"
    "for one in $groups; do kill -s TERM -- \"-$one\" 2>/dev/null; done\n"
    "[ -z \"$groups\" ] || sleep 2\n"
    "for one in $groups; do kill -s KILL -- \"-$one\" 2>/dev/null; done\n";

}  // namespace

group_guard::~group_guard() {
  if (!process_) return;
  platform::close_in_no_fork(words_.get());
  words_.reset();
  process_->wait();
}

void group_guard::watch(pid_t leader) {
  if (!process_) try {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC) != 0) return;
      auto const readable = platform::above_standard(platform::unique_fd(ends[0]));
      words_ = platform::above_standard(platform::unique_fd(ends[1]));
      auto const nothing = platform::open_nothing(O_WRONLY);  // whoever reads of us does not wait for it
      if (!readable || !words_ || !nothing) return;
      process_ = platform::spawn({.path = "/bin/sh",
                                  .arguments = {"sh", "-c", guard_script},
                                  .input = readable.get(),
                                  .output = nothing.get()});
      platform::close_in_forks(words_.get());
    } catch (std::exception const&) {
      return;
    }
  say('+', leader);
}

void group_guard::say(char what, pid_t group) {
  if (!process_) return;
  platform::no_sigpipe const quiet;
  auto const line = std::string(1, what) + " " + std::to_string(group) + "\n";
  [[maybe_unused]] auto const written =
      platform::retry([&] { return ::write(words_.get(), line.data(), line.size()); });
}

}  // namespace yonder::launch
