// SPDX-License-Identifier: Apache-2.0
#include <iterator>

#include "src/launch/command_runner.hpp"
#include "src/launch/launcher.hpp"

namespace yonder::launch {

std::vector<std::string> run_behind(std::vector<std::string> const& lines, std::vector<std::string> command) {
  if (lines.empty()) return command;
  std::vector<std::string> words{
      "sh", "-lc",
      "while [ \"$1\" != -- ]; do eval \"$1\" </dev/null || exit; shift; done; shift; exec \"$@\"", "yonder"};
  words.insert(words.end(), lines.begin(), lines.end());
  words.emplace_back("--");
  words.insert(words.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return words;
}

std::string worker_script(start_request const& wanted) {
  std::string text = "#!/bin/sh\n# Starts one worker of yonder, once. It holds a key: keep it to yourself.\n";
  for (auto const& variable : wanted.environment) {
    auto const at = variable.find('=');
    text += "export " + variable.substr(0, at) + "=" + shell_line({variable.substr(at + 1)}) + "\n";
  }
  auto const ends = !wanted.order.end.empty();
  text += (ends ? "" : "exec ") + shell_line(run_behind(wanted.before, wanted.worker)) +
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
