// SPDX-License-Identifier: Apache-2.0
#include "src/core/words.hpp"
#include "src/launch/command_runner.hpp"
#include "src/launch/launcher.hpp"

namespace yonder::launch {

// All of it is one text: a line that sources a file (conda's activate, say) must not find what follows among
// its own arguments, nor may what it does to these lose that.
std::vector<std::string> run_behind(std::vector<std::string> const& lines,
                                    std::vector<std::string> const& environment,
                                    std::vector<std::string> command) {
  if (lines.empty()) return command;
  std::string text;
  for (auto const& line : lines) text += "eval " + shell_line({line}) + " </dev/null || exit; ";
  if (!environment.empty()) {
    command.insert(command.begin(), environment.begin(), environment.end());
    command.insert(command.begin(), "env");
  }
  return {"sh", "-lc", text + "exec " + shell_line(command)};
}

std::vector<std::string> of_build(std::vector<std::string> worker, std::uint64_t build) {
  auto const text = build == 0 ? std::string("any") : core::build_in_digits(build);
  for (auto& word : worker)
    for (auto at = word.find(build_placeholder); at != std::string::npos;
         at = word.find(build_placeholder, at + text.size()))
      word.replace(at, build_placeholder.size(), text);
  return worker;
}

std::string worker_script(start_request const& wanted) {
  std::string text = "#!/bin/sh\n# Starts one worker of yonder, once. It holds a key: keep it to yourself.\n";
  for (auto const& variable : wanted.environment) {
    auto const at = variable.find('=');
    text += "export " + variable.substr(0, at) + "=" + shell_line({variable.substr(at + 1)}) + "\n";
  }
  auto const ends = !wanted.order.end.empty();
  text += (ends ? "" : "exec ") + shell_line(run_behind(wanted.before, wanted.environment, wanted.worker)) +
          " <<'end of the order'" + (ends ? " &\n" : "\n");
  text += runtime_detail::encode_worker_order(wanted.order) + "end of the order\n";
  if (!ends) return text;
  return text +
         "worker=$!\n"
         "trap 'kill -TERM $worker 2>/dev/null' TERM HUP\n"
         "while wait $worker; status=$?; kill -0 $worker 2>/dev/null; do :; done\n"
         "# Killed, or never started, it has not ended the machine itself.\n"
         "[ $status = 0 ] || until " +
         shell_line(wanted.order.end) + "; do sleep 10; done\n" + "exit $status\n";
}

}  // namespace yonder::launch
