// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/host_check.hpp"

#include <stdexcept>

#include "src/launch/carry/carrier.hpp"
#include "src/launch/ssh_launcher.hpp"

namespace yonder::launch {

std::vector<finding> examine_host(host_check const& wanted) {
  if (auto const wrong = fault_of(ssh{.hosts = {{.name = wanted.host}}}); !wrong.empty())
    throw std::runtime_error(wrong);
  auto const all = load_cargo(wanted.program.empty() ? "/proc/self/exe" : wanted.program);
  auto const poller = platform::make_poller();
  command_runner runner(*poller);
  command_result result;
  runner.run({.command = ssh_line(wanted.options, wanted.host,
                                  far_line(far_step::look, look_words(all, wanted.cache, wanted.hub)), false),
              .timeout = look_patience,
              .done = [&](command_result&& got) { result = std::move(got); }});
  runner.work_until(never);
  if (!result.succeeded()) throw std::runtime_error(text_of(result, "a look at the machine"));
  far_machine machine;
  if (auto const wrong = read_far_machine(result.output, machine); !wrong.empty())
    throw std::runtime_error(wrong + "\n" + text_of(result, "a look at the machine"));
  return examine(all, machine, {.gpu = wanted.gpu, .carries = !wanted.installed, .hub = !wanted.hub.empty()});
}

}  // namespace yonder::launch
