// SPDX-License-Identifier: Apache-2.0
//
// slurm_hub CALLS MILLISECONDS FILE [idempotent]: so many calls that take so long each, by workers that are
// started as $YONDER_LAUNCH says. Each writes a line to FILE: its number, its job and its GPUs. Says how many
// were answered, and when no worker is left. Its operator comes in by ipc, to $YONDER_IPC, if that is set.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "yonder/launch.hpp"
#include "yonder/yonder.hpp"

using namespace std::chrono_literals;

std::string variable(char const* name) {
  char const* const value = std::getenv(name);
  return value == nullptr ? "none" : value;
}

int work(int number, int milliseconds, std::string const& file) {
  auto const line = std::to_string(number) + " " + variable("SLURM_JOB_ID") + " " +
                    variable("CUDA_VISIBLE_DEVICES") + " " + variable("SLURMD_NODENAME") + "\n";
  auto const fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  auto const written = ::write(fd, line.data(), line.size());
  ::close(fd);
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return written == static_cast<ssize_t>(line.size()) ? number : -1;
}
inline constexpr yonder::task<work> working;

int main(int argc, char** argv) {
  auto const log = [](std::string_view line) { std::cout << "log: " << line << std::endl; };
  std::vector<std::string> bind{"tcp://127.0.0.1:*"};
  if (auto const* const ipc = std::getenv("YONDER_IPC"); ipc != nullptr) bind.emplace_back(ipc);
  yonder::runtime here(argc, argv, {.scaledown_window = 1s, .bind = std::move(bind), .log = log});
  auto const count = std::atoi(argv[1]), milliseconds = std::atoi(argv[2]);
  yonder::options options;
  if (argc > 4) options.idempotent = true;
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < count; ++i) calls.push_back(working.with(options).spawn(i, milliseconds, argv[3]));
  int answered = 0;
  for (int i = 0; i < count; ++i) try {
      answered += calls[static_cast<std::size_t>(i)].get() == i ? 1 : 0;
    } catch (yonder::error const& error) {
      std::cout << "failed: " << error.what() << std::endl;
    }
  std::cout << answered << " answered" << std::endl;
  while (here.pools().front().workers != 0) std::this_thread::sleep_for(10ms);
  std::cout << "no worker left" << std::endl;
}
