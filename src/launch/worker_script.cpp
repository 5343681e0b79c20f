// SPDX-License-Identifier: Apache-2.0
#include "src/launch/command_runner.hpp"
#include "src/launch/launcher.hpp"

namespace yonder::launch {

std::string worker_script(start_request const& wanted) {
  std::string text = "#!/bin/sh\n# Starts one worker of yonder, once. It holds a key: keep it to yourself.\n";
  for (auto const& variable : wanted.environment) {
    auto const at = variable.find('=');
    text += "export " + variable.substr(0, at) + "=" + shell_line({variable.substr(at + 1)}) + "\n";
  }
  text += "exec " + shell_line(wanted.worker) + " <<'end of the order'\n";
  return text + runtime_detail::encode_worker_order(wanted.order) + "end of the order\n";
}

}  // namespace yonder::launch
