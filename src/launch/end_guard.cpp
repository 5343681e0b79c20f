// SPDX-License-Identifier: Apache-2.0
#include "src/launch/end_guard.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "src/platform/descriptors.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/no_sigpipe.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::launch {
namespace {

constexpr std::string_view guard_script =
    "trap '' HUP INT QUIT TERM\n"
    "all=\n"
    "while read -r how what; do\n"
    "  others=\n"
    "  for one in $all; do [ \"$one\" = \"$what\" ] || others=\"$others $one\"; done\n"
    "  all=$others\n"
    "  [ \"$how\" = - ] || all=\"$all $what\"\n"
    "done\n"
    "[ -n \"$all\" ] || exit 0\n";

}  // namespace

end_guard::~end_guard() {
  if (!process_) return;
  platform::close_in_no_fork(words_.get());
  words_.reset();
  process_->wait();
}

void end_guard::add(std::string_view what) {
  if (!process_) try {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC) != 0) return;
      auto const readable = platform::above_standard(platform::unique_fd(ends[0]));
      words_ = platform::above_standard(platform::unique_fd(ends[1]));
      auto const nothing = platform::open_nothing(O_WRONLY);  // whoever reads of us does not wait for it
      if (!readable || !words_ || !nothing) return;
      process_ = platform::spawn({.path = "/bin/sh",
                                  .arguments = {"sh", "-c", std::string(guard_script) + lines_},
                                  .input = readable.get(),
                                  .output = nothing.get()});
      platform::close_in_forks(words_.get());
    } catch (std::exception const&) {
      return;
    }
  say('+', what);
}

void end_guard::say(char how, std::string_view what) {
  if (!process_) return;
  platform::no_sigpipe const quiet;
  auto const line = std::string(1, how) + " " + std::string(what) + "\n";
  [[maybe_unused]] auto const written =
      platform::retry([&] { return ::write(words_.get(), line.data(), line.size()); });
}

std::string end_groups() {
  return "for one in $all; do kill -s TERM -- \"-$one\" 2>/dev/null; done\n"
         "sleep 2\n"
         "for one in $all; do kill -s KILL -- \"-$one\" 2>/dev/null; done\n";
}

}  // namespace yonder::launch
