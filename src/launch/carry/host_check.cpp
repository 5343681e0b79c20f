// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/host_check.hpp"

#include <exception>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "src/launch/carry/carrier.hpp"
#include "src/launch/ssh_launcher.hpp"

namespace yonder::launch {

namespace {

cargo load(host_check const& wanted) try {
  return load_cargo(wanted.program.empty() ? "/proc/self/exe" : wanted.program);
} catch (std::exception const& fault) {
  throw std::invalid_argument(fault.what());
}

far_machine ask_host(host_check const& wanted, far_step step, std::vector<std::string> const& words) {
  auto const poller = platform::make_poller();
  command_runner runner(*poller);
  command_result result;
  runner.run({.command = ssh_line(wanted.options, wanted.host, far_line(step, words), false),
              .keeps = std::size_t{1} << 20,
              .timeout = look_patience,
              .done = [&](command_result&& got) { result = std::move(got); }});
  runner.work_until(never);
  if (!result.succeeded()) throw std::runtime_error(text_of(result, "a look at the machine"));
  far_machine machine;
  if (auto const wrong = read_far_machine(result.output, machine); !wrong.empty())
    throw std::runtime_error(wrong + "\n" + text_of(result, "a look at the machine"));
  return machine;
}

// It is expected there under the path that it has here.
finding examine_installed(host_check const& wanted, cargo const& all) {
  namespace fs = std::filesystem;
  auto const path = wanted.program.empty() ? fs::read_symlink("/proc/self/exe")
                                           : fs::absolute(program_file(wanted.program));
  auto const program = path.string();
  auto const trouble = ask_host(wanted, far_step::installed, {all.needs.loader, program}).program_trouble;
  if (trouble.empty()) return {"program", program, program};
  return {"program", program, trouble, finding::verdict::refused,
          "install it there, with its libraries, or have it carried (carry = true)"};
}

}  // namespace

std::vector<finding> examine_host(host_check const& wanted) {
  if (auto const wrong = fault_of(ssh{.hosts = {{.name = wanted.host}}}); !wrong.empty())
    throw std::invalid_argument(wrong);
  auto const all = load(wanted);
  auto const machine = ask_host(wanted, far_step::look, look_words(all, wanted.cache, wanted.hub));
  auto found =
      examine(all, machine, {.gpu = wanted.gpu, .carries = !wanted.installed, .hub = !wanted.hub.empty()});
  if (wanted.installed) found.insert(found.begin(), examine_installed(wanted, all));
  return found;
}

}  // namespace yonder::launch
